/** Commitment by the sentences of §5.3, §5.4.2 and §8, and bounds on what is uncommitted. */

import { describe, expect, it } from "vitest";
import { Cluster } from "./cluster.ts";
import { append, heartbeat, Solo } from "./solo.ts";

describe("§5.4.2 commitment", () => {
  it("an entry is committed once a majority holds it durably", () => {
    const solo = new Solo({ voters: [1, 2, 3, 4, 5] }).lead([2, 3]);
    solo.ack(2, 1);
    expect(solo.core.commitIndex).toBe(0);
    solo.ack(3, 1);
    expect(solo.core.commitIndex).toBe(1);
  });

  it("entries of earlier terms are never committed by counting, only with one of the own term", () => {
    const solo = new Solo({ log: [1, 2, 2] }).lead();
    solo.ack(2, 3);
    expect(solo.core.commitIndex).toBe(0);
    solo.ack(2, 4);
    expect(solo.core.commitIndex).toBe(4);
  });

  it("any majority commits: the leader's own disk need not be in it", () => {
    const solo = new Solo().lead();
    solo.autoDisk = false;
    solo.core.propose(1, 100);
    solo.ack(2, 2);
    expect([solo.core.commitIndex, solo.core.durableIndex]).toEqual([1, 1]);
    solo.ack(3, 2);
    expect([solo.core.commitIndex, solo.core.durableIndex]).toEqual([2, 1]);
  });

  it("the leader's own entry counts when its write ends, not when it begins", () => {
    const solo = new Solo().lead();
    solo.autoDisk = false;
    solo.ack(2, 1);
    solo.core.propose(1, 100);
    const write = solo.core.writeStarted();
    solo.ack(2, 2);
    expect(solo.core.commitIndex).toBe(1);
    solo.core.writeDone(write, solo.nowMs);
    expect(solo.core.commitIndex).toBe(2);
  });

  it("a no-op that the node has not appended yet is not in its batch", () => {
    const solo = new Solo({ voters: [1] });
    solo.autoDisk = false;
    solo.pass(0);
    const hardWrite = solo.hardWrites.pop();
    solo.core.hardStateDone(hardWrite?.writeId ?? 0, solo.nowMs);
    expect(solo.core.role).toBe("leader");
    expect(solo.core.propose(1, 1)).toMatchObject({ ok: false, reason: "busy" });
    solo.core.writeDone(solo.core.writeStarted(), solo.nowMs);
    expect([solo.core.durableIndex, solo.core.commitIndex]).toEqual([0, 0]);
    solo.settle();
    solo.core.writeDone(solo.core.writeStarted(), solo.nowMs);
    expect([solo.core.durableIndex, solo.core.commitIndex]).toEqual([1, 1]);
  });

  it("learners are not counted", () => {
    const solo = new Solo({ voters: [1, 2, 3], learners: [4, 5] }).lead();
    solo.ack(4, 1);
    solo.ack(5, 1);
    expect(solo.core.commitIndex).toBe(0);
  });

  it("a follower learns the commit index from heartbeats soon after, without traffic", () => {
    const cluster = new Cluster({ voters: [1, 2, 3] });
    cluster.elect(1);
    cluster.run(100);
    cluster.propose(1);
    cluster.run(10);
    expect(cluster.core(3).commitIndex).toBe(2);
  });
});

describe("§8 the no-op", () => {
  it("begins every leadership and commits what was inherited", () => {
    const cluster = new Cluster({ voters: [1, 2, 3], logs: { 1: [1, 1], 2: [1, 1], 3: [1] } });
    cluster.elect(1);
    cluster.run(100);
    expect([1, 2, 3].map((id) => cluster.core(id).commitIndex)).toEqual([3, 3, 3]);
    expect(cluster.terms(3)).toEqual([1, 1, 2]);
  });
});

describe("bounds on what is uncommitted", () => {
  it("too many entries: busy, until some are committed", () => {
    const solo = new Solo().lead();
    for (let i = 0; i < 99; i++) expect(solo.core.propose(1, 1).ok).toBe(true);
    expect(solo.core.propose(1, 1)).toEqual({ ok: false, reason: "busy", leader: 1 });
    solo.settle();
    solo.ack(2, 50);
    expect(solo.core.propose(1, 1)).toEqual({ ok: true, firstIndex: 101, term: 1 });
  });

  it("too many bytes: busy; a single record larger than the bound passes alone", () => {
    const solo = new Solo().lead();
    expect(solo.core.propose(1, 50_000).ok).toBe(true);
    expect(solo.core.propose(1, 1)).toMatchObject({ ok: false, reason: "busy" });
    solo.settle();
    solo.ack(2, 2);
    expect(solo.core.propose(1, 1).ok).toBe(true);
  });

  it("whoever does not lead names the leader", () => {
    const solo = new Solo();
    solo.step(3, heartbeat(1, 0));
    expect(solo.core.propose(1, 1)).toEqual({ ok: false, reason: "not leader", leader: 3 });
  });
});

describe("receipts", () => {
  it("name the voters whose disks hold an entry", () => {
    const solo = new Solo({ learners: [4] }).lead();
    solo.ack(3, 1);
    solo.ack(4, 1);
    expect(solo.core.holdersOf(1)).toEqual([1, 3]);
  });
});

describe("divergence on committed ground", () => {
  it("another term at or below the commit index stops voting and appending, and truncates nothing", () => {
    const solo = new Solo({ log: [1, 1, 1], commitIndex: 3 });
    expect(solo.step(2, append(2, 1, 1, [2]))).toMatchObject([
      { result: "diverged", matchIndex: 2 },
    ]);
    expect(solo.order).toBeNull();
    expect([solo.core.lastIndex, solo.core.status().mute]).toEqual([
      3,
      expect.stringContaining("index 2"),
    ]);
    expect(solo.events).toContainEqual({ type: "diverged", peer: 2, index: 2 });
    expect(solo.step(2, append(2, 3, 1, [2]))).toMatchObject([{ result: "diverged" }]);
    expect(solo.core.lastIndex).toBe(3);
  });

  it("another chain at the same index and term does the same, and the leader is told", () => {
    const solo = new Solo({ log: [1, 1] });
    expect(solo.step(2, append(2, 2, 1, [2]), 2)).toMatchObject([
      { result: "diverged", matchIndex: 2 },
    ]);
    solo.nowMs += 1000;
    expect(
      solo.step(3, { type: "vote", term: 9, round: 1, lastIndex: 9, lastTerm: 9, ordered: false }),
    ).toMatchObject([{ answer: "refused" }]);
    const leader = new Solo().lead();
    leader.step(2, {
      type: "appendReply",
      term: 1,
      round: leader.lastRound(),
      result: "diverged",
      prevIndex: 0,
      matchIndex: 1,
      hintIndex: 0,
      hintTerm: 0,
      durableIndex: 1,
    });
    expect(leader.core.status().peers[0]?.state).toBe("diverged");
    expect(leader.events).toContainEqual({ type: "diverged", peer: 2, index: 1 });
  });
});
