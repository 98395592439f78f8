/** Sentences for calls that failed: what was tried, who answered, what may be done next.
 *  Indentation and the commands to type are the executable's. */

import type { MonotonicMs, NodeId, WallMs } from "../base/types.ts";
import { majorityOf } from "../raft/membership.ts";
import type { NodeReport, Request } from "../transport/requests.ts";
import type { ClusterKey } from "../transport/types.ts";
import type { CallResult, Target } from "./call.ts";
import type { Finder } from "./finder.ts";
import { disagreementText, foundersSaid } from "./founders.ts";
import { heardClusters } from "./heard.ts";
import type { Refusal, Verdict } from "./outcomes.ts";
import { RaftError } from "./types.ts";

const LATELY_MS = 1_000;
/** The network is asked once a second: who waits less has hardly asked, and was hasty. */
export const HASTY_MS = 950;
const SAFE = "Safe to send again.";
const SAFE_NAMED = "Safe to repeat under the same id: an earlier call may have added it.";

export interface Circumstances {
  readonly key: ClusterKey;
  readonly finder: Finder;
  /** What nodes said while a leader was looked for. */
  readonly reports: readonly NodeReport[];
  readonly waitedMs: number;
  readonly nowMs: MonotonicMs;
}

/** Exit code 3, with what was tried and heard in it. */
export function nobodyAnswers(
  { key, finder, waitedMs }: Circumstances,
  name: string | null = null,
): RaftError {
  const { interfaces, ways, heard } = finder.report();
  const nobody = {
    cluster: key.cluster,
    interfaces,
    ways,
    seconds: waitedMs / 1_000,
    heard: heardClusters(heard, key),
  };
  return new RaftError(`nobody answers for cluster ${key.cluster}`, 3, {
    nobody,
    ...named(name),
  });
}

/** Exit code 4: an entry that certainly was not added by this call. `name`: under which its caller
 *  sent it; nothing is known here of the copies of earlier calls under it. */
export function notAdded(why: string, name: string | null): RaftError {
  const advice = name === null ? SAFE : SAFE_NAMED;
  return new RaftError(`${notAddedBy(name)}: ${why}.`, 4, { advice, ...named(name) });
}

function notAddedBy(name: string | null): string {
  return name === null ? "not added" : "not added by this call";
}

/** Of entries. */
interface EntryIds {
  /** Under which their caller sent them; null: it gave none. */
  readonly name: string | null;
  /** Under which they can be repeated. */
  readonly requestId: string | null;
}

/** Why entries were not acknowledged. `result` null: no copy was ever sent. */
export function sendFailure(
  result: CallResult | null,
  { name, requestId }: EntryIds,
  around: Circumstances,
): RaftError {
  const conflict = around.finder.conflict();
  if (result === null || result.type === "timeout") {
    if ((result?.verdict ?? "safe") === "unknown") {
      return unknown("the entry", result?.lastTo ?? null, requestId, around.waitedMs);
    }
    if (conflict !== null) return conflict;
    if (answering(around).length === 0) return nobodyAnswers(around, name);
    return notAdded(whyNot(result?.type === "timeout" ? result.lastRefusal : null, around), name);
  }
  if (result.type === "answered")
    return new RaftError("not understood: the node answered something else", 5, named(requestId));
  return refusedSend(
    result.refusal,
    result.verdict,
    { name, requestId },
    around,
    result.from.remote.identity.id,
  );
}

function refusedSend(
  refusal: Refusal,
  verdict: Verdict,
  { name, requestId }: EntryIds,
  around: Circumstances,
  from: NodeId,
): RaftError {
  switch (refusal.code) {
    case "forgotten":
      if (refusal.number !== null)
        return new RaftError(
          "already added: look in the log for its index, which is no longer known",
          8,
        );
      return new RaftError(
        "not added now: the cluster has forgotten this request id since. If it was sent before, look in the log before sending it anew",
        8,
      );
    case "if last": {
      if (verdict === "unknown") return unknown("the entry", from, requestId, around.waitedMs);
      const lastIndex = refusal.number ?? 0;
      return new RaftError(`not added: the last entry is ${lastIndex}`, 8, { lastIndex });
    }
    default:
      if (verdict === "unknown") return unknown("the entry", from, requestId, around.waitedMs);
      return new RaftError(
        `${notAddedBy(name)}: ${refusal.text === "" ? refusal.code : refusal.text}`,
        8,
        named(name),
      );
  }
}

