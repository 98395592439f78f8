/** The roles and the moves between them (Figure 4, with the pre-candidate of thesis §9.6). */

import { assert } from "../base/assert.ts";
import type { NodeId, NodeIdentity, Term } from "../base/types.ts";
import { broadcastHeartbeats } from "./heartbeat.ts";
import { majorityOf, votersOf } from "./membership.ts";
import { createProgress } from "./progress.ts";
import { RangeQueue } from "./range-queue.ts";
import { failReads } from "./read-index.ts";
import {
  freshFollowing,
  lastTermOf,
  nextRound,
  renderSilence,
  resetElectionTimer,
  send,
  setLeader,
} from "./state.ts";
import type { CoreState } from "./state.ts";
import type { Role, Vote } from "./types.ts";
import { renderNodes } from "./words.ts";

/*            deadline             majority would vote          majority voted, own vote durable
 *  follower ----------> pre-candidate ----------> candidate ------------------------> leader
 *     ^  ^                   |   ^   deadline         |                                 |
 *     |  |  leader heard     |   +--------------------+                                 |
 *     |  +-------------------+       leader heard     |                                 |
 *     +-------------------------- or higher term -----+--- higher term, no quorum, -----+
 *                                                          own disk stalled, removed        */

/** Votes are asked again from whoever has not answered: first after a heartbeat's time, but within
 *  these bounds, then half as often every time. */
const VOTE_RESEND_MIN_MS = 10;
const VOTE_RESEND_MAX_MS = 250;

/** Follows in `term`: a newer one is adopted without a vote, the same one keeps its vote (§5.1). */
export function becomeFollower(
  state: CoreState,
  term: Term,
  leader: NodeIdentity | null,
  reason: string,
): void {
  assert(term >= state.hard.term, `term fell from ${state.hard.term} to ${term}`);
  const entersTerm = term > state.hard.term;
  const wasLeader = state.role === "leader";
  if (wasLeader) endLeadership(state, entersTerm);
  if (entersTerm) enterTerm(state, term, null);
  state.candidacy = null;
  changeRole(state, "follower", reason, []);
  if (wasLeader) resetElectionTimer(state);
  setLeader(state, leader, reason, entersTerm);
}

/** Asks whether an election could be won, without disturbing anybody's term (thesis §9.6). */
export function becomePreCandidate(state: CoreState): void {
  const reason =
    state.role === "candidate"
      ? `no majority of votes in term ${state.hard.term} in time`
      : renderSilence(state);
  setLeader(state, null, reason);
  changeRole(state, "pre-candidate", reason, []);
  resetElectionTimer(state);
  state.candidacy = {
    preVote: true,
    round: nextRound(state),
    ordered: false,
    granted: new Map([[state.self.id, state.self.incarnation]]),
    answered: new Set([state.self.id]),
    resendAtMs: Infinity,
    resends: 0,
    asideUntilMs: null,
    steppedAside: false,
  };
  requestVotes(state);
  countVotes(state);
}

/** Campaigns in a new term (§5.2). The own vote counts when it is durable, see `countOwnVote`. */
export function becomeCandidate(state: CoreState, ordered: boolean, reason: string): void {
  assert(state.role !== "leader", "a leader campaigns");
  const { id, incarnation, bootId } = state.self;
  enterTerm(state, state.hard.term + 1, { id, incarnation, bootId });
  changeRole(state, "candidate", reason, []);
  setLeader(state, null, reason);
  resetElectionTimer(state);
  state.candidacy = {
    preVote: false,
    round: nextRound(state),
    ordered,
    granted: new Map(),
    answered: new Set([id]),
    resendAtMs: Infinity,
    resends: 0,
    asideUntilMs: null,
    steppedAside: false,
  };
  requestVotes(state);
}

/** The hard state is durable: a candidate's vote for itself now counts (Figure 2). */
export function countOwnVote(state: CoreState): void {
  if (state.candidacy === null || state.candidacy.preVote || state.hard.pending) return;
  const granted = state.candidacy.granted;
  if (!granted.has(state.self.id)) granted.set(state.self.id, state.self.incarnation);
  countVotes(state);
}

