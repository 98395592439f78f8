/** The wire as the node and the client see it. */

import type { Address } from "../base/hosts.ts";
import type {
  BootId,
  ClusterId,
  FoundingRecord,
  Incarnation,
  LogIndex,
  MonotonicMs,
  NodeId,
  NodeIdentity,
  Term,
  WallMs,
} from "../base/types.ts";
import type { Configuration, RaftMessage, RaftTimings } from "../raft/types.ts";
import type { Dice } from "./dice.ts";

/** The secret (or not) of a cluster. open: derived from the name, keeps damage out but not
 *  people. */
export interface ClusterKey {
  readonly cluster: string;
  readonly auth: "open" | "key";
  /** 32 bytes. */
  readonly secret: Uint8Array;
}

/** What a node tells another about itself when they meet; repeated whenever something in it
 *  changes. */
export interface NodeHello {
  readonly id: NodeId;
  readonly incarnation: Incarnation;
  readonly bootId: BootId;
  readonly bootCount: number;
  readonly clusterId: ClusterId | null;
  readonly founding: FoundingRecord | null;
  /** When its directory learned of the founding, and the last entry it holds: for people only. */
  readonly foundedMs: WallMs | null;
  readonly lastIndex: LogIndex;
  /** True once it is a member (signed by all, or admitted). */
  readonly member: boolean;
  /** Ids that this node was told to found with; sorted. */
  readonly founders: readonly NodeId[];
  readonly timings: RaftTimings;
  /** Founders (id, incarnation) that this node has met (each answered with this node's boot id in
   *  it). */
  readonly met: readonly { readonly id: NodeId; readonly incarnation: Incarnation }[];
  readonly version: string;
  readonly wireMin: number;
  readonly wireMax: number;
  readonly features: number;
  readonly addresses: readonly Address[];
  readonly receiveWindowBytes: number;
  /** "ana@lab-07" */
  readonly userHost: string;
  /** How long this process runs, ms. */
  readonly uptimeMs: number;
  /** Where its data is, so that whoever misses it can say how it is started; null: in the usual
   *  place. */
  readonly dataDir: string | null;
}

/** What travels inside sealed datagrams between met peers. A frame larger than a datagram goes by
 *  chunks and arrives whole. */
export type Frame =
  | {
      readonly type: "raft";
      readonly message: RaftMessage;
      /** append: chain before the first record; the append's `records` outline is left empty by the
       *  codec and filled in by the node from `bytes` */ readonly prevChain?: number;
      /** append: ready records; installSnapshot: the head */ readonly bytes?: Uint8Array;
    }
  /** Agreement check: sender's (index, term, chain), sent only about entries it knows committed. */
  | {
      readonly type: "check";
      readonly index: LogIndex;
      readonly term: Term;
      readonly chain: number;
    }
  | {
      readonly type: "request";
      readonly requestId: number;
      readonly hops: number;
      readonly body: Uint8Array;
    }
  | { readonly type: "response"; readonly requestId: number; readonly body: Uint8Array }
  /** "You (id, incarnation) are not in the configuration that I have committed": fenced or waiting
   *  outside. */
  | {
      readonly type: "fence";
      readonly clusterId: ClusterId;
      readonly term: Term;
      readonly configuration: Configuration;
    }
  /** Records a..b are damaged here: whoever holds them, send them back as "heal". */
  | { readonly type: "needRecords"; readonly from: LogIndex; readonly to: LogIndex }
  | { readonly type: "heal"; readonly firstIndex: LogIndex; readonly bytes: Uint8Array }
  | { readonly type: "bye"; readonly reason: string };

/** The other end of a connection. */
export type Remote =
  | {
      readonly kind: "node";
      readonly identity: NodeIdentity;
      readonly hello: NodeHello;
      readonly address: Address;
    }
  | { readonly kind: "client"; readonly connection: number; readonly address: Address };

/** One conversation between two processes; dies with either. Opaque to users of the endpoint. */
export interface Connection {
  readonly remote: Remote;
  readonly rttMs: number | null;
  readonly lastHeardMs: MonotonicMs;
}

