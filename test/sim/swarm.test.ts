/** A few seeds of the simulator in every test run. */

import { afterAll, expect, test } from "vitest";
import { runSeed, Tally } from "./swarm.ts";

/** Fewer and shorter than anybody's campaign: so that the simulator cannot rot. What they lack in
 *  length they have in strikes. */
const SEEDS = 12;
const ELECTIONS = 12;
const STRIKES = 6;

const tally = new Tally();

test.each(Array.from({ length: SEEDS }, (_, at) => at + 1))(
  "seed %i breaks no promise",
  { timeout: 120_000 },
  async (seed) => {
    const wish = { elections: ELECTIONS, strikes: STRIKES, quiet: true };
    const outcome = await runSeed(seed, wish);
    tally.add(outcome);
    expect(outcome.violations.join("\n"), outcome.command).toBe("");
  },
);

afterAll(() => {
  expect(tally.acknowledged, "customers were served").toBeGreaterThan(SEEDS);
  const struck = [...tally.strikes.keys()].map((name) => name.replace(/:.*/, ""));
  expect(struck).toEqual(expect.arrayContaining(["kill", "power cut", "pause", "partition"]));
  expect(tally.faults, "faults of single datagrams").toBeGreaterThan(SEEDS);
  expect(tally.livenessOk, "quorums were healed").toBeGreaterThan(SEEDS / 2);
});
