/** Which nodes can be reached, and which of them is believed to lead.
 *
 *  Discovery gives addresses to greet and nothing else; a node counts once it is met. Who leads is
 *  believed by term: a hint of a higher term wins, and a node that denies leading a term is not
 *  believed to lead that term again, whoever says so (two followers may name each other). */

import { type Address, addressText, isLoopback } from "../base/hosts.ts";
import type { ClusterId, LogIndex, MonotonicMs, NodeId } from "../base/types.ts";
import type { DiscoveryReport, Hint } from "../discovery/types.ts";
import type { LeaderHint } from "../transport/requests.ts";
import type { ClusterKey, Connection } from "../transport/types.ts";
import type { ClientWire } from "./world.ts";
import { RaftError } from "./types.ts";

/** The network is asked no more often than this. */
const QUERY_EVERY_MS = 1_000;
/** A denial of leadership is believed this long: a leader of that term may still be finding out. */
const DENIAL_MS = 200;

export type NodeConnection = Connection & {
  readonly remote: Extract<Connection["remote"], { kind: "node" }>;
};

export class Finder {
  readonly #wire: ClientWire;
  readonly #key: ClusterKey;
  readonly #onChange: () => void;
  #addresses: readonly Address[] = [];
  readonly #hinted = new Map<string, Address>();
  #queriedMs: MonotonicMs = -Infinity;
  #leader: LeaderHint | null = null;
  /** When #leader was first believed. */
  #leaderSinceMs: MonotonicMs = 0;
  #denied: { readonly id: NodeId; readonly term: number; readonly untilMs: MonotonicMs } | null =
    null;
  #commitIndex: LogIndex | null = null;
  /** The cluster that all this was heard of. */
  #clusterId: ClusterId | null = null;
  /** Addresses of this machine. */
  #ownHosts: ReadonlySet<string> = new Set();
  #conflict: RaftError | null = null;

  /** `onChange`: a node was met, or another leader is believed. */
  constructor(wire: ClientWire, key: ClusterKey, onChange: () => void) {
    this.#wire = wire;
    this.#key = key;
    this.#onChange = onChange;
    wire.addresses().then(
      (addresses) => {
        this.#addresses = addresses;
        for (const address of addresses) wire.greet(address);
      },
      () => undefined,
    );
  }

  get leader(): LeaderHint | null {
    return this.#leader;
  }

  get leaderSinceMs(): MonotonicMs {
    return this.#leaderSinceMs;
  }

  /** The highest commitIndex heard from any node of the cluster. */
  get commitIndex(): LogIndex | null {
    return this.#commitIndex;
  }

  /** Met nodes: this machine's first, then the nearest. */
  nodes(): readonly NodeConnection[] {
    const isOwn = ({ remote: { address } }: Connection): boolean =>
      isLoopback(address.host) || this.#ownHosts.has(address.host);
    return [...this.#byId().values()].sort(
      (a, b) => Number(isOwn(b)) - Number(isOwn(a)) || (a.rttMs ?? 1e9) - (b.rttMs ?? 1e9),
    );
  }

  /** The one that was heard last of those under `id`. */
  connection(id: NodeId): NodeConnection | undefined {
    let latest: NodeConnection | undefined;
    for (const node of this.#wire.connections()) {
      if (!isNode(node) || node.remote.identity.id !== id) continue;
      if (latest === undefined || node.lastHeardMs >= latest.lastHeardMs) latest = node;
    }
    return latest;
  }

