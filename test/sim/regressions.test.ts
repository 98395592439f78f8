/** Seeds that once found something, run again. What a seed draws has changed since: a run today is
 *  not the run that found it, and each of these is one more seed that must break nothing. */

import { expect, test } from "vitest";
import { runSeed, type SeedWish } from "./swarm.ts";

const REGRESSIONS: readonly (readonly [seed: number, what: string, wish: SeedWish])[] = [
  [28, "a seal whose own sync failed is passed over by a reader of the disk", { elections: 8 }],
  [310, "what a disk held before it was lost counts as it was", { elections: 10 }],
  [67, "a sync that hangs is healed by another process", { elections: 6 }],
];

test.each(REGRESSIONS)("seed %i: %s", { timeout: 120_000 }, async (seed, _what, wish) => {
  const { violations, command } = await runSeed(seed, wish);
  expect(violations.join("\n"), command).toBe("");
});
