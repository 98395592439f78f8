/** Waits until the machine is quiet: what one run left to be written, or removed from the disk,
 *  must not be paid for by the next one. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { sleep } from "../e2e/world.ts";

/** So long after files were removed the disk may still be busy with that. */
const REST_MS = 1_000;
const SAMPLE_MS = 250;
/** Quiet: all cores together are idle for this part of a sample. */
const IDLE_PART = 0.9;
/** How long to wait for that: so many times what will be measured, and no longer than this. */
const PATIENCE_TIMES = 5;
const PATIENCE_MS_MAX = 10_000;

/** Resolves to whether it became quiet. `seconds`: for how long it will be measured; who measures
 *  little does not wait long. */
export async function settle(signal: AbortSignal, seconds: number): Promise<boolean> {
  spawnSync("sync");
  await sleep(REST_MS);
  const deadlineMs =
    performance.now() + Math.min(PATIENCE_MS_MAX, seconds * 1_000 * PATIENCE_TIMES);
  while (performance.now() < deadlineMs && !signal.aborted) {
    const before = times();
    await sleep(SAMPLE_MS);
    const after = times();
    const idle = (after.idle - before.idle) / (after.all - before.all);
    if (!(idle < IDLE_PART)) return true;
  }
  return false;
}

/** Ticks since the start of the machine; waiting for the disk is not idle. */
function times(): { readonly idle: number; readonly all: number } {
  const line = readFileSync("/proc/stat", "utf8").split("\n")[0] ?? "";
  const [user = 0, nice = 0, system = 0, idle = 0, ...rest] = line
    .split(/\s+/)
    .slice(1, 9)
    .map(Number);
  return { idle, all: [user, nice, system, idle, ...rest].reduce((sum, one) => sum + one, 0) };
}
