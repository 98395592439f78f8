/** A closed loop: a fixed number of entries is under way all the time. */
import { higher, lower, type Scenario } from "../scenario.ts";

export const closedLoops: readonly Scenario[] = [1, 64, 1_000].map((outstanding) => ({
  name: `closed-${outstanding}`,
  about: `one client, ${outstanding.toLocaleString("en")} entries of 100 B outstanding`,
  main: true,
  settings: { outstanding, size: 100, nodes: 3 },
  async run(bench) {
    const cluster = await bench.cluster();
    const result = await bench.load(cluster, { outstanding, size: 100, seconds: bench.seconds });
    return {
      figures: [
        higher("entries", result.entriesPerSecond, "/s"),
        lower("p50", result.p50Us / 1_000, "ms"),
        lower("p99", result.p99Us / 1_000, "ms"),
        lower("max", result.maxUs / 1_000, "ms"),
      ],
      verified: result.verified,
    };
  },
}));
