/** Linearizable reads by the sentences of thesis §6.4 and §8. */

import { describe, expect, it } from "vitest";
import { TIMINGS } from "./test-node.ts";
import { heartbeat, Solo } from "./solo.ts";

/** A leader of three whose no-op is committed. */
function leading(): Solo {
  const solo = new Solo().lead();
  solo.ack(2, 1);
  solo.messages = [];
  return solo;
}

function confirm(solo: Solo, id: number, round: number): void {
  solo.step(id, {
    type: "heartbeatReply",
    term: solo.core.term,
    round,
    durableIndex: 1,
    commitIndex: 0,
  });
}

describe("thesis §6.4 ReadIndex", () => {
  it("waits for a majority to answer a round sent after the read arrived", () => {
    const solo = leading();
    const before = solo.lastRound();
    solo.core.readIndex(1, solo.nowMs);
    solo.settle();
    const round = solo.lastTo(2, "heartbeat")?.round ?? 0;
    expect(round).toBeGreaterThan(before);
    confirm(solo, 2, before);
    expect(solo.reads.size).toBe(0);
    confirm(solo, 2, round);
    expect([...solo.reads]).toEqual([[1, 1]]);
  });

  it("a read that arrives while a round is under way waits for the next one", () => {
    const solo = leading();
    solo.core.readIndex(1, solo.nowMs);
    solo.settle();
    const first = solo.lastTo(2, "heartbeat")?.round ?? 0;
    solo.core.readIndex(2, solo.nowMs);
    solo.core.readIndex(3, solo.nowMs);
    solo.settle();
    confirm(solo, 2, first);
    expect([...solo.reads.keys()]).toEqual([1]);
    const second = solo.lastTo(2, "heartbeat")?.round ?? 0;
    expect(second).toBeGreaterThan(first);
    confirm(solo, 3, second);
    expect([...solo.reads.keys()]).toEqual([1, 2, 3]);
  });

  it("a later round serves when the first one was lost", () => {
    const solo = leading();
    solo.core.readIndex(1, solo.nowMs);
    solo.settle();
    solo.pass(TIMINGS.heartbeatMs);
    confirm(solo, 2, solo.lastTo(2, "heartbeat")?.round ?? 0);
    expect([...solo.reads]).toEqual([[1, 1]]);
  });

  it("one voter's doubled answer is one confirmation", () => {
    const solo = new Solo({ voters: [1, 2, 3, 4, 5] }).lead([2, 3]);
    solo.ack(2, 1);
    solo.ack(3, 1);
    solo.core.readIndex(1, solo.nowMs);
    solo.settle();
    const round = solo.lastTo(2, "heartbeat")?.round ?? 0;
    for (let i = 0; i < 3; i++) confirm(solo, 2, round);
    expect(solo.reads.size).toBe(0);
    confirm(solo, 3, round);
    expect(solo.reads.size).toBe(1);
  });

  it("fails when leadership is lost, though the round is answered later", () => {
    const solo = leading();
    solo.core.readIndex(1, solo.nowMs);
    solo.core.readIndex(2, solo.nowMs);
    solo.settle();
    const round = solo.lastTo(2, "heartbeat")?.round ?? 0;
    solo.step(3, heartbeat(5, 0));
    confirm(solo, 2, round);
    expect([...solo.reads]).toEqual([
      [1, null],
      [2, null],
    ]);
  });

  it("is refused by whoever does not lead", () => {
    const solo = new Solo();
    solo.step(3, heartbeat(1, 0));
    expect(solo.core.readIndex(1, solo.nowMs)).toEqual({ ok: false, leader: 3 });
  });

  it("a single voter answers at once after its own commit", () => {
    const solo = new Solo({ voters: [1] });
    solo.pass(1);
    expect(solo.core.commitIndex).toBe(1);
    solo.core.readIndex(1, solo.nowMs);
    solo.settle();
    expect([...solo.reads]).toEqual([[1, 1]]);
  });

  it("gives up when no entry of the term commits within an election timeout", () => {
    const solo = new Solo({ voters: [1, 2, 3] }).lead();
    solo.core.readIndex(1, solo.nowMs);
    for (let i = 0; i < 13; i++) {
      confirm(solo, 2, solo.lastRound());
      solo.pass(50);
    }
    expect([...solo.reads]).toEqual([[1, null]]);
  });
});
