/** Who counts as met, and what can not change that. */

import { describe, expect, it } from "vitest";
import { HEADER_BYTES, WIRE_VERSION, kinds } from "../../src/transport/datagram.ts";
import { newKey, openKey } from "../../src/transport/key.ts";
import type { Frame } from "../../src/transport/types.ts";
import { Network, hex16, metPair, seededDice } from "./harness.ts";

const heartbeat = (round: number): Frame => ({
  type: "raft",
  message: { type: "heartbeat", term: 3, round, commitIndex: 9 },
});
const kindOf = (datagram: Uint8Array) => datagram[3];

describe("meeting", () => {
  it("takes a greeting, an answer and one datagram; the greeter is met last", () => {
    const network = new Network();
    const a = network.node({ id: 1, boot: 1 });
    const b = network.node({ id: 2, boot: 2 });
    a.endpoint.greet(b.address, network.nowMs);
    network.runUntil("a met b", () => a.hellos.length > 0);
    expect(b.hellos).toEqual([]);
    expect(b.endpoint.nodeConnection(1)).toBeUndefined();
    network.runUntil("b met a", () => b.hellos.length > 0);
    expect(network.seen.slice(0, 3).map((d) => kindOf(d.datagram))).toEqual([
      kinds.greeting,
      kinds.answer,
      kinds.member,
    ]);
    expect(a.hellos[0]).toMatchObject({ first: true, hello: { id: 2, bootId: b.bootId } });
    network.run(5_000);
    expect(a.hellos.length + b.hellos.length).toBe(2);
  });

  it("works when both greet at once, and leaves one connection that both use", () => {
    const network = new Network({ delayMs: [0.5, 0.5] });
    const a = network.node({ id: 1, boot: 1 });
    const b = network.node({ id: 2, boot: 2 });
    a.endpoint.greet(b.address, network.nowMs);
    b.endpoint.greet(a.address, network.nowMs);
    network.run(300);
    expect(a.endpoint.connections().length).toBe(1);
    expect(b.endpoint.connections().length).toBe(1);
    const before = network.seen.length;
    for (let round = 0; round < 5; round++) {
      a.endpoint.send(a.endpoint.nodeConnection(2)!, heartbeat(round));
      b.endpoint.send(b.endpoint.nodeConnection(1)!, heartbeat(round));
      network.run(100);
    }
    const pairsOfConnections = new Set(
      network.seen.slice(before).map(({ datagram }) => {
        const view = new DataView(datagram.buffer, datagram.byteOffset);
        return [view.getUint32(12), view.getUint32(16)].toSorted((x, y) => x - y).join();
      }),
    );
    expect(pairsOfConnections.size).toBe(1);
    expect([a.frames.length, b.frames.length]).toEqual([5, 5]);
  });

  it("succeeds at 30% loss, and gives up on a silent address after ten tries", () => {
    for (let seed = 1; seed <= 30; seed++) {
      const network = new Network({ seed, loss: 0.3, delayMs: [0.1, 5] });
      const a = network.node({ id: 1, boot: 1 });
      const b = network.node({ id: 2, boot: 2 });
      a.endpoint.greet(b.address, network.nowMs);
      network.runUntil(
        `both met, seed ${seed}`,
        () => a.hellos.length > 0 && b.hellos.length > 0,
        8_000,
      );
    }
    const network = new Network();
    const a = network.node({ id: 1, boot: 1 });
    a.endpoint.greet({ host: "10.0.0.9", port: 7409 }, network.nowMs);
    network.run(20_000);
    expect(network.seen.length).toBe(10);
    expect(a.endpoint.nextDeadlineMs()).toBe(Number.POSITIVE_INFINITY);
  });

  it("does not repeat a greeting that is under way, nor greet who was just heard, nor itself", () => {
    const { network, a, b } = metPair();
    const before = network.seen.length;
    a.endpoint.greet(b.address, network.nowMs);
    expect(network.seen.length).toBe(before);
    a.endpoint.greet(a.address, network.nowMs);
    a.endpoint.greet(a.address, network.nowMs);
    expect(network.seen.length).toBe(before + 1);
    network.run(10_000);
    expect(a.endpoint.counters.dropped["own greeting"]).toBe(10);
    expect(a.doubles).toEqual([]);
  });
});

