/** Sending, batching, large frames, clients and bounds, over the in-memory network. */

import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  type Header,
  WIRE_VERSION,
  kinds,
  readHeader,
  sealDatagram,
} from "../../src/transport/datagram.ts";
import { IDLE_MS } from "../../src/transport/endpoint.ts";
import { clusterTag, connectionKeys, hexOf, openKey } from "../../src/transport/key.ts";
import { type Wire, pack } from "../../src/transport/messagepack.ts";
import { recordBytesMax } from "../../src/transport/peer.ts";
import { CLIENTS_MAX } from "../../src/transport/roster.ts";
import type { Connection, Frame } from "../../src/transport/types.ts";
import {
  CLUSTER_ID,
  Network,
  type Party,
  hex16,
  metPair,
  seeded,
  totalDropped,
} from "./harness.ts";

const heartbeat = (round: number): Frame => ({
  type: "raft",
  message: { type: "heartbeat", term: 3, round, commitIndex: 9 },
});

function append(round: number, bytes: Uint8Array): Frame {
  const message = {
    type: "append",
    term: 3,
    round,
    prevIndex: round,
    prevTerm: 2,
    commitIndex: 4,
    records: [],
  } as const;
  return { type: "raft", message, prevChain: 77, bytes };
}

function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) + seed) & 255);
}

/** The same but for large bytes, whose comparison by `toEqual` is slow. */
function outlineOf(frame: Frame): unknown {
  if (frame.type !== "raft" || frame.bytes === undefined) return frame;
  return { ...frame, bytes: hexOf(createHash("sha256").update(frame.bytes).digest()) };
}

describe("frames between met nodes", () => {
  it("leave at the flush, in order, in as few datagrams as possible, and measure the round trip", () => {
    const { network, a, b, toB } = metPair({ delayMs: [0.2, 0.2] });
    const before = a.endpoint.counters.datagramsOut;
    for (let round = 0; round < 20; round++) a.endpoint.send(toB, heartbeat(round));
    expect(a.endpoint.counters.datagramsOut).toBe(before);
    network.run(50);
    expect(a.endpoint.counters.datagramsOut - before).toBe(1);
    expect(b.frames.map(({ frame }) => frame)).toEqual(
      Array.from({ length: 20 }, (_, round) => heartbeat(round)),
    );
    expect(toB.rttMs).toBeGreaterThan(0);
    expect(toB.rttMs).toBeLessThan(1);
  });

  it("never make a datagram larger than the address allows (KNOWN-BUGS H11)", () => {
    const random = seeded(5);
    for (const datagramBytesMax of [600, 1_200, 8_000, 60_000]) {
      const { network, a, b, toB } = metPair({ datagramBytesMax, delayMs: [0.2, 0.2] });
      const sent: Frame[] = [];
      for (let round = 0; round < 150; round++) {
        const frame = append(
          round,
          pattern(Math.floor(random() * recordBytesMax(datagramBytesMax)), round),
        );
        sent.push(frame);
        a.endpoint.send(toB, frame);
        if (round % 50 === 49) network.run(1);
      }
      const full = append(151, pattern(recordBytesMax(datagramBytesMax), 1));
      a.endpoint.send(toB, full);
      network.runUntil("all of them", () => b.frames.length === 151);
      expect(
        Math.max(...network.seen.slice(10).map(({ datagram }) => datagram.length)),
      ).toBeLessThanOrEqual(datagramBytesMax);
      expect(b.frames.map(({ frame }) => outlineOf(frame))).toEqual([...sent, full].map(outlineOf));
    }
  });

  it("the round trip follows the network", () => {
    const { network, a, b, toB, toA } = metPair({ delayMs: [10, 11] });
    for (let i = 0; i < 60; i++) {
      a.endpoint.send(toB, heartbeat(i));
      b.endpoint.send(toA, heartbeat(i));
      network.run(30);
    }
    expect(toB.rttMs).toBeGreaterThan(19);
    expect(toB.rttMs).toBeLessThan(24);
    expect(network.nowMs - toB.lastHeardMs).toBeLessThan(60);
  });
});

