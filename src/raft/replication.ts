/** AppendEntries as the leader sees it (§5.3): what to send to whom, and what the answers say. */

import { assert } from "../base/assert.ts";
import type { LogIndex, MonotonicMs, NodeId, NodeIdentity, Term } from "../base/types.ts";
import { advanceCommitIndex } from "./commit.ts";
import { sendHeartbeat } from "./heartbeat.ts";
import { noteLostData, showsLoss, tellLostData } from "./lost-data.ts";
import {
  askMs,
  becomeProbe,
  becomeReplicate,
  becomeSilent,
  maybeFinishTiming,
  probeIndex,
  retryMs,
  SNAPSHOT_RETRY_MS,
  startTiming,
} from "./progress.ts";
import type { Progress } from "./progress.ts";
import { advanceReads } from "./read-index.ts";
import { becomeFollower } from "./roles.ts";
import { nextRound } from "./state.ts";
import type { CoreState, Leadership } from "./state.ts";
import { orderTimeoutNow } from "./transfer.ts";
import type { AppendReply, HeartbeatReply } from "./types.ts";

/** Retries that meet silence before sending in advance ends and probing begins. */
const RETRIES_IN_PLACE_MAX = 4;

/** Entries are being committed when one was within this time. */
const COMMITTING_MS = 50;

/** What is not larger is sent again rather than asked for. */
const ASK_BYTES_MIN = 1_024;

/** Orders what can be sent now: at most one order per peer is open until the node reports it as
 *  sent. */
export function orderSends(state: CoreState, leadership: Leadership): void {
  for (const peer of leadership.peers.values()) {
    if (!mayOrder(state, peer) || waitsForPace(state, leadership, peer)) continue;
    if (peer.nextIndex <= state.log.baseIndex) {
      orderSnapshot(state, peer);
      continue;
    }
    const round = nextRound(state);
    // What was lost goes first; it was counted when it was sent first.
    const again = peer.state === "replicate" ? peer.inflight.nextDue() : null;
    const fromIndex = again?.firstIndex ?? peer.nextIndex;
    peer.order = { round, fromIndex };
    if (peer.retryAtMs === Infinity) peer.retryAtMs = state.nowMs + retryMs(peer);
    const roomBytes = inflightBytesMax(state, peer) - peer.inflight.bytes;
    // What another state sent has no size here: 0.
    const bytesMax = again?.bytes || Math.min(state.limits.appendBytesMax, roomBytes);
    state.outbox.send({
      to: peer.id,
      term: state.hard.term,
      round,
      fromIndex,
      bytesMax,
      commitIndex: state.commitIndex,
    });
  }
}

/** What the node made of an order. An order that was overtaken by a step back is not counted. */
export function handleSent(
  state: CoreState,
  leadership: Leadership,
  to: NodeId,
  prevIndex: LogIndex,
  lastIndex: LogIndex,
  bytes: number,
): void {
  const peer = leadership.peers.get(to);
  const order = peer?.order;
  if (peer === undefined || order === null || order === undefined) return;
  if (prevIndex >= order.fromIndex) return;
  assert(
    lastIndex <= state.log.lastIndex,
    () => `entry ${lastIndex} was sent, the log ends at ${state.log.lastIndex}`,
  );
  // Nothing could be read there just now: the order stays open and is given again after a while.
  if (peer.state === "replicate" && lastIndex < order.fromIndex) return;
  peer.order = null;
  peer.commitTold = Math.max(peer.commitTold, Math.min(state.commitIndex, lastIndex));
  startTiming(peer, lastIndex, state.nowMs);
  if (peer.state === "probe") {
    peer.probePrevIndex = prevIndex;
    peer.retryAtMs = state.nowMs + retryMs(peer);
  } else if (order.fromIndex < peer.nextIndex) {
    peer.inflight.sentAgain(prevIndex + 1, lastIndex, bytes, order.round);
    if (peer.timed !== null) peer.timed.isRepeated = true;
  } else if (lastIndex >= peer.nextIndex) {
    if (peer.inflight.isEmpty) peer.retryAtMs = state.nowMs + askMs(peer);
    peer.nextIndex = lastIndex + 1;
    peer.inflight.push(prevIndex + 1, lastIndex, bytes, order.round);
    const bytesPerMs = state.catchUpRates.get(peer.id) ?? 0;
    peer.pace.sent(bytes, bytesPerMs, leadership.grownBytes, state.nowMs);
  }
}

