/** AppendEntries as the follower sees it (§5.3, Figure 2 "Receiver implementation"). */

import { assert } from "../base/assert.ts";
import type { LogIndex, NodeId, NodeIdentity } from "../base/types.ts";
import { commitThrough } from "./commit.ts";
import { becomeFollower } from "./roles.ts";
import { resetElectionTimer, reply } from "./state.ts";
import type { CoreState } from "./state.ts";
import type { Append, AppendOrder, AppendReply, Heartbeat, RecordOutline } from "./types.ts";

/** Follows the sender of a leader's message. False when it is of an older term. */
export function heedLeader(
  state: CoreState,
  from: NodeIdentity,
  message: { readonly term: number; readonly round: number },
): boolean {
  if (message.term < state.hard.term) return false;
  if (message.term === state.hard.term && state.following.ackTo !== null) {
    const silenceMs = state.nowMs - state.leaderContactMs;
    state.following.longestSilenceMs = Math.max(state.following.longestSilenceMs, silenceMs);
  }
  if (message.term > state.hard.term || state.role !== "follower" || state.leader === null) {
    assert(
      message.term > state.hard.term || state.role !== "leader",
      `nodes ${state.self.id} and ${from.id} both lead in term ${message.term} (§5.2, Election Safety)`,
    );
    const reason = `node ${from.id} leads in term ${message.term}`;
    becomeFollower(state, message.term, from, reason);
  }
  assert(
    state.leader?.id === from.id && state.leader.incarnation === from.incarnation,
    () =>
      `nodes ${state.leader?.id} and ${from.id} both lead in term ${message.term} (§5.2, Election Safety)`,
  );
  state.leaderContactMs = state.nowMs;
  resetElectionTimer(state);
  state.following.latestRound = Math.max(state.following.latestRound, message.round);
  state.following.ackTo = from;
  return true;
}

/** A heartbeat verifies nothing: it commits no more than this leader's appends have verified
 *  here. It also asks: a leader names at most what it knows to be here, so one that names less than
 *  was verified has not heard of the rest, and is told again. */
export function handleHeartbeat(state: CoreState, from: NodeIdentity, heartbeat: Heartbeat): void {
  if (heedLeader(state, from, heartbeat)) {
    const { following } = state;
    commitThrough(state, Math.min(heartbeat.commitIndex, following.verifiedIndex));
    if (following.verifiedIndex > heartbeat.commitIndex) following.ackDue = true;
  }
  reply(state, from, {
    type: "heartbeatReply",
    term: state.hard.term,
    round: heartbeat.round,
    durableIndex: state.durability.durableIndex,
    commitIndex: state.commitIndex,
  });
}

/** What to do with the records of an append, or null: nothing. */
export function handleAppend(
  state: CoreState,
  from: NodeIdentity,
  append: Append,
  chainDiffersAt: LogIndex | null,
): AppendOrder | null {
  if (!heedLeader(state, from, append)) return refuse(state, from, append, "conflict", 0);
  if (state.lost !== null) return refuse(state, from, append, "lost data", state.lost.lastIndex);
  if (chainDiffersAt !== null) return diverge(state, from, append, chainDiffersAt);
  if (state.divergedAt !== null) return refuse(state, from, append, "diverged", state.divergedAt);
  if (!isWellFormed(append)) return null;

  const { log } = state;
  const prevTerm = log.termAt(append.prevIndex);
  // What lies below the base is committed, so the leader has it too.
  if (append.prevIndex >= log.baseIndex && prevTerm !== append.prevTerm) {
    if (prevTerm !== undefined && append.prevIndex <= state.commitIndex) {
      return diverge(state, from, append, append.prevIndex);
    }
    return refuse(state, from, append, "conflict", 0);
  }
  const news = firstNewRecord(state, append.records);
  if (news !== null && news.conflictsAt !== null && news.conflictsAt <= state.commitIndex) {
    return diverge(state, from, append, news.conflictsAt);
  }
  const order = news === null ? null : takeRecords(state, append.records, news);

  const lastRecord = append.records[append.records.length - 1];
  const verifiedHere = Math.max(append.prevIndex, lastRecord?.lastIndex ?? 0, log.baseIndex);
  const { following } = state;
  following.verifiedIndex = Math.max(following.verifiedIndex, verifiedHere);
  // New entries are acknowledged when they are durable; a repeated message is answered at once.
  if (order === null) following.ackDue = true;
  // Not min(leaderCommit, last index here): what follows the verified entries may be another
  // leader's.
  commitThrough(state, Math.min(append.commitIndex, verifiedHere));
  return order;
}

/** The acknowledgement that is due, if any: verified against this leader *and* durable here. */
export function takeAcknowledgement(state: CoreState): void {
  const { following } = state;
  if (!following.ackDue || state.hard.pending || following.ackTo === null) return;
  if (state.lost !== null) return;
  following.ackDue = false;
  const { durableIndex } = state.durability;
  following.ackedIndex = Math.min(following.verifiedIndex, durableIndex);
  reply(state, following.ackTo, {
    type: "appendReply",
    term: state.hard.term,
    round: following.latestRound,
    result: "matched",
    prevIndex: following.ackedIndex,
    matchIndex: following.ackedIndex,
    hintIndex: following.verifiedIndex,
    hintTerm: 0,
    durableIndex,
  });
}

