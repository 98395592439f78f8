/** Endpoints over an in-memory network with virtual time, for the tests of this folder. */

import type { Address } from "../../src/base/hosts.ts";
import type { ClusterId, NodeIdentity } from "../../src/base/types.ts";
import type { Dice } from "../../src/transport/dice.ts";
import { createEndpoint } from "../../src/transport/endpoint.ts";
import { openKey } from "../../src/transport/key.ts";
import type {
  ClusterKey,
  Connection,
  Endpoint,
  EndpointOptions,
  Frame,
  NodeHello,
} from "../../src/transport/types.ts";

/** A small generator (mulberry32): the same seed, the same run. */
export function seeded(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function seededDice(seed: number): Dice {
  const next = seeded(seed);
  return (count) => Uint8Array.from({ length: count }, () => Math.floor(next() * 256));
}

export const hex16 = (digit: number) => digit.toString(16).padStart(2, "0").repeat(16);

export const CLUSTER_ID = hex16(0xcc);

export interface Spec {
  readonly id: number;
  /** Tells processes apart: the boot id is made of it. */
  readonly boot: number;
  readonly incarnation?: number;
  readonly bootCount?: number;
  readonly clusterId?: ClusterId | null;
  readonly address?: Address;
  readonly key?: ClusterKey;
  /** Of the dice; default: the boot. */
  readonly seed?: number;
}

export interface Party {
  readonly endpoint: Endpoint;
  readonly bootId: string;
  address: Address;
  readonly hellos: { connection: Connection; hello: NodeHello; first: boolean }[];
  readonly frames: { connection: Connection; frame: Frame }[];
  readonly doubles: NodeHello[];
  hello: NodeHello | null;
}

export interface NetworkOptions {
  readonly seed?: number;
  /** 0 to 1. */
  readonly loss?: number;
  readonly duplication?: number;
  readonly delayMs?: readonly [number, number];
  readonly datagramBytesMax?: number;
  readonly receiveWindowBytes?: number;
}

interface InFlight {
  readonly atMs: number;
  readonly order: number;
  readonly datagram: Uint8Array;
  readonly from: Address;
  readonly to: Address;
}

/** Delivers datagrams after a delay, turn by turn. */
export class Network {
  nowMs = 1_000;
  readonly parties = new Map<string, Party>();
  readonly seen: InFlight[] = [];
  loss: number;
  /** Returns false to lose this datagram. */
  filter: (datagram: Uint8Array, from: Address, to: Address) => boolean = () => true;
  readonly #options: NetworkOptions;
  readonly #random: () => number;
  #flying: InFlight[] = [];
  #order = 0;

  constructor(options: NetworkOptions = {}) {
    this.#options = options;
    this.#random = seeded(options.seed ?? 1);
    this.loss = options.loss ?? 0;
  }

  node(spec: Spec): Party {
    const identity: NodeIdentity = {
      id: spec.id,
      incarnation: hex16(spec.incarnation ?? spec.id),
      bootId: hex16(spec.boot),
    };
    const hello = helloOf(identity, spec, this.#options.receiveWindowBytes ?? 425_984);
    return this.#join(spec, { kind: "node", identity }, hello);
  }

  /** Something is on its way. */
  get busy(): boolean {
    return this.#flying.length > 0;
  }

  /** Bytes on their way to that address. */
  bytesTo({ host, port }: Address): number {
    return this.#flying
      .filter(({ to }) => to.host === host && to.port === port)
      .reduce((sum, { datagram }) => sum + datagram.length, 0);
  }

  client(spec: Omit<Spec, "id">): Party {
    return this.#join({ ...spec, id: 0 }, { kind: "client" }, null);
  }

  /** Puts a datagram on the wire as if `from` had sent it. */
  inject(datagram: Uint8Array, from: Address, to: Address): void {
    const [min, max] = this.#options.delayMs ?? [0.1, 0.2];
    const atMs = this.nowMs + min + (max - min) * this.#random();
    this.#flying.push({ atMs, order: this.#order++, datagram, from, to });
  }

  /** One delivery, tick or flush; false when nothing is due before `untilMs`. */
  step(untilMs: number): boolean {
    for (const party of this.parties.values()) party.endpoint.flush(this.nowMs);
    let nextMs = Math.min(
      ...this.#flying.map((d) => d.atMs),
      ...[...this.parties.values()].map((p) => p.endpoint.nextDeadlineMs()),
    );
    if (nextMs > untilMs) {
      this.nowMs = untilMs;
      return false;
    }
    nextMs = Math.max(nextMs, this.nowMs);
    this.nowMs = nextMs;
    const due = this.#flying
      .filter((d) => d.atMs <= nextMs)
      .sort((a, b) => a.atMs - b.atMs || a.order - b.order);
    this.#flying = this.#flying.filter((d) => d.atMs > nextMs);
    for (const { datagram, from, to } of due)
      this.parties.get(`${to.host}:${to.port}`)?.endpoint.receive(datagram, from, nextMs);
    for (const party of this.parties.values()) {
      if (party.endpoint.nextDeadlineMs() <= nextMs) party.endpoint.tick(nextMs);
      party.endpoint.flush(nextMs);
    }
    return true;
  }

  run(forMs: number): void {
    const untilMs = this.nowMs + forMs;
    while (this.step(untilMs));
  }

  /** Runs until the condition holds; throws with `what` after `withinMs` of virtual time. */
  runUntil(what: string, condition: () => boolean, withinMs = 10_000): void {
    const untilMs = this.nowMs + withinMs;
    while (!condition())
      if (!this.step(untilMs)) throw new Error(`not within ${withinMs} ms: ${what}`);
  }

  move(party: Party, address: Address): void {
    this.parties.delete(`${party.address.host}:${party.address.port}`);
    party.address = address;
    this.parties.set(`${address.host}:${address.port}`, party);
  }

  stop(party: Party): void {
    this.parties.delete(`${party.address.host}:${party.address.port}`);
  }

  #join(spec: Spec, self: EndpointOptions["self"], hello: NodeHello | null): Party {
    const address = spec.address ?? {
      host: "10.0.0.1",
      port: 7400 + (spec.id === 0 ? 500 + spec.boot : spec.id),
    };
    const dice = seededDice((spec.seed ?? spec.boot) + 10_000 * (this.#options.seed ?? 1));
    const party: Omit<Party, "endpoint"> & { endpoint?: Endpoint } = {
      bootId: hex16(spec.boot),
      address,
      hellos: [],
      frames: [],
      doubles: [],
      hello,
    };
    const endpoint = createEndpoint({
      key: spec.key ?? openKey("test"),
      self,
      hello: hello === null ? null : () => party.hello!,
      dice,
      datagramBytesMax: () => this.#options.datagramBytesMax ?? 1_200,
      receiveWindowBytes: this.#options.receiveWindowBytes ?? 425_984,
      transmit: (datagram, to) => this.#transmit(datagram, party.address, to),
      onHello: (connection, heard, first) => party.hellos.push({ connection, hello: heard, first }),
      onFrame: (connection, frame) => party.frames.push({ connection, frame }),
      onDouble: (heard) => party.doubles.push(heard),
    });
    const whole = Object.assign(party, { endpoint });
    this.parties.set(`${address.host}:${address.port}`, whole);
    return whole;
  }

  #transmit(datagram: Uint8Array, from: Address, to: Address): void {
    this.seen.push({ atMs: this.nowMs, order: this.seen.length, datagram, from, to });
    if (!this.filter(datagram, from, to) || this.#random() < this.loss) return;
    this.inject(datagram, from, to);
    if (this.#random() < (this.#options.duplication ?? 0)) this.inject(datagram, from, to);
  }
}

export function helloOf(
  identity: NodeIdentity,
  spec: Partial<Spec> = {},
  receiveWindowBytes = 425_984,
): NodeHello {
  return {
    ...identity,
    bootCount: spec.bootCount ?? 1,
    clusterId: spec.clusterId === undefined ? CLUSTER_ID : spec.clusterId,
    founding: null,
    foundedMs: null,
    lastIndex: 0,
    member: true,
    founders: [1, 2, 3],
    timings: { heartbeatMs: 75, electionMinMs: 300, electionMaxMs: 600 },
    met: [],
    version: "1.0.0",
    wireMin: 1,
    wireMax: 1,
    features: 0,
    addresses: [{ host: "10.0.0.1", port: 7401 }],
    receiveWindowBytes,
    userHost: "ana@lab-07",
    uptimeMs: 12,
    dataDir: "/home/ana/d1",
  };
}

/** Two nodes of one cluster that have met. */
export function metPair(options: NetworkOptions = {}): {
  network: Network;
  a: Party;
  b: Party;
  toB: Connection;
  toA: Connection;
} {
  const network = new Network(options);
  const a = network.node({ id: 1, boot: 1 });
  const b = network.node({ id: 2, boot: 2 });
  a.endpoint.greet(b.address, network.nowMs);
  network.runUntil("both met", () => a.hellos.length > 0 && b.hellos.length > 0);
  network.run(200);
  return { network, a, b, toB: a.endpoint.nodeConnection(2)!, toA: b.endpoint.nodeConnection(1)! };
}

export function totalDropped(party: Party): number {
  return Object.values(party.endpoint.counters.dropped).reduce((sum, count) => sum + count, 0);
}
