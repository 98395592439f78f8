/** The state of one core (Figure 2), and the few questions and moves that every section of the
 *  paper needs. */

import { seededRandom } from "../base/random.ts";
import type { Random } from "../base/random.ts";
import type {
  Incarnation,
  LogIndex,
  MonotonicMs,
  NodeId,
  NodeIdentity,
  Term,
} from "../base/types.ts";
import { Durability } from "./durability.ts";
import { HardStateWriter } from "./hard-state.ts";
import { ConfigurationHistory, isVoter } from "./membership.ts";
import { Outbox } from "./outbox.ts";
import type { Progress } from "./progress.ts";
import type { RangeQueue } from "./range-queue.ts";
import { TermRuns } from "./term-runs.ts";
import type { CoreOptions, RaftLimits, RaftMessage, RaftTimings, Role, WriteId } from "./types.ts";
import { renderMs, renderRange } from "./words.ts";

/** What a follower knows of the leader of the current term; begins anew with every term. */
export interface Following {
  /** The log agrees with this leader's up to here (§5.3): not more than its messages proved. */
  verifiedIndex: LogIndex;
  /** The highest round heard from it: acknowledgements carry it, so their order can be told. */
  latestRound: number;
  /** Whom to acknowledge. */
  ackTo: NodeIdentity | null;
  /** The highest index acknowledged so far. */
  ackedIndex: LogIndex;
  /** An acknowledgement leaves with the next `takeReady`. */
  ackDue: boolean;
  /** The longest time between two messages of this leader, ms: how near an election came. */
  longestSilenceMs: number;
}

/** A (pre-)candidacy under way (§5.2; thesis §9.6). */
export interface Candidacy {
  readonly preVote: boolean;
  readonly round: number;
  /** The leader itself asked for it (thesis §3.10). */
  readonly ordered: boolean;
  /** Who granted, once each, in the order of arrival; bound to an incarnation. */
  readonly granted: Map<NodeId, Incarnation>;
  readonly answered: Set<NodeId>;
  resendAtMs: MonotonicMs;
  resends: number;
  /** A pre-candidate lets another one go first until then; null: not now. */
  asideUntilMs: MonotonicMs | null;
  /** It did so once; not again in this candidacy. */
  steppedAside: boolean;
}

export interface Transfer {
  readonly to: NodeId;
  readonly deadlineMs: MonotonicMs;
  ordered: boolean;
  resendAtMs: MonotonicMs;
}

export interface PendingRead {
  readonly readId: number;
  readonly sinceMs: MonotonicMs;
}

/** What only a leader has; born with its election and gone with it. */
export interface Leadership {
  /** The no-op of this term: reads and membership changes wait until it is committed (§8). */
  readonly noopIndex: LogIndex;
  readonly peers: Map<NodeId, Progress>;
  heartbeatAtMs: MonotonicMs;
  /** When peers that fell behind are told a new commit index; Infinity when there is nothing to
   *  tell. */
  tellCommitAtMs: MonotonicMs;
  readonly uncommitted: RangeQueue;
  /** All that was proposed, bytes. */
  grownBytes: number;
  /** When the commit index rose last. */
  committedMs: MonotonicMs;
  transfer: Transfer | null;
  readsWaiting: PendingRead[];
  readsOpen: {
    readonly round: number;
    readonly index: LogIndex;
    readonly reads: PendingRead[];
  } | null;
}

