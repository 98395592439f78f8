/** Runs the plan: each turn in a directory of its own, on a quiet machine, and whatever it started
 *  ends with it. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { executable } from "../e2e/world.ts";
import { orAborted } from "./aborted.ts";
import { Cluster } from "./cluster.ts";
import { drive } from "./drive.ts";
import { plan, type Turn } from "./plan.ts";
import { outcomeOf, type Outcome, type Run } from "./report.ts";
import type { Bench, RunResult, Scenario } from "./scenario.ts";
import { settle } from "./settle.ts";

export interface RunnerOptions {
  readonly scenarios: readonly Scenario[];
  readonly runs: number;
  readonly seconds: number;
  readonly seed: number;
  /** Where the runs' directories are made. */
  readonly directory: string;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

interface Tally {
  readonly runs: Run[];
  readonly failures: string[];
}

/** Ends early, with what there is, when the signal is aborted. */
export async function runAll(options: RunnerOptions): Promise<readonly Outcome[]> {
  const { scenarios, signal, say } = options;
  const skipped = new Map(scenarios.map((one) => [one.name, one.unavailable?.() ?? null]));
  const able = scenarios.filter(({ name }) => skipped.get(name) === null);
  const tallies = new Map<string, Tally>(
    scenarios.map(({ name }) => [name, { runs: [], failures: [] }]),
  );
  const turns = plan(able, options.runs, options.seed);
  for (const [at, turn] of turns.entries()) {
    if (signal.aborted) break;
    const tally = tallies.get(turn.scenario.name);
    const title = `${at + 1}/${turns.length} ${turn.scenario.name}, round ${turn.round + 1}`;
    const startedMs = performance.now();
    const isQuiet = await settle(signal, options.seconds);
    if (!isQuiet && !signal.aborted) say(`${title}: the machine does not become quiet`);
    try {
      const result = await runOne(turn, options, title);
      const { figures } = result;
      tally?.runs.push({ ...result, round: turn.round, isQuiet });
      const text = figures
        .map(({ name, value, unit }) => `${name} ${brief(value)} ${unit}`.trim())
        .join(", ");
      say(`${title}: ${text} (${Math.round((performance.now() - startedMs) / 1_000)} s)`);
    } catch (error) {
      if (signal.aborted) break;
      const text = error instanceof Error ? error.message : String(error);
      tally?.failures.push(`round ${turn.round + 1}: ${text}`);
      say(`${title}: FAILED: ${text}`);
    }
  }
  return scenarios.map((scenario) => {
    const { runs = [], failures = [] } = tallies.get(scenario.name) ?? {};
    return outcomeOf(scenario, runs, failures, skipped.get(scenario.name) ?? null);
  });
}

async function runOne(
  { scenario, round }: Turn,
  options: RunnerOptions,
  title: string,
): Promise<RunResult> {
  const directory = mkdtempSync(join(options.directory, "raft-bench-"));
  const ends: (() => void | Promise<void>)[] = [];
  const bench: Bench = {
    seconds: options.seconds,
    seed: options.seed,
    directory,
    executable,
    signal: options.signal,
    say: (line) => options.say(`${title}: ${line}`),
    defer: (end) => void ends.push(end),
    async cluster(wanted) {
      const starting = Cluster.start(join(directory, `cluster-${ends.length}`), wanted);
      ends.push(() => starting.then((cluster) => cluster.stop()).catch(() => undefined));
      return starting;
    },
    load: drive,
  };
  try {
    return await orAborted(scenario.run(bench, round), options.signal);
  } finally {
    for (const end of ends.reverse()) await end();
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

function brief(value: number): string {
  return value.toLocaleString("en", { maximumSignificantDigits: 4 });
}
