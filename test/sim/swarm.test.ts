import { expect, test } from "vitest";
import { runSeed } from "./swarm.ts";

/** Fewer and shorter than anybody's campaign: so that the simulator cannot rot. */
const SEEDS = 20;
const ELECTIONS = 4;

test.each(Array.from({ length: SEEDS }, (_, at) => at + 1))(
  "seed %i breaks no promise",
  async (seed) => {
    const { violations, command } = await runSeed(seed, { elections: ELECTIONS });
    expect(violations.join("\n"), command).toBe("");
  },
);
