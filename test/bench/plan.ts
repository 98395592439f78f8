/** Which scenarios run, in which order: every round has each of them once, in an order of its
 *  own. */
import { type Random, seededRandom } from "../../src/base/random.ts";
import type { Scenario } from "./scenario.ts";

export interface Turn {
  /** From 0. */
  readonly round: number;
  readonly scenario: Scenario;
}

/** All runs, in order; it follows from the seed. */
export function plan(scenarios: readonly Scenario[], runs: number, seed: number): readonly Turn[] {
  const random = seededRandom(seed);
  return Array.from({ length: runs }, (_, round) =>
    shuffled(scenarios, random).map((scenario) => ({ round, scenario })),
  ).flat();
}

/** The same values in an order of chance. */
export function shuffled<T>(values: readonly T[], random: Random): readonly T[] {
  return values
    .map((value) => ({ value, at: random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ value }) => value);
}
