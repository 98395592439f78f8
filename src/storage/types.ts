/** The disk as the node sees it: one log, one hard state, one identity; and the files beneath. */

import type {
  ClusterId,
  FoundingRecord,
  Incarnation,
  LogIndex,
  MonotonicMs,
  NodeId,
  WallMs,
} from "../base/types.ts";
import type { Term } from "../base/types.ts";
import type { Configuration, HardState, TermRun, WriteId } from "../raft/types.ts";
import type { RecordFields } from "./record.ts";

// ---------------------------------------------------------------------------------------------
// Files. The only door to the operating system; a real one (real-disk.ts) and an in-memory twin
// (memory-disk.ts) that loses any subset of unsynced sectors and directory entries in a power cut.

export interface DiskFile {
  readonly path: string;
  size(): number;
  /** May read fewer bytes at the end of the file. `into`: the memory for it, of that length at
   *  least; fresh unless given. Throws DiskError. */
  readSync(position: number, length: number, into?: Uint8Array): Uint8Array;
  /** Writes into the page cache, in the loop. Throws DiskError. */
  writeSync(position: number, bytes: Uint8Array): void;
  /** fdatasync (F_FULLFSYNC on macOS), off the loop. `done(null)` when durable. */
  sync(done: (error: DiskError | null) => void): void;
  /** Writes and syncs, both off the loop; the bytes do not change meanwhile. `done(null)` when
   *  durable. */
  writeSoon(position: number, bytes: Uint8Array, done: (error: DiskError | null) => void): void;
  /** The same, blocking: start-up and rare turns only. */
  syncNow(): void;
  close(): void;
}

export interface Disk {
  /** Opens for reading and writing; `create` makes it when missing. Relative to the data
   *  directory. */
  open(path: string, create: boolean): DiskFile;
  list(): readonly string[];
  exists(path: string): boolean;
  remove(path: string): void;
  rename(from: string, to: string): void;
  /** fsync of the directory: new names and removals are durable after it. Blocks: start-up and rare
   *  turns only. */
  syncDirectory(): void;
  /** The same, off the loop. */
  syncDirectorySoon(done: (error: DiskError | null) => void): void;
  /** What a copy of the file would not have: its inode and, with `birth`, its time of birth. */
  fileId(path: string, birth: boolean): string;
  /** When it was last written to, for people only; null where nobody knows. */
  modifiedMs(path: string): WallMs | null;
}

/** A refusal of the operating system. code: "ENOSPC", "EIO", ... */
export interface DiskError {
  readonly code: string;
  readonly message: string;
}

// ---------------------------------------------------------------------------------------------
// Records (record.ts makes and reads them).

/** noop: a leader's first entry; user: what people send; configuration: members. An unknown kind
 *  stops a node. */
export const RECORD_KIND = { user: 0, noop: 1, configuration: 2 } as const;
export type RecordKind = (typeof RECORD_KIND)[keyof typeof RECORD_KIND];

/** What stands in front of a record's payloads. */
export interface RecordHead {
  readonly firstIndex: LogIndex;
  /** firstIndex + count - 1. */
  readonly lastIndex: LogIndex;
  readonly count: number;
  readonly term: Term;
  readonly kind: RecordKind;
  readonly timeMs: WallMs;
  /** 32 hex digits; all zeros for records that no client sent. */
  readonly clientId: string;
  readonly firstSequence: number;
  /** CRC of this record seeded with the chain before it. */
  readonly chain: number;
  /** Bytes of the whole record, chain and length fields included. */
  readonly bytes: number;
}

// ---------------------------------------------------------------------------------------------
// The log.

/** One client's place: the highest sequence in the log and the index of that entry. */
export interface SessionRow {
  readonly lastSequence: number;
  readonly lastIndex: LogIndex;
}

export interface LogRead {
  /** Whole records, contiguous, ready for the wire. An alias of memory that may be used again
   *  after the second sync from now: who needs it beyond this turn copies it. */
  readonly bytes: Uint8Array;
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  /** Chain of the entry before firstIndex. */
  readonly prevChain: number;
}

/** Why a range cannot be read: damage waits to be healed. */
export interface DamagedRange {
  readonly from: LogIndex;
  readonly to: LogIndex;
  readonly file: string;
  readonly offset: number;
  readonly reason: string;
}

/** The replicated log of one node. Everything appended is readable at once (from memory), durable
 *  after its write. */
