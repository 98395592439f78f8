/** A stream of the largest entries beside a client that sends small ones. */
import { LibraryLoad } from "../library-load.ts";
import { higher, lower, type Scenario } from "../scenario.ts";

const SMALL_BYTES = 100;
const LARGE_BYTES = 1_048_576;
const LARGE_OUTSTANDING = 4;
const WARM_UP_SECONDS = 0.5;

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
];
