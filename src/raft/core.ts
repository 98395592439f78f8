/** The core: one member's part in Raft. Values in, values out; see README.md for the contract.
 *
 *  This file decides what happens; the sections of the paper are in the files beside it. */

import { assert } from "../base/assert.ts";
import type { LogIndex, MonotonicMs, NodeId, NodeIdentity, Term } from "../base/types.ts";
import {
  acknowledgeDurable,
  handleAppend,
  handleHeartbeat,
  reportDivergence,
  takeAcknowledgement,
} from "./append-entries.ts";
import { advanceCommitIndex } from "./commit.ts";
import { handleVoteReply, handleVoteRequest } from "./election.ts";
import { proposeConfiguration } from "./configuration-change.ts";
import { handleLostData } from "./lost-data.ts";
import { handlePreVoteReply, handlePreVoteRequest } from "./pre-vote.ts";
import { acceptRead } from "./read-index.ts";
import {
  handleAppendReply,
  handleHeartbeatReply,
  handlePeerBooted,
  handleSent,
  orderSends,
} from "./replication.ts";
import { becomeCandidate, becomeFollower, countOwnVote } from "./roles.ts";
import { handleInstallSnapshot } from "./snapshot.ts";
import { statusOf } from "./status.ts";
import type { CoreStatus } from "./status.ts";
import { canCampaign, createState, isSelfVoter, resetElectionTimer } from "./state.ts";
import type { CoreState } from "./state.ts";
import { majorityOf, votersOf } from "./membership.ts";
import { nextDeadlineMs, tick } from "./timers.ts";
import { beginTransfer } from "./transfer.ts";
import type {
  AppendOrder,
  Configuration,
  ConfigurationResult,
  Core,
  CoreOptions,
  MembershipChange,
  ProposeResult,
  RaftMessage,
  Ready,
  Role,
  TermRun,
  TimeoutNow,
  TransferResult,
  WriteId,
} from "./types.ts";

/** A core that goes on from what its disk held: everything recovered is durable, nobody leads
 *  yet. */
export function createCore(options: CoreOptions): Core {
  return new RaftCore(options);
}

class RaftCore implements Core {
  readonly #state: CoreState;

  constructor(options: CoreOptions) {
    const state = createState(options);
    this.#state = state;
    assert(
      options.hardState.term >= state.log.lastTerm,
      `the recovered term ${options.hardState.term} is older than the last entry's ${state.log.lastTerm}`,
    );
    resetElectionTimer(state);
    // Nobody else can lead a cluster of one: there is nobody to wait for.
    const isAlone = isSelfVoter(state) && votersOf(this.configuration).length === 1;
    if (isAlone && canCampaign(state)) state.electionDeadlineMs = state.nowMs;
    this.#check();
  }

  get term(): Term {
    return this.#state.hard.term;
  }

  get role(): Role {
    return this.#state.role;
  }

  get leader(): NodeId | null {
    return this.#state.leader?.id ?? null;
  }

  get lastIndex(): LogIndex {
    return this.#state.log.lastIndex;
  }

  get commitIndex(): LogIndex {
    return this.#state.commitIndex;
  }

  get durableIndex(): LogIndex {
    return this.#state.durability.durableIndex;
  }

  get uncommittedBytes(): number {
    return this.#state.leadership?.uncommitted.bytes ?? 0;
  }

  get configuration(): Configuration {
    return this.#state.configurations.inForce;
  }

  get termsKnown(): boolean {
    return this.#state.membersKnown;
  }

  step(
    from: NodeIdentity,
    message: RaftMessage,
    nowMs: MonotonicMs,
    chainDiffersAt: LogIndex | null = null,
  ): AppendOrder | null {
    const state = this.#state;
    this.#advanceTime(nowMs);
    // A message in this node's own name comes from a copy of its data; the node deals with that.
    if (from.id === state.self.id) return null;
    const order = dispatch(state, from, message, chainDiffersAt);
    this.#check();
    return order;
  }

