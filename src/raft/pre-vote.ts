/** Pre-vote: an election is tried out before it raises anybody's term (thesis §9.6). */

import type { NodeIdentity } from "../base/types.ts";
import { countReply, isCountedVoter, isLeaderAlive, isUpToDate } from "./election.ts";
import { becomeFollower } from "./roles.ts";
import { muteReason, reply } from "./state.ts";
import type { CoreState } from "./state.ts";
import type { PreVoteReply, PreVoteRequest } from "./types.ts";

/** Changes nothing here: no term, no vote, no timer. */
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