describe("a frame larger than a datagram", () => {
  it("of 2 MiB arrives whole and once, beside small ones, at 30% loss, duplicates and reordering", () => {
    for (const seed of [7, 8]) {
      const { network, a, b, toB } = metPair({ seed, duplication: 0.1, delayMs: [0.3, 3] });
      network.loss = 0.3;
      const bytes = pattern(2 * 1_048_576, seed);
      a.endpoint.send(toB, append(1, bytes));
      let small = 0;
      const arrived = () =>
        b.frames.find(({ frame }) => frame.type === "raft" && frame.message.type === "append");
      while (arrived() === undefined && small < 2_000) {
        a.endpoint.send(toB, heartbeat(small++));
        network.run(5);
      }
      const frame = arrived()!.frame;
      expect(frame).toMatchObject({ prevChain: 77, message: { round: 1, prevIndex: 1 } });
      expect(frame.type === "raft" && Buffer.compare(frame.bytes!, bytes)).toBe(0);
      expect(small).toBeLessThan(400);
      const heartbeats = b.frames.filter(
        ({ frame: one }) => one.type === "raft" && one.message.type === "heartbeat",
      ).length;
      expect(heartbeats).toBeGreaterThan(0.5 * small);
      network.run(3_000);
      expect(
        b.frames.filter(({ frame: one }) => one.type === "raft" && one.message.type === "append")
          .length,
      ).toBe(1);
    }
  });

  it("goes both ways at once, several at a time", () => {
    const { network, a, b, toB, toA } = metPair({
      seed: 3,
      loss: 0.05,
      duplication: 0.1,
      delayMs: [0.1, 3],
    });
    for (let i = 0; i < 4; i++) {
      a.endpoint.send(toB, { type: "response", requestId: i, body: pattern(300_000 + i, i) });
      b.endpoint.send(toA, {
        type: "request",
        requestId: i,
        hops: 0,
        body: pattern(200_000 + i, i),
      });
    }
    network.runUntil("all eight", () => a.frames.length === 4 && b.frames.length === 4, 30_000);
    for (const { frame } of b.frames) {
      if (frame.type !== "response") throw new Error(frame.type);
      expect(Buffer.compare(frame.body, pattern(300_000 + frame.requestId, frame.requestId))).toBe(
        0,
      );
    }
  });

  it("said again while it is under way is not sent twice", () => {
    const { network, a, b, toB } = metPair({ delayMs: [5, 6] });
    const before = a.endpoint.counters.bytesOut;
    for (let i = 0; i < 5; i++) {
      a.endpoint.send(toB, append(1, pattern(500_000, 1)));
      network.run(2);
    }
    network.runUntil("the append", () => b.frames.length === 1);
    network.run(200);
    expect(b.frames.length).toBe(1);
    expect(a.endpoint.counters.bytesOut - before).toBeLessThan(700_000);
  });

  it("keeps within the window that the receiver's kernel gave", () => {
    const { network, a, toB } = metPair({ delayMs: [20, 20], receiveWindowBytes: 212_992 });
    const before = a.endpoint.counters.bytesOut;
    a.endpoint.send(toB, append(1, pattern(1_000_000, 1)));
    network.run(15);
    expect(a.endpoint.counters.bytesOut - before).toBeGreaterThan(40_000);
    expect(a.endpoint.counters.bytesOut - before).toBeLessThan(60_000);
  });

  it("to a peer that is gone costs little and is given up", () => {
    const { network, a, b, toB } = metPair();
    network.stop(b);
    const before = a.endpoint.counters.bytesOut;
    a.endpoint.send(toB, append(1, pattern(1_000_000, 1)));
    network.run(15_000);
    expect(a.endpoint.counters.bytesOut - before).toBeLessThan(3_000_000);
    expect(a.endpoint.counters.dropped["chunk stream given up"]).toBe(1);
  });

  it("larger than the largest frame is not sent", () => {
    const { a, toB } = metPair();
    a.endpoint.send(toB, append(1, new Uint8Array(2_700_000)));
    expect(a.endpoint.counters.dropped["frame too large to send"]).toBe(1);
  });
});

describe("a send queue (KNOWN-BUGS G72)", () => {
  it("is bounded: the oldest raft frames go first", () => {
    const { network, a, b, toB } = metPair({ datagramBytesMax: 60_000, delayMs: [0.2, 0.2] });
    const answer: Frame = { type: "response", requestId: 7, body: new Uint8Array(10) };
    a.endpoint.send(toB, answer);
    for (let round = 0; round < 1_000; round++)
      a.endpoint.send(toB, append(round, new Uint8Array(50_000)));
    a.endpoint.flush(network.nowMs);
    network.runUntil("what was kept", () => b.frames.length > 60);
    expect(b.frames[0]!.frame.type).toBe("response");
    expect(b.frames.length).toBeLessThan(90);
    expect(b.frames.at(-1)!.frame).toMatchObject({ message: { round: 999 } });
    expect(a.endpoint.counters.dropped["send queue full"]).toBe(1_001 - b.frames.length);
  });

  it("of large frames to a dead peer is bounded too", () => {
    const { network, a, b, toB } = metPair();
    network.stop(b);
    for (let round = 0; round < 100; round++)
      a.endpoint.send(toB, append(round, new Uint8Array(1_000_000)));
    expect(a.endpoint.counters.dropped["chunk streams full"]).toBe(92);
  });
});

