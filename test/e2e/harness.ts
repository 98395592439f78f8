/** Runs the compiled executable for the end-to-end tests: worlds and clusters that end with the
 *  test that made them, failed or not. */
import { onTestFinished } from "vitest";
import { type Running, World, type WorldOptions } from "./world.ts";

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
