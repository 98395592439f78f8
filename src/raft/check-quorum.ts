/** A leader that cannot reach a majority, or cannot write, makes room for another (thesis §6.2). */

import type { MonotonicMs, NodeId } from "../base/types.ts";
import { majorityValue, votersOf } from "./membership.ts";
import { becomeFollower } from "./roles.ts";
import { stalledDiskMs } from "./state.ts";
import type { CoreState, Leadership } from "./state.ts";
import { renderMs, renderNodes } from "./words.ts";

/** Steps down when fewer than a majority answered within an election timeout. */
export function checkQuorum(state: CoreState, leadership: Leadership): void {
  if (state.nowMs < quorumDeadlineMs(state, leadership)) return;
  const { electionMaxMs } = state.timings;
  const contacts = votersContact(state, leadership);
  const silent = contacts.filter((voter) => voter.contactMs + electionMaxMs <= state.nowMs);
  const latestMs = Math.max(...silent.map((voter) => voter.contactMs));
  const silence = renderMs(state.nowMs - latestMs);
  const left = contacts.length - silent.length;
  const reason =
    `nothing heard from ${renderNodes(silent.map((voter) => voter.id))} for ${silence}: ` +
    `${left} of ${contacts.length} voters left`;
  becomeFollower(state, state.hard.term, null, reason);
}

/** When this leader steps down if nobody answers any more; Infinity with a majority of one. */
export function quorumDeadlineMs(state: CoreState, leadership: Leadership): MonotonicMs {
  const { self, configurations, timings } = state;
  const majorityMs = majorityValue(configurations.inForce, ({ id }) =>
    id === self.id ? Infinity : (leadership.peers.get(id)?.lastContactMs ?? 0),
  );
  return majorityMs + timings.electionMaxMs;
}

/** A leader whose disk is stalled can lead nobody for long: its heartbeats would keep the others
 *  waiting while it writes nothing (known bug 63). */
export function checkOwnDisk(state: CoreState): void {
  const stalledMs = stalledDiskMs(state);
  if (stalledMs === null) return;
  const reason = `this node's own disk has not completed a write for ${renderMs(stalledMs)}`;
  becomeFollower(state, state.hard.term, null, reason);
}

/** When each voter of the configuration in force last answered; this node itself always does. A
 *  peer that lost its data may have lost its term and vote too: it counts as silent. */
function votersContact(
  state: CoreState,
  leadership: Leadership,
): readonly { readonly id: NodeId; readonly contactMs: MonotonicMs }[] {
  return votersOf(state.configurations.inForce).map((voter) => {
    if (voter.id === state.self.id) return { id: voter.id, contactMs: Infinity };
    const peer = leadership.peers.get(voter.id);
    return { id: voter.id, contactMs: peer?.lastContactMs ?? 0 };
  });
}
