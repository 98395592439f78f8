/** The definition of linearizability, word for word and therefore exponential: is there an order of
 *  all operations that agrees with real time and in which one log, kept by one process, gives
 *  exactly these answers and ends as the final log? For histories of a handful of operations. */
import type { FinalLog, Operation, SendOperation } from "../../src/sim/history.ts";
import { ReadDigest } from "../../src/sim/history.ts";

/** Request ids are not looked at: every send is a request of its own. */
export function isLinearizable(operations: readonly Operation[], finalLog: FinalLog): boolean {
  return search(operations.filter(takesPart), [], finalLog);
}

/** Other refusals, and reads that were not answered, have no effect and no answer to explain. */
function takesPart(operation: Operation): boolean {
  const { kind, outcome } = operation;
  if (kind === "read") return outcome === "ok";
  return outcome !== "refused" || (operation.ifLast !== null && isTold(operation));
}

function isTold({ lastUser }: SendOperation): boolean {
  return lastUser !== undefined && lastUser !== null;
}

function search(
  waiting: readonly Operation[],
  log: readonly (string | null)[],
  finalLog: FinalLog,
): boolean {
  const done = log.length === finalLog.length && log.every((entry, at) => entry === finalLog[at]);
  if (done && waiting.every(({ outcome }) => outcome === "unknown")) return true;
  if (log.length > finalLog.length) return false;
  // The cluster may add an entry of its own at any time.
  if (finalLog[log.length] === null && search(waiting, [...log, null], finalLog)) return true;
  return waiting.some((operation, at) => {
    const others = waiting.toSpliced(at, 1);
    // Whatever returned before it was called comes before it.
    if (others.some((other) => isBefore(other, operation))) return false;
    const after = apply(operation, log);
    return after !== null && search(others, after, finalLog);
  });
}

function isBefore(first: Operation, then: Operation): boolean {
  if (first.outcome === "unknown" || first.returnNs === null) return false;
  return first.returnNs < then.callNs;
}

/** The log behind the operation, or null where it could not have been answered so. */
function apply(
  operation: Operation,
  log: readonly (string | null)[],
): readonly (string | null)[] | null {
  if (operation.kind === "send") {
    const { index, outcome, payloads, ifLast } = operation;
    const last = log.findLastIndex((entry) => entry !== null) + 1;
    if (outcome === "refused") return operation.lastUser === last && last !== ifLast ? log : null;
    if (outcome === "ok" && index !== log.length + 1) return null;
    if (ifLast !== null && last !== ifLast) return null;
    return [...log, ...payloads];
  }
  const { from, index, count, digest } = operation;
  if (index !== Math.max(log.length, from - 1) || count !== index - from + 1) return null;
  const saw = new ReadDigest();
  for (let at = from; at <= log.length; at++) saw.add(at, log[at - 1] ?? null);
  return digest === saw.toString() ? log : null;
}
