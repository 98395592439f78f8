/** The client's end of the real network: one UDP socket, the sealed endpoint over it, and
 *  discovery. */

import { type Address, DISCOVERY_PORT } from "../base/hosts.ts";
import { openDiscovery } from "../discovery/discovery.ts";
import type { MonotonicMs } from "../base/types.ts";
import { systemClock } from "../transport/clock.ts";
import { systemDice } from "../transport/dice.ts";
import { createEndpoint } from "../transport/endpoint.ts";
import { datagramSizes } from "../transport/machine.ts";
import type { Endpoint } from "../transport/types.ts";
import { openUdpSocket } from "../transport/udp-socket.ts";
import { RaftError, type ClientOptions } from "./types.ts";
import type { ClientWire, ClientWorld, WireListener } from "./world.ts";

/** Time, dice and sockets of this machine. */
export const systemWorld: ClientWorld = {
  clock: systemClock,
  dice: systemDice,
  openWire: openSystemWire,
};

async function openSystemWire(options: ClientOptions, listener: WireListener): Promise<ClientWire> {
  const early: { readonly datagram: Uint8Array; readonly from: Address }[] = [];
  let receive = (datagram: Uint8Array, from: Address): void => void early.push({ datagram, from });
  const loopbackOnly = options.loopbackOnly === true;
  const opened = await openUdpSocket({
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
    dice: systemDice,
    datagramBytesMax: datagramSizes(),
    // The kernel counts its own bookkeeping in the buffer as well.
    receiveWindowBytes: Math.floor(socket.receiveBufferBytes / 2),
    transmit: (datagram, to) => socket.send(datagram, to),
    onHello: (connection) => listener.onMet(connection),
    onFrame: (connection, frame) => listener.onFrame(connection, frame),
    onDouble: () => undefined,
  });
  const pump = new Pump(endpoint);
  receive = (datagram, from) => {
    endpoint.receive(datagram, from, systemClock.monotonicMs());
    pump.soon();
  };
  for (const { datagram, from } of early) receive(datagram, from);
  const discovery = await openDiscovery({
    loopbackOnly,
    peers: options.peers ?? [],
    remembered: options.remembered ?? [],
    beacon: null,
    bootId: null,
    onHint: listener.onHint,
    multicastPort: options.multicastPort ?? DISCOVERY_PORT,
    now: () => systemClock.monotonicMs(),
    after: (delayMs, run) => systemClock.after(delayMs, run),
  });
  return {
    connections: () => endpoint.connections(),
    greet(address) {
      endpoint.greet(address, systemClock.monotonicMs());
      pump.soon();
    },
    send(connection, frame) {
      endpoint.send(connection, frame);
      pump.soon();
    },
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
  #dirty = false;
  #stopped = false;
  #dueMs: MonotonicMs = Infinity;
  #cancel: () => void = () => undefined;

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
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
    const nowMs = systemClock.monotonicMs();
    if (nowMs >= this.#endpoint.nextDeadlineMs()) this.#endpoint.tick(nowMs);
    this.#endpoint.flush(nowMs);
    const dueMs = this.#endpoint.nextDeadlineMs();
    if (dueMs === this.#dueMs) return;
    this.#cancel();
    this.#dueMs = dueMs;
    if (dueMs === Infinity) return;
    this.#cancel = systemClock.after(Math.max(0, dueMs - nowMs), () => {
      this.#dueMs = Infinity;
      this.soon();
    });
  }
}