export interface EndpointOptions {
  readonly key: ClusterKey;
  /** A client has no node identity. */
  readonly self:
    | { readonly kind: "node"; readonly identity: NodeIdentity }
    | { readonly kind: "client" };
  /** Node: what to say in HELLO now (asked at each HELLO). */
  readonly hello: (() => NodeHello) | null;
  readonly dice: Dice;
  /** The largest datagram for that address: about 60,000 on loopback, 1,200 elsewhere, or --mtu. */
  readonly datagramBytesMax: (address: Address) => number;
  /** Bytes that the kernel's receive buffer really holds. */
  readonly receiveWindowBytes: number;
  /** Node: bytes of clients' requests that were handed on and are still in memory there; large
   *  ones wait at the clients while these are many. */
  readonly heldBytes?: () => number;
  readonly transmit: (datagram: Uint8Array, address: Address) => void;
  /** A node was met (both directions proven), or a met node's hello changed. */
  readonly onHello: (connection: Connection, hello: NodeHello, first: boolean) => void;
  /** In order of arrival. `nowMs`: when its datagram was taken in. `frame.bytes` alias the
   *  datagram, or memory that is used again after this call if it is a raft frame: copy what is
   *  kept, or say so (wire-memory.ts). */
  readonly onFrame: (connection: Connection, frame: Frame, nowMs: MonotonicMs) => void;
  /** Somebody who holds the key and claims my own id with another incarnation or boot id. `again`:
   *  its hello has changed since, and with it perhaps whose the id is. */
  readonly onDouble: (hello: NodeHello, address: Address, again: boolean) => void;
}

/** Counters of what came in and went out; bad datagrams are counted by reason and dropped. */
export interface WireCounters {
  datagramsIn: number;
  datagramsOut: number;
  bytesIn: number;
  bytesOut: number;
  dropped: Record<string, number>;
}

/** Sealing, meeting, batching, chunking: pure; time is an argument. Implemented by createEndpoint
 *  in endpoint.ts. */
export interface Endpoint {
  /** A datagram from the socket. Never throws. */
  receive(datagram: Uint8Array, from: Address, nowMs: MonotonicMs): void;
  /** Says HELLO to an address until it answers or 10 tries failed (idempotent; for clients and for
   *  nodes). */
  greet(address: Address, nowMs: MonotonicMs): void;
  /** HELLO again to every met node, after something in it changed. */
  helloChanged(nowMs: MonotonicMs): void;
  /** The live connection to a met node, if any: the one that counts for its id. With `fits` another
   *  process of that id will do: while two claim it, only one of them counts. */
  nodeConnection(id: NodeId, fits?: (identity: NodeIdentity) => boolean): Connection | undefined;
  connections(): readonly Connection[];
  /** Queues a frame; it leaves with the next flush in as few datagrams as possible. `isPatient`:
   *  where it is larger than a datagram it leaves with `flushPatient`. */
  send(connection: Connection, frame: Frame, isPatient?: boolean): void;
  /** Whether a request is larger than a datagram and has not arrived whole, as far as is known. */
  isSending(connection: Connection, requestId: number): boolean;
  /** Seals and transmits everything queued. Once per turn. */
  flush(nowMs: MonotonicMs): void;
  /** Seals and transmits a few datagrams of large frames that nobody waits for, so that a turn
   *  stays short. True: more of them may leave in the next turn. */
  flushPatient(nowMs: MonotonicMs): boolean;
  tick(nowMs: MonotonicMs): void;
  nextDeadlineMs(): MonotonicMs;
  /** Forgets a connection (a replaced or stopped node). */
  drop(connection: Connection): void;
  readonly counters: WireCounters;
}

/** udp-socket.ts: node:dgram with the workarounds. */
export interface UdpSocket {
  readonly address: Address;
  readonly receiveBufferBytes: number;
  /** The buffer is not touched again by the caller. */
  send(datagram: Uint8Array, to: Address): void;
  close(): Promise<void>;
}
