/** Leadership transfer (thesis §3.10). */

import type { NodeId } from "../base/types.ts";
import { isVoter } from "./membership.ts";
import { RETRY_MAX_MS, RETRY_MIN_MS } from "./progress.ts";
import type { Progress } from "./progress.ts";
import { nextRound, send } from "./state.ts";
import type { CoreState, Leadership } from "./state.ts";
import type { TransferResult } from "./types.ts";

/** Stops taking entries and, as soon as the target holds the whole log, tells it to campaign. */
export function beginTransfer(
  state: CoreState,
  leadership: Leadership,
  wanted: NodeId | null,
): TransferResult {
  if (leadership.transfer !== null) {
    const { to } = leadership.transfer;
    return { ok: false, reason: `leadership is being handed to node ${to} already`, to };
  }
  const candidates = [...leadership.peers.values()].filter((peer) => mayLead(state, peer));
  const target =
    wanted === null
      ? candidates.sort((a, b) => b.matchIndex - a.matchIndex || a.id - b.id)[0]
      : candidates.find((peer) => peer.id === wanted);
  if (target === undefined) {
    return { ok: false, reason: whyNot(state, wanted), to: null };
  }
  leadership.transfer = {
    to: target.id,
    deadlineMs: state.nowMs + state.timings.electionMaxMs,
    ordered: false,
    resendAtMs: state.nowMs,
  };
  orderTimeoutNow(state, leadership);
  return { ok: true, reason: `leadership is handed to node ${target.id}`, to: target.id };
}

/** Why nobody, or not the one that was wanted, can take over. */
function whyNot(state: CoreState, wanted: NodeId | null): string {
  if (wanted === null) return "no other voter answers and can take over now";
  if (wanted === state.self.id) return `node ${wanted} leads already`;
  const { members } = state.configurations.inForce;
  const member = members.find(({ id }) => id === wanted);
  if (member === undefined)
    return `node ${wanted} is no member (members: ${members.map(({ id }) => id).join(", ")})`;
  if (member.role === "learner") return `node ${wanted} is a learner: it has no vote`;
  return `node ${wanted} does not answer, or cannot take over now`;
}

/** Sends TimeoutNow when the target holds every entry, and again while it has not taken over. */
export function orderTimeoutNow(state: CoreState, leadership: Leadership): void {
  const transfer = leadership.transfer;
  if (transfer === null || state.nowMs < transfer.resendAtMs) return;
  const target = leadership.peers.get(transfer.to);
  if (target === undefined || target.matchIndex !== state.log.lastIndex) return;
  send(state, target.id, { type: "timeoutNow", term: state.hard.term, round: nextRound(state) });
  const resendMs = Math.max(RETRY_MIN_MS, Math.min(RETRY_MAX_MS, state.timings.heartbeatMs));
  transfer.resendAtMs = state.nowMs + resendMs;
  if (transfer.ordered) return;
  transfer.ordered = true;
  state.outbox.event({ type: "transfer", to: transfer.to, outcome: "ordered" });
}

/** After one election timeout the leader takes entries again; gives up on a target that is no voter
 *  now. */
export function expireTransfer(state: CoreState, leadership: Leadership): void {
  const transfer = leadership.transfer;
  if (transfer === null) return;
  const target = leadership.peers.get(transfer.to);
  const isLost = target === undefined || !isVoterNow(state, target);
  if (!isLost && state.nowMs < transfer.deadlineMs) return;
  leadership.transfer = null;
  const outcome = isLost ? "given up" : "timed out";
  state.outbox.event({ type: "transfer", to: transfer.to, outcome });
}

/** Infinity when no transfer is open. */
export function transferDeadlineMs(state: CoreState, leadership: Leadership): number {
  const transfer = leadership.transfer;
  if (transfer === null) return Infinity;
  const target = leadership.peers.get(transfer.to);
  const isCaughtUp = target?.matchIndex === state.log.lastIndex;
  return isCaughtUp ? Math.min(transfer.deadlineMs, transfer.resendAtMs) : transfer.deadlineMs;
}

function mayLead(state: CoreState, peer: Progress): boolean {
  if (!isVoterNow(state, peer)) return false;
  if (peer.state !== "replicate" && peer.state !== "probe") return false;
  return state.nowMs - peer.lastContactMs < state.timings.electionMinMs;
}

function isVoterNow(state: CoreState, peer: Progress): boolean {
  return isVoter(state.configurations.inForce, peer.id, peer.incarnation);
}
