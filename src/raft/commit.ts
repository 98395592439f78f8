/** When an entry is committed (§5.3, §5.4.2). */

import { assert } from "../base/assert.ts";
import type { LogIndex } from "../base/types.ts";
import { TELL_COMMIT_MS } from "./heartbeat.ts";
import { isVoter, majorityValue } from "./membership.ts";
import { advanceReads } from "./read-index.ts";
import { becomeFollower } from "./roles.ts";
import { send, isSelfVoter } from "./state.ts";
import type { CoreState, Leadership } from "./state.ts";

/** Moves the leader's commit index up to the highest index that a majority holds durably.
 *
 *  Only an entry of the leader's own term may be counted (§5.4.2, Figure 8): an older entry on a
 *  majority can still be overwritten. Older entries are then committed with it, by Log Matching.
 *  The leader's own disk is one voter among others: a majority commits, and entries in its memory
 *  count for nothing. */
export function advanceCommitIndex(state: CoreState, leadership: Leadership): void {
  const index = majorityIndex(state, leadership);
  if (index <= state.commitIndex || state.log.termAt(index) !== state.hard.term) return;
  commitThrough(state, index);
  leadership.uncommitted.dropThrough(index);
  leadership.committedMs = state.nowMs;
  leadership.tellCommitAtMs = Math.min(leadership.tellCommitAtMs, state.nowMs + TELL_COMMIT_MS);
  advanceReads(state, leadership);
  stepDownIfRemoved(state, leadership);
}

/** Raises the commit index; it never falls, and a configuration at or below it stays. */
export function commitThrough(state: CoreState, index: LogIndex): void {
  if (index <= state.commitIndex) return;
  assert(
    index <= state.log.lastIndex,
    () => `commit index ${index} is beyond the log's end ${state.log.lastIndex}`,
  );
  const configuration = state.configurations.inForce;
  const wasCommitted = configuration.index <= state.commitIndex;
  state.commitIndex = index;
  if (configuration.index <= index && !wasCommitted) {
    state.outbox.event({ type: "configuration", configuration, reason: "committed" });
  }
  state.configurations.committed(index);
}

/** The highest index that a majority of the voters in force holds durably. */
export function majorityIndex(state: CoreState, leadership: Leadership): LogIndex {
  return majorityValue(state.configurations.inForce, (voter) => {
    if (voter.id === state.self.id) {
      return voter.incarnation === state.self.incarnation ? state.durability.durableIndex : 0;
    }
    const peer = leadership.peers.get(voter.id);
    const counts = peer?.incarnation === voter.incarnation && peer.state !== "lost data";
    return counts ? peer.matchIndex : 0;
  });
}

/** A leader that is no voter of a committed configuration hands over and follows (§6, thesis
 *  §4.2.2). */
function stepDownIfRemoved(state: CoreState, leadership: Leadership): void {
  const configuration = state.configurations.inForce;
  if (configuration.index > state.commitIndex || isSelfVoter(state)) return;
  for (const peer of [...leadership.peers.values()].sort((a, b) => b.matchIndex - a.matchIndex)) {
    if (!isVoter(configuration, peer.id, peer.incarnation)) continue;
    if (peer.matchIndex !== state.log.lastIndex) continue;
    state.round += 1;
    send(state, peer.id, { type: "timeoutNow", term: state.hard.term, round: state.round });
    break;
  }
  becomeFollower(
    state,
    state.hard.term,
    null,
    `this node is no voter of the configuration committed at index ${configuration.index}`,
  );
}
