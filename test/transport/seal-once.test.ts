/** What a seal is worth only if nothing comes twice: no counter under one key, no datagram taken
 *  again, and nobody who cannot seal has a say in which counters are used up. */

import { describe, expect, it } from "vitest";
import { kinds } from "../../src/transport/datagram.ts";
import type { Frame } from "../../src/transport/types.ts";
import { Network, metPair } from "./harness.ts";

const heartbeat = (round: number): Frame => ({
  type: "raft",
  message: { type: "heartbeat", term: 3, round, commitIndex: 9 },
});
const kindOf = (datagram: Uint8Array) => datagram[3];

/** All that a nonce and the choice of a key are made of: kind, both connections, counter. */
function nonceOf(datagram: Uint8Array): string {
  return Buffer.from([kindOf(datagram)!, ...datagram.subarray(12, 28)]).toString("hex");
}

describe("a nonce is used once under a key (KNOWN-BUGS H13)", () => {
  it("by greetings that nobody answers", () => {
    const network = new Network();
    const a = network.node({ id: 1, boot: 1 });
    a.endpoint.greet({ host: "10.1.1.1", port: 1 }, network.nowMs);
    network.run(20_000);
    const greetings = network.seen.map(({ datagram }) => nonceOf(datagram));
    expect(greetings.length).toBeGreaterThan(5);
    expect(new Set(greetings).size).toBe(greetings.length);
  });

  it("by answers that are lost, and by everything after them", () => {
    const network = new Network({ duplication: 0.3 });
    const a = network.node({ id: 1, boot: 1 });
    const b = network.node({ id: 2, boot: 2 });
    const lostUntilMs = network.nowMs + 2_000;
    network.filter = (datagram) => kindOf(datagram) !== kinds.answer || network.nowMs > lostUntilMs;
    a.endpoint.greet(b.address, network.nowMs);
    network.runUntil("both met", () => a.hellos.length > 0 && b.hellos.length > 0);
    for (let round = 0; round < 300; round++) {
      a.endpoint.send(a.endpoint.nodeConnection(2)!, heartbeat(round));
      b.endpoint.send(b.endpoint.nodeConnection(1)!, heartbeat(round));
      network.run(1);
    }
    const sent = network.seen.map(({ datagram }) => nonceOf(datagram));
    const answers = network.seen.filter(({ datagram }) => kindOf(datagram) === kinds.answer);
    expect(answers.length).toBeGreaterThan(3);
    expect(new Set(sent).size).toBe(sent.length);
  });
});

describe("a forged counter", () => {
  it("uses up nothing: the genuine datagrams of that number and of older ones still count", () => {
    const { network, a, b, toA } = metPair();
    const model = network.seen.findLast(({ datagram, to }) => {
      return to === a.address && kindOf(datagram) === kinds.member;
    })!;
    for (const ahead of [1, 2, 100_000]) {
      const forged = Uint8Array.from(model.datagram);
      const view = new DataView(forged.buffer);
      view.setUint32(24, view.getUint32(24) + ahead);
      network.inject(forged, b.address, a.address);
    }
    network.run(1);
    expect(a.endpoint.counters.dropped["seal"]).toBe(3);
    for (let round = 0; round < 3; round++) {
      b.endpoint.send(toA, heartbeat(round));
      network.run(1);
    }
    expect(a.frames.length).toBe(3);
  });
});

describe("another directory under a node's id", () => {
  it("does not become that node while the node is alive, however much it says", () => {
    const { network, a, b, toB, toA } = metPair();
    const address = { host: "10.0.0.3", port: 7402 };
    const other = network.node({ id: 2, boot: 33, incarnation: 99, address });
    other.endpoint.greet(a.address, network.nowMs);
    network.runUntil("a met the other", () => a.hellos.length > 1 && other.hellos.length > 0);
    for (let round = 0; round < 40; round++) {
      expect(a.endpoint.nodeConnection(2)).toBe(toB);
      b.endpoint.send(toA, heartbeat(round));
      for (let i = 0; i < 3; i++)
        other.endpoint.send(other.endpoint.nodeConnection(1)!, heartbeat(i));
      network.run(100);
    }
  });
});
