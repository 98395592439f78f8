/** The benchmark, once and small, so that it cannot rot. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import type { Report } from "../bench/report.ts";
import { Running } from "./harness.ts";
import { spawn } from "node:child_process";

const bench = fileURLToPath(new URL("../bench/bench.ts", import.meta.url));

/** Everything that it makes is below a directory of its own. */
function start(...flags: string[]): { running: Running; directory: string } {
  const directory = mkdtempSync(join(tmpdir(), "raft-bench-test-"));
  const args = [bench, "--dir", directory, "--runs", "1", ...flags];
  const running = new Running(spawn(process.execPath, args, { stdio: "pipe" }));
  onTestFinished(async () => {
    await running.kill();
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  });
  return { running, directory };
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

it("npm run bench measures clusters and verifies what it wrote", async () => {
  const { running, directory } = start("closed-64", "--seconds", "0.3", "--json");
  const { code } = await running.exited;
  expect(code, running.lines.join("\n")).toBe(0);
  const { setting, outcomes } = JSON.parse(running.stdoutLines.join("\n")) as Report;
  expect(setting.executable).toMatch(/^[0-9a-f]{12}$/);
  expect(outcomes.map(({ scenario }) => scenario)).toEqual(["closed-64"]);
  for (const { figures, verified, runs } of outcomes) {
    expect(runs).toBe(1);
    expect(verified).toBeGreaterThan(10);
    const valueOf = (name: string) => figures.find((one) => one.name === name)?.values[0] ?? NaN;
    expect(valueOf("entries")).toBeGreaterThan(10);
    expect(valueOf("p99")).toBeGreaterThanOrEqual(valueOf("p50"));
    expect(valueOf("max")).toBeGreaterThanOrEqual(valueOf("p99.9"));
  }
  expect(readdirSync(directory)).toEqual([]);
});

it("npm run bench leaves nothing behind on Ctrl-C: no node, no client, no directory", async () => {
  const { running, directory } = start("closed-64", "--seconds", "600");
  await expect
    .poll(() => processesOf(directory).filter((line) => line.includes(" up ")).length, {
      timeout: 60_000,
    })
    .toBe(3);
  expect(await running.stop("SIGINT", 30_000)).toBe(130);
  expect(processesOf(directory)).toEqual([]);
  expect(readdirSync(directory)).toEqual([]);
  expect(running.stdoutLines.join("\n")).toContain("SCENARIO");
});

it("moves of leadership and elections under a steady load are measured", async () => {
  const names = ["leader-kill", "transfer", "leader-stop", "steady-1000"];
  const flags = [...names, "--seconds", "0.3", "--runs", "1", "--json"];
  const run = Bun.spawn([process.execPath, bench, ...flags], { stdout: "pipe", stderr: "pipe" });
  const timer = setTimeout(() => run.kill("SIGKILL"), 110_000);
  const [code, out, errors] = await Promise.all([
    run.exited,
    new Response(run.stdout).text(),
    new Response(run.stderr).text(),
  ]);
  clearTimeout(timer);
  expect(code, errors).toBe(0);
  const { outcomes } = JSON.parse(out) as Report;
  expect(outcomes.map(({ scenario, runs }) => [scenario, runs])).toEqual(
    names.map((name) => [name, 1]),
  );
  for (const { scenario, figures, verified } of outcomes) {
    expect(verified).toBeGreaterThan(10);
    const valueOf = (name: string) => figures.find((one) => one.name === name)?.values[0] ?? NaN;
    // On a machine that is busy with other tests an election may have its cause there.
    if (scenario === "steady-1000") expect(valueOf("longest silence")).toBeGreaterThan(0);
    else expect(valueOf("moves")).toBeGreaterThanOrEqual(3);
  }
}, 120_000);
