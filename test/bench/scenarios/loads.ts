/** One cluster, one load: entries per second and latencies by how much is under way, how large the
 *  entries are and from how many clients they come. */
import type { Cluster } from "../cluster.ts";
import type { LoadOptions, LoadResult } from "../drive.ts";
import { higher, lower, type Bench, type Measured, type Scenario } from "../scenario.ts";

type Load = Omit<LoadOptions, "seconds"> & { readonly size: number };

const NODES = 3;
/** What a cluster does before it is measured, seconds: its code is compiled as it runs. */
const FIRST_SECONDS = 1;

export const loads: readonly Scenario[] = [
  scenario("closed-1", "1 entry of 100 B outstanding", { outstanding: 1, size: 100 }, true),
  scenario("closed-64", "64 entries of 100 B outstanding", { outstanding: 64, size: 100 }, true),
  scenario("closed-1000", "1,000 of 100 B outstanding", { outstanding: 1_000, size: 100 }, true),
  scenario("closed-10000", "10,000 of 100 B outstanding", { outstanding: 10_000, size: 100 }, true),
  scenario(
    "clients-1000",
    "1,000 sessions, one entry of 100 B outstanding each",
    { clients: 1_000, outstanding: 1_000, size: 100 },
    true,
  ),
  scenario(
    "open-5000",
    "5,000 entries of 100 B a second; latencies from when each was due",
    { rate: 5_000, size: 100 },
    true,
  ),
  scenario("size-16", "1,000 of 16 B outstanding", { outstanding: 1_000, size: 16 }, false),
  scenario("size-1k", "1,000 of 1 KiB outstanding", { outstanding: 1_000, size: 1_024 }, true),
  scenario("size-1k-64", "64 of 1 KiB outstanding", { outstanding: 64, size: 1_024 }, false),
  scenario("size-64k", "64 of 64 KiB outstanding", { outstanding: 64, size: 65_536 }, true),
  scenario("size-64k-1000", "1,000 of 64 KiB", { outstanding: 1_000, size: 65_536 }, false),
  scenario("size-1m", "16 of 1 MiB outstanding", { outstanding: 16, size: 1_048_576 }, false),
];

function scenario(name: string, about: string, load: Load, main: boolean): Scenario {
  return {
    name,
    about,
    main,
    settings: { ...load, nodes: NODES },
    async run(bench) {
      const cluster = await bench.cluster({ nodes: NODES });
      const result = await loadWarm(bench, cluster, load);
      return { figures: loadFigures(result), verified: result.verified };
    },
  };
}

/** The figures of a cluster that has done the same for a while; what it wrote then is verified,
 *  too. */
export async function loadWarm(
  bench: Bench,
  cluster: Cluster,
  load: Omit<LoadOptions, "seconds">,
): Promise<LoadResult> {
  const first = await bench.load(cluster, { ...load, seconds: FIRST_SECONDS });
  const result = await bench.load(cluster, { ...load, seconds: bench.seconds });
  return { ...result, verified: first.verified + result.verified };
}

/** What every load is told by. */
export function loadFigures(result: LoadResult): readonly Measured[] {
  const ms = (us: number) => us / 1_000;
  return [
    higher("entries", result.entriesPerSecond, "/s"),
    higher("log", result.bytesPerSecond / 1_000_000, "MB/s"),
    lower("p50", ms(result.p50Us), "ms"),
    lower("p90", ms(result.p90Us), "ms"),
    lower("p99", ms(result.p99Us), "ms"),
    lower("p99.9", ms(result.p999Us), "ms"),
    lower("max", ms(result.maxUs), "ms"),
  ];
}
