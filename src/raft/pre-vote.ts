/** Pre-vote: an election is tried out before it raises anybody's term (thesis §9.6).
 *
 *  It is also where two elections at once are sorted out: nobody has spent a vote yet, and whoever
 *  asks tells that it found the leader silent. */

import type { NodeIdentity } from "../base/types.ts";
import { countReply, isCountedVoter, isLeaderAlive, isUpToDate } from "./election.ts";
import { becomeFollower, becomePreCandidate, countVotes, voteResendMs } from "./roles.ts";
import { canCampaign, muteReason, reply } from "./state.ts";
import type { CoreState } from "./state.ts";
import type { PreVoteReply, PreVoteRequest } from "./types.ts";

/** A grant changes nothing here: no term, no vote, no timer. */
export function handlePreVoteRequest(
  state: CoreState,
  from: NodeIdentity,
  request: PreVoteRequest,
): void {
  const answer = preVoteAnswer(state, from, request);
  reply(state, from, {
    type: "preVoteReply",
    // The refuser's own term lets an asker that fell behind in terms catch up and ask again.
    term: answer === "refused" ? state.hard.term : request.term,
    round: request.round,
    answer,
    askedTerm: request.term,
  });
  if (!isCountedVoter(state, from)) return;
  if (answer === "granted") maybeStepAside(state, from);
  else if (answer === "refused") maybeCampaignInstead(state, from, request);
}

/** Two nodes whose timeouts pass at the same moment would grant each other, campaign in the same
 *  term and split its votes, which costs another timeout (§5.2). The one with the higher id lets
 *  the other go first: once in a candidacy and not for long, for the other may not hear its
 *  answers. */
function maybeStepAside(state: CoreState, from: NodeIdentity): void {
  const { candidacy } = state;
  if (candidacy === null || !candidacy.preVote || candidacy.steppedAside) return;
  if (from.id > state.self.id) return;
  candidacy.steppedAside = true;
  candidacy.asideUntilMs = state.nowMs + voteResendMs(state);
}

/** The other one has not campaigned: this candidacy goes on. */
export function expireAside(state: CoreState): void {
  const { candidacy } = state;
  if (candidacy === null || candidacy.asideUntilMs === null) return;
  if (state.nowMs < candidacy.asideUntilMs) return;
  candidacy.asideUntilMs = null;
  countVotes(state);
}

/** Whoever refuses because its own log is more complete, and hears nothing of the leader either,
 *  is the one that can win: it does not wait for its own timeout (§5.4.1 makes the asker wait for
 *  it). */
function maybeCampaignInstead(state: CoreState, from: NodeIdentity, request: PreVoteRequest): void {
  const isLeaderSilent =
    state.role === "follower" && state.leader !== null && !isLeaderAlive(state, from);
  if (!isLeaderSilent || request.term <= state.hard.term || !canCampaign(state)) return;
  becomePreCandidate(state);
}

/** A refusal may carry a newer term, which is adopted; nothing is adopted from other answers. */
export function handlePreVoteReply(
  state: CoreState,
  from: NodeIdentity,
  reply: PreVoteReply,
): void {
  if (reply.answer === "refused" && reply.term > state.hard.term) {
    const { candidacy } = state;
    // Only an asker learns from it: a late refusal must not end a leadership that was won
    // meanwhile.
    if (candidacy === null || !isCountedVoter(state, from)) return;
    return becomeFollower(state, reply.term, null, `node ${from.id} is in term ${reply.term}`);
  }
  if (reply.askedTerm === state.hard.term + 1) countReply(state, from, reply, true);
}

function preVoteAnswer(
  state: CoreState,
  from: NodeIdentity,
  request: PreVoteRequest,
): PreVoteReply["answer"] {
  if (request.term > state.hard.term && isLeaderAlive(state, from)) return "withheld";
  if (request.term <= state.hard.term || muteReason(state) !== null) return "refused";
  return isUpToDate(state, request) ? "granted" : "refused";
}
