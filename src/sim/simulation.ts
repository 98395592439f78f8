/** One run: a cluster under its plan, watched by every invariant, used by customers, troubled until
 *  the faults end, healed, and judged. */

import type { NodeEvent } from "../node/events.ts";
import { Cluster } from "./cluster.ts";
import { INVARIANTS } from "./invariants/index.ts";
import type { Machine } from "./machine.ts";
import { unleash } from "./nemesis/index.ts";
import type { Plan } from "./plan.ts";
import { Watch } from "./watch.ts";

export interface Outcome {
  readonly seed: number;
  /** What broke, as sentences; empty: nothing. */
  readonly violations: readonly string[];
  /** Equal for equal runs. */
  readonly fingerprint: string;
  readonly events: number;
  /** How much time of the world passed, ms. */
  readonly worldMs: number;
  readonly faults: ReadonlyMap<string, number>;
  /** Entries acknowledged. */
  readonly acknowledged: number;
}

export interface RunWatcher {
  readonly onEvent?: (machine: Machine, event: NodeEvent, nowMs: number) => void;
  readonly onFault?: (sentence: string, nowMs: number) => void;
}

/** Runs a plan to its end or to the first violation. */
export async function simulate(plan: Plan, watcher: RunWatcher = {}): Promise<Outcome> {
  const violations: string[] = [];
  const cluster: Cluster = new Cluster(plan, {
    onEvent: (machine, event) => watcher.onEvent?.(machine, event, cluster.nowMs),
    onEnd: (machine, end) => {
      if (end.type === "bug") violations.push(`node ${machine.id} ended by a bug: ${end.text}`);
      cluster.schedule.at(cluster.nowMs + cluster.electionMs, () => machine.start());
    },
    onTurn: (machine) => watch.turned(machine),
    onSync: (machine, path) => watch.synced(machine, path),
    onFault: (sentence) => watcher.onFault?.(sentence, cluster.nowMs),
  });
  const watch = new Watch(cluster, INVARIANTS, (name, sentence) => {
    violations.push(`${name} at ${cluster.nowMs.toFixed(3)} ms: ${sentence}`);
  });
  for (const machine of cluster.machines.values()) machine.start();
  unleash(cluster, plan.faultsMs);
  await cluster.run(plan.faultsMs, () => violations.length > 0);
  if (violations.length === 0) watch.ended();
  cluster.end();
  return {
    seed: plan.seed,
    violations,
    fingerprint: cluster.fingerprint.text(),
    events: cluster.schedule.ran,
    worldMs: cluster.nowMs,
    faults: cluster.faults,
    acknowledged: 0,
  };
}
