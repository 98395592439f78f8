/** The keys and counters of one connection between two processes, from here. */

import { type KeyObject, createSecretKey } from "node:crypto";
import type { Address } from "../base/hosts.ts";
import type { BootId, ClusterId, Incarnation, MonotonicMs, NodeId } from "../base/types.ts";
import { type Header, ReplayWindow, kinds, openDatagram, sealDatagram } from "./datagram.ts";
import type { Introduction } from "./hello.ts";
import { type ConnectionEnds, connectionKeys } from "./key.ts";
import type { ClusterKey } from "./types.ts";

interface KeyPair {
  readonly send: KeyObject;
  readonly receive: KeyObject;
}

export interface SessionStart {
  readonly key: ClusterKey;
  readonly tag: Uint8Array;
  /** True if this side greeted. */
  readonly greeted: boolean;
  readonly ends: ConnectionEnds;
  readonly selfId: NodeId | 0;
  readonly introduction: Introduction;
  readonly address: Address;
  readonly nowMs: MonotonicMs;
}

export class Session {
  readonly greeted: boolean;
  readonly localConnection: number;
  readonly remoteConnection: number;
  readonly remoteBootId: BootId;
  /** 0: a client. */
  readonly remoteId: NodeId | 0;
  readonly remoteIncarnation: Incarnation | null;
  /** Two processes that greet each other at once have two sessions; both prefer the lower boot
   *  id's. */
  readonly preferred: boolean;
  /** What the other side said when it greeted or answered. */
  readonly introduction: Introduction;
  /** Only an address from which something fresh was heard. */
  address: Address;
  /** The last time that a datagram of this session was opened (or its greeting). */
  heardMs: MonotonicMs;
  /** A datagram of this session was opened here: the other side has met this one too. */
  confirmed = false;
  readonly window = new ReplayWindow();
  readonly #start: SessionStart;
  readonly #peerKeys: KeyPair;
  #memberKeys: KeyPair | null = null;
  #memberKeysOf: ClusterId | null = null;
  /** One counter for both of this direction's keys, so that it never repeats under either. */
  #counter = 0;

  constructor(start: SessionStart) {
    const { greeted, ends } = start;
    const local = greeted ? ends.greeter : ends.answerer;
    const remote = greeted ? ends.answerer : ends.greeter;
    this.greeted = greeted;
    this.localConnection = local.connection;
    this.remoteConnection = remote.connection;
    this.remoteBootId = remote.bootId;
    this.remoteId = start.introduction.hello?.id ?? 0;
    this.remoteIncarnation = remote.incarnation;
    this.preferred = ends.greeter.bootId < ends.answerer.bootId;
    this.introduction = start.introduction;
    this.address = start.address;
    this.heardMs = start.nowMs;
    this.#start = start;
    this.#peerKeys = this.#keys(null);
  }

  /** `clusterId`: seal it so that only a node of that cluster can open it. */
  seal(clusterId: ClusterId | null, body: Uint8Array): Uint8Array {
    const keys = clusterId === null ? this.#peerKeys : this.#keysOf(clusterId);
    const header: Header = {
      kind: clusterId === null ? kinds.peer : kinds.member,
      from: this.#start.selfId,
      to: this.remoteId,
      fromConnection: this.localConnection,
      toConnection: this.remoteConnection,
      counter: ++this.#counter,
      bootId: null,
    };
    return sealDatagram(keys.send, this.#start.tag, header, body);
  }

  /** The body, or the reason to drop the datagram. `clusterId`: this node's. */
  open(datagram: Uint8Array, header: Header, clusterId: ClusterId | null): Uint8Array | string {
    if (header.fromConnection !== this.remoteConnection || header.from !== this.remoteId)
      return "no such connection";
    if (header.to !== this.#start.selfId) return "for another";
    if (!this.window.isFresh(header.counter)) return "replayed";
    if (header.kind === kinds.member && clusterId === null) return "other cluster id";
    const keys =
      header.kind === kinds.member && clusterId !== null ? this.#keysOf(clusterId) : this.#peerKeys;
    const body = openDatagram(keys.receive, datagram, header);
    if (body === null) return "seal";
    this.window.record(header.counter);
    this.confirmed = true;
    return body;
  }

  #keysOf(clusterId: ClusterId): KeyPair {
    if (this.#memberKeys === null || this.#memberKeysOf !== clusterId) {
      this.#memberKeys = this.#keys(clusterId);
      this.#memberKeysOf = clusterId;
    }
    return this.#memberKeys;
  }

  #keys(clusterId: ClusterId | null): KeyPair {
    const derived = connectionKeys(this.#start.key, this.#start.ends, clusterId);
    const fromGreeter = createSecretKey(derived.fromGreeter);
    const fromAnswerer = createSecretKey(derived.fromAnswerer);
    return this.greeted
      ? { send: fromGreeter, receive: fromAnswerer }
      : { send: fromAnswerer, receive: fromGreeter };
  }
}