describe("hellos", () => {
  it("that change are told to every met node, at 30% loss too, and in the end the last one counts", () => {
    const { network, a, b } = metPair({ loss: 0 });
    network.loss = 0.3;
    for (let term = 1; term <= 5; term++) {
      b.hello = { ...b.hello!, userHost: `ana@lab-${term}` };
      b.endpoint.helloChanged(network.nowMs);
      network.run(20);
    }
    network.runUntil("the last hello", () => a.hellos.at(-1)?.hello.userHost === "ana@lab-5");
    network.run(3_000);
    expect(a.hellos.at(-1)).toMatchObject({ first: false, hello: { userHost: "ana@lab-5" } });
    expect(a.endpoint.nodeConnection(2)?.remote).toMatchObject({
      hello: { userHost: "ana@lab-5" },
    });
  });

  it("of nodes in different clusters of one name are delivered, but no raft frame passes (KNOWN-BUGS D49)", () => {
    const network = new Network();
    const a = network.node({ id: 1, boot: 1, clusterId: hex16(7) });
    const b = network.node({ id: 2, boot: 2, clusterId: hex16(8) });
    a.endpoint.greet(b.address, network.nowMs);
    network.runUntil("both met", () => a.hellos.length > 0 && b.hellos.length > 0);
    a.endpoint.send(a.endpoint.nodeConnection(2)!, heartbeat(1));
    const fence: Frame = {
      type: "fence",
      clusterId: hex16(7),
      term: 1,
      configuration: { index: 0, members: [] },
    };
    a.endpoint.send(a.endpoint.nodeConnection(2)!, fence);
    network.run(100);
    expect(b.frames.map(({ frame }) => frame)).toEqual([fence]);
    expect(a.endpoint.counters.dropped["not sent: other cluster id"]).toBe(1);
  });

  it("say when a cluster was founded, and from then on raft frames pass", () => {
    const network = new Network();
    const a = network.node({ id: 1, boot: 1, clusterId: null });
    const b = network.node({ id: 2, boot: 2, clusterId: null });
    a.endpoint.greet(b.address, network.nowMs);
    network.runUntil("both met", () => a.hellos.length > 0 && b.hellos.length > 0);
    a.hello = { ...a.hello!, clusterId: hex16(7) };
    a.endpoint.helloChanged(network.nowMs);
    network.runUntil("a's hello", () => b.hellos.at(-1)?.hello.clusterId === hex16(7));
    a.endpoint.send(a.endpoint.nodeConnection(2)!, heartbeat(1));
    b.hello = { ...b.hello!, clusterId: hex16(7) };
    b.endpoint.helloChanged(network.nowMs);
    network.runUntil("b's hello", () => a.hellos.at(-1)?.hello.clusterId === hex16(7));
    a.endpoint.send(a.endpoint.nodeConnection(2)!, heartbeat(2));
    network.run(100);
    expect(b.frames.map(({ frame }) => frame)).toEqual([heartbeat(2)]);
  });
});

