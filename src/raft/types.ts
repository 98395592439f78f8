/** What goes into the core and what comes out of it: values only. */

import type {
  BootId,
  Incarnation,
  LogIndex,
  MonotonicMs,
  NodeId,
  NodeIdentity,
  Term,
} from "../base/types.ts";
import type { CoreStatus } from "./status.ts";

/** One node of a configuration (§6; learners: thesis §4.2.1). Counted by (id, incarnation). */
export interface Member {
  readonly id: NodeId;
  readonly incarnation: Incarnation;
  readonly role: "voter" | "learner";
}

/** The members in force from `index` on; index 0 is the founding record. Members sorted by id. */
export interface Configuration {
  readonly index: LogIndex;
  readonly members: readonly Member[];
}

/** Whom a vote went to. The boot id keeps two processes of one copied directory apart. */
export interface Vote {
  readonly id: NodeId;
  readonly incarnation: Incarnation;
  readonly bootId: BootId;
}

/** What must be durable before any message that depends on it (§5.1, Figure 2). */
export interface HardState {
  readonly term: Term;
  readonly votedFor: Vote | null;
}

/** The entries firstIndex..(next run - 1) are of this term. Runs are sorted and terms rise. */
export interface TermRun {
  readonly firstIndex: LogIndex;
  readonly term: Term;
}

/** The outline of one record in an append: what the core sees instead of payloads. */
export interface RecordOutline {
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly term: Term;
  /** Present when the record is a configuration entry. */
  readonly members?: readonly Member[];
}

export type Role = "follower" | "pre-candidate" | "candidate" | "leader";

// ---------------------------------------------------------------------------------------------
// Messages. `term` is the sender's current term except where said otherwise. Every reply echoes
// (term, round) of its request, so late, doubled and reordered datagrams are harmless.

/** Asks whether a vote would be granted (thesis §9.6). `term` is the term it would campaign in. */
export interface PreVoteRequest {
  readonly type: "preVote";
  readonly term: Term;
  readonly round: number;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
}

/** `term` is the refuser's current term if "refused" (the asker adopts it); else an echo of the
 *  request's. */
export interface PreVoteReply {
  readonly type: "preVoteReply";
  readonly term: Term;
  readonly round: number;
  /** withheld: a leader is alive here (thesis §4.2.3); the asker adopts nothing from that. */
  readonly answer: "granted" | "refused" | "withheld";
  /** The term that was asked for, echoed. */
  readonly askedTerm: Term;
}

/** §5.2. `ordered`: the leader itself asked for this candidacy (TimeoutNow, thesis §3.10). */
export interface VoteRequest {
  readonly type: "vote";
  readonly term: Term;
  readonly round: number;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  readonly ordered: boolean;
}

export interface VoteReply {
  readonly type: "voteReply";
  readonly term: Term;
  readonly round: number;
  readonly answer: "granted" | "refused" | "withheld";
}

/** AppendEntries with records (§5.3). The bytes travel beside this outline and never enter the
 *  core. */
export interface Append {
  readonly type: "append";
  readonly term: Term;
  /** Rises with every append and heartbeat that this leader sends; echoed in replies. */
  readonly round: number;
  /** The entry before the first record; always the last index of a record (or 0). */
  readonly prevIndex: LogIndex;
  readonly prevTerm: Term;
  readonly commitIndex: LogIndex;
  /** Contiguous; may be empty (a probe). */
  readonly records: readonly RecordOutline[];
}

/** matched: everything up to matchIndex is verified against this leader's log AND durable here.
 *  conflict: nothing matched at prevIndex; hint = where this log may agree (fast backtracking, §5.3
 *  end). Sent only once durable; the node never acknowledges from memory. lost data: this disk no
 *  longer holds what this node acknowledged, up to matchIndex; it appends nothing any more. */
export interface AppendReply {
  readonly type: "appendReply";
  readonly term: Term;
  readonly round: number;
  readonly result: "matched" | "conflict" | "diverged" | "lost data";
  /** conflict: echo of the request's prevIndex, so a late conflict for another probe is ignored.
   *  matched: equal to matchIndex. */
  readonly prevIndex: LogIndex;
  readonly matchIndex: LogIndex;
  /** conflict: where this log may agree, at most min(prevIndex, last index here), and its term.
   *  matched: verified here, perhaps not durable yet (at least matchIndex); sending it again is no
   *  use. */
  readonly hintIndex: LogIndex;
  readonly hintTerm: Term;
  /** The highest index durable here; below the leader's matchIndex means that this disk lost
   *  data. */
  readonly durableIndex: LogIndex;
}