/** Success moves matchIndex, a conflict moves nextIndex back, a newer term ends the leadership. */
export function handleAppendReply(state: CoreState, from: NodeIdentity, reply: AppendReply): void {
  const peer = heedReply(state, from, reply);
  const leadership = state.leadership;
  if (peer === null || leadership === null) return;
  if (reply.result === "diverged") {
    if (peer.state !== "diverged") {
      becomeSilent(peer, "diverged");
      state.outbox.event({ type: "diverged", peer: peer.id, index: reply.matchIndex });
    }
  } else if (reply.result === "lost data") {
    noteLostData(state, peer, reply.matchIndex, reply.durableIndex);
    tellLostData(state, peer, from, reply);
  } else if (reply.result === "matched") {
    handleMatched(state, leadership, peer, reply);
  } else {
    handleConflict(state, peer, reply);
  }
  advanceReads(state, leadership);
}

export function handleHeartbeatReply(
  state: CoreState,
  from: NodeIdentity,
  reply: HeartbeatReply,
): void {
  const peer = heedReply(state, from, reply);
  if (peer !== null && state.leadership !== null) advanceReads(state, state.leadership);
}

/** Sends again what was not acknowledged in time. */
export function retryAppends(state: CoreState, leadership: Leadership): void {
  for (const peer of leadership.peers.values()) {
    if (state.nowMs < peer.retryAtMs) continue;
    peer.retries += 1;
    const unacknowledged = peer.state === "replicate" && peer.nextIndex > peer.matchIndex + 1;
    if (unacknowledged && peer.retries <= RETRIES_IN_PLACE_MAX && !peer.inflight.isEmpty) {
      retryInPlace(state, peer);
    } else if (unacknowledged || peer.state === "probe") {
      peer.stepBackRound = state.round;
      const { timed } = peer;
      becomeProbe(peer, probeIndex(peer));
      peer.timed = timed;
    } else {
      peer.order = null;
      peer.retryAtMs = Infinity;
    }
  }
}

/** The acknowledgement may be all that was lost, and what was sent may be large: the answer to a
 *  heartbeat repeats the one and tells what is missing of the other. A peer that has answered and
 *  told of nothing has nothing. */
function retryInPlace(state: CoreState, peer: Progress): void {
  peer.order = null;
  peer.retryAtMs = state.nowMs + askMs(peer);
  if (peer.timed !== null) peer.timed.isRepeated = true;
  const unknownBytes = peer.inflight.firstUnknownBytes;
  // At the first retry askedRound is of an earlier trouble.
  const hasAnswered = peer.retries > 1 && peer.ackedRound >= peer.askedRound;
  if (unknownBytes !== null && (unknownBytes <= ASK_BYTES_MIN || hasAnswered)) {
    peer.askedRound = Infinity;
    return peer.inflight.retryFirst();
  }
  peer.askedRound = nextRound(state);
  sendHeartbeat(state, peer, peer.askedRound);
}

/** A new process of that member: what was under way to the old one is lost. matchIndex stays, for
 *  what was acknowledged was durable; a lower durable index from now on means that it was lost. */
export function handlePeerBooted(leadership: Leadership, from: NodeIdentity): void {
  const peer = leadership.peers.get(from.id);
  if (peer === undefined || peer.incarnation !== from.incarnation) return;
  if (peer.state === "lost data") return;
  peer.retries = 0;
  becomeProbe(peer, probeIndex(peer));
}