/** A node refused what was asked of it; `refusal` says why. */
export class RefusedError extends RaftError {
  readonly refusal: Refusal;
  constructor(refusal: Refusal, message: string, exitCode: 4 | 8) {
    super(message, exitCode);
    this.refusal = refusal;
  }
}

/** Why a request that is not an append failed. */
export function callFailure(
  result: CallResult,
  request: Request,
  target: Target,
  around: Circumstances,
): RaftError {
  if (result.type === "answered")
    return new RaftError("not understood: the node answered something else", 4);
  if (result.type === "refused") return refusedCall(result.refusal, result.from.remote.identity.id);
  const operates =
    request.type === "stop" || request.type === "transfer" || request.type === "members";
  if (operates && result.verdict === "unknown")
    return unknown("the request", result.lastTo, null, around.waitedMs);
  const conflict = around.finder.conflict();
  if (conflict !== null) return conflict;
  if (answering(around).length === 0) return nobodyAnswers(around);
  if (result.lastRefusal?.code === "damaged") return new RaftError(result.lastRefusal.text, 7);
  if (typeof target === "number" && result.lastRefusal === null)
    return new RaftError(`not done: ${whySilent(target, around)}`, 4);
  return new RaftError(`not done: ${whyNot(result.lastRefusal, around)}`, 4);
}

/** Why a certain node did not answer: it does not belong, or it is silent, and since when. */
function whySilent(id: NodeId, around: Circumstances): string {
  const heard = answering(around);
  if (heard.includes(id)) return `node ${id} is heard and did not answer in time`;
  const reports = around.reports.filter((report) => heard.includes(report.id));
  const known = reports.flatMap(({ peers }) => peers.filter((peer) => peer.id === id));
  const seen = known.toSorted((a, b) => (b.lastHeardWallMs ?? 0) - (a.lastHeardWallMs ?? 0))[0];
  const heardMs = seen?.lastHeardWallMs ?? null;
  const members = reports.find(({ configuration }) => configuration !== null)?.configuration
    ?.members;
  if (members !== undefined && members.every((member) => member.id !== id)) {
    const ids = members.map((member) => member.id).sort((a, b) => a - b);
    return `node ${id} is no member (members: ${ids.join(", ")}) and does not answer`;
  }
  const at = heardMs === null ? "" : timeOfDay(heardMs);
  if (seen?.stopped === true)
    return `node ${id} has stopped already${at === "" ? "" : `, at ${at}`}`;
  const last = at === "" ? "" : `; last heard ${at}`;
  if (last === "" && around.waitedMs < HASTY_MS)
    return `node ${id} has not answered within ${waitedText(around)}`;
  return `node ${id} does not answer${last}`;
}

function timeOfDay(ms: WallMs): string {
  const date = new Date(ms);
  const parts = [date.getHours(), date.getMinutes(), date.getSeconds()];
  return parts.map((value) => String(value).padStart(2, "0")).join(":");
}

function refusedCall(refusal: Refusal, from: NodeId): RaftError {
  const { code, text, number } = refusal;
  const detail = text === "" ? code : text;
  if (code === "trimmed")
    return new RefusedError(refusal, `entries before ${number ?? 0} were trimmed`, 8);
  const passing = code === "outdated" || code === "configuration changed";
  if (passing) return new RefusedError(refusal, `not done: ${detail}`, 4);
  return new RefusedError(refusal, `refused by node ${from}: ${detail}`, 8);
}

