/** What time alone causes, and when: `tick` and `nextDeadlineMs` look at the same deadlines. */

import type { MonotonicMs } from "../base/types.ts";
import { checkOwnDisk, checkQuorum, quorumDeadlineMs } from "./check-quorum.ts";
import { broadcastHeartbeats, tellCommitIndex } from "./heartbeat.ts";
import { expireReads, readsDeadlineMs } from "./read-index.ts";
import { endPaceWaits, paceDeadlineMs, retryAppends, retryDeadlineMs } from "./replication.ts";
import { expireAside } from "./pre-vote.ts";
import { becomeFollower, becomePreCandidate, requestVotes } from "./roles.ts";
import { canCampaign, renderSilence, setLeader, stallDeadlineMs } from "./state.ts";
import type { CoreState, Leadership } from "./state.ts";
import { expireTransfer, orderTimeoutNow, transferDeadlineMs } from "./transfer.ts";

/** An idle core is called at least this often: a timer of the platform cannot wait for ever. */
const IDLE_MAX_MS = 3_600_000;

export function tick(state: CoreState): void {
  if (state.leadership !== null) checkOwnDisk(state);
  if (state.leadership !== null) checkQuorum(state, state.leadership);
  if (state.leadership !== null) tickLeader(state, state.leadership);
  else tickElection(state);
}

/** At or after this moment `tick` has something to do, and not before. */
export function nextDeadlineMs(state: CoreState): MonotonicMs {
  const idleMs = state.nowMs + IDLE_MAX_MS;
  if (state.leadership !== null) return Math.min(idleMs, leaderDeadlineMs(state, state.leadership));
  return Math.min(idleMs, electionDeadlineMs(state));
}

function tickLeader(state: CoreState, leadership: Leadership): void {
  expireTransfer(state, leadership);
  orderTimeoutNow(state, leadership);
  retryAppends(state, leadership);
  endPaceWaits(state, leadership);
  if (state.nowMs >= leadership.heartbeatAtMs) broadcastHeartbeats(state, leadership);
  if (state.nowMs >= leadership.tellCommitAtMs) tellCommitIndex(state, leadership);
  expireReads(state, leadership);
}

function leaderDeadlineMs(state: CoreState, leadership: Leadership): MonotonicMs {
  return Math.min(
    leadership.heartbeatAtMs,
    leadership.tellCommitAtMs,
    retryDeadlineMs(leadership),
    paceDeadlineMs(leadership),
    transferDeadlineMs(state, leadership),
    quorumDeadlineMs(state, leadership),
    readsDeadlineMs(state, leadership),
    stallDeadlineMs(state),
  );
}

/** Nobody leads, or it has been silent for too long (§5.2). */
function tickElection(state: CoreState): void {
  const { candidacy } = state;
  if (state.nowMs >= state.electionDeadlineMs) {
    if (canCampaign(state)) return becomePreCandidate(state);
    // A learner, a muted node or one with a stalled disk only notes that nobody leads.
    const reason = renderSilence(state);
    if (candidacy !== null) becomeFollower(state, state.hard.term, null, reason);
    else setLeader(state, null, reason);
    return;
  }
  if (candidacy !== null && state.nowMs >= candidacy.resendAtMs) requestVotes(state);
  expireAside(state);
}

function electionDeadlineMs(state: CoreState): MonotonicMs {
  const { candidacy, electionDeadlineMs: deadlineMs } = state;
  if (candidacy !== null) {
    return Math.min(deadlineMs, candidacy.resendAtMs, candidacy.asideUntilMs ?? Infinity);
  }
  return state.leader !== null || canCampaign(state) ? deadlineMs : Infinity;
}
