/** Runs the compiled executable for the end-to-end tests: worlds and clusters that end with the
 *  test that made them, failed or not. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { Running, World, type WorldOptions } from "./world.ts";

const BENCH = fileURLToPath(new URL("../bench/bench.ts", import.meta.url));
/** How long the bench has to end its nodes and to remove their data. */
const BENCH_STOP_MS = 30_000;

export { executable, Running, sleep, until, World } from "./world.ts";
export type { Result, RunOptions, WorldOptions } from "./world.ts";

/** A world that ends with the current test. */
export function world(options: WorldOptions = {}): World {
  const made = new World(options);
  onTestFinished(() => made.end());
  return made;
}

/** A world with nodes 1..n running in it, founded and ready; it ends with the current test. */
export async function cluster(
  n: number,
  options: WorldOptions & { flags?: string[] } = {},
): Promise<{ world: World; nodes: Running[] }> {
  const made = world(options);
  return { world: made, nodes: await made.founded(n, ...(options.flags ?? [])) };
}

/** `npm run bench` with these flags, its data below `directory`. It ends in order with the current
 *  test, so that none of its nodes goes on. */
export function startBench(
  flags: readonly string[],
  env: Record<string, string> = {},
): { running: Running; directory: string } {
  const directory = mkdtempSync(join(tmpdir(), "raft-bench-test-"));
  const running = new Running(
    spawn(process.execPath, [BENCH, ...flags, "--dir", directory], {
      env: { ...process.env, ...env },
      stdio: "pipe",
    }),
  );
  onTestFinished(async () => {
    await running.stop("SIGTERM", BENCH_STOP_MS);
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  });
  return { running, directory };
}
