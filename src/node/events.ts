/** What happens to a node, as values: the executable turns each into a sentence
 *  (src/cli/narrate.ts), programs read them. */

import type { Address } from "../base/hosts.ts";
import type { ClusterId, LogIndex, NodeId, Term, WallMs } from "../base/types.ts";

/** Another node as a person knows it: "node 2 (ana@lab-08, 10.0.0.8)". */
export interface PeerName {
  readonly id: NodeId;
  readonly userHost: string | null;
  readonly address: Address | null;
  /** Where its data is; null: in the usual place, or nobody knows. */
  readonly dataDir: string | null;
}

/** Why a founder is not heard, as far as was measured. */
export type SilenceCause =
  | { readonly type: "unknown"; readonly ownHost: string }
  | {
      readonly type: "own multicast unheard";
      readonly interface: string;
      readonly tryHost: string | null;
    }
  | {
      readonly type: "other cluster";
      readonly host: string;
      readonly cluster: string;
      readonly userHost: string;
    }
  /** `keyed`: which of the two clusters of this name has a key. */
  | {
      readonly type: "other key";
      readonly host: string;
      readonly keyed: "both" | "theirs" | "ours";
    }
  /** What discovery could not do, already a sentence. */
  | { readonly type: "problem"; readonly text: string }
  | { readonly type: "not between them"; readonly hears: NodeId; readonly unheard: NodeId }
  | {
      readonly type: "other size";
      readonly peer: PeerName;
      readonly theirs: readonly NodeId[];
      readonly ours: readonly NodeId[];
    };

export type NodeEvent =
  | {
      readonly type: "opened";
      readonly version: string;
      readonly id: NodeId;
      readonly cluster: string;
      readonly address: Address;
      readonly auth: "open" | "key";
      readonly dataDir: string;
      /** null: new. */
      readonly past: null | {
        readonly entries: number;
        readonly foundedMs: WallMs | null;
        readonly lastUsedMs: WallMs;
      };
      readonly portTaken: number | null;
      readonly networkDisk: boolean;
    }
  /** Something recovery or the disk has to say, already a sentence. */
  | { readonly type: "note"; readonly text: string }
  /** Before founding: these founders have not been met. Repeated as the state lasts. */
  | { readonly type: "waiting"; readonly for: readonly NodeId[]; readonly single: boolean }
  /** A member that waits for a majority after a start. */
  | {
      readonly type: "waiting for quorum";
      readonly for: readonly NodeId[];
      readonly needed: number;
      readonly voters: number;
    }
  | { readonly type: "met"; readonly peer: PeerName; readonly waitingFor: readonly NodeId[] }
  | {
      readonly type: "silence";
      readonly ids: readonly NodeId[];
      readonly seconds: number;
      readonly causes: readonly SilenceCause[];
    }
  | {
      readonly type: "founded";
      readonly cluster: string;
      readonly clusterId: ClusterId;
      readonly founders: readonly PeerName[];
      readonly self: NodeId;
      readonly canLose: number;
      /** Founders of more than one user@. */ readonly mixed: boolean;
    }
  | {
      readonly type: "leads";
      readonly leader: NodeId;
      readonly term: Term;
      readonly votes: readonly NodeId[];
    }
  /** This node took over from a leader that fell silent. */
  | { readonly type: "leader silent"; readonly leader: NodeId; readonly seconds: number }
  | {
      readonly type: "took over";
      readonly term: Term;
      readonly votes: readonly NodeId[];
      readonly from: NodeId | null;
      readonly afterSeconds: number | null;
      readonly entries: number;
    }
  | { readonly type: "ready"; readonly self: NodeId }
  | {
      readonly type: "peer unreachable";
      readonly peer: PeerName;
      /** It said goodbye. */ readonly stopped: boolean;
      readonly sinceWallMs: WallMs;
      readonly votersLeft: number;
      readonly voters: number;
      readonly spare: number;
    }
  | { readonly type: "peer back"; readonly peer: PeerName; readonly behind: number }
  | {
      readonly type: "peer caught up";
      readonly peer: PeerName;
      readonly votersHere: number;
      readonly voters: number;
    }
  | {
      readonly type: "leadership lost";
      readonly unreachable: readonly PeerName[];
      readonly votersLeft: number;
      readonly voters: number;
      /** A sentence, when the cause was not silence. */ readonly reason: string;
    }
  /** The leadership ended because this node gave it away. */
  | { readonly type: "handed over"; readonly to: NodeId }
  | {
      readonly type: "stopping";
      readonly leader: NodeId | null;
      readonly handedOverMs: number | null;
    }
  | {
      readonly type: "stopped by";
      readonly by: string;
      readonly kill: boolean;
      /** As the leader, not by its id. */ readonly asLeader: boolean;
    }
  /** The same id runs elsewhere: this process must end (exit 8). */
  | {
      readonly type: "id in use";
      readonly other: PeerName;
      readonly sinceWallMs: WallMs;
      readonly keeps: boolean;
      /** An id that nobody is known to have, and whether its node must be let in. */
      readonly freeId: NodeId;
      readonly founded: boolean;
    }
  | { readonly type: "not a founder"; readonly founders: readonly NodeId[] }
  | { readonly type: "waits outside"; readonly members: readonly NodeId[] }
  /** This node was a member; the configuration committed at `index` is without it. */
  | { readonly type: "removed"; readonly index: LogIndex; readonly members: readonly NodeId[] }
  /** Known by other data: wiped, reinstalled, another seat. */
  | { readonly type: "fenced"; readonly foundedMs: WallMs | null }
  | {
      readonly type: "older cluster";
      readonly peer: PeerName;
      readonly foundedMs: WallMs | null;
      readonly entries: number | null;
      readonly otherMembers: readonly NodeId[];
      /** Founders that came back without their data, where the others are no majority. */
      readonly lost: readonly NodeId[];
      /** True on the node that belongs to the older cluster. */ readonly selfIsOlder: boolean;
    }
  /** Holders of another founding than this node's: peers are no members and hold no entry. */
  | {
      readonly type: "two foundings";
      readonly peers: readonly PeerName[];
      readonly members: readonly PeerName[];
      readonly selfIsMember: boolean;
    }
  | { readonly type: "admitted"; readonly role: "voter" | "learner" }
  | {
      readonly type: "diverged";
      readonly peer: NodeId;
      readonly index: LogIndex;
      /** False on the leader that is told so by that peer: it goes on with the others. */
      readonly selfStops: boolean;
    }
  /** Gone from a disk, though its node had acknowledged it; `peer` null: this node's own. */
  | {
      readonly type: "lost data";
      readonly peer: PeerName | null;
      readonly from: LogIndex;
      readonly to: LogIndex;
    }
  | { readonly type: "healed"; readonly from: LogIndex; readonly to: LogIndex; readonly by: NodeId }
  /** -v: one line of the wire or the core. */
  /** verbose: a message that was taken in, or what the core did. */
  | { readonly type: "trace"; readonly of: "message" | "core"; readonly text: string };

export type NodeEventListener = (event: NodeEvent, wallMs: WallMs) => void;

/** How a node ended. */
export type NodeEnd =
  | { readonly type: "stopped" }
  | { readonly type: "killed" }
  | { readonly type: "id in use"; readonly text: string }
  | { readonly type: "disk"; readonly text: string }
  | { readonly type: "bug"; readonly text: string };