  /** Of two processes under one id the one that was heard last: the other has ended, or will be
   *  told so. */
  #byId(): ReadonlyMap<NodeId, NodeConnection> {
    const latest = new Map<NodeId, NodeConnection>();
    for (const node of this.#wire.connections()) {
      if (!isNode(node)) continue;
      const { id } = node.remote.identity;
      const known = latest.get(id);
      if (known === undefined || node.lastHeardMs >= known.lastHeardMs) latest.set(id, node);
    }
    return latest;
  }

  /** Asks the network and greets every known address, at most once a second. */
  look(nowMs: MonotonicMs): void {
    if (nowMs - this.#queriedMs < QUERY_EVERY_MS) return;
    this.#queriedMs = nowMs;
    this.#wire.query();
    for (const address of [...this.#addresses, ...this.#hinted.values()]) this.#wire.greet(address);
  }

  greet(address: Address): void {
    this.#wire.greet(address);
  }

  met(): void {
    this.#ownHosts = new Set(this.#wire.report().interfaces);
    this.#lookAtClusters();
    this.#onChange();
  }

  /** A beacon: worth a greeting if it bears our cluster's name. True then. */
  hinted({ beacon, address }: Hint): boolean {
    if (beacon.cluster !== this.#key.cluster) return false;
    const name = addressText(address);
    if (beacon.bye) this.#hinted.delete(name);
    else {
      this.#hinted.set(name, address);
      this.#wire.greet(address);
    }
    return true;
  }

  /** A node said who leads. Of two clusters under one name neither is believed. */
  heardLeader(hint: LeaderHint | null, nowMs: MonotonicMs): void {
    if (hint === null || this.#conflict !== null) return;
    const known = this.#leader;
    const denied = this.#denied;
    if (denied?.id === hint.id && denied.term === hint.term && nowMs < denied.untilMs) return;
    if (known !== null && hint.term <= known.term) {
      if (hint.id === known.id && hint.term === known.term && known.address === null)
        this.#leader = hint;
      return;
    }
    this.#leader = hint;
    this.#leaderSinceMs = nowMs;
    // Also when it seems to be met: that may have been a process before this one.
    if (hint.address !== null) this.#wire.greet(hint.address);
    this.#onChange();
  }

  /** Node `id` says that it does not lead. */
  deniesLeading(id: NodeId, nowMs: MonotonicMs): void {
    if (this.#leader?.id !== id) return;
    this.#denied = { id, term: this.#leader.term, untilMs: nowMs + DENIAL_MS };
    this.#leader = null;
  }

  heardCommitIndex(index: LogIndex): void {
    if (this.#conflict !== null) return;
    this.#commitIndex = Math.max(this.#commitIndex ?? 0, index);
  }

  /** What discovery tried and heard. */
  report(): DiscoveryReport {
    return this.#wire.report();
  }

  /** Two clusters under one name: nothing may be asked of either (exit code 8). */
  conflict(): RaftError | null {
    if (this.#conflict !== null) this.#lookAtClusters();
    return this.#conflict;
  }

  /** One cluster is entered, two are a conflict. A conflict is looked at again, because it ends
   *  when one of them falls silent. */
  #lookAtClusters(): void {
    this.#conflict = null;
    const firsts = new Map<ClusterId, NodeConnection>();
    for (const node of this.nodes()) {
      const { clusterId } = node.remote.hello;
      if (clusterId !== null && !firsts.has(clusterId)) firsts.set(clusterId, node);
    }
    const [one, two] = [...firsts.values()];
    if (one === undefined) return;
    if (two === undefined) return this.#enter(one.remote.hello.clusterId);
    this.#conflict = new RaftError(
      `two clusters are named ${this.#key.cluster}: ${describe(one)} and ${describe(two)}. ` +
        "Nothing was asked of either: give one of them another name, or a key of its own.",
      8,
    );
  }

  /** One that was founded anew under the same name has terms and indexes of its own. */
  #enter(clusterId: ClusterId | null): void {
    if (this.#clusterId !== null && this.#clusterId !== clusterId) {
      this.#leader = null;
      this.#denied = null;
      this.#commitIndex = null;
    }
    this.#clusterId = clusterId;
  }
}

function describe({ remote }: NodeConnection): string {
  const { hello, address, identity } = remote;
  return `${(hello.clusterId ?? "").slice(0, 8)} on node ${identity.id} (${hello.userHost}, ${address.host})`;
}

function isNode(connection: Connection): connection is NodeConnection {
  return connection.remote.kind === "node";
}
