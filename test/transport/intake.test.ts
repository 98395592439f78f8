/** Whose large frames come in: turns, shares of the window, room; and many clients that send to one
 *  node at once. */

import { describe, expect, it } from "vitest";
import { HEADER_BYTES } from "../../src/transport/datagram.ts";
import { type Incomer, Intake, UNASKED_BYTES } from "../../src/transport/intake.ts";
import { Network } from "./harness.ts";

const MIB = 1_048_576;
const WINDOW_BYTES = 400_000;
const PART_BYTES = 25_000;

function stage(heldBytes: (() => number) | null = () => 0) {
  const begun: number[] = [];
  const forgotten: number[] = [];
  const intake = new Intake({ windowBytes: WINDOW_BYTES, bytesMax: 64 * MIB, heldBytes });
  const incomer = (id: number, totalBytes = MIB): Incomer => ({
    totalBytes,
    partBytes: PART_BYTES,
    heardMs: 0,
    begin: () => void begun.push(id),
    forget: () => void forgotten.push(id),
  });
  return { intake, incomer, begun, forgotten };
}

describe("the intake of large frames", () => {
  it("lets in as many as have a few parts each in the window, and the others in order", () => {
    const { intake, incomer, begun } = stage();
    const all = [1, 2, 3, 4, 5, 6, 7].map((id) => incomer(id));
    const entered = all.map((one) => intake.enter(one, 0));
    expect(entered).toEqual(["begun", "begun", "begun", "begun", "wait", "wait", "wait"]);
    const windows = all.map((one) => intake.windowBytes(one));
    expect(windows).toEqual([100_000, 100_000, 100_000, 100_000, 0, 0, 0]);
    intake.turn(1);
    expect(begun).toEqual([]);
    intake.leave(all[2]!);
    intake.turn(2);
    intake.leave(all[0]!);
    intake.turn(3);
    expect(begun).toEqual([5, 6]);
  });

  it("gives one alone the whole window, and shares it with each that comes", () => {
    const { intake, incomer } = stage();
    const [first, second] = [incomer(1), incomer(2)];
    intake.enter(first, 0);
    expect(intake.windowBytes(first)).toBe(WINDOW_BYTES);
    intake.enter(second, 0);
    expect(intake.windowBytes(first)).toBe(WINDOW_BYTES / 2);
    intake.leave(second);
    expect(intake.windowBytes(first)).toBe(WINDOW_BYTES);
  });

  it("makes none wait that is no larger than what is sent unasked", () => {
    const { intake, incomer } = stage(() => 100 * MIB);
    for (let id = 1; id <= 6; id++) intake.enter(incomer(id), 0);
    expect(intake.enter(incomer(7, UNASKED_BYTES), 0)).toBe("begun");
  });

  it("lets nothing more in while its owner holds much, but always one when it holds nothing", () => {
    let held = 7.5 * MIB;
    const { intake, incomer, begun } = stage(() => held);
    expect(intake.enter(incomer(1), 0)).toBe("wait");
    intake.turn(1);
    expect(begun).toEqual([]);
    held = 6.5 * MIB;
    intake.turn(2);
    expect(begun).toEqual([1]);
    const other = stage(() => 0);
    expect(other.intake.enter(other.incomer(1, 20 * MIB), 0)).toBe("begun");
  });

  it("passes on the turn of one that fell silent, and counts it again when it is heard", () => {
    const { intake, incomer, begun } = stage();
    const all = [1, 2, 3, 4].map((id) => incomer(id));
    for (const one of all) intake.enter(one, 0);
    for (const one of all.slice(1)) intake.heard(one, 600);
    const waiting = incomer(5);
    waiting.heardMs = 600;
    expect(intake.enter(waiting, 600)).toBe("begun");
    expect(begun).toEqual([]);
    intake.heard(all[0]!, 700);
    intake.heard(waiting, 700);
    expect(intake.enter(incomer(6), 700)).toBe("wait");
  });

  it("lets in the first that waits after a while, however much its owner holds", () => {
    const { intake, incomer, begun } = stage(() => 100 * MIB);
    for (const id of [1, 2]) expect(intake.enter(incomer(id), 0)).toBe("wait");
    intake.turn(249);
    expect(begun).toEqual([]);
    intake.turn(250);
    expect(begun).toEqual([1]);
    intake.turn(499);
    expect(begun).toEqual([1]);
    intake.turn(500);
    expect(begun).toEqual([1, 2]);
  });

  it("passes on the turn of one that goes on too slowly, for good", () => {
    const { intake, incomer, begun } = stage();
    const slow = [1, 2, 3, 4].map((id) => incomer(id));
    for (const one of slow) intake.enter(one, 0);
    const [fifth, sixth] = [incomer(5), incomer(6)];
    expect(intake.enter(fifth, 0)).toBe("wait");
    for (let nowMs = 100; nowMs <= 1_000; nowMs += 100) {
      for (const one of [...slow, fifth]) intake.heard(one, nowMs);
      intake.turn(nowMs);
    }
    expect(begun).toEqual([]);
    for (const one of [...slow, fifth]) intake.heard(one, 1_100);
    intake.turn(1_100);
    expect(begun).toEqual([5]);
    for (const one of slow) intake.heard(one, 1_200);
    expect(intake.enter(sixth, 1_200)).toBe("begun");
    expect(intake.windowBytes(sixth)).toBe(WINDOW_BYTES / 2);
  });

  it("forgets one that waits and asks no more", () => {
    const { intake, incomer, begun, forgotten } = stage();
    for (let id = 1; id <= 6; id++) intake.enter(incomer(id), 0);
    intake.turn(2_000);
    expect(forgotten).toEqual([5, 6]);
    expect(begun).toEqual([]);
  });

  it("has no turns for nodes, and the whole window for each of their streams", () => {
    const { intake, incomer } = stage(null);
    const all = Array.from({ length: 20 }, (_, id) => incomer(id));
    expect(all.map((one) => intake.enter(one, 0))).toEqual(all.map(() => "begun"));
    expect(intake.windowBytes(all[19]!)).toBe(WINDOW_BYTES);
  });
});