describe("clients", () => {
  function ask(network: Network, node: Party, client: Party): Connection {
    client.endpoint.greet(node.address, network.nowMs);
    network.runUntil("hello", () => client.hellos.length > 0);
    const { connection } = client.hellos.at(-1)!;
    client.endpoint.send(connection, {
      type: "request",
      requestId: 1,
      hops: 0,
      body: Uint8Array.of(1, 2),
    });
    network.runUntil("request", () => node.frames.length > 0);
    return node.frames.at(-1)!.connection;
  }

  it("greet a node, ask and are answered within two round trips", () => {
    const network = new Network({ delayMs: [1, 1] });
    const node = network.node({ id: 1, boot: 1 });
    const client = network.client({ boot: 9 });
    const startMs = network.nowMs;
    const connection = ask(network, node, client);
    expect(connection.remote.kind).toBe("client");
    node.endpoint.send(connection, { type: "response", requestId: 1, body: pattern(5_000, 1) });
    network.runUntil("response", () => client.frames.length === 1);
    expect(network.nowMs - startMs).toBeLessThan(6.5);
    expect(node.hellos).toEqual([]);
    expect(node.endpoint.nodeConnection(1)).toBeUndefined();
  });

  it("that are gone are sent nothing more", () => {
    const network = new Network();
    const node = network.node({ id: 1, boot: 1 });
    const client = network.client({ boot: 9 });
    ask(network, node, client);
    network.stop(client);
    network.run(5);
    const before = node.endpoint.counters.datagramsOut;
    network.run(30_000);
    expect(node.endpoint.counters.datagramsOut).toBe(before);
  });

  it("may only ask: their raft frames are dropped (the keys of members are apart)", () => {
    const network = new Network();
    const node = network.node({ id: 1, boot: 1 });
    const client = network.client({ boot: 9 });
    ask(network, node, client);
    client.endpoint.send(client.hellos[0]!.connection, heartbeat(1));
    client.endpoint.send(client.hellos[0]!.connection, {
      type: "response",
      requestId: 1,
      body: new Uint8Array(1),
    });
    network.run(10);
    expect(node.frames.length).toBe(1);
    expect(client.endpoint.counters.dropped["not sent: other cluster id"]).toBe(1);
    expect(node.endpoint.counters.dropped["not a client's frame"]).toBe(1);
  });

  it("that fall silent are forgotten after a minute, and come back by greeting", () => {
    const network = new Network();
    const node = network.node({ id: 1, boot: 1 });
    const client = network.client({ boot: 9 });
    ask(network, node, client);
    network.run(IDLE_MS + 2_000);
    expect(node.endpoint.connections()).toEqual([]);
    node.frames.length = 0;
    client.hellos.length = 0;
    ask(network, node, client);
    expect(node.endpoint.connections().length).toBe(1);
  });

  it("are at most 4,096 at a node: the longest silent leaves", () => {
    const network = new Network();
    const node = network.node({ id: 1, boot: 1 });
    for (let i = 0; i < CLIENTS_MAX + 5; i++) {
      const address = { host: "10.0.1.1", port: 1_000 + i };
      const client = network.client({ boot: 9, address, seed: i });
      client.endpoint.greet(node.address, network.nowMs);
      node.endpoint.receive(network.seen.at(-1)!.datagram, address, network.nowMs);
      client.endpoint.receive(network.seen.at(-1)!.datagram, node.address, network.nowMs);
      client.endpoint.flush(network.nowMs);
      node.endpoint.receive(network.seen.at(-1)!.datagram, address, network.nowMs);
      network.stop(client);
    }
    expect(node.endpoint.connections().length).toBe(CLIENTS_MAX);
    expect(node.endpoint.counters.dropped["too many clients"]).toBe(5);
  });
});

