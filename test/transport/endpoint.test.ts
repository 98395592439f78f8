/** Meeting, sending and dropping, over the in-memory network. */

import { describe, expect, it } from "vitest";
import type { Frame } from "../../src/transport/types.ts";
import { Network, metPair } from "./harness.ts";

const heartbeat = (round: number): Frame => ({ type: "raft", message: { type: "heartbeat", term: 3, round, commitIndex: 9 } });

describe("frames between met nodes", () => {
  it("arrive in order, in one datagram, and measure the round trip", () => {
    const { network, a, b, toB } = metPair();
    const before = a.endpoint.counters.datagramsOut;
    for (let round = 0; round < 20; round++) a.endpoint.send(toB, heartbeat(round));
    network.run(50);
    expect(a.endpoint.counters.datagramsOut - before).toBe(1);
    expect(b.frames.map(({ frame }) => frame)).toEqual(Array.from({ length: 20 }, (_, round) => heartbeat(round)));
    expect(toB.rttMs).toBeGreaterThan(0);
    expect(toB.rttMs).toBeLessThan(1);
  });

  it("larger than a datagram arrive whole, with 30% loss, duplicates and reordering", () => {
    const { network, a, b, toB } = metPair({ seed: 7, loss: 0.3, duplication: 0.1, delayMs: [0.1, 3] });
    const bytes = Uint8Array.from({ length: 2 * 1_048_576 }, (_, i) => (i * 31) & 255);
    const head = { type: "append", term: 3, round: 1, prevIndex: 4, prevTerm: 2, commitIndex: 4, records: [] } as const;
    a.endpoint.send(toB, { type: "raft", message: head, prevChain: 77, bytes });
    network.runUntil("the append", () => b.frames.length > 0, 60_000);
    const frame = b.frames[0]!.frame;
    expect(frame).toMatchObject({ type: "raft", message: head, prevChain: 77 });
    expect(frame.type === "raft" && Buffer.compare(frame.bytes!, bytes)).toBe(0);
  });
});

describe("clients", () => {
  it("greet a node, ask and are answered", () => {
    const network = new Network();
    const node = network.node({ id: 1, boot: 1 });
    const client = network.client({ boot: 9 });
    client.endpoint.greet(node.address, network.nowMs);
    network.runUntil("hello", () => client.hellos.length === 1);
    client.endpoint.send(client.hellos[0]!.connection, { type: "request", requestId: 1, hops: 0, body: Uint8Array.of(1, 2) });
    network.runUntil("request", () => node.frames.length === 1);
    const { connection } = node.frames[0]!;
    expect(connection.remote.kind).toBe("client");
    node.endpoint.send(connection, { type: "response", requestId: 1, body: Uint8Array.of(3) });
    network.runUntil("response", () => client.frames.length === 1);
    expect(node.hellos).toEqual([]);
  });
});