describe("many clients that send large frames to one node", () => {
  it("never have more in flight than its receive buffer holds, and all of it arrives", () => {
    const receiveWindowBytes = 212_992;
    const clients = 15;
    const frameBytes = 150_000;
    const network = new Network({ receiveWindowBytes, delayMs: [0.3, 0.6] });
    const node = network.node({ id: 1, boot: 1 });
    const all = Array.from({ length: clients }, (_, at) => network.client({ boot: 100 + at }));
    for (const client of all) client.endpoint.greet(node.address, network.nowMs);
    network.runUntil("all met", () => all.every(({ hellos }) => hellos.length > 0));
    network.run(200);
    network.seen.length = 0;
    for (const [at, { endpoint }] of all.entries()) {
      const body = new Uint8Array(frameBytes).fill(at);
      const [connection] = endpoint.connections();
      endpoint.send(connection!, { type: "request", requestId: 1, hops: 0, body });
      expect(endpoint.isSending(connection!, 1)).toBe(true);
    }
    let most = 0;
    network.runUntil("all arrived", () => {
      most = Math.max(most, network.bytesTo(node.address));
      return node.frames.length === clients;
    });
    expect(most).toBeLessThan(receiveWindowBytes);
    expect(new Set(node.frames.map(({ connection }) => connection)).size).toBe(clients);
    network.run(1_000);
    for (const { endpoint } of all)
      expect(endpoint.isSending(endpoint.connections()[0]!, 1)).toBe(false);
    const { port } = node.address;
    const sent = network.seen.filter(({ to }) => to.port === port);
    const sentBytes = sent.reduce((sum, { datagram }) => sum + datagram.length - HEADER_BYTES, 0);
    expect(sentBytes).toBeLessThan(clients * frameBytes * 1.5);
  });
});
