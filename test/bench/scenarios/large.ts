/** The largest entries beside a client that sends small ones: a stream of them, and far more than
 *  the cluster takes. */
import { LibraryLoad } from "../library-load.ts";
import { higher, lower, type Scenario } from "../scenario.ts";

const SMALL_BYTES = 100;
const LARGE_BYTES = 1_048_576;
const LARGE_OUTSTANDING = 4;
const WARM_UP_SECONDS = 0.5;
const FLOOD_CLIENTS = 15;
const FLOOD_OUTSTANDING = 30 * FLOOD_CLIENTS;

export const larges: readonly Scenario[] = [
  {
    name: "large-beside-small",
    about: "1 small entry outstanding, alone and beside a stream of 1 MiB entries",
    main: false,
    settings: {
      size: SMALL_BYTES,
      large: LARGE_BYTES,
      largeOutstanding: LARGE_OUTSTANDING,
      nodes: 3,
    },
    async run(bench) {
      const cluster = await bench.cluster();
      const small = new LibraryLoad(await cluster.connect(), SMALL_BYTES);
      const large = new LibraryLoad(await cluster.connect(), LARGE_BYTES);
      const seconds = bench.seconds / 2;
      const alone = await small.run(1, seconds, WARM_UP_SECONDS);
      const [beside, stream] = await Promise.all([
        small.run(1, seconds, WARM_UP_SECONDS),
        large.run(LARGE_OUTSTANDING, seconds, WARM_UP_SECONDS),
      ]);
      return {
        figures: [
          lower("p50 alone", alone.p50Us / 1_000, "ms"),
          lower("p99 alone", alone.p99Us / 1_000, "ms"),
          lower("p50 beside", beside.p50Us / 1_000, "ms"),
          lower("p99 beside", beside.p99Us / 1_000, "ms"),
          higher("large", stream.bytesPerSecond / 1e6, "MB/s"),
        ],
        verified: (await small.verify()) + (await large.verify()),
      };
    },
  },
  {
    name: "flood",
    about: "1 small entry outstanding beside 15 clients with 30 entries of 1 MiB each",
    main: false,
    settings: {
      size: SMALL_BYTES,
      large: LARGE_BYTES,
      clients: FLOOD_CLIENTS,
      largeOutstanding: FLOOD_OUTSTANDING,
      nodes: 3,
    },
    async run(bench) {
      const cluster = await bench.cluster();
      const watcher = await cluster.connect();
      const term = async (): Promise<number> => (await watcher.leader({ wait: true })).term;
      const small = new LibraryLoad(watcher, SMALL_BYTES);
      const [first, ...others] = await Promise.all(
        Array.from({ length: FLOOD_CLIENTS }, () => cluster.connect()),
      );
      if (first === undefined) throw new Error("there is no client");
      const large = new LibraryLoad([first, ...others], LARGE_BYTES);
      const before = await term();
      const stop = small.start(1);
      const stream = await large.run(FLOOD_OUTSTANDING, bench.seconds, WARM_UP_SECONDS);
      const beside = await stop();
      const peaks = [...cluster.use().values()].map(({ rssPeakBytes }) => rssPeakBytes / 1e6);
      return {
        figures: [
          lower("more terms", (await term()) - before, ""),
          lower("p50 of small", beside.p50Us / 1_000, "ms"),
          lower("longest small", beside.maxUs / 1_000, "ms"),
          higher("large", stream.bytesPerSecond / 1e6, "MB/s"),
          lower("peak of a node", Math.max(...peaks), "MB"),
        ],
        verified: (await small.verify()) + (await large.verify()),
      };
    },
  },
];
