/** Two clusters that run at the same time and are loaded in turns from one client process, a short
 *  slice each: what another setting costs, as a ratio between neighbours in time. The one that
 *  rests sends its heartbeats, in both cases alike. */
import type { ClusterOptions } from "../cluster.ts";
import { LibraryLoad } from "../library-load.ts";
import { median } from "../../quantile.ts";
import { higher, lower, type Bench, type RunResult, type Scenario } from "../scenario.ts";
import { FIRST_LOAD } from "./loads.ts";

interface Pair {
  readonly outstanding: number;
  readonly nodes: number;
  /** Datagrams of so many bytes; 0: as they are without the flag. */
  readonly mtu: number;
  /** Nodes that are killed beforehand. */
  readonly dead: number;
}

/** What was measured in one slice. */
interface Slice {
  readonly entriesPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

const USUAL = { nodes: 3, mtu: 0, dead: 0 } as const;
const SIZE = 100;
/** Slices of each cluster in a run; they share the seconds of measuring. A third of that more is
 *  for each slice's own warm-up. */
const SLICES = 6;
export const pairs: readonly Scenario[] = [
  scenario("dead-follower", "one of three nodes is dead", { dead: 1 }, 1_000),
  scenario("dead-follower-64", "one of three nodes is dead", { dead: 1 }, 64),
  scenario("dead-follower-1", "one of three nodes is dead", { dead: 1 }, 1),
  scenario("nodes-5", "five nodes", { nodes: 5 }, 1_000),
  scenario("nodes-7", "seven nodes", { nodes: 7 }, 1_000),
  scenario("nodes-5-1", "five nodes", { nodes: 5 }, 1),
  scenario("mtu-1200-1", "datagrams of 1,200 bytes", { mtu: 1_200 }, 1),
  scenario("mtu-1200-64", "datagrams of 1,200 bytes", { mtu: 1_200 }, 64),
  scenario("mtu-1200", "datagrams of 1,200 bytes", { mtu: 1_200 }, 1_000),
];

function scenario(
  name: string,
  about: string,
  change: Partial<Pair>,
  outstanding: number,
): Scenario {
  const pair: Pair = { ...USUAL, ...change, outstanding };
  return {
    name,
    about: `${about}, beside a usual cluster, in turns; ${outstanding.toLocaleString("en")} outstanding`,
    main: false,
    settings: { ...pair, size: SIZE, slices: SLICES },
    run: (bench, round) => run(bench, pair, round),
  };
}

/** A cluster of the pair, its load, and what came of it. */
class Half {
  readonly slices: Slice[] = [];
  readonly #load: LibraryLoad;
  readonly #outstanding: number;

  private constructor(load: LibraryLoad, outstanding: number) {
    this.#load = load;
    this.#outstanding = outstanding;
  }

  static async start(bench: Bench, options: ClusterOptions, pair: Pair): Promise<Half> {
    const cluster = await bench.cluster(options);
    for (let dead = 0; dead < pair.dead; dead++) await cluster.kill(await cluster.follower());
    return new Half(new LibraryLoad(await cluster.connect(), SIZE), pair.outstanding);
  }

  async warmUp(): Promise<void> {
    await this.#load.run(FIRST_LOAD.outstanding, FIRST_LOAD.seconds);
  }

  async measure(seconds: number): Promise<void> {
    this.slices.push(await this.#load.run(this.#outstanding, seconds, seconds / 3));
  }

  verify(): Promise<number> {
    return this.#load.verify();
  }

  middle(of: (slice: Slice) => number): number {
    return median(this.slices.map(of));
  }
}

async function run(bench: Bench, pair: Pair, round: number): Promise<RunResult> {
  const usual = await Half.start(bench, { nodes: USUAL.nodes }, { ...pair, dead: 0 });
  const other = await Half.start(bench, optionsOf(pair), pair);
  for (const half of [usual, other]) await half.warmUp();
  for (let slice = 0; slice < SLICES; slice++) {
    // Neither is always the first.
    const order = (slice + round) % 2 === 0 ? [usual, other] : [other, usual];
    for (const half of order) await half.measure(bench.seconds / SLICES);
  }
  const verified = (await usual.verify()) + (await other.verify());
  const ratio = (of: (slice: Slice) => number) => other.middle(of) / usual.middle(of);
  return {
    figures: [
      higher("entries to usual", ratio(rate), "x"),
      lower("p50 to usual", ratio(p50Ms), "x"),
      lower("p99 to usual", ratio(p99Ms), "x"),
      higher("entries", other.middle(rate), "/s"),
      higher("entries of the usual", usual.middle(rate), "/s"),
      lower("p50", other.middle(p50Ms), "ms"),
      lower("p50 of the usual", usual.middle(p50Ms), "ms"),
    ],
    verified,
  };
}

function optionsOf({ nodes, mtu }: Pair): ClusterOptions {
  return { nodes, args: mtu === 0 ? [] : ["--mtu", String(mtu)] };
}

function rate({ entriesPerSecond }: Slice): number {
  return entriesPerSecond;
}

function p50Ms({ p50Us }: Slice): number {
  return p50Us / 1_000;
}

function p99Ms({ p99Us }: Slice): number {
  return p99Us / 1_000;
}
