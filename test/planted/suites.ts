/** The suites that a planted bug is shown to, and what each made of it. A suite runs in a process
 *  of its own with a bound on its CPU time; a bug counts as found only if a named check failed. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PLANT_FLAG } from "./bug.ts";
import type { Bug } from "./bug.ts";
import { buildPlanted } from "./executable.ts";
import { root } from "./planting.ts";

/** In the order of their cost. */
export const SUITES = ["unit", "random", "simulator", "processes"] as const;
export type Suite = (typeof SUITES)[number];

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
/** Wall time that a suite may take beyond its CPU time: it shares two cores. */
const WALL_PER_CPU_SECOND = 4;

const vitest = join(root, "node_modules", ".bin", "vitest");
const simulator = join(root, "test", "sim", "run.ts");

/** Shows one bug to one suite. */
export async function show(bug: Bug, suite: Suite, cpuSeconds: number): Promise<Finding> {
  switch (suite) {
    case "unit":
      return runTests(bug, suite, bug.unit, cpuSeconds, {});
    case "random": {
      const runs = Math.ceil(cpuSeconds * RUNS_PER_CPU_SECOND);
      const seeds = Math.ceil(cpuSeconds * 10);
      return runTests(bug, suite, bug.random, cpuSeconds, {
        RAFT_RUNS: String(runs),
        RAFT_SEEDS: String(seeds),
      });
    }
    case "simulator":
      return runSimulator(bug, cpuSeconds);
    case "processes":
      return runProcesses(bug, cpuSeconds);
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
  const vitestArguments = ["--config", "test/vitest.config.ts", "--pool=threads"];
  const command = [vitest, "run", ...vitestArguments, "--project", project, "--bail", "1"];
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
    readonly name: string;
    readonly message?: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

type Outcome = Pick<Finding, "outcome" | "by" | "seeds">;

function readReport(file: string, run: Run): Outcome {
  const unfinished = (): Outcome =>
    run.isOver
      ? { outcome: "endless", by: "the CPU time was over", seeds: null }
      : { outcome: "crashed", by: lastLine(run.output), seeds: null };
  if (!existsSync(file)) return unfinished();
  const report: Report = JSON.parse(readFileSync(file, "utf8"));
  for (const { assertionResults } of report.testResults) {
    for (const { status, fullName, failureMessages } of assertionResults) {
      if (status !== "failed") continue;
      const message = (failureMessages ?? []).join("\n");
      const [line = ""] = message.split("\n");
      if (/timed out in \d+ ?ms/i.test(message))
        return { outcome: "endless", by: fullName, seeds: null };
      const seed = /seed (\d+) \(|RAFT_SEED=(\d+)/.exec(message);
      const seeds = seed === null ? null : Number(seed[1] ?? seed[2]);
      return { outcome: "found", by: `${fullName}: ${line}`, seeds };
    }
  }
  if (run.code === 0) return { outcome: "missed", by: "everything passed", seeds: null };
  const failed = report.testResults.find(({ message }) => (message ?? "") !== "");
  if (failed === undefined) return unfinished();
  return { outcome: "crashed", by: (failed.message ?? "").split("\n")[0] ?? "", seeds: null };
}

async function runSimulator(bug: Bug, cpuSeconds: number): Promise<Finding> {
  const suite = "simulator";
  if (!existsSync(simulator)) return absent(suite, "there is no simulator");
  const preload = join(root, "test", "planted", "preload.ts");
  const simulation = ["--preload", preload, simulator, "--seed", "1"];
  const run = await bounded([...simulation, "--seconds", String(cpuSeconds)], cpuSeconds + 5, {
    [PLANT_FLAG]: bug.name,
  });
  const said = { suite, cpuSeconds: run.cpuSeconds, seeds: null } as const;
  if (run.code === 0) return { ...said, outcome: "missed", by: lastLine(run.output) };
  if (run.isOver) return { ...said, outcome: "endless", by: "the CPU time was over" };
  const violation = /^.*\bseed (\d+)\b.*$/m.exec(run.output);
  if (violation === null) return { ...said, outcome: "crashed", by: lastLine(run.output) };
  return { ...said, outcome: "found", by: violation[0].trim(), seeds: Number(violation[1]) };
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

interface Run {
  readonly code: number | null;
  readonly output: string;
  readonly cpuSeconds: number;
  /** Ended because its time was over. */
  readonly isOver: boolean;
}

/** Runs Bun with a bound on its CPU time, which the kernel keeps, and on its wall time. */
async function bounded(
  command: readonly string[],
  cpuSeconds: number,
  environment: Readonly<Record<string, string>>,
): Promise<Run> {
  const limited = ["sh", "-c", `ulimit -t ${Math.ceil(cpuSeconds)}; exec "$@"`, "sh"];
  const timeoutMs = cpuSeconds * WALL_PER_CPU_SECOND * 1_000;
  const startedMs = performance.now();
  const child = Bun.spawn([...limited, process.execPath, ...command], {
    cwd: root,
    env: { ...process.env, NO_COLOR: "1", ...environment },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: timeoutMs,
    killSignal: "SIGKILL",
  });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  await child.exited;
  const used = child.resourceUsage()?.cpuTime.total ?? 0;
  const isOver = child.signalCode !== null || performance.now() - startedMs >= timeoutMs;
  return {
    code: child.exitCode,
    output: `${stdout}\n${stderr}`,
    cpuSeconds: Number(used) / 1e6,
    isOver,
  };
}

function absent(suite: Suite, by: string): Finding {
  return { suite, outcome: "absent", by, seeds: null, cpuSeconds: 0 };
}

function lastLine(output: string): string {
  return output.trim().split("\n").at(-1)?.trim() ?? "";
}
