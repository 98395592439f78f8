/** The comparison with etcd, once and small, so that it cannot rot. */
import { readdirSync } from "node:fs";
import { expect, it } from "vitest";
import type { Comparison, Round } from "../bench/against/comparison.ts";
import { etcd } from "../bench/against/etcd.ts";
import { noProcReason } from "../bench/process-use.ts";
import { startBench } from "./harness.ts";

const reason = noProcReason() ?? etcd.unavailable();
if (reason !== null) console.warn(`skipped: the comparison with etcd (${reason})`);

async function run(flags: readonly string[], env: Record<string, string> = {}) {
  const { running } = startBench(flags, env);
  const { code } = await running.exited;
  return { code, out: running.stdoutLines.join("\n"), errors: running.stderrLines.join("\n") };
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
    const names = ["1 outstanding", "20 outstanding", "20 over two processes", "20 clients"];
    expect(comparison.levels.map(({ level }) => level)).toEqual(names);
    for (const { level, sides, ratios } of comparison.levels) {
      const rates = sides.map(({ figures }) => figures.entriesPerSecond.median);
      for (const rate of rates) expect(rate).toBeGreaterThan(10);
      const ratio = ratios[0]?.figures.entriesPerSecond.median;
      expect(ratio).toBeCloseTo((rates[0] ?? NaN) / (rates[1] ?? NaN));
      for (const { figures } of sides) {
        expect(figures.p99Ms.median).toBeGreaterThanOrEqual(figures.p50Ms.median);
        // So little is used by one entry at a time that /proc, which counts 10 ms, may miss it.
        if (level !== "1 outstanding") expect(figures.serverCores.median).toBeGreaterThan(0);
      }
    }
    for (const floor of Object.values(comparison.floors)) expect(floor.median).toBeGreaterThan(0);
    for (const side of ["raft", "etcd"]) expect(rounds[0]?.verified[side]).toBeGreaterThan(100);
  },
);

it.skipIf(reason !== null)("what cannot be asked is told before anything starts", async () => {
  const most = 1_048_576;
  const wrong: readonly (readonly [string, string])[] = [
    ["--against etcd --size 3000000", `--size 3000000: one whole number from 10 to ${most}`],
    [
      `--against etcd --size ${most}`,
      `--outstanding 1000 entries of ${most} bytes: at most 67108864`,
    ],
    [`--against etcd --size ${most} --outstanding 1`, `--clients 1000 entries of ${most} bytes`],
    ["--against", "--against: beside whom? etcd, nats, nats-sync"],
    ["--against etcd --all", "--all: not with --against"],
    ["--outstanding 64", "--outstanding: only with --against"],
    ["closed-64 --all", "closed-64 and --all"],
  ];
  for (const [words, sentence] of wrong) {
    const { code, errors } = await run(words.split(" "));
    expect(errors).toContain(sentence);
    expect(code, errors).toBe(2);
  }
});

it.skipIf(reason !== null)("SIGTERM ends the comparison like Ctrl-C, amid a load", async () => {
  const { running, directory } = startBench(["--against", "etcd", "--seconds", "60"]);
  const turns = () => readdirSync(directory, { recursive: true }).map(String);
  const isStarted = () => turns().some((path) => /1-(raft|etcd)\/./.test(path));
  await expect.poll(isStarted, { timeout: 60_000 }).toBe(true);
  expect(await running.stop("SIGTERM", 30_000)).toBe(130);
  expect(running.stdoutLines.at(-1)).toBe("nothing was finished");
  expect(running.stderrLines.join("\n")).not.toContain("rror");
  expect(readdirSync(directory)).toEqual([]);
});

it.skipIf(noProcReason() !== null)(
  "where etcd and NATS are not installed the bench says which packages have them",
  async () => {
    const { code, errors } = await run(["--against", "etcd,nats"], { PATH: "/nowhere" });
    expect(code).toBe(2);
    expect(errors).toContain("apt-get install etcd-server");
    expect(errors).toContain("apt-get install nats-server");
  },
);
