/** A program that talks to a cluster. Implemented by RaftClient in client.ts; the public
 *  library. */

import type { Address } from "../base/hosts.ts";
import type { LogIndex, NodeId, Term, WallMs } from "../base/types.ts";
import type { Configuration } from "../raft/types.ts";
import type { NodeReport, PeerReport } from "../transport/requests.ts";
import type { ClusterKey } from "../transport/types.ts";

export interface ClientOptions {
  readonly key: ClusterKey;
  /** HOST, HOST:PORT or ID=HOST:PORT; [] = discovery only. */
  readonly peers?: readonly string[];
  /** Last good addresses, when known (from a data directory on this machine). */
  readonly remembered?: readonly Address[];
  /** How long one call may take, ms; default 5,000 for send and 2,000 for the others. */
  readonly timeoutMs?: number;
  readonly loopbackOnly?: boolean;
  /** 7400 unless tests choose another. */
  readonly multicastPort?: number;
  /** "ana@lab-07", shown where this client stops a node. */
  readonly userHost?: string;
}

export interface Receipt {
  /** Index of the first entry. */
  readonly index: LogIndex;
  readonly count: number;
  readonly term: Term;
  readonly timeMs: WallMs;
  /** It was there already: an earlier copy of this request had arrived. */
  readonly duplicate: boolean;
  /** On the disks of these nodes when it was acknowledged. */
  readonly holders: readonly NodeId[];
  /** From the call to the answer, ms. */
  readonly tookMs: number;
}

export interface SendOptions {
  readonly ifLast?: LogIndex;
  /** A text of the user's own, or one printed by an earlier unknown outcome. */
  readonly requestId?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface LogEntry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly timeMs: WallMs;
  readonly kind: "entry" | "noop" | "configuration";
  readonly bytes: Uint8Array;
  /** For a configuration entry. */
  readonly configuration?: Configuration;
}

export interface LogOptions {
  /** First index; default 1. */
  readonly from?: LogIndex;
  /** Last index, inclusive. */
  readonly to?: LogIndex;
  /** Only the last N entries. */
  readonly last?: number;
  /** No-ops and configuration entries too. */
  readonly all?: boolean;
  /** Read at that node (still linearizable unless stale). */
  readonly node?: NodeId;
  readonly stale?: boolean;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** One row of `raft status`. */
export interface StatusRow {
  readonly id: NodeId;
  readonly member: "voter" | "learner" | "none";
  /** unheard: a founder that was never met. */
  readonly role:
    | "leader"
    | "follower"
    | "pre-candidate"
    | "candidate"
    | "waiting"
    | "outside"
    | "unreachable"
    | "unheard";
  readonly term: Term | null;
  readonly lastIndex: LogIndex | null;
  readonly commitIndex: LogIndex | null;
  readonly lag: number | null;
  readonly lastContactMs: number | null;
  readonly lastHeardWallMs: WallMs | null;
  /** Unreachable because it was stopped in order: it said goodbye. */
  readonly stopped: boolean;
  readonly rttMs: number | null;
  readonly fsyncMs: number | null;
  readonly address: Address | null;
  /** "lab-07" */
  readonly host: string | null;
  readonly uptimeMs: number | null;
  readonly version: string | null;
  readonly firstIndex: LogIndex | null;
  readonly mute: string | null;
  /** Its disk lost what it had acknowledged: it must be wiped and replaced. */
  readonly lostData: boolean;
  readonly networkDisk: boolean;
  /** Where its data is; null: in the usual place, or nobody knows. */
  readonly dataDir: string | null;
}

export interface ClusterStatus {
  readonly cluster: string;
  readonly auth: "open" | "key";
  readonly founded: boolean;
  readonly leader: NodeId | null;
  readonly leaderSinceMs: number | null;
  readonly term: Term;
  /** A leader, and every voter reachable and voting. */
  readonly healthy: boolean;
  readonly voters: number;
  readonly reachableVoters: number;
  readonly canLose: number;
  /** Founders not yet met, before founding. */
  readonly waitingFor: readonly NodeId[];
  /** Before founding, a sentence: who was told to found with whom; null when they agree. */
  readonly disagreement: string | null;
  /** Who was heard so lately is there, even if it does not answer this client: several of the
   *  cluster's heartbeats. */
  readonly aliveMs: number;
  /** Voters whose processes came back without their data, where the others are no majority. */
  readonly lost: readonly NodeId[];
  readonly rows: readonly StatusRow[];
  readonly reports: readonly NodeReport[];
  readonly peersOfLeader: readonly PeerReport[];
}

export interface LeaderAnswer {
  readonly id: NodeId;
  readonly address: Address | null;
  readonly term: Term;
}

/** A cluster heard on this network, for `raft clusters` and for errors. */
export interface HeardCluster {
  readonly cluster: string;
  readonly auth: "open" | "key";
  /** Same name as ours but another key. */
  readonly keyDiffers: boolean;
  readonly leader: { readonly id: NodeId; readonly userHost: string } | null;
  readonly waitingFor: readonly NodeId[];
  readonly nodes: readonly {
    readonly id: NodeId;
    readonly userHost: string;
    readonly address: Address;
  }[];
}

/** How a call failed. The executable's exit code is in `exitCode` (3, 4, 5, 7 or 8). */
export class RaftError extends Error {
  override readonly name = "RaftError";
  /** The message without its advice, which is about this call alone. */
  readonly what: string;
  readonly exitCode: 3 | 4 | 5 | 7 | 8;
  /** 5: repeat with this request id to finish it without adding it twice. 3, 4 and 8: the id that
   *  the caller gave, if it is told; an earlier call may have added it. */
  readonly requestId: string | null;
  /** What was tried and heard: see NobodyAnswers. */
  readonly nobody: NobodyAnswers | null;
  /** 8, because of `ifLast`: the last users' entry while the call waited, 0: there was none. */
  readonly lastIndex: LogIndex | null;
  constructor(
    what: string,
    exitCode: 3 | 4 | 5 | 7 | 8,
    details: {
      /** A sentence behind `what`. */
      advice?: string;
      requestId?: string;
      nobody?: NobodyAnswers;
      lastIndex?: LogIndex;
    } = {},
  ) {
    super(details.advice === undefined ? what : `${what} ${details.advice}`);
    this.what = what;
    this.exitCode = exitCode;
    this.requestId = details.requestId ?? null;
    this.nobody = details.nobody ?? null;
    this.lastIndex = details.lastIndex ?? null;
  }
}

export interface NobodyAnswers {
  readonly cluster: string;
  readonly interfaces: readonly string[];
  readonly ways: readonly string[];
  readonly seconds: number;
  readonly heard: readonly HeardCluster[];
}
