/** Membership changes as the leader takes them (§6; thesis §4.1 to §4.3). */

import type { LogIndex, NodeId } from "../base/types.ts";
import { changeMembers, memberOf } from "./membership.ts";
import { createProgress } from "./progress.ts";
import { hasOwnTermCommit } from "./state.ts";
import type { CoreState, Leadership } from "./state.ts";
import type { Configuration, ConfigurationResult, MembershipChange } from "./types.ts";
import { renderMs } from "./words.ts";

/** A learner may lag this many entries behind the leader when it is promoted (thesis §4.2.1). */
export const PROMOTE_LAG_ENTRIES_MAX = 1024;

/** Appends a configuration entry, in force at once, or says why not. One uncommitted configuration
 *  entry at a time, inherited ones included: the own-term commit covers those. Without the own-term
 *  rule two leaders could build on configurations that do not know of each other (dissertation,
 *  single-server erratum). */
export function proposeConfiguration(
  state: CoreState,
  change: MembershipChange,
  expectedIndex: LogIndex,
): ConfigurationResult {
  const leader = state.leader?.id ?? null;
  const { leadership } = state;
  if (leadership === null)
    return { ok: false, kind: "not leader", reason: "this node does not lead", leader };
  const problem = problemWith(state, leadership, change, expectedIndex);
  if (problem !== null) return { ok: false, kind: "later", reason: problem, leader };
  const changed = changeMembers(state.configurations.inForce, change);
  if ("problem" in changed) return { ok: false, kind: "never", reason: changed.problem, leader };

  const configuration = { index: state.log.lastIndex + 1, members: changed.members };
  state.log.append(configuration.index, state.hard.term);
  state.configurations.append(configuration);
  state.outbox.event({ type: "configuration", configuration, reason: "appended" });
  followMembers(state, leadership, configuration);
  return { ok: true, configuration, term: state.hard.term };
}

function problemWith(
  state: CoreState,
  leadership: Leadership,
  change: MembershipChange,
  expectedIndex: LogIndex,
): string | null {
  const { index } = state.configurations.inForce;
  if (leadership.transfer !== null)
    return `leadership is being handed to node ${leadership.transfer.to}`;
  if (!hasOwnTermCommit(state, leadership))
    return "this leader has not committed an entry of its term yet";
  if (index > state.commitIndex) return `the change at index ${index} is not committed yet`;
  if (index !== expectedIndex) return `the members changed meanwhile, at index ${index}`;
  return change.type === "promote" ? catchUpProblem(state, leadership, change.id) : null;
}

/** A voter that is silent or holds little of the log would only add to the majority that must be
 *  waited for, and with others dead it could be what takes the majority away. */
function catchUpProblem(state: CoreState, leadership: Leadership, id: NodeId): string | null {
  const peer = leadership.peers.get(id);
  if (peer === undefined || memberOf(state.configurations.inForce, id)?.role !== "learner")
    return null;
  const silentMs = state.nowMs - peer.lastContactMs;
  if (silentMs >= state.timings.electionMaxMs)
    return `node ${id} has not answered for ${renderMs(silentMs)}`;
  const lag = state.log.lastIndex - peer.matchIndex;
  const isCaughtUp = peer.state === "replicate" && lag <= PROMOTE_LAG_ENTRIES_MAX;
  if (isCaughtUp && peer.matchIndex >= state.configurations.inForce.index) return null;
  return `node ${id} has not caught up yet: ${lag} entries behind`;
}

/** Peers come and go with the configuration in force. A new incarnation is another peer. */
function followMembers(
  state: CoreState,
  leadership: Leadership,
  configuration: Configuration,
): void {
  for (const peer of leadership.peers.values()) {
    const member = memberOf(configuration, peer.id);
    if (member?.incarnation !== peer.incarnation) leadership.peers.delete(peer.id);
  }
  for (const member of configuration.members) {
    if (member.id === state.self.id || leadership.peers.has(member.id)) continue;
    leadership.peers.set(member.id, createProgress(member, configuration.index, state.nowMs));
  }
}