function mayOrder(state: CoreState, peer: Progress): boolean {
  if (peer.order !== null) return false;
  switch (peer.state) {
    case "probe":
      // A peer that does not answer gets heartbeats only; its first answer brings the probe back.
      return (
        peer.probePrevIndex === null &&
        state.nowMs - peer.lastContactMs < state.timings.electionMaxMs
      );
    case "replicate":
      if (peer.inflight.nextDue() !== null) return true;
      if (peer.nextIndex > state.log.lastIndex) return false;
      return peer.inflight.bytes < inflightBytesMax(state, peer);
    case "snapshot":
      return (
        peer.retryAtMs === Infinity &&
        state.nowMs - peer.lastContactMs < state.timings.electionMaxMs
      );
    case "diverged":
    case "lost data":
      return false;
  }
}

/** Whether old records wait for their pace. What is not committed never does: it may be this peer
 *  that the others wait for. */
function waitsForPace(state: CoreState, leadership: Leadership, peer: Progress): boolean {
  peer.pacedUntilMs = Infinity;
  const { nowMs } = state;
  const isOld = peer.nextIndex <= state.commitIndex && peer.inflight.nextDue() === null;
  const bytesPerMs = state.catchUpRates.get(peer.id);
  if (peer.state !== "replicate" || !isOld || bytesPerMs === undefined) return false;
  if (nowMs - leadership.committedMs >= COMMITTING_MS) return false;
  const readyAtMs = peer.pace.readyAtMs(bytesPerMs, leadership.grownBytes, nowMs);
  if (readyAtMs > nowMs) peer.pacedUntilMs = readyAtMs;
  return readyAtMs > nowMs;
}

/** When old records that wait for their pace may go on. */
export function paceDeadlineMs(leadership: Leadership): MonotonicMs {
  let deadlineMs = Infinity;
  for (const peer of leadership.peers.values())
    deadlineMs = Math.min(deadlineMs, peer.pacedUntilMs);
  return deadlineMs;
}

/** Drops the deadlines that have passed, or the node would be woken for them for ever. The old
 *  records are ordered with the next `takeReady`. */
export function endPaceWaits(state: CoreState, leadership: Leadership): void {
  for (const peer of leadership.peers.values())
    if (state.nowMs >= peer.pacedUntilMs) peer.pacedUntilMs = Infinity;
}

function inflightBytesMax(state: CoreState, peer: Progress): number {
  return Math.min(state.limits.inflightBytesMax, state.windows.get(peer.id) ?? Infinity);
}

function orderSnapshot(state: CoreState, peer: Progress): void {
  becomeProbe(peer, peer.nextIndex);
  peer.state = "snapshot";
  peer.retryAtMs = state.nowMs + SNAPSHOT_RETRY_MS;
  state.outbox.snapshot(peer.id, state.hard.term, nextRound(state));
}

/** The peer that a reply counts for, or null: a stranger's, an older term's, or the end of this
 *  leadership. */
function heedReply(
  state: CoreState,
  from: NodeIdentity,
  reply: {
    readonly term: Term;
    readonly round: number;
    readonly durableIndex: LogIndex;
  },
): Progress | null {
  const peer = state.leadership?.peers.get(from.id);
  if (peer === undefined || peer.incarnation !== from.incarnation) return null;
  if (reply.term > state.hard.term) {
    becomeFollower(state, reply.term, null, `node ${from.id} is in term ${reply.term}`);
    return null;
  }
  if (reply.term < state.hard.term || reply.round > state.round) return null;
  if (peer.state === "lost data") {
    tellLostData(state, peer, from, reply);
    return null;
  }
  if (reply.round > peer.ackedRound) {
    peer.ackedRound = reply.round;
    peer.lastContactMs = state.nowMs;
  }
  if (!showsLoss(peer, peer.matchIndex, reply)) return peer;
  noteLostData(state, peer, peer.matchIndex, reply.durableIndex);
  tellLostData(state, peer, from, reply);
  return null;
}