/** Keeps leadership, carries commitIndex (capped at what the follower is known to hold), serves
 *  ReadIndex. */
export interface Heartbeat {
  readonly type: "heartbeat";
  readonly term: Term;
  readonly round: number;
  /** min(leader's commitIndex, this follower's matchIndex): all of it is verified (KNOWN-BUG class
   *  B15). */
  readonly commitIndex: LogIndex;
}

export interface HeartbeatReply {
  readonly type: "heartbeatReply";
  readonly term: Term;
  readonly round: number;
  readonly durableIndex: LogIndex;
  readonly commitIndex: LogIndex;
}

/** Answers a reply whose durable index is below what that member acknowledged to this leader, or
 *  itself said that it had acknowledged: it must not vote any more. Echoes the reply's round. */
export interface LostData {
  readonly type: "lostData";
  readonly term: Term;
  readonly round: number;
  /** What it acknowledged; it checks its own disk against that. */
  readonly matchIndex: LogIndex;
}

/** Leadership transfer: campaign at once (thesis §3.10). */
export interface TimeoutNow {
  readonly type: "timeoutNow";
  readonly term: Term;
  readonly round: number;
}

/** InstallSnapshot (§7): here the head of the leader's first segment, which is the whole snapshot.
 *  The head's bytes travel beside this outline. Acknowledged by an AppendReply "matched" at
 *  lastIndex. */
export interface InstallSnapshot {
  readonly type: "installSnapshot";
  readonly term: Term;
  readonly round: number;
  /** The entry before the leader's first retained one. */
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  readonly configuration: Configuration;
}

export type RaftMessage =
  | PreVoteRequest
  | PreVoteReply
  | VoteRequest
  | VoteReply
  | Append
  | AppendReply
  | Heartbeat
  | HeartbeatReply
  | LostData
  | TimeoutNow
  | InstallSnapshot;

// ---------------------------------------------------------------------------------------------
// What the core answers.

/** Names one batch given to the disk. Completion counts only for what that batch wrote. */
export type WriteId = number;

/** Send records to `to`, starting with the record that contains `fromIndex`, up to `bytesMax` bytes
 *  (at least one record). Dropped by the node unless the core's term is still `term`; after
 *  sending, the node reports `core.sent(...)`. A `probe` with nothing to send still goes out (empty
 *  append). */
export interface SendOrder {
  readonly to: NodeId;
  readonly term: Term;
  readonly round: number;
  readonly fromIndex: LogIndex;
  readonly bytesMax: number;
  readonly commitIndex: LogIndex;
}

/** What a follower's node must do with the bytes of the append that it just gave to `step`:
 *  first truncate (if not null), then append the records from `appendFrom` on (null: none of
 *  them). */
export interface AppendOrder {
  readonly truncateFrom: LogIndex | null;
  readonly appendFrom: LogIndex | null;
  /** Replace the whole log by the snapshot head that came with the message. */
  readonly install: boolean;
}

export type CoreEvent =
  | {
      readonly type: "role";
      readonly role: Role;
      readonly term: Term;
      readonly reason: string;
      readonly votes: readonly NodeId[];
    }
  | {
      readonly type: "leader";
      readonly leader: NodeId | null;
      readonly term: Term;
      readonly reason: string;
    }
  | {
      readonly type: "configuration";
      readonly configuration: Configuration;
      readonly reason: "appended" | "committed" | "rolled back";
    }
  | {
      readonly type: "transfer";
      readonly to: NodeId;
      readonly outcome: "ordered" | "done" | "timed out" | "given up";
    }
  /** `peer` may be this node itself: its leader told it. */
  | {
      readonly type: "lostData";
      readonly peer: NodeId;
      readonly matchIndex: LogIndex;
      readonly durableIndex: LogIndex;
    }
  | { readonly type: "diverged"; readonly peer: NodeId; readonly index: LogIndex };

