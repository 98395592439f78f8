/** The suites that a planted bug is shown to, and what each made of it. A suite runs in a process
 *  of its own with a bound on its CPU time; a bug counts as found only if a named check failed. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bounded, lastLine } from "./bounded.ts";
import type { Run } from "./bounded.ts";
import { PLANT_FLAG } from "./bug.ts";
import type { Bug, Campaign } from "./bug.ts";
import { showCampaign } from "./campaign.ts";
import { buildPlanted } from "./executable.ts";
import { root } from "./planting.ts";

/** In the order of their cost; the campaigns are asked only for what they must find. */
export const SUITES = ["unit", "random", "simulator", "processes"] as const;
export type Suite = (typeof SUITES)[number] | Campaign;

export interface Finding {
  readonly suite: Suite;
  /** found: a named check failed. missed: everything passed. crashed: no check failed, but the
   *  suite did not come to its end. endless: its CPU time was over. absent: there is none. */
  readonly outcome: "found" | "missed" | "crashed" | "endless" | "absent";
  /** The check that failed and what it said; else why there was none. */
  readonly by: string;
  /** Histories drawn until it was found; null where nothing is drawn. */
  readonly seeds: number | null;
  readonly cpuSeconds: number;
}

/** Drawn histories: as many as come to their end within the CPU time, unless one fails. */
const RUNS_PER_CPU_SECOND = 30;
/** The same for the storage's crashes, which three tests draw, each within its own time. */
const SEEDS_PER_CPU_SECOND = 3;

/** One seed of the simulator needs a few seconds. */
const SEED_CPU_SECONDS_MAX = 60;

const VITEST = ["--config", "test/vitest.config.ts", "--pool=threads"];
const vitest = join(root, "node_modules", ".bin", "vitest");
const simulator = join(root, "test", "planted", "simulate.ts");

/** Shows one bug to one suite. `leftSeconds`: wall time. */
export async function show(
  bug: Bug,
  suite: Suite,
  cpuSeconds: number,
  leftSeconds: number,
): Promise<Finding> {
  switch (suite) {
    case "unit":
      return runTests(bug, suite, bug.unit, cpuSeconds, {});
    case "random": {
      const runs = Math.ceil(cpuSeconds * RUNS_PER_CPU_SECOND);
      const seeds = Math.ceil(cpuSeconds * SEEDS_PER_CPU_SECOND);
      return runTests(bug, suite, bug.random, cpuSeconds, {
        RAFT_RUNS: String(runs),
        RAFT_SEEDS: String(seeds),
      });
    }
    case "simulator":
      return runSimulator(bug, cpuSeconds);
    case "processes":
      return runProcesses(bug, cpuSeconds);
    default:
      return showCampaign(bug, suite, cpuSeconds, leftSeconds);
  }
}

/** The tests that fail although nothing is planted: what they find is worth nothing. None when they
 *  do not all come to their end in time; the tests' own run says then what fails. */
