/** The client's end of the network: one UDP socket, the sealed endpoint over it, and discovery. The
 *  socket and the network beneath are this machine's or a simulation's. */

import { type Address, DISCOVERY_PORT } from "../base/hosts.ts";
import { openDiscovery, systemDiscoveryWorld } from "../discovery/discovery.ts";
import type { DiscoveryWorld } from "../discovery/discovery.ts";
import type { MonotonicMs } from "../base/types.ts";
import type { DiscoveryOptions } from "../discovery/types.ts";
import { type Clock, systemClock } from "../transport/clock.ts";
import { createEndpoint } from "../transport/endpoint.ts";
import { datagramSizes } from "../transport/machine.ts";
import type { Endpoint } from "../transport/types.ts";
import { openUdpSocket, type OpenUdpResult } from "../transport/udp-socket.ts";
import type { UdpSocketOptions } from "../transport/udp-socket.ts";
import { RaftError, type ClientOptions } from "./types.ts";
import type { ClientWire, ClientWorld, WireListener } from "./world.ts";

/** What the wire needs of the world. Its dice are discovery's. */
export interface WireGround {
  readonly clock: Clock;
  readonly discovery: DiscoveryWorld;
  readonly datagramBytesMax: (address: Address) => number;
  readonly openUdpSocket: (options: UdpSocketOptions) => Promise<OpenUdpResult>;
}

/** A client's world on that ground. */
export function worldOn(ground: () => WireGround): ClientWorld {
  const { clock, discovery } = ground();
  return {
    clock,
    dice: discovery.dice,
    openWire: (options, listener) => openWire(ground(), options, listener),
  };
}

/** Time, dice and sockets of this machine; its interfaces are looked at when a client connects. */
export const systemWorld: ClientWorld = worldOn(() => ({
  clock: systemClock,
  discovery: systemDiscoveryWorld,
  datagramBytesMax: datagramSizes(),
  openUdpSocket,
}));

async function openWire(
  ground: WireGround,
  options: ClientOptions,
  listener: WireListener,
): Promise<ClientWire> {
  const { clock } = ground;
  const early: { readonly datagram: Uint8Array; readonly from: Address }[] = [];
  let receive = (datagram: Uint8Array, from: Address): void => void early.push({ datagram, from });
  const loopbackOnly = options.loopbackOnly === true;
  const opened = await ground.openUdpSocket({
    host: loopbackOnly ? "127.0.0.1" : "0.0.0.0",
    port: 0,
    onDatagram: (datagram, from) => receive(datagram, from),
    onError: () => undefined,
  });
  if (!opened.ok) throw new RaftError(opened.reason, 3);
  const { socket } = opened;
  const endpoint = createEndpoint({
    key: options.key,
    self: { kind: "client" },
    hello: null,
    dice: ground.discovery.dice,
    datagramBytesMax: ground.datagramBytesMax,
    // The kernel counts its own bookkeeping in the buffer as well.
    receiveWindowBytes: Math.floor(socket.receiveBufferBytes / 2),
    transmit: (datagram, to) => socket.send(datagram, to),
    onHello: (connection) => listener.onMet(connection),
    onFrame: (connection, frame, nowMs) => listener.onFrame(connection, frame, nowMs),
    onDouble: () => undefined,
  });
  const pump = new Pump(endpoint, clock);
  receive = (datagram, from) => {
    endpoint.receive(datagram, from, clock.monotonicMs());
    pump.soon();
  };
  for (const { datagram, from } of early) receive(datagram, from);
  const lookAround: DiscoveryOptions = {
    loopbackOnly,
    peers: options.peers ?? [],
    remembered: options.remembered ?? [],
    beacon: null,
    bootId: null,
    onHint: listener.onHint,
    multicastPort: options.multicastPort ?? DISCOVERY_PORT,
    now: clock.monotonicMs,
    after: clock.after,
  };
  const discovery = await openDiscovery(lookAround, ground.discovery);
  return {
    connections: () => endpoint.connections(),
    greet(address) {
      endpoint.greet(address, clock.monotonicMs());
      pump.soon();
    },
    send(connection, frame) {
      endpoint.send(connection, frame);
      pump.soon();
    },
    isSending: (connection, requestId) => endpoint.isSending(connection, requestId),
    query: () => discovery.query(),
    addresses: () => discovery.typedAddresses(),
    report: () => discovery.report(),
    async close() {
      pump.stop();
      await Promise.all([discovery.close(), socket.close()]);
    },
  };
}

/** Flushes once per turn and keeps the endpoint's timers. */
class Pump {
  readonly #endpoint: Endpoint;
  readonly #clock: Clock;
  #dirty = false;
  #stopped = false;
  #dueMs: MonotonicMs = Infinity;
  #cancel: () => void = () => undefined;

  constructor(endpoint: Endpoint, clock: Clock) {
    this.#endpoint = endpoint;
    this.#clock = clock;
  }

  soon(): void {
    if (this.#dirty || this.#stopped) return;
    this.#dirty = true;
    queueMicrotask(() => this.#turn());
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  #turn(): void {
    this.#dirty = false;
    if (this.#stopped) return;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs >= this.#endpoint.nextDeadlineMs()) this.#endpoint.tick(nowMs);
    this.#endpoint.flush(nowMs);
    const dueMs = this.#endpoint.nextDeadlineMs();
    if (dueMs === this.#dueMs) return;
    this.#cancel();
    this.#dueMs = dueMs;
    if (dueMs === Infinity) return;
    this.#cancel = this.#clock.after(Math.max(0, dueMs - nowMs), () => {
      this.#dueMs = Infinity;
      this.soon();
    });
  }
}