export interface OutgoingMessage {
  readonly to: NodeId;
  /** A reply goes to the very process that asked, or nowhere: another process of that id must not
   *  count it. null: to the member of that id. */
  readonly replyTo: NodeIdentity | null;
  readonly message: RaftMessage;
}

/** Everything the core wants done since the last `takeReady`. Messages in it may leave at once: the
 *  core itself holds back what depends on a write until `hardStateDone` / `writeDone`. */
export interface Ready {
  /** Make this durable, then call hardStateDone(writeId). At most one is outstanding. */
  readonly hardState: { readonly writeId: WriteId; readonly hardState: HardState } | null;
  readonly messages: readonly OutgoingMessage[];
  readonly sends: readonly SendOrder[];
  /** Peers whose next entry is no longer in this log: send them the first segment's head. */
  readonly snapshots: readonly {
    readonly to: NodeId;
    readonly term: Term;
    readonly round: number;
  }[];
  /** The commit index now, if it rose. */
  readonly committed: LogIndex | null;
  /** index null: the read failed (leadership lost, or no own-term commit in time); ask again. */
  readonly reads: readonly { readonly readId: number; readonly index: LogIndex | null }[];
  readonly events: readonly CoreEvent[];
  /** Set once, on becoming leader: append a no-op record of this term at this index (§8, thesis
   *  §6.4). The core counts it as appended already. */
  readonly noop: { readonly index: LogIndex; readonly term: Term } | null;
}

export interface RaftTimings {
  /** 10 to 5,000. */
  readonly heartbeatMs: number;
  /** Election timeouts are drawn from [electionMinMs, electionMaxMs). */
  readonly electionMinMs: number;
  readonly electionMaxMs: number;
}

export interface RaftLimits {
  readonly inflightBytesMax: number;
  readonly appendBytesMax: number;
  readonly uncommittedBytesMax: number;
  readonly uncommittedEntriesMax: number;
}

export interface CoreOptions {
  readonly self: NodeIdentity;
  readonly hardState: HardState;
  /** The entry before the first retained one. */
  readonly baseIndex: LogIndex;
  readonly baseTerm: Term;
  readonly runs: readonly TermRun[];
  readonly lastIndex: LogIndex;
  /** Oldest first: the one in force at baseIndex, then every configuration entry retained. Never
   *  empty. */
  readonly configurations: readonly Configuration[];
  /** Known committed from disk (a floor), at least baseIndex. */
  readonly commitIndex: LogIndex;
  /** Damage here: neither vote nor campaign until commitIndex reaches this (0: none). */
  readonly voteFromCommitIndex: LogIndex;
  /** False while damage may hide a change of members: runs and configurations are then a guess, and
   *  this node neither votes nor campaigns before `logHealed`. */
  readonly membersKnown?: boolean;
  readonly timings: RaftTimings;
  readonly limits: RaftLimits;
  /** Seeds election timeouts. */
  readonly seed: number;
  readonly nowMs: MonotonicMs;
}

export type ProposeResult =
  | { readonly ok: true; readonly firstIndex: LogIndex; readonly term: Term }
  | {
      readonly ok: false;
      readonly reason: "not leader" | "busy" | "transferring";
      readonly leader: NodeId | null;
    };

export type MembershipChange =
  | { readonly type: "addLearner"; readonly id: NodeId; readonly incarnation: Incarnation }
  | { readonly type: "promote"; readonly id: NodeId }
  | { readonly type: "demote"; readonly id: NodeId }
  | { readonly type: "remove"; readonly id: NodeId }
  /** The old incarnation out, the new one in as learner: one entry changes one voting pair. */
  | { readonly type: "replace"; readonly id: NodeId; readonly incarnation: Incarnation };

export type ConfigurationResult =
  | { readonly ok: true; readonly configuration: Configuration; readonly term: Term }
  | {
      readonly ok: false;
      /** later: may be asked for again as it is; never: this change makes no sense. */
      readonly kind: "not leader" | "later" | "never";
      readonly reason: string;
      readonly leader: NodeId | null;
    };

export interface TransferResult {
  /** This very order began it. */
  readonly ok: boolean;
  readonly reason: string;
  /** Who takes over, by this order or by an earlier one that is under way. */
  readonly to: NodeId | null;
}

