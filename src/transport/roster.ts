/** Who was met: every process by its boot id, and for each node id the one that counts. */

import type { BootId, MonotonicMs, NodeId, NodeIdentity } from "../base/types.ts";
import type { Peer } from "./peer.ts";
import type { Session } from "./session.ts";
import type { NodeHello } from "./types.ts";

/** Clients that a node hears at once; the longest silent one goes first. */
export const CLIENTS_MAX = 4_096;
/** Members are at most 16; the others are strangers, founders of other clusters, earlier boots. */
export const NODES_MAX = 64;
/** Heard within this time: nothing replaces it. */
export const LIVE_MS = 2_000;
/** A session that another one of the same peer replaced. */
const SPARE_SESSION_MS = 10_000;

export class Roster {
  readonly #peers = new Map<BootId, Peer>();
  readonly #nodes = new Map<NodeId, Peer>();
  readonly #sessions = new Map<number, { readonly peer: Peer; readonly session: Session }>();
  readonly #counts = { node: 0, client: 0 };
  /** Made when it is asked for, and kept until somebody comes or goes. */
  #single: readonly Peer[] | null = null;

  get size(): number {
    return this.#peers.size;
  }

  all(): Iterable<Peer> {
    return this.#peers.values();
  }

  /** All but those that claim this node's own id. */
  single(): readonly Peer[] {
    this.#single ??= [...this.#peers.values()].filter((peer) => !peer.double);
    return this.#single;
  }

  /** The processes that count for their node ids. */
  nodes(): Iterable<Peer> {
    return this.#nodes.values();
  }

  byBoot(bootId: BootId): Peer | undefined {
    return this.#peers.get(bootId);
  }

  /** The process that counts for `id`; if that one does not fit, another one of that id that
   *  does. */
  byNode(id: NodeId, fits?: (identity: NodeIdentity) => boolean): Peer | undefined {
    const placed = this.#nodes.get(id);
    if (placed === undefined || fits === undefined) return placed;
    const isIt = ({ remote, double }: Peer): boolean =>
      remote.kind === "node" && remote.identity.id === id && !double && fits(remote.identity);
    return isIt(placed) ? placed : [...this.#peers.values()].find(isIt);
  }

  bySession(connection: number): { readonly peer: Peer; readonly session: Session } | undefined {
    return this.#sessions.get(connection);
  }

  add(peer: Peer): void {
    this.#single = null;
    this.#peers.set(peer.bootId, peer);
    this.#counts[peer.remote.kind]++;
    this.attach(peer, peer.current);
  }

  attach(peer: Peer, session: Session): void {
    if (!peer.sessions.includes(session)) peer.sessions.push(session);
    this.#sessions.set(session.localConnection, { peer, session });
  }

  remove(peer: Peer): void {
    this.#single = null;
    peer.closed = true;
    peer.receiver.close();
    for (const session of peer.sessions) this.#sessions.delete(session.localConnection);
    this.#peers.delete(peer.bootId);
    this.#counts[peer.remote.kind]--;
    const id = peer.hello?.id;
    if (id === undefined || this.#nodes.get(id) !== peer) return;
    this.#nodes.delete(id);
    for (const other of this.#peers.values()) {
      if (other.hello?.id === id && !other.double) this.#nodes.set(id, other);
    }
  }

  /** Who must leave before one more of a kind is added: the longest silent, or nobody. */
  surplus(kind: "node" | "client"): Peer | null {
    if (this.#counts[kind] < (kind === "client" ? CLIENTS_MAX : NODES_MAX)) return null;
    const alike = [...this.#peers.values()].filter((peer) => peer.remote.kind === kind);
    return alike.reduce((a, b) => (a.lastHeardMs <= b.lastHeardMs ? a : b));
  }

  /** Earlier boots of the same directory, which a later one ends. */
  earlierBoots(peer: Peer, hello: NodeHello): Peer[] {
    return [...this.#peers.values()].filter((other) => {
      const earlier = other.hello;
      if (other === peer || earlier?.id !== hello.id) return false;
      return earlier.incarnation === hello.incarnation && earlier.bootCount < hello.bootCount;
    });
  }

  /** Makes it *the* process of its node id, unless another one is alive. */
  place(peer: Peer, id: NodeId, nowMs: MonotonicMs): void {
    const placed = this.#nodes.get(id);
    if (placed === undefined || nowMs - placed.lastHeardMs >= LIVE_MS) this.#nodes.set(id, peer);
  }

  /** Forgets sessions that were replaced, and lets a live process take the place of a silent
   *  one. */
  tidy(peer: Peer, nowMs: MonotonicMs): void {
    for (const session of [...peer.sessions]) {
      if (session === peer.current || nowMs - session.heardMs < SPARE_SESSION_MS) continue;
      peer.sessions.splice(peer.sessions.indexOf(session), 1);
      this.#sessions.delete(session.localConnection);
    }
    const id = peer.hello?.id;
    if (id === undefined || peer.double) return;
    if (peer.lastHeardMs > (this.#nodes.get(id)?.lastHeardMs ?? 0)) this.place(peer, id, nowMs);
  }
}
