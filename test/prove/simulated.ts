/** Cluster-hours of the simulator under swarm settings, every invariant looking on. */

import type { Budget, Figure, Measure } from "./measure.ts";
import { swarm } from "./swarm-process.ts";

/** Faults strike for so many election timeouts of each seed: many short worlds differ more than a
 *  few long ones. */
const FAULTS_ELECTIONS = 40;

export const measure: Measure = {
  name: "simulated",
  title: "simulated cluster-hours, 3 / 5 / 7 nodes, swarm, safety violations",
  unit: "cluster-hours",
  targets: { ci: 100, hour: 4_000 },
  demand: "0 violations",
  weight: 24,
  unavailable: () => null,
  run,
};

async function run({ target, seconds, seed, progress }: Budget): Promise<Figure> {
  const startedMs = performance.now();
  const total = await swarm(
    seed,
    seconds,
    ["--elections", String(FAULTS_ELECTIONS)],
    ({ worldHours }) => worldHours >= target,
    ({ seeds, worldHours, violations }) =>
      progress(`${seeds} seeds, ${worldHours.toFixed(2)} hours, ${violations} violations`),
  );
  const { seeds, worldHours, events, strikes, faults, operations } = total;
  const { violations: bad, failures } = total;
  const perSecond = events / ((performance.now() - startedMs) / 1_000);
  const hours = [3, 5, 7].map((nodes) => (total.hours[nodes] ?? 0).toFixed(2)).join(" / ");
  const text =
    `${bad} violations in ${worldHours.toFixed(2)} h (${hours}) of ${seeds} seeds: ` +
    `${strikes.toLocaleString("en")} strikes of nemeses, ${faults.toLocaleString("en")} faults of ` +
    `single datagrams and syncs, ${operations.toLocaleString("en")} operations, ` +
    `${Math.round(perSecond).toLocaleString("en")} events/s; ` +
    "heartbeats of 50, 200 or 1,000 ms, election timeouts of 5 to 8 of them, as in the defaults";
  return { done: worldHours, bad, ok: bad === 0, text, failures };
}