export interface LogStore {
  readonly clusterId: ClusterId;
  /** The entry before the first retained one. */
  readonly baseIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly lastChain: number;
  /** The last index whose record is a user's, at or below lastIndex; 0 if none. For --if-last. */
  readonly lastUserIndex: LogIndex;
  /** The same, at or below `index` (index >= the highest committed index ever given to
   *  `committed`). */
  lastUserIndexAt(index: LogIndex): LogIndex;
  /** Appends one or more whole records that follow lastIndex; the chain has been verified by the
   *  caller against lastChain. The bytes are copied: their memory may be written to again on
   *  return. `heads`: theirs, where the caller has read them already. */
  append(records: Uint8Array, heads?: readonly RecordHead[]): void;
  /** Makes and appends the record of a user's entries that follows lastIndex; `payloads` as
   *  encodePayloads gave them, checked, and copied here. */
  appendNew(fields: RecordFields, payloads: Uint8Array): void;
  /** Drops everything from `index` on (a record's first index). Begins a new segment before
   *  anything later depends on it. `chainBefore`: the chain at `index` - 1 as the leader has it,
   *  used where damage hides this log's own. */
  truncate(index: LogIndex, chainBefore?: number): void;
  /** Replaces everything by a snapshot head (bytes as given by `snapshotHead` elsewhere). */
  install(head: Uint8Array): void;
  /** The first segment's head: the snapshot record. */
  snapshotHead(): Uint8Array;
  /** Whole records starting with the one that contains `index`, at least one, at most `bytesMax`
   *  beyond the first. Null: beyond lastIndex, before the base, or damaged. The bytes do not change
   *  in this turn; who needs them longer copies them. */
  read(index: LogIndex, bytesMax: number): LogRead | null;
  /** All that was read has been sent or copied: its memory may be used again. */
  endTurn(): void;
  /** The chain of the record that contains `index` and the last index of that record; undefined
   *  when unknown. */
  chainAt(index: LogIndex): { readonly chain: number; readonly lastIndex: LogIndex } | undefined;
  session(clientId: string): SessionRow | undefined;
  /** Records held in memory, bytes, and clients remembered. */
  readonly sizes: { readonly tailBytes: number; readonly sessions: number };
  /** The highest index at which a client was forgotten; a first request born before it is
   *  refused. */
  readonly forgottenAt: LogIndex;
  /** Writes the batch that has collected, if none is in flight: calls `started` synchronously to
   *  get a write id, then `done(id)` when durable. Returns false when there is nothing to write or
   *  a write is in flight (it then calls `idle` semantics itself: flush again from `done`). */
  flush(started: () => WriteId, done: (id: WriteId) => void): boolean;
  readonly writing: boolean;
  readonly unflushedBytes: number;
  /** Tells how far rollback is impossible: undo information below is dropped. */
  committed(index: LogIndex): void;
  /** Milliseconds clock for the seal (an empty batch 100 ms after the last one); call at
   *  nextDeadlineMs. */
  tick(nowMs: MonotonicMs): void;
  nextDeadlineMs(): MonotonicMs;
  /** False while damage hides entries that no later head tells of: sessions, terms and
   *  configurations are then a guess. */
  readonly derivedKnown: boolean;
  readonly runs: readonly TermRun[];
  readonly configurations: readonly Configuration[];
  /** Unhealed damage, oldest first. */
  readonly damage: readonly DamagedRange[];
  /** How far the log reached in which damage was found, until all of that is durable here again;
   *  0: nothing of that kind. Kept on the disk. */
  readonly damagedTo: LogIndex;
  /** Tries to fill a damaged range by bytes from another member; true when the chain closes on both
   *  sides. */
  heal(records: Uint8Array): boolean;
  /** False while the disk is full: refuse new entries, stay readable. */
  readonly acceptsEntries: boolean;
  /** Median-ish of recent fdatasyncs, ms; null before the first. For status. */
  readonly syncMs: number | null;
  close(): void;
}

/** What recovery found, for people and for the core. */
export interface Recovered {
  readonly log: LogStore;
  readonly hardState: HardState;
  readonly baseTerm: Term;
  readonly runs: readonly TermRun[];
  readonly configurations: readonly Configuration[];
  /** Neither vote nor campaign before commitIndex passes this (0: none). */
  readonly voteFromCommitIndex: LogIndex;
  /** Sentences such as "cut 1 torn batch (4,096 bytes) at the end of 0000000003.log: never
   *  acknowledged". */
  readonly notes: readonly string[];
}

// ---------------------------------------------------------------------------------------------
// Identity: who this data directory is.

export interface Identity {
  readonly cluster: string;
  readonly id: NodeId;
  readonly incarnation: Incarnation;
  /** Rises at every start; goes into HELLO to detect copied directories. */
  readonly bootCount: number;
  readonly founding: FoundingRecord | null;
  /** When this directory learned of the founding. */
  readonly foundedMs: WallMs | null;
  /** True once this node has been a member (signed by all, or admitted): it never founds again. */
  readonly member: boolean;
  /** Last good addresses of others: "host:port" by node id. Hints. */
  readonly addresses: Readonly<Record<string, string>>;
  /** The port in use last time, when it was not the default. */
  readonly port: number | null;
  readonly lastUsedMs: WallMs;
}

/** A copy of this directory was made: its inode or birth time differ from what the file holds. */
export type IdentityProblem = {
  readonly problem: "copied" | "unreadable" | "other cluster" | "other id";
  readonly found: Identity | null;
  readonly reason: string;
};