export async function failingWithoutBugs(
  files: readonly string[],
  wallSeconds: number,
): Promise<readonly string[]> {
  const directory = mkdtempSync(join(tmpdir(), "raft-planted-"));
  const report = join(directory, "report.json");
  try {
    const command = ["--bun", vitest, "run", ...VITEST, "--project", "unit", ...files];
    const environment = { [PLANT_FLAG]: "", RAFT_TEST_JSON: report };
    await bounded(command, Math.ceil(2 * wallSeconds), environment, wallSeconds);
    const tests = resultsIn(report)?.tests ?? [];
    return tests.filter((test) => !isTimeout(test)).map(({ fullName }) => fullName);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function runTests(
  bug: Bug,
  suite: Suite,
  files: readonly string[],
  cpuSeconds: number,
  environment: Readonly<Record<string, string>>,
): Promise<Finding> {
  if (files.length === 0) return absent(suite, "no test file is named for it");
  const directory = mkdtempSync(join(tmpdir(), "raft-planted-"));
  const report = join(directory, "report.json");
  const project = suite === "processes" ? "e2e" : "unit";
  const command = [vitest, "run", ...VITEST, "--project", project, "--bail", "1"];
  try {
    const run = await bounded(["--bun", ...command, ...files], cpuSeconds, {
      ...environment,
      [PLANT_FLAG]: suite === "processes" ? "" : bug.name,
      RAFT_TEST_JSON: report,
    });
    return { suite, ...readReport(report, run), cpuSeconds: run.cpuSeconds };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

interface Report {
  readonly testResults: readonly {
    readonly message?: string;
    readonly assertionResults: readonly TestResult[];
  }[];
}

interface TestResult {
  readonly status: string;
  readonly fullName: string;
  readonly failureMessages?: readonly string[];
}

type Outcome = Pick<Finding, "outcome" | "by" | "seeds">;

/** What a program says that does not run at all: no check has looked at anything then. */
const BROKEN = /\b(?:Reference|Syntax)Error: /;

function readReport(file: string, run: Run): Outcome {
  const failed = resultsIn(file);
  if (failed === null) return unfinished(run);
  for (const test of failed.tests) {
    const { fullName, failureMessages } = test;
    const message = (failureMessages ?? []).join("\n");
    const by = `${fullName}: ${message.split("\n")[0] ?? ""}`;
    if (isTimeout(test)) return { outcome: "endless", by, seeds: null };
    if (BROKEN.test(message)) return { outcome: "crashed", by, seeds: null };
    const seed = /seed (\d+) \(|RAFT_SEED=(\d+)/.exec(message);
    return { outcome: "found", by, seeds: seed === null ? null : Number(seed[1] ?? seed[2]) };
  }
  if (run.code === 0 && failed.passed === 0)
    return { outcome: "absent", by: "every test was skipped here", seeds: null };
  if (run.code === 0) return { outcome: "missed", by: "everything passed", seeds: null };
  if (failed.message === "") return unfinished(run);
  return { outcome: "crashed", by: failed.message, seeds: null };
}

/** Of a report: the tests that failed, how many passed, and what a file said that did not load. */
function resultsIn(file: string): {
  readonly tests: readonly TestResult[];
  readonly passed: number;
  readonly message: string;
} | null {
  if (!existsSync(file)) return null;
  const { testResults }: Report = JSON.parse(readFileSync(file, "utf8"));
  const all = testResults.flatMap(({ assertionResults }) => assertionResults);
  const messages = testResults.map(({ message }) => message?.split("\n")[0] ?? "");
  return {
    tests: all.filter(({ status }) => status === "failed"),
    passed: all.filter(({ status }) => status === "passed").length,
    message: messages.find((message) => message !== "") ?? "",
  };
}

/** On a busy machine that says nothing; in a loop without end neither. */
function isTimeout({ failureMessages }: TestResult): boolean {
  return /timed out in \d+ ?ms/i.test((failureMessages ?? []).join("\n"));
}

function unfinished(run: Run): Outcome {
  if (run.isOver) return { outcome: "endless", by: "the CPU time was over", seeds: null };
  return { outcome: "crashed", by: lastLine(run.output), seeds: null };
}

async function runSimulator(bug: Bug, cpuSeconds: number): Promise<Finding> {
  const suite = "simulator";
  const run = await simulated(bug.name, cpuSeconds, []);
  const said = { suite, cpuSeconds: run.cpuSeconds, seeds: null } as const;
  const violation = /^seed (\d+): .*$/m.exec(run.output);
  if (violation === null) {
    if (run.code === 0) return { ...said, outcome: "missed", by: lastLine(run.output) };
    return { ...said, ...unfinished(run) };
  }
  const [by, seed = ""] = violation;
  if (!(await isWholeWithoutBugs(seed)))
    return { ...said, outcome: "crashed", by: `seed ${seed} breaks without the bug, too` };
  return { ...said, outcome: "found", by, seeds: Number(seed) };
}

/** By seed: most bugs are found in the same few. */
const whole = new Map<string, Promise<boolean>>();

function isWholeWithoutBugs(seed: string): Promise<boolean> {
  const known = whole.get(seed);
  if (known !== undefined) return known;
  const asked = simulated("", SEED_CPU_SECONDS_MAX, [seed]).then(({ code }) => code === 0);
  whole.set(seed, asked);
  return asked;
}

function simulated(name: string, cpuSeconds: number, seeds: readonly string[]): Promise<Run> {
  const preload = join(root, "test", "planted", "preload.ts");
  const simulation = ["--preload", preload, simulator, String(cpuSeconds), ...seeds];
  // A seed that was begun in time may come to its end.
  return bounded(simulation, cpuSeconds * 2, { [PLANT_FLAG]: name });
}

async function runProcesses(bug: Bug, cpuSeconds: number): Promise<Finding> {
  const files = bug.processes ?? [];
  if (files.length === 0) return absent("processes", "no test file is named for it");
  const directory = mkdtempSync(join(tmpdir(), "raft-planted-"));
  try {
    const executable = await buildPlanted(bug, directory);
    return await runTests(bug, "processes", files, cpuSeconds, { RAFT_EXECUTABLE: executable });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function absent(suite: Suite, by: string): Finding {
  return { suite, outcome: "absent", by, seeds: null, cpuSeconds: 0 };
}
