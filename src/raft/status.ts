/** What a core shows of itself: to people through `raft status`, and to the tests. */

import type { LogIndex, MonotonicMs, NodeId, Term } from "../base/types.ts";
import { muteReason } from "./state.ts";
import type { CoreState } from "./state.ts";
import type { Configuration, Role, Vote } from "./types.ts";

/** What `status` shows of one peer, as the leader sees it. */
interface PeerProgress {
  readonly id: NodeId;
  readonly state: "probe" | "replicate" | "snapshot" | "diverged" | "lost data";
  readonly matchIndex: LogIndex;
  readonly nextIndex: LogIndex;
  readonly lastContactMs: MonotonicMs;
}

export interface CoreStatus {
  readonly role: Role;
  readonly term: Term;
  readonly votedFor: Vote | null;
  readonly leader: NodeId | null;
  readonly lastIndex: LogIndex;
  readonly durableIndex: LogIndex;
  readonly commitIndex: LogIndex;
  readonly configuration: Configuration;
  readonly configurationCommitted: boolean;
  readonly peers: readonly PeerProgress[];
  /** Why this node does not vote, or null. */
  readonly mute: string | null;
  /** It does not vote because its disk lost what it had acknowledged: it must be replaced. */
  readonly lostData: boolean;
  /** The longest time that the leader of this term was silent here between two of its messages, ms;
   *  0 while this node leads. */
  readonly longestSilenceMs: number;
}

/** A copy: it does not change when the core goes on. */
export function statusOf(state: CoreState): CoreStatus {
  const configuration = state.configurations.inForce;
  const peers = [...(state.leadership?.peers.values() ?? [])].map((peer) => ({
    id: peer.id,
    state: peer.state,
    matchIndex: peer.matchIndex,
    nextIndex: peer.nextIndex,
    lastContactMs: peer.lastContactMs,
  }));
  return {
    role: state.role,
    term: state.hard.term,
    votedFor: state.hard.votedFor,
    leader: state.leader?.id ?? null,
    lastIndex: state.log.lastIndex,
    durableIndex: state.durability.durableIndex,
    commitIndex: state.commitIndex,
    configuration,
    configurationCommitted: configuration.index <= state.commitIndex,
    peers,
    mute: muteReason(state),
    lostData: state.lost !== null,
    longestSilenceMs: state.following.longestSilenceMs,
  };
}
