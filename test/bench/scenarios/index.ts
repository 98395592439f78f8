/** Every scenario, in the order of the report. To add one: a file in this folder, a line here. */
import type { Scenario } from "../scenario.ts";
import { closedLoops } from "./closed-loop.ts";
import { failovers } from "./failover.ts";
import { steadies } from "./steady.ts";

export const SCENARIOS: readonly Scenario[] = [...closedLoops, ...failovers, ...steadies];