export interface CoreState {
  readonly self: NodeIdentity;
  readonly timings: RaftTimings;
  readonly limits: RaftLimits;
  readonly random: Random;
  readonly log: TermRuns;
  readonly configurations: ConfigurationHistory;
  readonly durability: Durability;
  readonly hard: HardStateWriter;
  readonly outbox: Outbox;
  readonly windows: Map<NodeId, number>;
  /** Old records for each peer, bytes a millisecond, while others commit. */
  readonly catchUpRates: Map<NodeId, number>;
  nowMs: MonotonicMs;
  role: Role;
  /** The leader of the current term as far as this process knows. */
  leader: NodeIdentity | null;
  leaderContactMs: MonotonicMs;
  electionDeadlineMs: MonotonicMs;
  commitIndex: LogIndex;
  /** The commit index that the node was last told. */
  commitTaken: LogIndex;
  following: Following;
  candidacy: Candidacy | null;
  leadership: Leadership | null;
  /** Whom a leadership that ended was being handed to. */
  handedTo: NodeId | null;
  voteFromCommitIndex: LogIndex;
  membersKnown: boolean;
  divergedAt: LogIndex | null;
  /** What this disk lost of what this node had acknowledged, as its leader told it. */
  lost: { readonly firstIndex: LogIndex; readonly lastIndex: LogIndex } | null;
  /** The newest committed configuration without this node that it was shown; 0: none. */
  leftOutAt: LogIndex;
  /** Rises with every request of this process. */
  round: number;
  lastWriteId: WriteId;
  hardWriteStartedMs: MonotonicMs | null;
}

export function createState(options: CoreOptions): CoreState {
  const configurations = new ConfigurationHistory(options.configurations);
  configurations.committed(options.commitIndex);
  const { baseIndex, baseTerm, lastIndex, membersKnown = true } = options;
  // Damage may hide every run there is.
  const isGuess = !membersKnown && options.runs.length === 0;
  const runs = isGuess ? [{ firstIndex: baseIndex + 1, term: baseTerm }] : options.runs;
  return {
    self: options.self,
    timings: options.timings,
    limits: options.limits,
    random: seededRandom(options.seed),
    log: new TermRuns(baseIndex, baseTerm, runs, lastIndex),
    configurations,
    durability: new Durability(lastIndex),
    hard: new HardStateWriter(options.hardState),
    outbox: new Outbox(),
    windows: new Map(),
    catchUpRates: new Map(),
    nowMs: options.nowMs,
    role: "follower",
    leader: null,
    leaderContactMs: options.nowMs,
    electionDeadlineMs: options.nowMs,
    commitIndex: options.commitIndex,
    commitTaken: options.commitIndex,
    following: freshFollowing(),
    candidacy: null,
    leadership: null,
    handedTo: null,
    voteFromCommitIndex: options.voteFromCommitIndex,
    membersKnown,
    divergedAt: null,
    lost: null,
    leftOutAt: 0,
    round: 0,
    lastWriteId: 0,
    hardWriteStartedMs: null,
  };
}

export function freshFollowing(): Following {
  return {
    verifiedIndex: 0,
    latestRound: 0,
    ackTo: null,
    ackedIndex: 0,
    ackDue: false,
    longestSilenceMs: 0,
  };
}

/** Sends now, or as soon as the term and vote that the message speaks of are durable. */
export function send(
  state: CoreState,
  to: NodeId,
  message: RaftMessage,
  replyTo: NodeIdentity | null = null,
): void {
  const outgoing = { to, replyTo, message };
  if (state.hard.pending) state.outbox.hold(outgoing);
  else state.outbox.message(outgoing);
}

/** The same, to the process that asked. */
export function reply(state: CoreState, asker: NodeIdentity, message: RaftMessage): void {
  send(state, asker.id, message, asker);
}

/** Starts the election timer anew with a fresh random timeout (§5.2, split votes). */
export function resetElectionTimer(state: CoreState): void {
  const { electionMinMs, electionMaxMs } = state.timings;
  state.electionDeadlineMs =
    state.nowMs + electionMinMs + state.random() * (electionMaxMs - electionMinMs);
}

export function nextRound(state: CoreState): number {
  state.round += 1;
  return state.round;
}

export function isSelfVoter(state: CoreState): boolean {
  return isVoter(state.configurations.inForce, state.self.id, state.self.incarnation);
}