  tick(nowMs: MonotonicMs): void {
    this.#advanceTime(nowMs);
    tick(this.#state);
    this.#check();
  }

  nextDeadlineMs(): MonotonicMs {
    return nextDeadlineMs(this.#state);
  }

  propose(entries: number, bytes: number): ProposeResult {
    const state = this.#state;
    const { leadership, limits, log } = state;
    assert(entries >= 1, "a record without entries");
    if (leadership === null) return { ok: false, reason: "not leader", leader: this.leader };
    if (leadership.transfer !== null)
      return { ok: false, reason: "transferring", leader: this.leader };
    const uncommittedEntries = log.lastIndex - state.commitIndex + entries;
    const uncommittedBytes = leadership.uncommitted.bytes + bytes;
    // A record that is larger than the bound passes when nothing else waits.
    const isBusy =
      uncommittedEntries > limits.uncommittedEntriesMax ||
      uncommittedBytes > limits.uncommittedBytesMax;
    // Until the node has taken the no-op it cannot append behind it.
    if ((isBusy && !leadership.uncommitted.isEmpty) || state.outbox.noop !== null) {
      return { ok: false, reason: "busy", leader: this.leader };
    }
    const firstIndex = log.lastIndex + 1;
    log.append(firstIndex + entries - 1, state.hard.term);
    leadership.uncommitted.push(log.lastIndex, bytes);
    leadership.grownBytes += bytes;
    return { ok: true, firstIndex, term: state.hard.term };
  }

  proposeConfiguration(change: MembershipChange, expectedIndex: LogIndex): ConfigurationResult {
    const result = proposeConfiguration(this.#state, change, expectedIndex);
    this.#check();
    return result;
  }

  readIndex(readId: number, nowMs: MonotonicMs): { ok: boolean; leader: NodeId | null } {
    this.#advanceTime(nowMs);
    const { leadership } = this.#state;
    const ok = leadership !== null && acceptRead(this.#state, leadership, readId);
    return { ok, leader: this.leader };
  }

  transferLeadership(to: NodeId | null, nowMs: MonotonicMs): TransferResult {
    this.#advanceTime(nowMs);
    const { leadership } = this.#state;
    if (leadership === null) return { ok: false, reason: "this node does not lead", to: null };
    return beginTransfer(this.#state, leadership, to);
  }

  writeStarted(): WriteId {
    const state = this.#state;
    state.lastWriteId += 1;
    // The node has not seen a no-op that still waits in the outbox, so its batch cannot hold it.
    const lastIndex =
      state.outbox.noop === null ? state.log.lastIndex : state.outbox.noop.index - 1;
    state.durability.started(state.lastWriteId, lastIndex, state.nowMs);
    return state.lastWriteId;
  }

  writeDone(writeId: WriteId, nowMs: MonotonicMs): void {
    const state = this.#state;
    this.#advanceTime(nowMs);
    state.durability.done(writeId);
    if (state.leadership !== null) advanceCommitIndex(state, state.leadership);
    else acknowledgeDurable(state);
    this.#check();
  }

  hardStateDone(writeId: WriteId, nowMs: MonotonicMs): void {
    const state = this.#state;
    this.#advanceTime(nowMs);
    state.hard.done(writeId);
    state.hardWriteStartedMs = null;
    if (state.hard.pending) return;
    state.outbox.releaseHeld();
    countOwnVote(state);
    this.#check();
  }

  sent(
    to: NodeId,
    term: Term,
    prevIndex: LogIndex,
    lastIndex: LogIndex,
    bytes: number,
    nowMs: MonotonicMs,
  ): void {
    const state = this.#state;
    this.#advanceTime(nowMs);
    if (state.leadership === null || term !== state.hard.term) return;
    handleSent(state, state.leadership, to, prevIndex, lastIndex, bytes);
  }

  peerBooted(peer: NodeIdentity, nowMs: MonotonicMs): void {
    this.#advanceTime(nowMs);
    if (this.#state.leadership !== null) handlePeerBooted(this.#state.leadership, peer);
  }

  setPeerWindow(id: NodeId, bytes: number, catchUpBytesPerMs: number): void {
    this.#state.windows.set(id, bytes);
    this.#state.catchUpRates.set(id, catchUpBytesPerMs);
  }

  reportDivergence(peer: NodeId, index: LogIndex): void {
    reportDivergence(this.#state, peer, index);
  }

  reportLeftOut(configurationIndex: LogIndex): void {
    const state = this.#state;
    state.leftOutAt = Math.max(state.leftOutAt, configurationIndex);
    if (state.candidacy === null || canCampaign(state)) return;
    becomeFollower(state, state.hard.term, null, "this node is no longer a member");
  }

  logHidden(): void {
    const state = this.#state;
    assert(state.leadership === null, "a leader's log is truncated");
    state.membersKnown = false;
    state.voteFromCommitIndex = Math.max(state.voteFromCommitIndex, state.log.lastIndex);
    if (state.candidacy === null) return;
    becomeFollower(state, state.hard.term, null, "damage hides entries of this node");
  }

  logHealed(
    runs: readonly TermRun[],
    configurations: readonly Configuration[],
    isWhole: boolean,
  ): void {
    const state = this.#state;
    if (isWhole) state.voteFromCommitIndex = 0;
    if (state.membersKnown) return;
    assert(state.leadership === null, "a node that did not know its members leads");
    state.log.relearn(runs);
    const isAnother = state.configurations.relearn(configurations);
    state.configurations.committed(state.commitIndex);
    state.membersKnown = true;
    if (isAnother) {
      const { configuration } = this;
      state.outbox.event({ type: "configuration", configuration, reason: "appended" });
    }
    this.#check();
  }

  termAt(index: LogIndex): Term | undefined {
    return this.#state.log.termAt(index);
  }

  matchIndexOf(id: NodeId): LogIndex | null {
    return this.#state.leadership?.peers.get(id)?.matchIndex ?? null;
  }

  holdersOf(index: LogIndex): readonly NodeId[] {
    const { leadership, self } = this.#state;
    const holders: NodeId[] = [];
    let voters = 0;
    for (const { id, role } of this.configuration.members) {
      if (role !== "voter") continue;
      voters += 1;
      const peer = leadership?.peers.get(id);
      const peerIndex = peer === undefined || peer.state === "lost data" ? 0 : peer.matchIndex;
      if ((id === self.id ? this.durableIndex : peerIndex) >= index) holders.push(id);
    }
    return holders.length < majorityOf(voters) ? [] : holders;
  }

  takeReady(): Ready {
    const state = this.#state;
    if (state.leadership === null) takeAcknowledgement(state);
    else orderSends(state, state.leadership);
    const hardState = state.hard.takeWrite(() => {
      state.hardWriteStartedMs = state.nowMs;
      state.lastWriteId += 1;
      return state.lastWriteId;
    });
    const committed = state.commitIndex > state.commitTaken ? state.commitIndex : null;
    state.commitTaken = state.commitIndex;
    return state.outbox.take(hardState, committed);
  }

  status(): CoreStatus {
    return statusOf(this.#state);
  }

  /** Time never runs backwards here, whatever the caller's clock does. */
  #advanceTime(nowMs: MonotonicMs): void {
    if (nowMs > this.#state.nowMs) this.#state.nowMs = nowMs;
  }

  /** What must hold after every step, at the price of a few comparisons. */
  #check(): void {
    const { log, durability, commitIndex, commitTaken, hard, role, leadership, candidacy } =
      this.#state;
    assert(
      log.baseIndex <= commitIndex,
      () => `base ${log.baseIndex} is above commit index ${commitIndex}`,
    );
    assert(
      commitIndex <= log.lastIndex,
      () => `commit index ${commitIndex} is beyond ${log.lastIndex}`,
    );
    assert(
      commitTaken <= commitIndex,
      () => `the commit index fell from ${commitTaken} to ${commitIndex}`,
    );
    assert(durability.durableIndex <= log.lastIndex, "more is durable than there is");
    assert(
      log.lastTerm <= hard.term,
      () => `an entry of term ${log.lastTerm} in term ${hard.term}`,
    );
    assert(
      (role === "leader") === (leadership !== null),
      () => `role ${role} and leadership disagree`,
    );
    const isCampaigning = role === "candidate" || role === "pre-candidate";
    assert(isCampaigning === (candidacy !== null), () => `role ${role} and candidacy disagree`);
    assert(role !== "leader" || !hard.pending, "a leader whose term is not durable");
  }
}

/** One message, by its type. */
function dispatch(
  state: CoreState,
  from: NodeIdentity,
  message: RaftMessage,
  chainDiffersAt: LogIndex | null,
): AppendOrder | null {
  switch (message.type) {
    case "append":
      return handleAppend(state, from, message, chainDiffersAt);
    case "installSnapshot":
      return handleInstallSnapshot(state, from, message);
    case "preVote":
      handlePreVoteRequest(state, from, message);
      return null;
    case "preVoteReply":
      handlePreVoteReply(state, from, message);
      return null;
    case "vote":
      handleVoteRequest(state, from, message);
      return null;
    case "voteReply":
      handleVoteReply(state, from, message);
      return null;
    case "appendReply":
      handleAppendReply(state, from, message);
      return null;
    case "heartbeat":
      handleHeartbeat(state, from, message);
      return null;
    case "heartbeatReply":
      handleHeartbeatReply(state, from, message);
      return null;
    case "lostData":
      handleLostData(state, from, message);
      return null;
    case "timeoutNow":
      handleTimeoutNow(state, from, message);
      return null;
  }
}

/** The leader orders this node to campaign (thesis §3.10): no pre-vote, and the others withhold
 *  nothing. */
function handleTimeoutNow(state: CoreState, from: NodeIdentity, message: TimeoutNow): void {
  const isFromLeader = state.leader?.id === from.id && message.term === state.hard.term;
  if (!isFromLeader || state.role !== "follower" || !canCampaign(state)) return;
  becomeCandidate(state, true, `leader ${from.id} hands over`);
}
