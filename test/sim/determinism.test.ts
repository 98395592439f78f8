/** The same seed gives the same run, event for event, whatever ran before it in this process. */

import { describe, expect, it } from "vitest";
import { NEMESES } from "../../src/sim/nemesis/index.ts";
import { swarmPlan, timingsOf, type Plan } from "../../src/sim/plan.ts";
import { type RunOutcome, simulate } from "../../src/sim/simulation.ts";

const SEEDS = Number(process.env["RAFT_SEEDS"] ?? 12);
const NAMES = NEMESES.map(({ name }) => name);

const SMALL = { customers: 1, outstanding: 1, thinkMs: 200 };

/** Short, and with every nemesis in turn. */
function planOf(seed: number): Plan {
  const timings = timingsOf(50);
  const nemeses = NAMES.filter((_, at) => at % 3 === seed % 3);
  const nodes = [3, 3, 5][seed % 3] ?? 3;
  return swarmPlan(seed, nodes, NAMES, {
    timings,
    nemeses,
    faultsMs: timings.electionMaxMs * 5,
    ...SMALL,
  });
}

const digest = ({ fingerprint, events, worldMs, faults, violations }: RunOutcome): unknown => ({
  fingerprint,
  events,
  worldMs,
  faults: Object.fromEntries(faults),
  violations,
});
  strikes,
  faults,
  violations,
}: RunOutcome): unknown => ({
  fingerprint,
  events,
  worldMs,
  strikes: Object.fromEntries(strikes),

describe("a seed", () => {
  it(`gives the same run twice, for ${SEEDS} seeds`, { timeout: 120_000 }, async () => {
    const first: unknown[] = [];
    for (let seed = 1; seed <= SEEDS; seed++) first.push(digest(await simulate(planOf(seed))));
    for (let seed = SEEDS; seed >= 1; seed--) {
      expect(digest(await simulate(planOf(seed))), `seed ${seed}`).toEqual(first[seed - 1]);
    }
    expect(new Set(first.map((each) => JSON.stringify(each))).size).toBe(SEEDS);
  });
});
