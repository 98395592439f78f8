/** Every scenario, in the order of the report. To add one: a file in this folder, a line here. */
import type { Scenario } from "../scenario.ts";
import { catchUps } from "./catch-up.ts";
import { costs } from "./costs.ts";
import { failovers } from "./failover.ts";
import { floors } from "./floors.ts";
import { larges } from "./large.ts";
import { loads } from "./loads.ts";
import { memories } from "./memory.ts";
import { pairs } from "./pairs.ts";
import { restarts } from "./restart.ts";
import { starts } from "./starts.ts";
import { steadies } from "./steady.ts";

export const SCENARIOS: readonly Scenario[] = [
  ...floors,
  ...loads,
  ...larges,
  ...pairs,
  ...costs,
  ...catchUps,
  ...restarts,
  ...memories,
  ...starts,
  ...failovers,
  ...steadies,
];