/** Counts who voted, not how many votes came in, among the voters of the configuration in force. */
export function countVotes(state: CoreState): void {
  const candidacy = state.candidacy;
  if (candidacy === null) return;
  const voters = votersOf(state.configurations.inForce);
  const votes = [...candidacy.granted.entries()]
    .filter(([id, incarnation]) => voters.some((v) => v.id === id && v.incarnation === incarnation))
    .map(([id]) => id);
  if (votes.length < majorityOf(voters.length) || candidacy.asideUntilMs !== null) return;
  if (candidacy.preVote) {
    becomeCandidate(state, false, `${renderNodes(votes)} would vote for this node`);
  } else if (!state.hard.pending) {
    becomeLeader(state, votes);
  }
}

/** Asks every voter that has not answered yet; datagrams get lost. */
export function requestVotes(state: CoreState): void {
  const candidacy = state.candidacy;
  assert(candidacy !== null, "votes are requested without a candidacy");
  const { lastIndex } = state.log;
  const lastTerm = lastTermOf(state);
  for (const voter of votersOf(state.configurations.inForce)) {
    if (candidacy.answered.has(voter.id)) continue;
    const { round, ordered } = candidacy;
    send(
      state,
      voter.id,
      candidacy.preVote
        ? { type: "preVote", term: state.hard.term + 1, round, lastIndex, lastTerm }
        : { type: "vote", term: state.hard.term, round, lastIndex, lastTerm, ordered },
    );
  }
  candidacy.resendAtMs = state.nowMs + voteResendMs(state) * 2 ** candidacy.resends;
  candidacy.resends += 1;
}

/** An election's first step has been answered by then, if nothing was lost. */
export function voteResendMs(state: CoreState): number {
  const { heartbeatMs } = state.timings;
  return Math.min(VOTE_RESEND_MAX_MS, Math.max(VOTE_RESEND_MIN_MS, heartbeatMs));
}

/** Begins every leadership with a no-op of its own term, so that what it inherits can commit
 *  (§8). */
function becomeLeader(state: CoreState, votes: readonly NodeId[]): void {
  assert(state.role === "candidate" && !state.hard.pending, "only an elected candidate leads");
  const term = state.hard.term;
  const noopIndex = state.log.lastIndex + 1;
  const peers = new Map(
    state.configurations.inForce.members
      .filter((member) => member.id !== state.self.id)
      .map((member) => [member.id, createProgress(member, noopIndex, state.nowMs)]),
  );
  state.candidacy = null;
  state.leadership = {
    noopIndex,
    peers,
    heartbeatAtMs: state.nowMs,
    tellCommitAtMs: Infinity,
    uncommitted: new RangeQueue(),
    grownBytes: 0,
    committedMs: -Infinity,
    transfer: null,
    readsWaiting: [],
    readsOpen: null,
  };
  const reason = `elected in term ${term} by ${renderNodes(votes)}`;
  changeRole(state, "leader", reason, votes);
  setLeader(state, state.self, reason, true);
  state.log.append(noopIndex, term);
  state.outbox.noop = { index: noopIndex, term };
  broadcastHeartbeats(state, state.leadership);
}

/** A new term, with a vote for oneself or none; what was known of the old term's leader is void. */
function enterTerm(state: CoreState, term: Term, vote: Vote | null): void {
  state.hard.enterTerm(term, vote);
  state.outbox.dropHeld();
  state.following = freshFollowing();
}

function endLeadership(state: CoreState, entersTerm: boolean): void {
  const leadership = state.leadership;
  assert(leadership !== null, "a leader without a leadership");
  failReads(state, leadership);
  const transfer = leadership.transfer;
  if (transfer?.ordered === true && entersTerm) state.handedTo = transfer.to;
  else if (transfer !== null) {
    state.outbox.event({ type: "transfer", to: transfer.to, outcome: "given up" });
  }
  state.leadership = null;
  state.leaderContactMs = state.nowMs;
}

function changeRole(state: CoreState, role: Role, reason: string, votes: readonly NodeId[]): void {
  if (state.role === role) return;
  state.role = role;
  state.outbox.event({ type: "role", role, term: state.hard.term, reason, votes });
}