/** The core, as the node and the simulator use it; implemented by `createCore` in core.ts. */
export interface Core {
  readonly term: Term;
  readonly role: Role;
  readonly leader: NodeId | null;
  readonly lastIndex: LogIndex;
  readonly commitIndex: LogIndex;
  readonly durableIndex: LogIndex;
  /** Proposed in this leadership and not committed; 0 on any other node. */
  readonly uncommittedBytes: number;
  readonly configuration: Configuration;
  /** False while damage hides entries: the terms of these are a guess then. */
  readonly termsKnown: boolean;
  /** A message that came in from a met peer. For `append` and `installSnapshot` the node has
   *  verified the records' chain among themselves; `chainDiffersAt` names an index where (index,
   *  term) agree but the chain does not (divergence), or null. Returns what to do with the bytes,
   *  at once. */
  step(
    from: NodeIdentity,
    message: RaftMessage,
    nowMs: MonotonicMs,
    chainDiffersAt?: LogIndex | null,
  ): AppendOrder | null;
  /** Call at or after nextDeadlineMs(). */
  tick(nowMs: MonotonicMs): void;
  nextDeadlineMs(): MonotonicMs;
  /** Reserves indexes for one record of `entries` entries, `bytes` long; the node then makes and
   *  appends it. */
  propose(entries: number, bytes: number): ProposeResult;
  /** The node then makes and appends a configuration record at configuration.index.
   *  `expectedIndex`: compare-and-set. */
  proposeConfiguration(change: MembershipChange, expectedIndex: LogIndex): ConfigurationResult;
  /** The read is answered through Ready.reads, or refused at once: `ok` is false. */
  readIndex(
    readId: number,
    nowMs: MonotonicMs,
  ): { readonly ok: boolean; readonly leader: NodeId | null };
  /** to = null: the best caught-up voter. */
  transferLeadership(to: NodeId | null, nowMs: MonotonicMs): TransferResult;
  /** Everything appended so far is in the batch now given to the disk. */
  writeStarted(): WriteId;
  writeDone(writeId: WriteId, nowMs: MonotonicMs): void;
  hardStateDone(writeId: WriteId, nowMs: MonotonicMs): void;
  /** Reports what a SendOrder became: lastIndex = prevIndex when it was an empty probe. */
  sent(
    to: NodeId,
    term: Term,
    prevIndex: LogIndex,
    lastIndex: LogIndex,
    bytes: number,
    nowMs: MonotonicMs,
  ): void;
  /** A new process of that member was met: back to Probe. */
  peerBooted(peer: NodeIdentity, nowMs: MonotonicMs): void;
  /** The peer's receive window, bytes, from HELLO; and what it is sent of the committed log in a
   *  millisecond, bytes, while others commit (pace.ts). */
  setPeerWindow(id: NodeId, bytes: number, catchUpBytesPerMs: number): void;
  /** The node's agreement check found that `peer` holds another chain at `index`, which both know
   *  committed: from now on this node neither votes nor appends. */
  reportDivergence(peer: NodeId, index: LogIndex): void;
  /** A member showed a configuration that is committed at that index and does not name this node:
   *  it does not campaign until a later one is in its log. */
  reportLeftOut(configurationIndex: LogIndex): void;
  /** A truncation reached back behind damage that had no part in what is derived: as if
   *  `membersKnown` had been false from the start. */
  logHidden(): void;
  /** No damage hides members any more: what the log says. `isWhole`: every entry that was ever held
   *  is here again, so `voteFromCommitIndex` is over. */
  logHealed(
    runs: readonly TermRun[],
    configurations: readonly Configuration[],
    isWhole: boolean,
  ): void;
  /** The term of a retained entry (or of baseIndex); undefined when unknown here. */
  termAt(index: LogIndex): Term | undefined;
  /** Ids of the voters whose durable log holds `index`, for receipts. Empty while fewer than a
   *  majority are known to: a new leader may know that an older entry is committed before it has
   *  heard who holds it. */
  holdersOf(index: LogIndex): readonly NodeId[];
  /** What this leader counts as matched and durable at that peer; null: it does not lead, or there
   *  is no such peer. */
  matchIndexOf(id: NodeId): LogIndex | null;
  takeReady(): Ready;
  status(): CoreStatus;
}