function handleMatched(
  state: CoreState,
  leadership: Leadership,
  peer: Progress,
  reply: AppendReply,
): void {
  assert(
    reply.matchIndex <= state.log.lastIndex,
    () =>
      `node ${peer.id} acknowledges ${reply.matchIndex}, the log ends at ${state.log.lastIndex}`,
  );
  if (peer.state === "diverged") return;
  if (reply.matchIndex > peer.matchIndex) {
    peer.matchIndex = reply.matchIndex;
    peer.matchRound = reply.round;
    peer.retries = 0;
    peer.retryAtMs = Infinity;
    maybeFinishTiming(peer, state.nowMs);
    peer.inflight.dropThrough(peer.matchIndex);
  }
  if (peer.timed !== null && reply.hintIndex >= peer.timed.lastIndex) peer.timed.isSlow = true;
  const isSnapshotIn = peer.state === "snapshot" && peer.matchIndex >= state.log.baseIndex;
  if (peer.state === "probe" || isSnapshotIn) {
    // What the peer holds and has not synced yet need not be sent again at once.
    const heldIndex = Math.min(reply.hintIndex, state.log.lastIndex);
    becomeReplicate(peer, heldIndex + 1);
    peer.pace.begin(leadership.grownBytes, state.nowMs);
    if (heldIndex > peer.matchIndex) {
      peer.inflight.pushVerified(peer.matchIndex + 1, heldIndex, reply.round);
    }
  }
  peer.nextIndex = Math.max(peer.nextIndex, peer.matchIndex + 1);
  if (peer.state === "replicate") {
    peer.inflight.heard(reply.round, reply.hintIndex, false);
    if (peer.inflight.firstUnknownBytes !== null) peer.retries = 0;
    const isAllAcknowledged = peer.nextIndex === peer.matchIndex + 1 && peer.order === null;
    if (isAllAcknowledged) {
      peer.retries = 0;
      peer.retryAtMs = Infinity;
    } else if (peer.retryAtMs === Infinity) {
      peer.retryAtMs = state.nowMs + askMs(peer);
    }
  }
  orderTimeoutNow(state, leadership);
  advanceCommitIndex(state, leadership);
}

/** Fast backtracking (§5.3, end): skips the terms that the two logs cannot share. A conflict counts
 *  only for the probe it answers, and for appends once per round trip, so doubled and late ones do
 *  no harm. Where the peer's log merely ends too early, only what is missing is sent again. */
function handleConflict(state: CoreState, peer: Progress, reply: AppendReply): void {
  if (peer.state !== "probe" && peer.state !== "replicate") return;
  if (reply.prevIndex <= peer.matchIndex) return;
  const { log } = state;
  const agreed = Math.min(
    reply.prevIndex - 1,
    log.lastIndexOfTermAtMost(reply.hintIndex, reply.hintTerm),
  );
  // A hint below the base asks for entries that are gone here.
  const nextIndex = (reply.hintIndex < log.baseIndex ? reply.hintIndex : agreed) + 1;
  if (peer.state === "probe") {
    if (peer.probePrevIndex !== reply.prevIndex) return;
    becomeProbe(peer, nextIndex);
    return;
  }
  if (reply.round <= peer.stepBackRound || nextIndex >= peer.nextIndex) return;
  // Its log ends before this append: one was lost or overtaken, and this one waits there for it.
  if (log.termAt(reply.hintIndex) === reply.hintTerm && reply.hintIndex >= peer.matchIndex) {
    peer.retries = 0;
    return peer.inflight.heard(reply.round, reply.hintIndex, true);
  }
  peer.stepBackRound = state.round;
  becomeProbe(peer, nextIndex);
}

/** When the next retry is due. */
export function retryDeadlineMs(leadership: Leadership): MonotonicMs {
  let deadlineMs = Infinity;
  for (const peer of leadership.peers.values()) deadlineMs = Math.min(deadlineMs, peer.retryAtMs);
  return deadlineMs;
}