describe("a restarted peer", () => {
  it("is met under its new boot, and late datagrams of the old boot are dropped (KNOWN-BUGS H2)", () => {
    const { network, a, b, toA } = metPair();
    b.endpoint.send(toA, heartbeat(1));
    const sentBefore = network.seen.length;
    b.endpoint.flush(network.nowMs);
    const late = network.seen[sentBefore]!;
    network.run(50);
    network.stop(b);
    const again = network.node({ id: 2, boot: 22, bootCount: 2 });
    again.endpoint.greet(a.address, network.nowMs);
    network.runUntil("the new boot", () => a.hellos.length === 2);
    expect(a.hellos[1]).toMatchObject({ first: true, hello: { id: 2, bootCount: 2 } });
    expect(a.endpoint.nodeConnection(2)?.remote).toMatchObject({
      identity: { bootId: again.bootId },
    });
    const frames = a.frames.length;
    network.inject(late.datagram, late.from, late.to);
    network.run(50);
    expect(a.frames.length).toBe(frames);
    expect(a.endpoint.counters.dropped["no such connection"]).toBe(1);
    a.endpoint.send(a.endpoint.nodeConnection(2)!, heartbeat(7));
    network.runUntil("a frame to the new boot", () => again.frames.length === 1);
  });

  it("whose recorded greeting is played again changes nothing and replaces no live connection", () => {
    const { network, a, b, toB } = metPair();
    const greetings = network.seen.filter(({ datagram }) => kindOf(datagram) === kinds.greeting);
    const elsewhere = { host: "10.9.9.9", port: 1 };
    for (const { datagram } of greetings)
      for (let i = 0; i < 50; i++) network.inject(datagram, elsewhere, b.address);
    network.run(200);
    expect(b.hellos.length).toBe(1);
    expect(b.endpoint.nodeConnection(1)?.remote.address).toEqual(a.address);
    a.endpoint.send(toB, heartbeat(1));
    network.runUntil("a frame", () => b.frames.length === 1);
  });

  it("that is another directory with its id does not take a live connection over, only a silent one", () => {
    const { network, a, b, toB, toA } = metPair();
    const keepAlive = () => b.endpoint.send(toA, heartbeat(1));
    const other = network.node({
      id: 2,
      boot: 33,
      incarnation: 99,
      address: { host: "10.0.0.3", port: 7402 },
    });
    other.endpoint.greet(a.address, network.nowMs);
    for (let i = 0; i < 40; i++) {
      keepAlive();
      network.run(100);
    }
    expect(a.hellos.map(({ hello }) => hello.bootId)).toEqual([b.bootId, other.bootId]);
    expect(a.endpoint.nodeConnection(2)).toBe(toB);
    // Whoever means the other one, a member that was replaced or its replacement, reaches it.
    const toOther = a.endpoint.nodeConnection(2, ({ bootId }) => bootId === other.bootId);
    expect(toOther?.remote.address).toEqual(other.address);
    expect(a.endpoint.nodeConnection(2, ({ incarnation }) => incarnation === "")).toBeUndefined();
    network.stop(b);
    for (let i = 0; i < 50; i++) {
      other.endpoint.send(other.endpoint.nodeConnection(1)!, heartbeat(1));
      network.run(100);
    }
    expect(a.endpoint.nodeConnection(2)?.remote).toMatchObject({
      identity: { bootId: other.bootId },
    });
  });
});

describe("two processes with one id (KNOWN-BUGS D48)", () => {
  it("both hear of each other, and nothing else passes between them", () => {
    const network = new Network();
    const first = network.node({ id: 2, boot: 2, incarnation: 2 });
    const second = network.node({
      id: 2,
      boot: 22,
      incarnation: 2,
      address: { host: "10.0.0.3", port: 7402 },
    });
    second.endpoint.greet(first.address, network.nowMs);
    network.runUntil("both know", () => first.doubles.length > 0 && second.doubles.length > 0);
    network.run(3_000);
    expect([first.doubles.length, second.doubles.length]).toEqual([1, 1]);
    expect(first.doubles[0]!.bootId).toBe(second.bootId);
    expect(first.hellos.length + second.hellos.length).toBe(0);
    expect(first.endpoint.nodeConnection(2)).toBeUndefined();
    expect(first.endpoint.connections()).toEqual([]);
  });

  it("are not seen in a late greeting of one's own earlier boot", () => {
    const { network, a, b } = metPair();
    const greeting = network.seen.find(({ datagram }) => kindOf(datagram) === kinds.greeting)!;
    network.stop(a);
    const again = network.node({ id: 1, boot: 11, bootCount: 2 });
    network.inject(greeting.datagram, b.address, again.address);
    network.run(8_000);
    expect(again.doubles).toEqual([]);
  });
});

