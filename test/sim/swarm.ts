/** Seeds and what they add up to: for the hand tool, the tests and the scoreboard. */

import { NEMESES } from "../../src/sim/nemesis/index.ts";
import { swarmPlan, type Plan } from "../../src/sim/plan.ts";
import { type RunOutcome, type RunWatcher, simulate } from "../../src/sim/simulation.ts";

export interface SeedWish {
  readonly nodes?: number;
  /** How long faults strike, election timeouts. */
  readonly elections?: number;
  /** How many times as often as usual nemeses strike. */
  readonly strikes?: number;
  readonly verbose?: boolean;
  /** Few customers, who think for long: for tests that must be quick. */
  readonly quiet?: boolean;
}

/** A run, and how it was asked for. */
export type SeedOutcome = RunOutcome & {
  readonly nodes: number;
  /** The longest election timeout, ms. */
  readonly electionMs: number;
  readonly command: string;
};

const NAMES = NEMESES.map(({ name }) => name);

/** The size of a seed's cluster: mostly three nodes. */
export function nodesOf(seed: number): number {
  return [3, 3, 3, 5, 7][seed % 5] ?? 3;
}

export async function runSeed(
  seed: number,
  wish: SeedWish = {},
  watcher: RunWatcher = {},
): Promise<SeedOutcome> {
  const nodes = wish.nodes ?? nodesOf(seed);
  const drawn = swarmPlan(seed, nodes, NAMES, { verbose: wish.verbose ?? false });
  const { heartbeatMs, electionMaxMs } = drawn.timings;
  const plan: Plan = {
    ...drawn,
    ...(wish.elections !== undefined && { faultsMs: electionMaxMs * wish.elections }),
    ...(wish.strikes !== undefined && { strikes: wish.strikes }),
    ...(wish.quiet === true && { customers: 1, outstanding: 2, thinkMs: heartbeatMs * 2 }),
  };
  const flags = [
    `--seed ${seed}`,
    ...(wish.nodes === undefined ? [] : [`--nodes ${nodes}`]),
    ...(wish.elections === undefined ? [] : [`--elections ${wish.elections}`]),
    ...(wish.strikes === undefined ? [] : [`--strikes ${wish.strikes}`]),
    ...(wish.quiet === true ? ["--quiet"] : []),
  ];
  const outcome = await simulate(plan, watcher);
  const command = `bun test/sim/run.ts ${flags.join(" ")}`;
  return { ...outcome, nodes, electionMs: plan.timings.electionMaxMs, command };
}

/** What `run.ts --json` prints. */
export interface Summary {
  readonly seeds: number;
  readonly worldHours: number;
  /** By the number of nodes. */
  readonly hours: Readonly<Record<string, number>>;
  readonly events: number;
  /** What nemeses did. */
  readonly strikes: number;
  /** What befell single datagrams, syncs, calls and programs. */
  readonly faults: number;
  readonly operations: number;
  readonly acknowledged: number;
  /** Runs that were struck, and of which a random quorum was healed. */
  readonly healed: number;
  readonly livenessOk: number;
  /** The slowest election after the healing of a quorum, in election timeouts. */
  readonly slowestElection: number;
  readonly violations: number;
  readonly failures: readonly string[];
}

interface Failure {
  readonly seed: number;
  readonly command: string;
  readonly violations: readonly string[];
}

/** What many runs add up to. */
export class Tally {
  readonly failures: Failure[] = [];
  /** Cluster-hours by the number of nodes. */
  readonly hours = new Map<number, number>();
  seeds = 0;
  events = 0;
  /** What nemeses did, by kind. */
  readonly strikes = new Map<string, number>();
  faults = 0;
  operations = 0;
  acknowledged = 0;
  /** Runs in which nemeses struck and a random quorum was healed, and those in which it went on. */
  healed = 0;
  livenessOk = 0;
  /** In election timeouts. */
  slowestElection = 0;

  /** A sentence when something broke. */
  add(outcome: SeedOutcome): string | null {
    const { seed, nodes, worldMs, liveness, violations, command } = outcome;
    this.seeds += 1;
    this.events += outcome.events;
    this.acknowledged += outcome.acknowledged;
    this.operations += outcome.operations;
    this.hours.set(nodes, (this.hours.get(nodes) ?? 0) + worldMs / 3_600_000);
    for (const [name, count] of outcome.strikes)
      this.strikes.set(name, (this.strikes.get(name) ?? 0) + count);
    this.faults += sum(outcome.faults.values());
    if (liveness !== null && outcome.strikes.size > 0) {
      this.healed += 1;
      if (liveness.ok) this.livenessOk += 1;
      const elections = (liveness.electedAfterMs ?? 0) / outcome.electionMs;
      this.slowestElection = Math.max(this.slowestElection, elections);
    }
    if (violations.length === 0) return null;
    this.failures.push({ seed, command, violations });
    return `seed ${seed} (${command})\n  ${violations.join("\n  ")}`;
  }

  get worldHours(): number {
    return sum(this.hours.values());
  }

  summary(): Summary {
    const { seeds, events, faults, operations, acknowledged, healed, livenessOk } = this;
    return {
      seeds,
      worldHours: this.worldHours,
      hours: Object.fromEntries(this.hours),
      events,
      strikes: sum(this.strikes.values()),
      faults,
      operations,
      acknowledged,
      healed,
      livenessOk,
      slowestElection: this.slowestElection,
      violations: this.failures.length,
      failures: this.failures.map(
        ({ seed, command, violations }) => `seed ${seed}: ${violations[0]} (${command})`,
      ),
    };
  }
}

function sum(numbers: Iterable<number>): number {
  let all = 0;
  for (const number of numbers) all += number;
  return all;
}
