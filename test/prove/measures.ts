/** Every line of the scoreboard, in its order. */

import type { Measure } from "./measure.ts";
import { measure as determinism } from "./determinism.ts";

export const MEASURES: readonly Measure[] = [determinism];

/** Their figure is a time or a rate, or they keep both cores busy: nothing else runs beside them. */
export const ALONE: ReadonlySet<string> = new Set([
  "kill",
  "failover",
  "linearizable",
  "pause",
  "power-cuts",
  "disk-faults",
  "loss",
  "partial",
  "identity",
]);