describe("an address", () => {
  it("that changes counts after it answered", () => {
    const { network, a, b, toA } = metPair();
    network.move(b, { host: "10.0.0.77", port: 9_000 });
    b.endpoint.send(toA, heartbeat(1));
    network.runUntil("the frame from the new address", () => a.frames.length === 1);
    expect(a.endpoint.nodeConnection(2)!.remote.address).not.toEqual(b.address);
    network.runUntil(
      "the new address",
      () => a.endpoint.nodeConnection(2)!.remote.address.port === 9_000,
    );
    a.endpoint.send(a.endpoint.nodeConnection(2)!, heartbeat(2));
    network.runUntil("a frame to the new address", () => b.frames.length === 1);
  });

  it("that somebody put on a stolen datagram gets one question and nothing else", () => {
    const { network, a, b, toA } = metPair();
    const thief = { host: "10.66.6.6", port: 666 };
    network.filter = (datagram, from, to) => {
      if (to.port === a.address.port && from.port === b.address.port)
        network.inject(datagram, thief, to);
      return to.port !== a.address.port;
    };
    b.endpoint.send(toA, heartbeat(1));
    network.run(20);
    expect(a.frames.length).toBe(1);
    network.filter = () => true;
    for (let round = 0; round < 10; round++)
      a.endpoint.send(a.endpoint.nodeConnection(2)!, heartbeat(round));
    network.run(50);
    expect(b.frames.length).toBe(10);
    expect(network.seen.filter(({ to }) => to.port === 666).length).toBe(1);
    expect(a.endpoint.nodeConnection(2)!.remote.address).toEqual(b.address);
  });

  it("of the peer that stays silent is left for another one that answers a greeting", () => {
    const { network, a, b } = metPair();
    network.move(b, { host: "10.0.0.77", port: 9_000 });
    network.run(3_000);
    a.endpoint.greet(b.address, network.nowMs);
    network.runUntil(
      "the new address",
      () => a.endpoint.nodeConnection(2)!.remote.address.port === 9_000,
    );
    const toA = b.endpoint.nodeConnection(1)!;
    b.endpoint.send(toA, heartbeat(1));
    a.endpoint.send(a.endpoint.nodeConnection(2)!, heartbeat(2));
    network.run(50);
    expect([a.frames.length, b.frames.length]).toEqual([1, 1]);
    expect(a.hellos.filter(({ first }) => first).length).toBe(1);
  });
});

