/** The comparison with etcd, once and small, so that it cannot rot. */
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import type { Comparison, Round } from "../bench/against/comparison.ts";
import { etcd } from "../bench/against/etcd.ts";

const reason = etcd.unavailable();
if (reason !== null) console.warn(`skipped: the comparison with etcd (${reason})`);

const bench = fileURLToPath(new URL("../bench/bench.ts", import.meta.url));

async function run(flags: readonly string[], env: Record<string, string> = {}) {
  const child = Bun.spawn([process.execPath, bench, ...flags], {
    env: { ...process.env, ...env },
    stdout: "pipe",
    stderr: "pipe",
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), 90_000);
  const [code, out, errors] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  clearTimeout(timer);
  return { code, out, errors };
}

it.skipIf(reason !== null)(
  "npm run bench -- --against etcd measures both, in one run",
  async () => {
    const load = ["--outstanding", "1,20", "--clients", "20", "--seconds", "0.3"];
    const { code, out, errors } = await run([
      "--against",
      "etcd",
      "--runs",
      "1",
      ...load,
      "--json",
    ]);
    expect(code, errors).toBe(0);
    const { comparison, rounds } = JSON.parse(out) as { comparison: Comparison; rounds: Round[] };
    const names = ["1 outstanding", "20 outstanding", "20, two processes", "20 clients"];
    expect(comparison.levels.map(({ level }) => level)).toEqual(names);
    for (const { sides, ratios } of comparison.levels) {
      const rates = sides.map(({ figures }) => figures.entriesPerSecond.median);
      for (const rate of rates) expect(rate).toBeGreaterThan(10);
      const ratio = ratios[0]?.figures.entriesPerSecond.median;
      expect(ratio).toBeCloseTo((rates[0] ?? NaN) / (rates[1] ?? NaN));
      for (const { figures } of sides) {
        expect(figures.p99Ms.median).toBeGreaterThanOrEqual(figures.p50Ms.median);
        expect(figures.serverCores.median).toBeGreaterThan(0);
      }
    }
    for (const floor of Object.values(comparison.floors)) expect(floor.median).toBeGreaterThan(0);
    for (const side of ["raft", "etcd"]) expect(rounds[0]?.verified[side]).toBeGreaterThan(100);
  },
);

it("where etcd and NATS are not installed the bench says which packages have them", async () => {
  const { code, errors } = await run(["--against", "etcd,nats"], { PATH: "/nowhere" });
  expect(code).toBe(2);
  expect(errors).toContain("apt-get install etcd-server");
  expect(errors).toContain("apt-get install nats-server");
});
