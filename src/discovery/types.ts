/** Finding nodes: hints only. An address is used after HELLO; membership is in the log. */

import type { Address } from "../base/hosts.ts";
import type { BootId, ClusterId, MonotonicMs, NodeId, Term } from "../base/types.ts";

/** What a node tells everybody, sealed under a published key (against damage only): readable by
 *  strangers, so that whoever does not find its cluster can say what is there. */
export interface Beacon {
  readonly cluster: string;
  readonly auth: "open" | "key";
  /** 4 bytes of a hash of the cluster key: tells "same name, other key" apart. */
  readonly keyTag: number;
  readonly clusterId: ClusterId | null;
  readonly wireVersion: number;
  readonly id: NodeId;
  readonly bootId: BootId;
  /** "ana@lab-07" */
  readonly userHost: string;
  /** The one address that it listens on (`--listen`), or null for all: then the datagram's
   *  source is the host. */
  readonly host: string | null;
  /** The data port. */
  readonly port: number;
  readonly state:
    | { readonly type: "waiting"; readonly for: readonly NodeId[] }
    | { readonly type: "outside" }
    | { readonly type: "member"; readonly term: Term; readonly leader: NodeId | null }
    | { readonly type: "leader"; readonly term: Term };
  /** True when the node is going: forget the hint. */
  readonly bye: boolean;
}

export interface Hint {
  readonly beacon: Beacon;
  readonly address: Address;
  readonly heardMs: MonotonicMs;
}

/** What was tried and heard, for error messages ("asked on 10.0.0.7 and 127.0.0.1, by multicast
 *  and broadcast"). */
export interface DiscoveryReport {
  /** Addresses of this machine that were asked on; loopback last. */
  readonly interfaces: readonly string[];
  readonly ways: readonly ("multicast" | "broadcast" | "peers" | "remembered")[];
  /** Everything heard in the last two minutes, other clusters too; latest per (cluster, key, id,
   *  process). */
  readonly heard: readonly Hint[];
  /** Interfaces on which this machine does not hear its own multicast (after at least two
   *  tries). */
  readonly deaf: readonly string[];
  /** Sentences: names that are not known, a discovery port that cannot be opened. */
  readonly problems: readonly string[];
}

export interface DiscoveryOptions {
  /** Loopback only (`--local`, tests). */
  readonly loopbackOnly: boolean;
  /** Typed and remembered addresses; a bare host means ports 7401 to 7409. */
  readonly peers: readonly string[];
  readonly remembered: readonly Address[];
  /** What this node says of itself now; null for a client (asks only). */
  readonly beacon: (() => Beacon) | null;
  /** The own data port's beacon identity, to recognise the own voice. */
  readonly bootId: BootId | null;
  readonly onHint: (hint: Hint) => void;
  /** 7400 unless tests choose another. */
  readonly multicastPort: number;
  readonly now: () => MonotonicMs;
  readonly after: (delayMs: number, run: () => void) => () => void;
}

/** Implemented by openDiscovery in discovery.ts. Nothing in it throws for what the network does. */
export interface Discovery {
  /** Ask now: multicast, broadcast, unicast to peers; answers come as hints. */
  query(): void;
  /** Say the beacon now, by multicast: a leader after its no-op commits (as a burst) and every 3
   *  s; BYE on exit. */
  announce(): void;
  /** Addresses to greet: typed and remembered ones expanded ("host" to ports 7401..7409),
   *  resolved. */
  typedAddresses(): Promise<readonly Address[]>;
  /** A discovery datagram (isDiscoveryDatagram) that arrived at the node's data socket. Returns
   *  the answer that this socket must send back to `from`, or null. */
  receive(datagram: Uint8Array, from: Address): Uint8Array | null;
  report(): DiscoveryReport;
  close(): Promise<void>;
}

/** A `--peers` element: HOST, HOST:PORT or ID=HOST:PORT. */
export interface PeerSpec {
  readonly id: NodeId | null;
  readonly host: string;
  /** null: 7401 to 7409. */
  readonly port: number | null;
}