describe("datagrams sealed with the right keys", () => {
  /** Seals any body as node 1 would to node 2, with the keys that the test knows as well. */
  function sealerOf(network: Network): (body: Uint8Array, member: boolean) => Uint8Array {
    const tag = clusterTag(openKey("test"));
    const greeting = readHeader(network.seen[0]!.datagram, tag) as Header;
    const answer = readHeader(network.seen[1]!.datagram, tag) as Header;
    const greeter = {
      bootId: hex16(1),
      connection: greeting.fromConnection,
      incarnation: hex16(1),
    };
    const answerer = { bootId: hex16(2), connection: answer.fromConnection, incarnation: hex16(2) };
    let counter = 1_000_000;
    return (body, member) => {
      const keys = connectionKeys(
        openKey("test"),
        { greeter, answerer },
        member ? CLUSTER_ID : null,
      );
      const kind = member ? kinds.member : kinds.peer;
      const header = {
        kind,
        from: 1,
        to: 2,
        fromConnection: greeter.connection,
        toConnection: answerer.connection,
        counter: ++counter,
        bootId: null,
      };
      return sealDatagram(keys.fromGreeter, tag, header, body);
    };
  }

  it("but with hostile bodies are counted, never thrown, in bounded time and memory (KNOWN-BUGS G71)", () => {
    const { network, a, b } = metPair();
    const seal = sealerOf(network);
    const random = seeded(9);
    const before = totalDropped(b);
    const startMs = performance.now();
    for (let i = 0; i < 2_000; i++) {
      const body = Uint8Array.from({ length: Math.floor(random() * 400) }, () =>
        Math.floor(random() * 256),
      );
      b.endpoint.receive(seal(body, i % 2 === 0), a.address, network.nowMs);
    }
    b.endpoint.receive(seal(new Uint8Array(65_000).fill(0x91), true), a.address, network.nowMs);
    expect(totalDropped(b) - before).toBe(2_001);
    expect(performance.now() - startMs).toBeLessThan(3_000);
    expect(Object.keys(b.endpoint.counters.dropped).length).toBeLessThan(20);
    expect(b.frames).toEqual([]);
  });

  it("but raft frames outside the cluster's own keys are dropped", () => {
    const { network, a, b } = metPair();
    const seal = sealerOf(network);
    const body = Uint8Array.from(pack([1, null, [1, 8, 1, 1]]));
    b.endpoint.receive(seal(body, false), a.address, network.nowMs);
    expect(b.frames).toEqual([]);
    expect(b.endpoint.counters.dropped).toEqual({ "raft frame without a common cluster id": 1 });
    b.endpoint.receive(seal(body, true), a.address, network.nowMs);
    expect(b.frames.map(({ frame }) => frame)).toEqual([
      { type: "raft", message: { type: "timeoutNow", term: 1, round: 1 } },
    ]);
  });

  it("but with false chunks take no unbounded memory and build no frame", () => {
    const { network, a, b } = metPair();
    const seal = sealerOf(network);
    const chunk = (...fields: Wire[]) => {
      b.endpoint.receive(
        seal(Uint8Array.from(pack([1, null, [11, ...fields]])), true),
        a.address,
        network.nowMs,
      );
    };
    const part = new Uint8Array(1_000);
    for (let stream = 1; stream <= 100; stream++) chunk(stream, 2_621_440, 1_000, 0, part);
    expect(b.endpoint.counters.dropped["chunk: too much unfinished"]).toBe(97);
    chunk(1, 2_621_440, 1_000, 2_622, part);
    chunk(1, 2_621_439, 1_000, 1, part);
    chunk(1, 2_621_440, 999, 1, part.slice(1));
    chunk(1, 2_621_440, 1_000, 1, part.slice(1));
    expect(b.endpoint.counters.dropped["chunk: does not fit its stream"]).toBe(4);
    chunk(200, 2_621_440, 1, 0, part.slice(0, 1));
    expect(b.endpoint.counters.dropped["chunk: parts too small"]).toBe(1);
    network.run(12_000);
    expect(b.endpoint.counters.dropped["chunk stream stalled"]).toBe(3);
    chunk(300, 1_000, 1_000, 0, part);
    chunk(301, 10, 10, 0, Uint8Array.from(pack([12, 1, 2, 0, new Uint8Array(3)])).slice(0, 10));
    expect(b.frames).toEqual([]);
    expect(b.endpoint.counters.dropped["trailing bytes"]).toBe(1);
    expect(b.endpoint.counters.dropped["chunk: not a frame for chunks"]).toBe(1);
  });

  it("but with an introduction of another node change nothing", () => {
    const { network, a, b } = metPair();
    const seal = sealerOf(network);
    b.endpoint.receive(
      seal(
        Uint8Array.from(pack([1, null, [9, 99, [WIRE_VERSION, WIRE_VERSION, 0, 5, null]]])),
        true,
      ),
      a.address,
      network.nowMs,
    );
    expect(b.endpoint.counters.dropped).toEqual({ "introduction: names another": 1 });
    expect(b.hellos.length).toBe(1);
  });
});

describe("a dropped connection", () => {
  it("is forgotten on this side, and frames for it are counted", () => {
    const { network, a, b, toB, toA } = metPair();
    a.endpoint.drop(toB);
    expect(a.endpoint.nodeConnection(2)).toBeUndefined();
    a.endpoint.send(toB, heartbeat(1));
    b.endpoint.send(toA, heartbeat(1));
    network.run(10);
    expect(a.frames).toEqual([]);
    expect(a.endpoint.counters.dropped).toEqual({
      "sent to a connection that ended": 1,
      "no such connection": 1,
    });
  });
});
