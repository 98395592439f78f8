/** Linearizable reads without writing to the log (§8; thesis §6.4). */

import { broadcastHeartbeats } from "./heartbeat.ts";
import { majorityOf, votersOf } from "./membership.ts";
import { hasOwnTermCommit } from "./state.ts";
import type { CoreState, Leadership } from "./state.ts";

/** Reads that wait at once; beyond that the node is told to ask again. */
export const READS_MAX = 65_536;

/** Takes a read, or refuses it when too many wait. */
export function acceptRead(state: CoreState, leadership: Leadership, readId: number): boolean {
  const open = leadership.readsOpen?.reads.length ?? 0;
  if (leadership.readsWaiting.length + open >= READS_MAX) return false;
  leadership.readsWaiting.push({ readId, sinceMs: state.nowMs });
  advanceReads(state, leadership);
  return true;
}

/** Answers the open round if a majority confirmed it, and opens the next one for the reads that
 *  wait. A round serves only reads that came before it was sent: an answer to an earlier question
 *  says nothing about whether this node still led when the read arrived. */
export function advanceReads(state: CoreState, leadership: Leadership): void {
  for (;;) {
    const open = leadership.readsOpen;
    if (open !== null) {
      if (!isRoundConfirmed(state, leadership, open.round)) return;
      for (const read of open.reads) state.outbox.read(read.readId, open.index);
      leadership.readsOpen = null;
    }
    if (leadership.readsWaiting.length === 0 || !hasOwnTermCommit(state, leadership)) return;
    const reads = leadership.readsWaiting;
    leadership.readsWaiting = [];
    // A majority of one needs no question: every round is confirmed already.
    const alone = isRoundConfirmed(state, leadership, Infinity);
    const round = alone ? 0 : broadcastHeartbeats(state, leadership);
    leadership.readsOpen = { round, index: state.commitIndex, reads };
  }
}

/** Leadership is lost: every read fails, whatever was confirmed for it so far. */
export function failReads(state: CoreState, leadership: Leadership): void {
  for (const read of leadership.readsOpen?.reads ?? []) state.outbox.read(read.readId, null);
  for (const read of leadership.readsWaiting) state.outbox.read(read.readId, null);
  leadership.readsOpen = null;
  leadership.readsWaiting = [];
}

/** Gives up reads that found no commit of this term within an election timeout. */
export function expireReads(state: CoreState, leadership: Leadership): void {
  if (state.nowMs < readsDeadlineMs(state, leadership)) return;
  const waiting = leadership.readsWaiting;
  leadership.readsWaiting = [];
  for (const read of waiting) {
    if (read.sinceMs + state.timings.electionMaxMs <= state.nowMs)
      state.outbox.read(read.readId, null);
    else leadership.readsWaiting.push(read);
  }
}

/** Infinity unless reads wait for the first commit of this term. */
export function readsDeadlineMs(state: CoreState, leadership: Leadership): number {
  const oldest = leadership.readsWaiting[0];
  if (oldest === undefined || leadership.readsOpen !== null) return Infinity;
  return oldest.sinceMs + state.timings.electionMaxMs;
}

function isRoundConfirmed(state: CoreState, leadership: Leadership, round: number): boolean {
  const voters = votersOf(state.configurations.inForce);
  let confirmations = 0;
  for (const voter of voters) {
    if (voter.id === state.self.id) {
      confirmations += voter.incarnation === state.self.incarnation ? 1 : 0;
      continue;
    }
    const peer = leadership.peers.get(voter.id);
    if (peer === undefined || peer.incarnation !== voter.incarnation) continue;
    if (peer.state !== "lost data" && peer.ackedRound >= round) confirmations += 1;
  }
  return confirmations >= majorityOf(voters.length);
}