/** Why this node neither votes nor campaigns, as a sentence, or null. */
export function muteReason(state: CoreState): string | null {
  if (state.lost !== null)
    return `this disk lost ${renderRange(state.lost)}, which this node had acknowledged`;
  if (state.divergedAt !== null)
    return `this log differs from the leader's at committed index ${state.divergedAt}`;
  if (!state.membersKnown) {
    return "entries were damaged here: no vote before they are healed, for they may name other members";
  }
  if (state.commitIndex < state.voteFromCommitIndex) {
    return `entries were damaged here: no vote before index ${state.voteFromCommitIndex} is known committed`;
  }
  return null;
}

/** A disk that owes a write for so many of the longest election timeouts is stalled. */
const STALLED_TIMEOUTS = 4;

/** How long this node's disk has been stalled, or null: a leader or candidate that cannot write is
 *  of no use in the long run, however well it sends heartbeats. In the short run it is: the
 *  others commit, so an election would only add to what a saturated disk costs. */
export function stalledDiskMs(state: CoreState): number | null {
  const oldestMs = oldestWriteMs(state);
  if (oldestMs === null || state.nowMs < stallDeadlineMs(state)) return null;
  return state.nowMs - oldestMs;
}

/** When this node's disk counts as stalled if the oldest write does not end; Infinity without
 *  one. */
export function stallDeadlineMs(state: CoreState): MonotonicMs {
  const oldestMs = oldestWriteMs(state);
  return oldestMs === null ? Infinity : oldestMs + STALLED_TIMEOUTS * state.timings.electionMaxMs;
}

/** When the oldest write under way began, of log or hard state. */
function oldestWriteMs(state: CoreState): MonotonicMs | null {
  const logMs = state.durability.oldestStartedMs;
  if (logMs === null || state.hardWriteStartedMs === null) return logMs ?? state.hardWriteStartedMs;
  return Math.min(logMs, state.hardWriteStartedMs);
}

/** A node that an uncommitted entry removes still campaigns, counting the others only: it may be
 *  the only one whose log is complete enough to commit that entry (thesis §4.2.2). Once it is known
 *  committed the others have it, and do without this node until a later one names it. */
export function canCampaign(state: CoreState): boolean {
  const { id, incarnation } = state.self;
  if (state.leftOutAt > 0 && state.configurations.inForce.index <= state.leftOutAt) return false;
  if (!state.configurations.mayHaveVoter(id, incarnation)) return false;
  return muteReason(state) === null && stalledDiskMs(state) === null;
}

/** "nothing heard from leader 1 for 340 ms". */
export function renderSilence(state: CoreState): string {
  const silence = renderMs(state.nowMs - state.leaderContactMs);
  if (state.leader === null) return `no leader heard for ${silence}`;
  return `nothing heard from leader ${state.leader.id} for ${silence}`;
}

/** Names the leader of the current term, or nobody, and says so once per term. */
export function setLeader(
  state: CoreState,
  leader: NodeIdentity | null,
  reason: string,
  entersTerm = false,
): void {
  const before = state.leader?.id ?? null;
  state.leader = leader;
  if ((leader?.id ?? null) === before && (leader === null || !entersTerm)) return;
  state.outbox.event({ type: "leader", leader: leader?.id ?? null, term: state.hard.term, reason });
  if (leader === null || state.handedTo === null) return;
  const outcome = leader.id === state.handedTo ? "done" : "given up";
  state.outbox.event({ type: "transfer", to: state.handedTo, outcome });
  state.handedTo = null;
}

/** The own-term rule that reads and membership changes share (§8; dissertation, single-server
 *  erratum). */
export function hasOwnTermCommit(state: CoreState, leadership: Leadership): boolean {
  return state.commitIndex >= leadership.noopIndex;
}

export function lastTermOf(state: CoreState): Term {
  return state.log.lastTerm;
}