describe("greetings that nobody follows up", () => {
  it("make no connection, are forgotten, and do not keep others out", () => {
    const network = new Network();
    const node = network.node({ id: 1, boot: 1 });
    for (let i = 0; i < 1_300; i++) {
      const client = network.client({
        boot: 9,
        seed: i,
        address: { host: "10.0.1.1", port: 1_000 + i },
      });
      client.endpoint.greet(node.address, network.nowMs);
      network.stop(client);
    }
    const b = network.node({ id: 2, boot: 2 });
    b.endpoint.greet(node.address, network.nowMs);
    network.runUntil("b met", () => node.hellos.length === 1);
    expect(node.endpoint.connections().length).toBe(1);
    network.stop(b);
    network.run(70_000);
    expect(node.endpoint.connections()).toEqual([]);
    expect(node.endpoint.nextDeadlineMs()).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("strangers", () => {
  it("with another name, another key or another version are dropped before any crypto, by reason", () => {
    const network = new Network();
    const a = network.node({ id: 1, boot: 1 });
    for (const [boot, key] of [
      [2, openKey("other")],
      [3, newKey("test", seededDice(5))],
    ] as const) {
      network.node({ id: boot, boot, key }).endpoint.greet(a.address, network.nowMs);
    }
    network.run(1);
    expect(a.endpoint.counters.dropped).toEqual({ "other cluster or key": 2 });
    const fromLater = Uint8Array.from(network.seen[0]!.datagram).with(2, WIRE_VERSION + 1);
    network.inject(fromLater, a.address, a.address);
    network.run(1);
    expect(a.endpoint.counters.dropped["version"]).toBe(1);
  });

  it("who forge the cluster's tag do not get through the seal", () => {
    const network = new Network();
    const a = network.node({ id: 1, boot: 1 });
    const b = network.node({ id: 2, boot: 2, key: newKey("test", seededDice(5)) });
    const ours = network.node({ id: 3, boot: 3 });
    ours.endpoint.greet({ host: "10.1.1.1", port: 1 }, network.nowMs);
    b.endpoint.greet(a.address, network.nowMs);
    const [real, foreign] = network.seen.map(({ datagram }) => datagram);
    const forged = Uint8Array.from(foreign!);
    forged.set(real!.subarray(4, 8), 4);
    network.inject(forged, b.address, a.address);
    network.run(5);
    expect(a.endpoint.counters.dropped["seal"]).toBe(1);
  });

  it("may send any bytes of any size: counted, dropped, nothing answered", () => {
    const { network, a, b } = metPair();
    const dice = seededDice(4);
    const model = network.seen.at(-1)!.datagram;
    const before = { out: a.endpoint.counters.datagramsOut, seen: a.endpoint.counters.datagramsIn };
    let injected = 0;
    for (let size = 0; size < 1_500; size += 3) {
      const noise = dice(size);
      const headed = Uint8Array.from(noise);
      headed.set(model.subarray(0, Math.min(HEADER_BYTES, size)));
      for (const datagram of [noise, headed]) {
        network.inject(datagram, b.address, a.address);
        injected++;
      }
    }
    network.run(1);
    const dropped = Object.values(a.endpoint.counters.dropped).reduce((sum, n) => sum + n, 0);
    expect(a.endpoint.counters.datagramsIn - before.seen).toBe(injected);
    expect(dropped).toBe(injected);
    expect(a.endpoint.counters.datagramsOut).toBe(before.out);
    expect(Object.keys(a.endpoint.counters.dropped).length).toBeLessThan(10);
  });
});

describe("replays and reordering (KNOWN-BUGS H13)", () => {
  it("every datagram played again, at once or much later, is dropped and counted", () => {
    const { network, a, b, toB } = metPair();
    for (let round = 0; round < 20; round++) {
      a.endpoint.send(toB, heartbeat(round));
      a.endpoint.flush(network.nowMs);
    }
    network.run(10);
    const recorded = network.seen.filter(
      ({ to, datagram }) => to === b.address && kindOf(datagram) === kinds.member,
    );
    for (const { datagram, from, to } of recorded) network.inject(datagram, from, to);
    network.run(30_000);
    for (const { datagram, from, to } of recorded) network.inject(datagram, from, to);
    network.run(10);
    expect(b.frames.length).toBe(20);
    expect(b.endpoint.counters.dropped["replayed"]).toBe(2 * recorded.length);
  });

  it("datagrams that overtake each other are all delivered, once", () => {
    const { network, a, b, toB } = metPair({ delayMs: [0.1, 40], duplication: 0.5, seed: 11 });
    for (let round = 0; round < 500; round++) {
      a.endpoint.send(toB, heartbeat(round));
      a.endpoint.flush(network.nowMs);
    }
    network.run(1_000);
    const rounds = b.frames.map(({ frame }) => (frame.type === "raft" ? frame.message.round : -1));
    expect(rounds).not.toEqual(rounds.toSorted((x, y) => x - y));
    expect(rounds.toSorted((x, y) => x - y)).toEqual(Array.from({ length: 500 }, (_, i) => i));
  });
});
