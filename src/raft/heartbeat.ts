/** Heartbeats: they keep leadership, carry the commit index, and are the rounds of ReadIndex (§5.2,
 *  thesis §6.4). */

import type { LogIndex } from "../base/types.ts";
import type { Progress } from "./progress.ts";
import { nextRound, send } from "./state.ts";
import type { CoreState, Leadership } from "./state.ts";

/** How soon a peer that gets no append learns of a new commit index. */
export const TELL_COMMIT_MS = 5;

/** One round to every member; its number. */
export function broadcastHeartbeats(state: CoreState, leadership: Leadership): number {
  const round = nextRound(state);
  for (const peer of leadership.peers.values()) sendHeartbeat(state, peer, round);
  leadership.heartbeatAtMs = state.nowMs + state.timings.heartbeatMs;
  leadership.tellCommitAtMs = Infinity;
  return round;
}

/** Tells the commit index to those whose last message did not carry it. */
export function tellCommitIndex(state: CoreState, leadership: Leadership): void {
  leadership.tellCommitAtMs = Infinity;
  const round = nextRound(state);
  for (const peer of leadership.peers.values()) {
    if (peer.commitTold < tellableCommitIndex(state, peer)) sendHeartbeat(state, peer, round);
  }
}

/** The commit index as far as this peer is known to hold the log: a heartbeat verifies nothing, so
 *  it must not commit an entry that no append has verified there (§5.3; the follower's tail may be
 *  another's). */
export function tellableCommitIndex(state: CoreState, peer: Progress): LogIndex {
  return peer.state === "lost data" ? 0 : Math.min(state.commitIndex, peer.matchIndex);
}

/** One heartbeat to one peer. */
export function sendHeartbeat(state: CoreState, peer: Progress, round: number): void {
  const commitIndex = tellableCommitIndex(state, peer);
  peer.commitTold = Math.max(peer.commitTold, commitIndex);
  send(state, peer.id, { type: "heartbeat", term: state.hard.term, round, commitIndex });
}
