/** Notices, for people, who fell silent or said goodbye and who came back. Pure: it looks, compares
 *  and says; nothing depends on it.
 *
 *      here ──silent for electionMaxMs, or goodbye──> unreachable ──heard──> behind ──caught up──> here */

import type { LogIndex, MonotonicMs, NodeId, WallMs } from "../base/types.ts";
import { majorityOf } from "../raft/membership.ts";
import type { NodeEvent, PeerName } from "./events.ts";

/** What is known of one other member now. */
export interface PeerSight {
  readonly name: PeerName;
  readonly voter: boolean;
  /** null: never in this process. */
  readonly lastHeardMs: MonotonicMs | null;
  /** It said goodbye. */
  readonly stopped: boolean;
  /** The leader's matchIndex for it; null where this node does not lead. */
  readonly matchIndex: LogIndex | null;
  /** The last entry that it held when it was met, by its own word; 0 if it was not. */
  readonly heldIndex: LogIndex;
}

/** Further behind than this a returning peer is said to be behind, and later to have caught up. */
const BEHIND_ENTRIES_MIN = 1;

type Sight = "here" | "unreachable" | "behind";

export class PeerWatch {
  readonly #silentAfterMs: number;
  readonly #sights = new Map<NodeId, Sight>();

  /** A peer counts as unreachable after `silentAfterMs` without a datagram, and at its goodbye. */
  constructor(silentAfterMs: number) {
    this.#silentAfterMs = silentAfterMs;
  }

  /** Compares with the last look. Only the leader says who is missing: one voice, not three. */
  look(
    peers: readonly PeerSight[],
    selfVotes: boolean,
    commitIndex: LogIndex,
    nowMs: MonotonicMs,
    wallMs: WallMs,
  ): NodeEvent[] {
    const events: NodeEvent[] = [];
    const silent = (peer: PeerSight): boolean =>
      peer.stopped || peer.lastHeardMs === null || nowMs - peer.lastHeardMs > this.#silentAfterMs;
    const voters = peers.filter((peer) => peer.voter).length + (selfVotes ? 1 : 0);
    const votersLeft = voters - peers.filter((peer) => peer.voter && silent(peer)).length;
    for (const peer of peers) {
      const before = this.#sights.get(peer.name.id) ?? "here";
      const behind = commitIndex - (peer.matchIndex ?? 0);
      if (silent(peer)) {
        if (before !== "unreachable") {
          const silentMs = peer.lastHeardMs === null ? 0 : nowMs - peer.lastHeardMs;
          const spare = Math.max(0, votersLeft - majorityOf(voters));
          events.push({
            type: "peer unreachable",
            peer: peer.name,
            stopped: peer.stopped,
            sinceWallMs: wallMs - silentMs,
            votersLeft,
            voters,
            spare,
          });
        }
        this.#sights.set(peer.name.id, "unreachable");
      } else if (before === "unreachable") {
        // A leader that has just met it does not know yet where its log matches.
        const missing = Math.min(behind, commitIndex - peer.heldIndex);
        events.push({ type: "peer back", peer: peer.name, behind: Math.max(0, missing) });
        this.#sights.set(peer.name.id, "behind");
      } else if (before === "behind" && behind < BEHIND_ENTRIES_MIN) {
        events.push({ type: "peer caught up", peer: peer.name, votersHere: votersLeft, voters });
        this.#sights.set(peer.name.id, "here");
      }
    }
    return events;
  }

  /** A new leadership says what it sees afresh; `silent` peers are reported again. */
  reset(): void {
    this.#sights.clear();
  }
}