/** More is durable: the leader hears of it if it covers something verified and not yet
 *  acknowledged. */
export function acknowledgeDurable(state: CoreState): void {
  const { following, durability } = state;
  if (Math.min(following.verifiedIndex, durability.durableIndex) > following.ackedIndex) {
    following.ackDue = true;
  }
}

interface News {
  /** Position in the message of the first record that is not in the log. */
  readonly at: number;
  /** Where the log must be truncated first: an entry of another term stands there (§5.3). */
  readonly conflictsAt: LogIndex | null;
}

/** Entries that are here already are skipped, never truncated: an old or doubled append conflicts
 *  with nothing, and what follows its entries may be newer (Figure 2, step 3). */
function firstNewRecord(state: CoreState, records: readonly RecordOutline[]): News | null {
  const { log } = state;
  for (const [at, record] of records.entries()) {
    if (record.lastIndex <= log.baseIndex) continue;
    const term = log.termAt(record.firstIndex);
    if (term === undefined) return { at, conflictsAt: null };
    if (term !== record.term) return { at, conflictsAt: record.firstIndex };
    if (log.termAt(record.lastIndex) === record.term) continue;
    // Only a term that was guessed, because damage hides the entry, begins like this and ends not.
    assert(
      !state.membersKnown,
      `record ${record.firstIndex}..${record.lastIndex} of term ${record.term} is here in another length`,
    );
    return { at, conflictsAt: record.firstIndex };
  }
  return null;
}

function takeRecords(state: CoreState, records: readonly RecordOutline[], news: News): AppendOrder {
  const { log } = state;
  let truncateFrom = news.conflictsAt;
  if (truncateFrom !== null) {
    truncateLog(state, truncateFrom);
    // The node never saw a no-op that is truncated in the very turn in which it was made.
    if (state.outbox.noop?.index === truncateFrom) truncateFrom = null;
    if (state.outbox.noop !== null) state.outbox.noop = null;
  }
  const appendFrom = records[news.at]?.firstIndex ?? null;
  for (let at = news.at; at < records.length; at++) {
    const record = records[at]!;
    assert(
      record.firstIndex === log.lastIndex + 1,
      () => `record ${record.firstIndex} leaves a gap`,
    );
    log.append(record.lastIndex, record.term);
    if (record.members === undefined) continue;
    const configuration = { index: record.firstIndex, members: record.members };
    state.configurations.append(configuration);
    state.outbox.event({ type: "configuration", configuration, reason: "appended" });
  }
  return { truncateFrom, appendFrom, install: false };
}

/** Only a conflict truncates, and never a committed entry. */
function truncateLog(state: CoreState, index: LogIndex): void {
  assert(index > state.commitIndex, `truncation at ${index}, commit index ${state.commitIndex}`);
  assert(
    index > state.following.verifiedIndex,
    `truncation at ${index}, which this leader verified`,
  );
  state.log.truncateFrom(index);
  state.durability.clip(index - 1);
  if (!state.configurations.truncateFrom(index)) return;
  const configuration = state.configurations.inForce;
  state.outbox.event({ type: "configuration", configuration, reason: "rolled back" });
}

/** The same place with other contents on committed ground: one of the two logs is wrong, and this
 *  node cannot tell which. It keeps everything, stops voting and appending, and says so. */
function diverge(state: CoreState, from: NodeIdentity, append: Append, index: LogIndex): null {
  reportDivergence(state, from.id, index);
  return refuse(state, from, append, "diverged", index);
}

/** Notes a divergence from `peer` at `index`, once. */
export function reportDivergence(state: CoreState, peer: NodeId, index: LogIndex): void {
  if (state.divergedAt !== null) return;
  state.divergedAt = index;
  state.outbox.event({ type: "diverged", peer, index });
}

function refuse(
  state: CoreState,
  from: NodeIdentity,
  append: Append,
  result: AppendReply["result"],
  matchIndex: LogIndex,
): null {
  const { log, durability } = state;
  // Entries of terms above prevTerm cannot be the leader's at or below prevIndex; committed ones
  // agree.
  const hintIndex = Math.max(
    log.lastIndexOfTermAtMost(append.prevIndex, append.prevTerm),
    Math.min(state.commitIndex, append.prevIndex),
  );
  reply(state, from, {
    type: "appendReply",
    term: state.hard.term,
    round: append.round,
    result,
    prevIndex: append.prevIndex,
    matchIndex,
    hintIndex,
    hintTerm: log.termAt(hintIndex) ?? 0,
    durableIndex: durability.durableIndex,
  });
  return null;
}

/** Records without gaps, in terms that rise from prevTerm to the leader's. */
function isWellFormed(append: Append): boolean {
  let nextIndex = append.prevIndex + 1;
  let term = append.prevTerm;
  for (const record of append.records) {
    if (record.firstIndex !== nextIndex || record.lastIndex < record.firstIndex) return false;
    if (record.term < term || record.term > append.term) return false;
    nextIndex = record.lastIndex + 1;
    term = record.term;
  }
  return true;
}
