/** Leader election: who votes for whom (§5.2, §5.4.1), and when votes are withheld (thesis
 *  §4.2.3). */

import type { NodeIdentity, Term, LogIndex } from "../base/types.ts";
import { isVoteFor } from "./hard-state.ts";
import { isVoter } from "./membership.ts";
import { becomeFollower, countVotes } from "./roles.ts";
import { lastTermOf, muteReason, resetElectionTimer, reply } from "./state.ts";
import type { CoreState } from "./state.ts";
import type { PreVoteReply, VoteReply, VoteRequest } from "./types.ts";

/** Answers by term, vote and log alone, whatever role or configuration this node has: the candidate
 *  counts the voters of its own configuration, which this node may not know yet (thesis §4.2.2). */
export function handleVoteRequest(
  state: CoreState,
  from: NodeIdentity,
  request: VoteRequest,
): void {
  if (request.term >= state.hard.term && !request.ordered && isLeaderAlive(state, from)) {
    return answer(state, from, request, "withheld");
  }
  if (request.term > state.hard.term) {
    becomeFollower(state, request.term, null, `node ${from.id} campaigns in term ${request.term}`);
  }
  if (!mayVoteFor(state, from, request)) return answer(state, from, request, "refused");
  if (state.hard.votedFor === null) {
    state.hard.vote({ id: from.id, incarnation: from.incarnation, bootId: from.bootId });
  }
  if (state.role === "pre-candidate") {
    becomeFollower(state, request.term, null, `voted for node ${from.id} in term ${request.term}`);
  }
  resetElectionTimer(state);
  answer(state, from, request, "granted");
}

/** Counts a vote for this very candidacy; everything else is late, doubled or a stranger's. */
export function handleVoteReply(state: CoreState, from: NodeIdentity, reply: VoteReply): void {
  if (reply.term > state.hard.term) {
    if (reply.answer !== "refused" || !isCountedVoter(state, from)) return;
    return becomeFollower(state, reply.term, null, `node ${from.id} is in term ${reply.term}`);
  }
  if (reply.term === state.hard.term) countReply(state, from, reply, false);
}

/** Marks who answered a (pre-)candidacy and counts a grant once per voter. */
export function countReply(
  state: CoreState,
  from: NodeIdentity,
  reply: VoteReply | PreVoteReply,
  preVote: boolean,
): void {
  const candidacy = state.candidacy;
  if (candidacy === null || candidacy.preVote !== preVote || candidacy.round !== reply.round)
    return;
  if (!isCountedVoter(state, from)) return;
  // Whoever withheld is asked again: its leader may be found dead before this candidacy ends.
  if (reply.answer !== "withheld") candidacy.answered.add(from.id);
  if (reply.answer !== "granted") return;
  candidacy.granted.set(from.id, from.incarnation);
  countVotes(state);
}

/** Whether a leader was heard within the smallest election timeout: then an election is not needed,
 *  and a node that was removed or partitioned must not cause one. A campaign by that very leader
 *  says that it leads no more. */
export function isLeaderAlive(state: CoreState, candidate: NodeIdentity): boolean {
  if (state.role === "leader") return true;
  if (state.leader === null) return false;
  const { id, incarnation } = state.leader;
  if (id === candidate.id && incarnation === candidate.incarnation) return false;
  return state.nowMs - state.leaderContactMs < state.timings.electionMinMs;
}

/** The candidate's log is at least as complete as this one: last term first, then length
 *  (§5.4.1). */
export function isUpToDate(
  state: CoreState,
  last: { readonly lastTerm: Term; readonly lastIndex: LogIndex },
): boolean {
  const lastTerm = lastTermOf(state);
  if (last.lastTerm !== lastTerm) return last.lastTerm > lastTerm;
  return last.lastIndex >= state.log.lastIndex;
}

export function isCountedVoter(state: CoreState, from: NodeIdentity): boolean {
  return isVoter(state.configurations.inForce, from.id, from.incarnation);
}

/** At most one candidate per term, first come first served (§5.2); the same one may ask again. */
function mayVoteFor(state: CoreState, from: NodeIdentity, request: VoteRequest): boolean {
  if (request.term < state.hard.term || muteReason(state) !== null) return false;
  const votedFor = state.hard.votedFor;
  if (votedFor !== null) return isVoteFor(votedFor, from);
  return state.leader === null && isUpToDate(state, request);
}

function answer(
  state: CoreState,
  from: NodeIdentity,
  request: VoteRequest,
  verdict: VoteReply["answer"],
): void {
  const { term } = state.hard;
  reply(state, from, { type: "voteReply", term, round: request.round, answer: verdict });
}
