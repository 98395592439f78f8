/** What customers were told, held against the log as disks hold it in the end. */

import { digestOfRange, digestPrefixes, type FinalLog } from "./history.ts";
import type { Evidence } from "./invariants/types.ts";
import { checkHistory } from "./linearizability.ts";
import type { DurableRecord } from "./record-tree.ts";
import type { Workload } from "./workload.ts";

/** Every broken promise as a sentence. */
export function judge(workload: Workload, evidence: Evidence): readonly string[] {
  const found: string[] = [...workload.contradictions];
  const last = longestLog(evidence);
  const log = finalLog(last);
  found.push(...checkHistory(workload.operations, log));
  const prefixes = digestPrefixes(log);
  for (const { client, node, from, index, count, digest } of workload.staleReads) {
    const to = index ?? 0;
    const isPrefix =
      count === to - from + 1 &&
      (count === 0 || (to <= log.length && digestOfRange(prefixes, from, to) === digest));
    if (!isPrefix)
      found.push(`${client} read ${from}..${to} at node ${node ?? "any"}: no prefix of the log`);
  }
  return found;
}

/** The longest durable log that holds everything committed. */
function longestLog({ cluster, platters, committed }: Evidence): DurableRecord | null {
  let longest = committed.tip;
  for (const machine of cluster.machines.values()) {
    const { log } = platters.of(machine);
    const holdsAll = committed.tip === null || log.at(committed.lastIndex) === committed.tip;
    if (holdsAll && log.lastIndex > (longest?.head.lastIndex ?? 0)) longest = log.tip;
  }
  return longest;
}

function finalLog(last: DurableRecord | null): FinalLog {
  const log: (string | null)[] = [];
  for (let at = last; at !== null; at = at.before)
    for (let entry = 0; entry < at.head.count; entry++)
      log[at.head.firstIndex - 1 + entry] = at.payloads[entry] ?? null;
  return log;
}
