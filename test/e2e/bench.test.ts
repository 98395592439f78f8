/** The benchmark, once and small, so that it cannot rot. */
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const bench = fileURLToPath(new URL("../bench/bench.ts", import.meta.url));

it("npm run bench measures a cluster and verifies what it wrote", async () => {
  const flags = ["--seconds", "0.3", "--size", "50", "--outstanding", "1,20", "--json"];
  const run = Bun.spawn([process.execPath, bench, ...flags], { stdout: "pipe", stderr: "pipe" });
  const timer = setTimeout(() => run.kill("SIGKILL"), 90_000);
  const [code, out, errors] = await Promise.all([
    run.exited,
    new Response(run.stdout).text(),
    new Response(run.stderr).text(),
  ]);
  clearTimeout(timer);
  expect(errors).toBe("");
  expect(code).toBe(0);
  const report = JSON.parse(out) as {
    floor: { fdatasyncMs: number; roundTripMs: number; fileSystem: string };
    levels: { outstanding: number; entries: number; p50Ms: number; p99Ms: number }[];
    verified: number;
  };
  expect(report.floor.fdatasyncMs).toBeGreaterThan(0);
  expect(report.floor.roundTripMs).toBeGreaterThan(0);
  expect(report.levels.map(({ outstanding }) => outstanding)).toEqual([1, 20]);
  for (const { entries, p50Ms, p99Ms } of report.levels) {
    expect(entries).toBeGreaterThan(10);
    expect(p99Ms).toBeGreaterThanOrEqual(p50Ms);
  }
  expect(report.verified).toBeGreaterThanOrEqual(
    report.levels.reduce((sum, { entries }) => sum + entries, 0),
  );
});
