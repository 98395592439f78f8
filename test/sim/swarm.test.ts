/** A few seeds of the simulator in every test run. */

import { afterAll, expect, test } from "vitest";
import { runSeed, Tally } from "./swarm.ts";

/** Fewer and shorter than anybody's campaign: so that the simulator cannot rot. */
const SEEDS = 20;
const ELECTIONS = 2;

const tally = new Tally();

test.each(Array.from({ length: SEEDS }, (_, at) => at + 1))(
  "seed %i breaks no promise",
  { timeout: 120_000 },
  async (seed) => {
    const outcome = await runSeed(seed, { elections: ELECTIONS, quiet: true });
    tally.add(outcome);
    expect(outcome.violations.join("\n"), outcome.command).toBe("");
  },
);

afterAll(() => {
  expect(tally.acknowledged, "customers were served").toBeGreaterThan(SEEDS);
  expect(tally.faults, "faults struck").toBeGreaterThan(SEEDS);
  expect(tally.livenessOk, "quorums were healed").toBeGreaterThan(SEEDS / 2);
});
