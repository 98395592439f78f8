/** Every scenario, in the order of the report. To add one: a file in this folder, a line here. */
import type { Scenario } from "../scenario.ts";
import { costs } from "./costs.ts";
import { failovers } from "./failover.ts";
import { floors } from "./floors.ts";
import { loads } from "./loads.ts";
import { pairs } from "./pairs.ts";
import { starts } from "./starts.ts";
import { steadies } from "./steady.ts";

export const SCENARIOS: readonly Scenario[] = [
  ...floors,
  ...loads,
  ...pairs,
  ...costs,
  ...starts,
  ...failovers,
  ...steadies,
];
