/** One run: a cluster under its plan, watched by every invariant, used by customers, troubled until
 *  the faults end, healed, and judged. */

import type { NodeEvent } from "../node/events.ts";
import { CONTRADICTION } from "../storage/recovery.ts";
import { Cluster } from "./cluster.ts";
import { Healer, type Liveness } from "./healing.ts";
import { INVARIANTS } from "./invariants/index.ts";
import type { Machine } from "./machine.ts";
import { unleash } from "./nemesis/index.ts";
import type { Plan } from "./plan.ts";
import { judge } from "./verdict.ts";
import { Watch } from "./watch.ts";
import { Workload } from "./workload.ts";

export interface RunOutcome {
  readonly seed: number;
  /** What broke, as sentences; empty: nothing. */
  readonly violations: readonly string[];
  /** Equal for equal runs. */
  readonly fingerprint: string;
  readonly events: number;
  /** How much time of the world passed, ms. */
  readonly worldMs: number;
  /** What nemeses did, by kind. */
  readonly strikes: ReadonlyMap<string, number>;
  /** What befell single datagrams, syncs, calls and programs, by kind. */
  readonly faults: ReadonlyMap<string, number>;
  /** Entries acknowledged. */
  readonly acknowledged: number;
  /** Sends and reads of all customers. */
  readonly operations: number;
  /** Of a random quorum, healed while the rest was not; null: nothing that was left could go on. */
  readonly liveness: Liveness | null;
}

export interface RunWatcher {
  readonly onEvent?: (machine: Machine, event: NodeEvent, nowMs: number) => void;
  readonly onFault?: (sentence: string, nowMs: number) => void;
}

/** Runs a plan to its end or to the first violation. */
export async function simulate(plan: Plan, watcher: RunWatcher = {}): Promise<RunOutcome> {
  const violations: string[] = [];
  const isBroken = (): boolean => violations.length > 0;
  const cluster: Cluster = new Cluster(plan, {
    onEvent: (machine, event) => watcher.onEvent?.(machine, event, cluster.nowMs),
    onEnd: (machine, end) => {
      const text = "text" in end ? end.text : "";
      if (end.type === "bug" || text.includes(CONTRADICTION))
        violations.push(`node ${machine.id} ended by a bug: ${text}`);
      cluster.schedule.at(cluster.nowMs + cluster.electionMs, () => {
        if (!healer.heldDown.has(machine)) machine.start();
      });
    },
    onTurn: (machine) => watch.turned(machine),
    onSync: (machine, path) => watch.synced(machine, path),
    onFault: (sentence) => watcher.onFault?.(sentence, cluster.nowMs),
  });
  const watch = new Watch(cluster, INVARIANTS, (name, sentence) => {
    violations.push(`${name} at ${cluster.nowMs.toFixed(3)} ms: ${sentence}`);
  });
  const workload = new Workload(cluster, plan.faultsMs);
  const healer = new Healer(watch.evidence, workload, isBroken);
  for (const machine of cluster.machines.values()) machine.start();
  workload.start();
  unleash(cluster, plan.faultsMs);
  await cluster.run(plan.faultsMs, isBroken);
  const healed = isBroken() ? null : await healer.heal();
  violations.push(...(healed?.problems ?? []));
  if (!isBroken()) watch.ended();
  if (!isBroken()) violations.push(...judge(workload, watch.evidence));
  cluster.end();
  return {
    seed: plan.seed,
    violations,
    fingerprint: cluster.fingerprint.text(),
    events: cluster.schedule.ran,
    worldMs: cluster.nowMs,
    strikes: cluster.strikes,
    faults: cluster.faults,
    acknowledged: workload.acknowledged,
    operations: workload.operations.length + workload.staleReads.length,
    liveness: healed?.liveness ?? null,
  };
}
