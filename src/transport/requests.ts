/** What clients ask of nodes, and what nodes answer: the bodies of request and response frames. */

import type { Address } from "../base/hosts.ts";
import type {
  BootId,
  ClusterId,
  Incarnation,
  LogIndex,
  MonotonicMs,
  NodeId,
  Term,
  WallMs,
} from "../base/types.ts";
import type { Configuration, MembershipChange, Role } from "../raft/types.ts";

/** Appends `count` entries as one record. `payloads` is the MessagePack array of bins, made once by
 *  the client. */
export interface AppendRequest {
  readonly type: "append";
  readonly clientId: string;
  readonly firstSequence: number;
  readonly count: number;
  /** The commitIndex that the client had last heard when its session began. */
  readonly bornAt: LogIndex;
  /** Refuse unless the last committed user entry is at this index (0: the log is empty of user
   *  entries). */
  readonly ifLast: LogIndex | null;
  readonly payloads: Uint8Array;
}

/** Committed records from `from` on (the record that contains it). */
export interface ReadRequest {
  readonly type: "read";
  readonly from: LogIndex;
  /** Instead of `from`: about the last N user entries. */
  readonly last: number | null;
  readonly bytesMax: number;
  /** linearizable: after a ReadIndex round; stale: what this node has committed, at once. */
  readonly consistency: "linearizable" | "stale";
  /** Hold the answer up to this long while nothing at or after `from` is committed (follow). */
  readonly waitMs: number;
}

export type Request =
  | AppendRequest
  | ReadRequest
  /** A follower asks the leader for a read index. */
  | { readonly type: "readIndex" }
  /** Answered by any node, at once: its own view. */
  | {
      readonly type: "status";
      /** Pass the question on to that node, for a client that cannot reach it; null: the asked
       *  node's own view. */
      readonly of: NodeId | null;
    }
  /** Answered by any node, at once: the leader hint and the commitIndex. */
  | { readonly type: "leader" }
  | {
      readonly type: "stop";
      readonly bootId: BootId;
      readonly kill: boolean;
      readonly by: string;
      /** Whoever leads was meant, not this node by its id: for the sentence that it says. */
      readonly asLeader: boolean;
    }
  | { readonly type: "transfer"; readonly term: Term; readonly to: NodeId | null }
  /** `incarnation` in the change may be "" for add/replace: the leader fills in the one it has
   *  met. */
  | {
      readonly type: "members";
      readonly configurationIndex: LogIndex;
      readonly change: MembershipChange;
    };

export interface LeaderHint {
  readonly id: NodeId;
  readonly term: Term;
  readonly address: Address | null;
}

/** Why not. For an append every one of these but "unknown" says that THIS copy was not appended. */
export type RefusalCode =
  | "not leader"
  | "no leader"
  | "not founded"
  | "not member"
  | "busy"
  | "transferring"
  /** A gap: the entries of one client enter in order; `expected` is the next sequence. */
  | "expected"
  /** The session was forgotten: never executed again. With a `number` the entries are in the log,
   *  at an index that is no longer known here; without one an earlier copy may be there. */
  | "forgotten"
  | "if last"
  | "too large"
  | "disk full"
  /** Appended, then another term's entry was committed at its index: not done, safe to repeat. */
  | "overwritten"
  /** Appended or handed on, and this node can no longer say what became of it. */
  | "unknown"
  | "configuration changed"
  /** The boot id or term that the request was bound to is over. */
  | "outdated"
  | "forbidden"
  | "damaged"
  | "trimmed"
  | "bad request"
  | "stopping";

export type Response =
  | {
      readonly type: "appended";
      /** Index of the first entry. */
      readonly index: LogIndex;
      readonly count: number;
      readonly term: Term;
      readonly timeMs: WallMs;
      readonly duplicate: boolean;
      /** Voters that hold it durably, as known when it committed; sorted. */
      readonly holders: readonly NodeId[];
      readonly commitIndex: LogIndex;
    }
  | {
      readonly type: "records";
      /** Whole records; the first contains `from` (or empty). */
      readonly bytes: Uint8Array;
      readonly firstIndex: LogIndex;
      /** Records beyond commitIndex are never included. lastIndex = firstIndex - 1 when empty. */
      readonly lastIndex: LogIndex;
      readonly prevChain: number;
      /** Linearizable up to here (stale: the commitIndex of this node). */
      readonly commitIndex: LogIndex;
      /** How long ago this node last heard from a leader (0 on the leader); null: never. */
      readonly staleMs: number | null;
    }
  | { readonly type: "readIndex"; readonly index: LogIndex; readonly term: Term }
  | { readonly type: "status"; readonly report: NodeReport }
  | {
      readonly type: "leader";
      readonly leader: LeaderHint | null;
      readonly commitIndex: LogIndex;
      readonly bootId: BootId;
      readonly configurationIndex: LogIndex;
    }
  | { readonly type: "done"; readonly text: string; readonly configuration: Configuration | null }
  | {
      readonly type: "refused";
      readonly code: RefusalCode;
      /** A sentence for people; may be empty when the code says it all. */
      readonly text: string;
      readonly leader: LeaderHint | null;
      /** "expected": the next sequence; "if last": the index of the last user entry; "trimmed": the
       *  first index. */
      readonly number: number | null;
    };

/** One node's own view of itself and of the others; travels as JSON text inside a bin (not a hot
 *  path). */
export interface NodeReport {
  readonly cluster: string;
  readonly auth: "open" | "key";
  readonly clusterId: ClusterId | null;
  readonly foundedMs: WallMs | null;
  readonly id: NodeId;
  readonly incarnation: Incarnation;
  readonly bootId: BootId;
  readonly version: string;
  /** waiting: before founding; outside: founded elsewhere, not (or no longer) a member here. */
  readonly state: "waiting" | "outside" | "member";
  readonly role: Role;
  readonly term: Term;
  readonly votedFor: NodeId | null;
  readonly leader: NodeId | null;
  readonly leaderSinceMs: number | null;
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly commitIndex: LogIndex;
  readonly configuration: Configuration | null;
  readonly founders: readonly NodeId[];
  readonly syncMs: number | null;
  readonly address: Address;
  readonly userHost: string;
  readonly uptimeMs: number;
  readonly executable: string;
  /** Why it does not vote (damage, divergence, lost data), or null. */
  readonly mute: string | null;
  /** It does not vote because its disk lost what it had acknowledged: it must be replaced. */
  readonly lostData: boolean;
  readonly networkDisk: boolean;
  readonly acceptsEntries: boolean;
  /** Where its data is; null: in the usual place. */
  readonly dataDir: string | null;
  readonly peers: readonly PeerReport[];
}

export interface PeerReport {
  readonly id: NodeId;
  readonly incarnation: Incarnation | null;
  readonly userHost: string | null;
  readonly address: Address | null;
  readonly rttMs: number | null;
  /** Since the last datagram from it; null: never heard. */
  readonly lastContactMs: MonotonicMs | null;
  readonly lastHeardWallMs: WallMs | null;
  /** It said goodbye and was not heard since. */
  readonly stopped: boolean;
  /** Where its data is; null: in the usual place, or nobody knows. */
  readonly dataDir: string | null;
  /** The highest index that it was seen to hold durably; null: nothing seen. */
  readonly matchIndex: LogIndex | null;
  readonly term: Term | null;
  /** In the configuration, or a stranger that waits outside. */
  readonly member: boolean;
}
