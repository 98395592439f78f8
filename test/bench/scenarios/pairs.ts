/** Two clusters that run at the same time and are loaded in turns, a slice of a second each: what
 *  another setting costs, as a ratio between neighbours in time. The one that rests sends its
 *  heartbeats, in both cases alike. */
import type { Cluster, ClusterOptions } from "../cluster.ts";
import type { LoadResult } from "../drive.ts";
import { median } from "../report.ts";
import { higher, lower, type Bench, type RunResult, type Scenario } from "../scenario.ts";

interface Pair {
  readonly outstanding: number;
  readonly nodes: number;
  /** Datagrams of so many bytes; 0: as they are without the flag. */
  readonly mtu: number;
  /** Nodes that are killed beforehand. */
  readonly dead: number;
}

const USUAL = { nodes: 3, mtu: 0, dead: 0 } as const;
const SIZE = 100;
/** Loads of each cluster in a run; they share the seconds of measuring. */
const SLICES = 4;
const SLICE_SECONDS_MIN = 0.25;

export const pairs: readonly Scenario[] = [
  scenario("dead-follower", "one of three nodes is dead", { dead: 1 }, 1_000, true),
  scenario("dead-follower-64", "one of three nodes is dead", { dead: 1 }, 64, false),
  scenario("nodes-5", "five nodes", { nodes: 5 }, 1_000, true),
  scenario("nodes-7", "seven nodes", { nodes: 7 }, 1_000, false),
  scenario("nodes-5-1", "five nodes", { nodes: 5 }, 1, false),
  scenario("mtu-1200-1", "datagrams of 1,200 bytes", { mtu: 1_200 }, 1, false),
  scenario("mtu-1200-64", "datagrams of 1,200 bytes", { mtu: 1_200 }, 64, false),
  scenario("mtu-1200", "datagrams of 1,200 bytes", { mtu: 1_200 }, 1_000, false),
];

function scenario(
  name: string,
  about: string,
  change: Partial<Pair>,
  outstanding: number,
  main: boolean,
): Scenario {
  const pair: Pair = { ...USUAL, ...change, outstanding };
  return {
    name,
    about: `${about}, beside a usual cluster, in turns; ${outstanding.toLocaleString("en")} outstanding`,
    main,
    settings: { ...pair, size: SIZE, slices: SLICES },
    run: (bench, round) => run(bench, pair, round),
  };
}

async function run(bench: Bench, pair: Pair, round: number): Promise<RunResult> {
  const { outstanding } = pair;
  const usual = await bench.cluster({ nodes: USUAL.nodes });
  const other = await bench.cluster(optionsOf(pair));
  for (let dead = 0; dead < pair.dead; dead++) await other.kill(await other.follower());
  const seconds = Math.max(SLICE_SECONDS_MIN, bench.seconds / SLICES);
  const results = new Map<Cluster, LoadResult[]>([
    [usual, []],
    [other, []],
  ]);
  for (let slice = 0; slice < SLICES; slice++) {
    // Neither is always the first.
    const order = (slice + round) % 2 === 0 ? [usual, other] : [other, usual];
    for (const cluster of order)
      results.get(cluster)?.push(await bench.load(cluster, { outstanding, size: SIZE, seconds }));
  }
  return summary(results.get(usual) ?? [], results.get(other) ?? []);
}

function optionsOf({ nodes, mtu }: Pair): ClusterOptions {
  return { nodes, args: mtu === 0 ? [] : ["--mtu", String(mtu)] };
}

function summary(usual: readonly LoadResult[], other: readonly LoadResult[]): RunResult {
  const middle = (results: readonly LoadResult[], of: (result: LoadResult) => number) =>
    median(results.map(of));
  const ratio = (of: (result: LoadResult) => number) => middle(other, of) / middle(usual, of);
  const rate = ({ entriesPerSecond }: LoadResult) => entriesPerSecond;
  const p50 = ({ p50Us }: LoadResult) => p50Us / 1_000;
  const p99 = ({ p99Us }: LoadResult) => p99Us / 1_000;
  return {
    figures: [
      higher("entries to usual", ratio(rate), "x"),
      lower("p50 to usual", ratio(p50), "x"),
      lower("p99 to usual", ratio(p99), "x"),
      higher("entries", middle(other, rate), "/s"),
      higher("entries of the usual", middle(usual, rate), "/s"),
      lower("p50", middle(other, p50), "ms"),
      lower("p50 of the usual", middle(usual, p50), "ms"),
    ],
    verified: [...usual, ...other].reduce((sum, { verified }) => sum + verified, 0),
  };
}
