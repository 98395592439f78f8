/** The words that every folder shares: who a node is and where an entry stands. */

/** A node's number, typed by a person: 1 to 999. */
export type NodeId = number;

/** A term of leadership, from 1; 0 is "before any term" (§5.1). */
export type Term = number;

/** The place of an entry in the log, from 1; 0 is "before the first entry" (§5.3). */
export type LogIndex = number;

/** 16 random bytes born with a data directory, as 32 lower-case hex digits. */
export type Incarnation = string;

/** 16 random bytes born with a process, as 32 lower-case hex digits. */
export type BootId = string;

/** The first 16 bytes of SHA-256 over the cluster's name and founding record, as 32 hex digits. */
export type ClusterId = string;

/** Milliseconds on a monotonic clock whose origin means nothing. */
export type MonotonicMs = number;

/** Milliseconds since 1970 on a wall clock: informative, may go backwards. */
export type WallMs = number;

/** One running process of one data directory: what a vote or an acknowledgement is bound to. */
export interface NodeIdentity {
  readonly id: NodeId;
  readonly incarnation: Incarnation;
  readonly bootId: BootId;
}

/** The sorted (id, incarnation) pairs that founded the cluster, once and for good. Every founder
 *  makes the same one by itself, so nothing local (no time) is in it. */
export interface FoundingRecord {
  readonly cluster: string;
  readonly founders: readonly { readonly id: NodeId; readonly incarnation: Incarnation }[];
  /** null for a first founding; later: recovered or restored from. */
  readonly parent: null | {
    readonly clusterId: ClusterId;
    readonly index: LogIndex;
    readonly term: Term;
    readonly chain: number;
  };
}
