/** A stream of the largest entries beside a client that sends small ones. */
import { sleep } from "../../e2e/world.ts";
import { ClosedLoop } from "../closed-loop.ts";
import { higher, lower, type Scenario } from "../scenario.ts";

const LARGE_BYTES = 1_048_576;
const LARGE_OUTSTANDING = 4;
const SETTLE_MS = 500;

export const larges: readonly Scenario[] = [
  {
    name: "large-beside-small",
    about: "1 small entry outstanding, alone and beside a stream of 1 MiB entries",
    main: true,
    settings: { size: 100, large: LARGE_BYTES, largeOutstanding: LARGE_OUTSTANDING, nodes: 3 },
    async run(bench) {
      const cluster = await bench.cluster();
      const small = new ClosedLoop(await cluster.connect(), 100);
      const reader = await cluster.connect();
      const large = new ClosedLoop(await cluster.connect(), LARGE_BYTES);
      const slice = async () => {
        await sleep(SETTLE_MS);
        small.take();
        large.take();
        await sleep(bench.seconds * 500);
        return { small: small.take(), large: large.take() };
      };
      small.start(1);
      const alone = await slice();
      large.start(LARGE_OUTSTANDING);
      const beside = await slice();
      await Promise.all([small.stop(), large.stop()]);
      let verified = 0;
      for await (const { bytes } of reader.log()) {
        const letter = "l".charCodeAt(0);
        if (bytes[0] !== letter || bytes.at(-1) !== letter) throw new Error("an entry is damaged");
        verified++;
      }
      return {
        figures: [
          lower("p50 alone", alone.small.p50Ms, "ms"),
          lower("p99 alone", alone.small.p99Ms, "ms"),
          lower("p50 beside", beside.small.p50Ms, "ms"),
          lower("p99 beside", beside.small.p99Ms, "ms"),
          higher("large", (beside.large.entriesPerSecond * LARGE_BYTES) / 1e6, "MB/s"),
        ],
        verified,
      };
    },
  },
];
