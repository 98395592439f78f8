/** One cluster, one load: entries per second and latencies by how much is under way, how large the
 *  entries are and from how many clients they come. */
import type { LoadOptions, LoadResult } from "../drive.ts";
import { higher, lower, type Measured, type Scenario } from "../scenario.ts";

type Load = Omit<LoadOptions, "seconds"> & { readonly size: number };

const NODES = 3;
/** What a cluster does before it is measured: the runtime compiles the nodes' code as it runs, and
 *  until they have taken some 500,000 entries they become faster (84,000, 110,000, 137,000 a second
 *  in the first three loads of 3 s, and no more after that). */
export const FIRST_LOAD = { outstanding: 1_000, size: 100, seconds: 4 } as const;

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
    false,
  ),
  scenario("size-16", "1,000 of 16 B outstanding", { outstanding: 1_000, size: 16 }, false),
  scenario("size-1k", "1,000 of 1 KiB outstanding", { outstanding: 1_000, size: 1_024 }, true),
  scenario("size-1k-64", "64 of 1 KiB outstanding", { outstanding: 64, size: 1_024 }, false),
  scenario("size-64k", "64 of 64 KiB outstanding", { outstanding: 64, size: 65_536 }, false),
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
      const first = await bench.load(cluster, FIRST_LOAD);
      const result = await bench.load(cluster, { ...load, seconds: bench.seconds });
      return { figures: loadFigures(result), verified: first.verified + result.verified };
    },
  };
}

/** What every load is told by. */
function loadFigures(result: LoadResult): readonly Measured[] {
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
