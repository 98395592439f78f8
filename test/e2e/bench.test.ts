/** The benchmark, once and small, so that it cannot rot. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { noProcReason } from "../bench/process-use.ts";
import type { Outcome, Report } from "../bench/report.ts";
import { startBench } from "./harness.ts";

const reason = noProcReason();
if (reason !== null) console.warn(`skipped: npm run bench (${reason})`);

/** Runs to its end; the report. */
async function report(...flags: string[]): Promise<Report & { directory: string }> {
  const { running, directory } = startBench([...flags, "--runs", "1", "--json"]);
  const { code } = await running.exited;
  expect(code, running.lines.join("\n")).toBe(0);
  return { ...(JSON.parse(running.stdoutLines.join("\n")) as Report), directory };
}

function valueOf({ figures }: Outcome, name: string): number {
  return figures.find((one) => one.name === name)?.values[0] ?? NaN;
}

/** Processes that were told of something below `directory`. */
function processesOf(directory: string): readonly string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => commandLine(pid))
    .filter((line) => line.includes(directory));
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "";
  }
}

describe.skipIf(reason !== null)("npm run bench", () => {
  it("measures clusters and verifies what it wrote", async () => {
    const { setting, outcomes, directory } = await report("closed-64", "--seconds", "0.3");
    expect(setting.executable).toMatch(/^[0-9a-f]{12}$/);
    expect(outcomes.map(({ scenario }) => scenario)).toEqual(["closed-64"]);
    for (const outcome of outcomes) {
      expect(outcome.runs).toBe(1);
      expect(outcome.verified).toBeGreaterThan(10);
      const value = (name: string) => valueOf(outcome, name);
      expect(value("entries")).toBeGreaterThan(10);
      expect(value("p99")).toBeGreaterThanOrEqual(value("p50"));
      expect(value("max")).toBeGreaterThanOrEqual(value("p99.9"));
    }
    expect(readdirSync(directory)).toEqual([]);
  });

  it("leaves nothing behind on Ctrl-C: no node, no client, no directory", async () => {
    const { running, directory } = startBench(["closed-64", "--runs", "1", "--seconds", "600"]);
    const nodes = () => processesOf(directory).filter((line) => line.includes(" up ")).length;
    await expect.poll(nodes, { timeout: 60_000 }).toBe(3);
    expect(await running.stop("SIGINT", 30_000)).toBe(130);
    expect(processesOf(directory)).toEqual([]);
    expect(readdirSync(directory)).toEqual([]);
    expect(running.stdoutLines.join("\n")).toContain("nothing was finished");
  });

  it("measures moves of leadership, elections under a steady load, and what stands beside a load", async () => {
    const names = ["leader-kill", "transfer", "leader-stop", "steady-1000"];
    const beside = ["large-beside-small", "memory-slow-readers"];
    const { outcomes } = await report(...names, ...beside, "--seconds", "0.3");
    const ran = outcomes.map(({ scenario, runs }) => `${scenario} ${runs}`);
    const wanted = [...names, ...beside].map((name) => `${name} 1`);
    expect(ran.toSorted()).toEqual(wanted.toSorted());
    for (const outcome of outcomes) {
      expect(outcome.verified, outcome.scenario).toBeGreaterThan(10);
      // On a machine that is busy with other tests an election may have its cause there.
      if (outcome.scenario === "steady-1000")
        expect(valueOf(outcome, "longest silence")).toBeGreaterThan(0);
      else if (names.includes(outcome.scenario))
        expect(valueOf(outcome, "moves")).toBeGreaterThanOrEqual(1);
      else for (const { values } of outcome.figures) expect(values[0]).toBeGreaterThan(0);
    }
  });
});
