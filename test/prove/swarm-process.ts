/** Seeds of the simulator in a process of their own, a slice of time after the other. */

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Summary } from "../sim/swarm.ts";

const SCRIPT = fileURLToPath(new URL("../sim/run.ts", import.meta.url));
/** How long one process runs: progress is told in between. */
const SLICE_SECONDS = 30;

/** Runs seeds from `seed` on until `isEnough`, or for so many seconds; `told` after each slice. */
export async function swarm(
  seed: number,
  seconds: number,
  flags: readonly string[],
  isEnough: (soFar: Summary) => boolean,
  told: (soFar: Summary) => void,
): Promise<Summary> {
  const endsMs = performance.now() + seconds * 1_000;
  let total: Summary = NOTHING;
  while (!isEnough(total) && performance.now() < endsMs) {
    const leftSeconds = Math.max(1, (endsMs - performance.now()) / 1_000);
    const slice = Math.min(SLICE_SECONDS, leftSeconds);
    total = sum(total, await runSlice(seed + total.seeds, slice, flags));
    told(total);
  }
  return total;
}

const NOTHING: Summary = {
  seeds: 0,
  worldHours: 0,
  hours: {},
  events: 0,
  strikes: 0,
  faults: 0,
  operations: 0,
  acknowledged: 0,
  healed: 0,
  livenessOk: 0,
  slowestElection: 0,
  violations: 0,
  failures: [],
};

function runSlice(from: number, seconds: number, flags: readonly string[]): Promise<Summary> {
  const args = [SCRIPT, "--json", "--from", String(from), "--seconds", String(seconds), ...flags];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  let error = "";
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (error += chunk.toString()));
  return new Promise((resolve) => {
    child.on("close", (code) => {
      const last = out.trim().split("\n").at(-1) ?? "";
      if (last.startsWith("{")) return resolve(JSON.parse(last) as Summary);
      const said = error.slice(-500);
      const failure = `seeds from ${from} on: the simulator ended with ${code}: ${said}`;
      resolve({ ...NOTHING, seeds: 1, violations: 1, failures: [failure] });
    });
  });
}

function sum(a: Summary, b: Summary): Summary {
  const hours: Record<string, number> = { ...a.hours };
  for (const [nodes, more] of Object.entries(b.hours)) hours[nodes] = (hours[nodes] ?? 0) + more;
  return {
    seeds: a.seeds + b.seeds,
    worldHours: a.worldHours + b.worldHours,
    hours,
    events: a.events + b.events,
    strikes: a.strikes + b.strikes,
    faults: a.faults + b.faults,
    operations: a.operations + b.operations,
    acknowledged: a.acknowledged + b.acknowledged,
    healed: a.healed + b.healed,
    livenessOk: a.livenessOk + b.livenessOk,
    slowestElection: Math.max(a.slowestElection, b.slowestElection),
    violations: a.violations + b.violations,
    failures: [...a.failures, ...b.failures],
  };
}
