/** Real sockets on loopback: what cannot be shown in memory. */

import { createSocket } from "node:dgram";
import { afterEach, describe, expect, it } from "vitest";
import type { Address } from "../../src/base/hosts.ts";
import { systemClock } from "../../src/transport/clock.ts";
import { randomId, systemDice } from "../../src/transport/dice.ts";
import { createEndpoint } from "../../src/transport/endpoint.ts";
import { openKey } from "../../src/transport/key.ts";
import { recordBytesMax } from "../../src/transport/peer.ts";
import type { Connection, Endpoint, Frame, UdpSocket } from "../../src/transport/types.ts";
import { type UdpSocketOptions, openUdpSocket } from "../../src/transport/udp-socket.ts";
import { helloOf, hex16 } from "./harness.ts";

const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function open(options: Partial<UdpSocketOptions> = {}): Promise<UdpSocket> {
  const opened = await openUdpSocket({
    host: "127.0.0.1",
    port: 0,
    onDatagram: () => {},
    onError: (error) => {
      throw error;
    },
    ...options,
  });
  if (!opened.ok) throw new Error(opened.reason);
  closing.push(() => opened.socket.close());
  return opened.socket;
}

/** Waits for a condition, with a deadline. */
async function until(what: string, condition: () => boolean, withinMs = 10_000): Promise<void> {
  const endMs = performance.now() + withinMs;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

interface Live {
  readonly endpoint: Endpoint;
  readonly socket: UdpSocket;
  readonly met: Connection[];
  readonly frames: { connection: Connection; frame: Frame }[];
}

/** An endpoint on a socket of its own; a turn is a timer of 2 ms and every datagram. */
async function live(id: number | null): Promise<Live> {
  const identity = { id: id ?? 0, incarnation: hex16(id ?? 0), bootId: randomId(systemDice) };
  const met: Connection[] = [];
  const frames: Live["frames"] = [];
  const turn = { queued: false };
  const flush = () => {
    turn.queued = false;
    endpoint.flush(systemClock.monotonicMs());
  };
  const socket = await open({
    onDatagram: (datagram, from) => {
      endpoint.receive(datagram, from, systemClock.monotonicMs());
      if (!turn.queued) setImmediate(flush);
      turn.queued = true;
    },
  });
  const endpoint = createEndpoint({
    key: openKey("test"),
    self: id === null ? { kind: "client" } : { kind: "node", identity },
    hello: id === null ? null : () => helloOf(identity, {}, socket.receiveBufferBytes),
    dice: systemDice,
    datagramBytesMax: () => 60_000,
    receiveWindowBytes: socket.receiveBufferBytes,
    transmit: (datagram, to) => socket.send(datagram, to),
    onHello: (connection) => met.push(connection),
    onFrame: (connection, frame) => frames.push({ connection, frame }),
    onDouble: () => {},
  });
  const timer = setInterval(() => {
    endpoint.tick(systemClock.monotonicMs());
    flush();
  }, 2);
  closing.push(async () => clearInterval(timer));
  return { endpoint, socket, met, frames };
}

describe("a socket", () => {
  it("says what the kernel gave, and that a port is in use, as values", async () => {
    const socket = await open();
    expect(socket.receiveBufferBytes).toBeGreaterThan(100_000);
    expect(socket.address.port).toBeGreaterThan(0);
    const again = await openUdpSocket({
      host: "127.0.0.1",
      port: socket.address.port,
      onDatagram: () => {},
      onError: () => {},
    });
    expect(again).toEqual({
      ok: false,
      code: "EADDRINUSE",
      reason: `cannot listen on 127.0.0.1:${socket.address.port}: EADDRINUSE`,
    });
    const foreign = await openUdpSocket({
      host: "192.0.2.1",
      port: 0,
      onDatagram: () => {},
      onError: () => {},
    });
    expect(foreign).toMatchObject({ ok: false, code: "EADDRNOTAVAIL" });
  });

  it("still reaches the living when a dead process is named first in the same turn", async () => {
    const dead = createSocket("udp4");
    await new Promise<void>((resolve) => dead.bind(0, "127.0.0.1", () => resolve()));
    const deadAddress: Address = { host: "127.0.0.1", port: dead.address().port };
    await new Promise<void>((resolve) => dead.close(() => resolve()));
    const heard = new Set<number>();
    const receiver = await open({ onDatagram: (datagram) => heard.add(datagram[0]!) });
    const sender = await open();
    for (let i = 0; i < 100; i++) {
      sender.send(Uint8Array.of(i), deadAddress);
      sender.send(Uint8Array.of(i), receiver.address);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await until("all of them", () => heard.size === 100, 2_000).catch(() => {});
    expect(heard.size).toBe(100);
  });

  it("tells what cannot be sent and goes on", async () => {
    const codes: string[] = [];
    let heard = 0;
    const receiver = await open({ onDatagram: () => heard++ });
    const sender = await open({ onUnsent: (code) => codes.push(code) });
    sender.send(new Uint8Array(65_508), receiver.address);
    await until("the refusal", () => codes.length === 1);
    expect(codes).toEqual(["EMSGSIZE"]);
    sender.send(new Uint8Array(65_507), receiver.address);
    await until("the largest datagram", () => heard === 1);
    await sender.close();
    sender.send(new Uint8Array(1), receiver.address);
  });
});

describe("endpoints on sockets", () => {
  it("meet and exchange datagrams of 60,000 bytes and frames of 2 MiB", async () => {
    const [a, b] = [await live(1), await live(2)];
    a.endpoint.greet(b.socket.address, systemClock.monotonicMs());
    await until("both met", () => a.met.length > 0 && b.met.length > 0);
    const bytes = new Uint8Array(systemDice(recordBytesMax(60_000)));
    const toB = a.endpoint.nodeConnection(2)!;
    const message = {
      type: "append",
      term: 1,
      round: 1,
      prevIndex: 1,
      prevTerm: 1,
      commitIndex: 0,
      records: [],
    } as const;
    for (let round = 1; round <= 40; round++) {
      a.endpoint.send(toB, { type: "raft", message: { ...message, round }, prevChain: 9, bytes });
      a.endpoint.flush(systemClock.monotonicMs());
      await until("the append", () => b.frames.length === round);
    }
    for (const { frame } of b.frames)
      expect(frame.type === "raft" && Buffer.compare(frame.bytes!, bytes)).toBe(0);
    expect(toB.rttMs).toBeGreaterThan(0);
    const large = new Uint8Array(systemDice(2 * 1_048_576));
    a.endpoint.send(toB, { type: "heal", firstIndex: 5, bytes: large });
    await until("the large frame", () => b.frames.length === 41);
    const { frame } = b.frames[40]!;
    expect(frame.type === "heal" && Buffer.compare(frame.bytes, large)).toBe(0);
  });

  it("answer clients", async () => {
    const [node, client] = [await live(1), await live(null)];
    client.endpoint.greet(node.socket.address, systemClock.monotonicMs());
    await until("met", () => client.met.length > 0);
    for (let requestId = 1; requestId <= 50; requestId++) {
      client.endpoint.send(client.met[0]!, {
        type: "request",
        requestId,
        hops: 0,
        body: Uint8Array.of(requestId),
      });
      client.endpoint.flush(systemClock.monotonicMs());
      await until("the request", () => node.frames.length === requestId);
      const { connection } = node.frames.at(-1)!;
      node.endpoint.send(connection, {
        type: "response",
        requestId,
        body: Uint8Array.of(requestId),
      });
      node.endpoint.flush(systemClock.monotonicMs());
      await until("the response", () => client.frames.length === requestId);
    }
    expect(node.endpoint.counters.dropped).toEqual({});
  });
});
