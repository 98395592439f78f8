/** Every line of the scoreboard, in its order. */

import { measure as determinism } from "./determinism.ts";
import { measure as diskFaults } from "./disk-faults.ts";
import { measure as failover } from "./failover.ts";
import { measure as founding } from "./founding.ts";
import { measure as fuzz } from "./fuzz.ts";
import { measure as kill } from "./kill.ts";
import { measure as linearizable } from "./linearizable.ts";
import { measure as liveness } from "./liveness.ts";
import { measure as identity } from "./identity.ts";
import { measure as loss } from "./loss.ts";
import type { Measure } from "./measure.ts";
import { measure as partial } from "./partial.ts";
import { measure as pause } from "./pause.ts";
import { measure as planted } from "./planted.ts";
import { measure as powerCuts } from "./power-cuts.ts";
import { measure as simulated } from "./simulated.ts";

export const MEASURES: readonly Measure[] = [
  simulated,
  liveness,
  planted,
  determinism,
  kill,
  powerCuts,
  diskFaults,
  linearizable,
  fuzz,
  founding,
  failover,
  loss,
  partial,
  pause,
  identity,
];

/** Their figure is a time or a rate, or they keep both cores busy: nothing runs beside them. */
export const ALONE: ReadonlySet<Measure> = new Set([
  kill,
  failover,
  linearizable,
  pause,
  powerCuts,
  diskFaults,
  loss,
  partial,
  identity,
  planted,
]);
