/** The benchmark, once and small, so that it cannot rot. */
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import type { Report } from "../bench/report.ts";

const bench = fileURLToPath(new URL("../bench/bench.ts", import.meta.url));

it("npm run bench measures clusters and verifies what it wrote", async () => {
  const flags = ["closed-1", "closed-64", "--seconds", "0.3", "--runs", "1", "--json"];
  const run = Bun.spawn([process.execPath, bench, ...flags], { stdout: "pipe", stderr: "pipe" });
  const timer = setTimeout(() => run.kill("SIGKILL"), 90_000);
  const [code, out, errors] = await Promise.all([
    run.exited,
    new Response(run.stdout).text(),
    new Response(run.stderr).text(),
  ]);
  clearTimeout(timer);
  expect(code, errors).toBe(0);
  const { setting, outcomes } = JSON.parse(out) as Report;
  expect(setting.executable).toMatch(/^[0-9a-f]{12}$/);
  expect(outcomes.map(({ scenario }) => scenario)).toEqual(["closed-1", "closed-64"]);
  for (const { figures, verified, runs } of outcomes) {
    expect(runs).toBe(1);
    expect(verified).toBeGreaterThan(10);
    const valueOf = (name: string) => figures.find((one) => one.name === name)?.values[0] ?? NaN;
    expect(valueOf("entries")).toBeGreaterThan(10);
    expect(valueOf("p99")).toBeGreaterThanOrEqual(valueOf("p50"));
  }
});