function unknown(
  what: string,
  to: NodeId | null,
  requestId: string | null,
  waitedMs: MonotonicMs,
): RaftError {
  const who = to === null ? "a node" : `node ${to}`;
  const silence =
    waitedMs < HASTY_MS
      ? `has not answered within ${Math.max(1, Math.round(waitedMs))} ms`
      : `fell silent (${(waitedMs / 1_000).toFixed(1)} s)`;
  return new RaftError(`unknown: ${who} took ${what} and ${silence}`, 5, named(requestId));
}

function named(requestId: string | null): { requestId?: string } {
  return requestId === null ? {} : { requestId };
}

/** Nodes that were heard while the call waited, or shortly before; sorted. */
function answering({ finder, nowMs, waitedMs }: Circumstances): readonly NodeId[] {
  const sinceMs = nowMs - Math.max(waitedMs, LATELY_MS);
  const heard = finder.nodes().filter(({ lastHeardMs }) => lastHeardMs >= sinceMs);
  return heard.map(({ remote }) => remote.identity.id).sort((a, b) => a - b);
}

/** What the nodes that answer say: no leader, not founded, busy. */
function whyNot(refusal: Refusal | null, around: Circumstances): string {
  const { key } = around;
  const heard = answering(around);
  const reports = around.reports.filter(({ id }) => heard.includes(id));
  const who = `${nodesOf(heard)} ${heard.length === 1 ? "answers" : "answer"}`;
  if (refusal !== null && !LEADERLESS.has(refusal.code)) {
    return refusal.text === "" ? `the leader says ${refusal.code}` : refusal.text;
  }
  const member =
    reports.find(({ state, leader }) => state === "member" && leader === null) ??
    reports.find(({ state }) => state === "member");
  // Nobody has said that there is no leader.
  const leaderId = member?.leader ?? around.finder.leader?.id ?? null;
  if (refusal === null && leaderId !== null && member?.leader !== null)
    return `${who} but the leader, node ${leaderId}, was not reached in ${waitedText(around)}`;
  if (member === undefined || member.configuration === null) {
    const waiting = reports.find(({ state }) => state === "waiting");
    if (waiting === undefined && refusal === null && reports.length === 0)
      return `${who} but ${waitedText(around)} were too short to learn who leads`;
    if (waiting === undefined) return `${who} but there is no leader`;
    const disagreement = disagreementText(foundersSaid(reports));
    if (disagreement !== null) return `${who} but ${disagreement}`;
    const missing = waiting.founders.filter(
      (id) =>
        !heard.includes(id) &&
        !waiting.peers.some((peer) => peer.id === id && peer.lastContactMs !== null),
    );
    const waits =
      missing.length === 0
        ? "is being founded"
        : `is not founded yet and waits for ${nodesOf(missing)}`;
    return `${who} but cluster ${key.cluster} ${waits}`;
  }
  const voters = member.configuration.members
    .filter(({ role }) => role === "voter")
    .map(({ id }) => id);
  const silent = voters.filter((id) => !heard.includes(id));
  const needed = majorityOf(voters.length);
  const silence =
    silent.length === 0 ? "" : `; ${listOf(silent)} ${silent.length === 1 ? "is" : "are"} silent`;
  return `${who} but there is no leader (${needed} of ${voters.length} voters are needed${silence})`;
}

/** "20 ms", "5.0 s" */
function waitedText({ waitedMs }: Circumstances): string {
  return waitedMs < 1_000 ? `${Math.round(waitedMs)} ms` : `${(waitedMs / 1_000).toFixed(1)} s`;
}

const LEADERLESS: ReadonlySet<string> = new Set([
  "not leader",
  "no leader",
  "not founded",
  "not member",
  "unknown",
  "stopping",
  "expected",
  "overwritten",
]);

function nodesOf(ids: readonly NodeId[]): string {
  return `${ids.length === 1 ? "node" : "nodes"} ${listOf(ids)}`;
}

function listOf(ids: readonly NodeId[]): string {
  return ids.length < 2 ? ids.join("") : `${ids.slice(0, -1).join(", ")} and ${ids.at(-1)}`;
}
