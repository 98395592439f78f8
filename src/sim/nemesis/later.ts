/** What a nemesis undoes by itself, as long as faults strike at all. */

import type { Cluster } from "../cluster.ts";

/** Runs in so many ms, but not once the faults are over: from then on `relent` and the healer say
 *  what is mended, started or let go, and nothing else may. */
export function later(cluster: Cluster, delayMs: number, run: () => void): void {
  cluster.schedule.at(cluster.nowMs + delayMs, () => {
    if (cluster.nowMs < cluster.plan.faultsMs) run();
  });
}
