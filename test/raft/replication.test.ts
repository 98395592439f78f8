/** Log replication by the sentences of §5.3 and Figure 2, and how the leader sends. */

import { describe, expect, it } from "vitest";
import { Cluster } from "./cluster.ts";
import { TIMINGS } from "./test-node.ts";
import { append, heartbeat, leading, Solo } from "./solo.ts";

describe("§5.3 the follower", () => {
  it("refuses an append when it has no entry at prevIndex with prevTerm", () => {
    const solo = new Solo({ log: [1, 1] });
    expect(solo.step(2, append(2, 5, 2, [2]))).toMatchObject([
      { result: "conflict", prevIndex: 5, hintIndex: 2, hintTerm: 1 },
    ]);
    expect(solo.step(2, append(2, 2, 2, [2]))).toMatchObject([
      { result: "conflict", prevIndex: 2, hintIndex: 2, hintTerm: 1 },
    ]);
    expect(solo.core.lastIndex).toBe(2);
  });

  it("appends entries that it does not have", () => {
    const solo = new Solo({ log: [1] });
    expect(solo.step(2, append(2, 1, 1, [2, 2]))).toMatchObject([
      { result: "matched", matchIndex: 3, durableIndex: 3 },
    ]);
    expect(solo.order).toEqual({ truncateFrom: null, appendFrom: 2, install: false });
  });

  it("deletes a conflicting entry and all that follow it", () => {
    const solo = new Solo({ log: [1, 1, 2, 2, 2] });
    solo.step(2, append(3, 2, 1, [3]));
    expect(solo.order).toEqual({ truncateFrom: 3, appendFrom: 3, install: false });
    expect([solo.core.lastIndex, solo.core.termAt(3)]).toEqual([3, 3]);
  });

  it("skips entries that it has and takes the rest of the message", () => {
    const solo = new Solo({ log: [1, 1, 2] });
    solo.step(2, append(3, 1, 1, [1, 3, 3]));
    expect(solo.order).toEqual({ truncateFrom: 3, appendFrom: 3, install: false });
    expect(solo.core.lastIndex).toBe(4);
  });

  it("raises its commit index to the leader's", () => {
    const solo = new Solo({ log: [1] });
    solo.step(2, append(2, 1, 1, [2, 2], 2));
    expect(solo.core.commitIndex).toBe(2);
  });

  it("hints past all entries of terms that the leader cannot have there", () => {
    const solo = new Solo({ log: [1, 1, 4, 4, 4, 5, 5] });
    expect(solo.step(2, append(6, 6, 3, []))).toMatchObject([
      { result: "conflict", hintIndex: 2, hintTerm: 1 },
    ]);
  });

  it("takes a record of several entries as a whole", () => {
    const solo = new Solo({ log: [1] });
    const records = [{ firstIndex: 2, lastIndex: 5, term: 2 }];
    solo.step(2, {
      type: "append",
      term: 2,
      round: 1,
      prevIndex: 1,
      prevTerm: 1,
      commitIndex: 0,
      records,
    });
    expect([solo.core.lastIndex, solo.core.termAt(4)]).toEqual([5, 2]);
  });

  it("acknowledges only what is durable, once, when it is", () => {
    const solo = new Solo();
    solo.step(2, heartbeat(1, 0));
    solo.autoDisk = false;
    expect(solo.step(2, append(1, 0, 0, [1, 1]))).toEqual([]);
    const first = solo.core.writeStarted();
    expect(solo.step(2, append(1, 2, 1, [1], 0, 2))).toEqual([]);
    solo.core.writeDone(first, solo.nowMs);
    expect(solo.settle()).toMatchObject([{ result: "matched", matchIndex: 2, round: 2 }]);
    const second = solo.core.writeStarted();
    solo.core.writeDone(second, solo.nowMs);
    expect(solo.settle()).toMatchObject([{ result: "matched", matchIndex: 3 }]);
  });

  it("acknowledges a repeated append at once with what is durable", () => {
    const solo = new Solo();
    solo.step(2, append(1, 0, 0, [1, 1]));
    solo.autoDisk = false;
    expect(solo.step(2, append(1, 0, 0, [1], 0, 5))).toMatchObject([
      { result: "matched", matchIndex: 2, round: 5 },
    ]);
    expect(solo.order).toBeNull();
  });

  it("a write counts only for what it wrote: a truncation meanwhile takes it away", () => {
    const solo = new Solo();
    solo.step(2, heartbeat(1, 0));
    solo.autoDisk = false;
    solo.step(2, append(1, 0, 0, [1, 1, 1]));
    const write = solo.core.writeStarted();
    solo.step(3, append(2, 1, 1, [2]));
    solo.finishHardWrite();
    solo.core.writeDone(write, solo.nowMs);
    expect(solo.settle()).toMatchObject([{ term: 2, result: "matched", matchIndex: 1 }]);
    expect(solo.core.durableIndex).toBe(1);
    solo.core.writeDone(solo.core.writeStarted(), solo.nowMs);
    expect(solo.settle()).toMatchObject([{ matchIndex: 2 }]);
  });
});

describe("§5.3 the leader", () => {
  it("probes a new follower with one message, then sends without waiting", () => {
    const solo = new Solo({ log: [1] }).lead();
    for (let i = 0; i < 5; i++) solo.core.propose(1, 100);
    solo.settle();
    expect(solo.sends.filter((send) => send.to === 3)).toMatchObject([{ fromIndex: 2 }]);
    solo.sendAllTo(2);
    expect(solo.sends).toEqual([]);
    solo.ack(3, 2);
    for (const fromIndex of [3, 4, 5, 6, 7]) {
      expect(solo.sends.filter((send) => send.to === 3)).toMatchObject([{ fromIndex }]);
      solo.sendAll();
    }
    expect(solo.sends).toEqual([]);
  });

  it("a peer of which nothing is known yet is probed where the no-op is, also when it is met anew", () => {
    const solo = new Solo({ log: [1, 1, 1] }).lead();
    solo.sendAll();
    for (const id of [2, 3])
      solo.core.peerBooted({ id, incarnation: `i${id}`, bootId: "again" }, solo.nowMs);
    solo.settle();
    expect(solo.sends).toMatchObject([
      { to: 2, fromIndex: 4 },
      { to: 3, fromIndex: 4 },
    ]);
  });

  it("keeps the bytes in flight within the bound and within the peer's window", () => {
    const solo = new Solo().lead();
    solo.sendAll();
    solo.ack(2, 1);
    solo.core.setPeerWindow(2, 500, 1_000);
    for (let i = 0; i < 30; i++) solo.core.propose(1, 100);
    solo.settle();
    let sent = 0;
    for (; solo.sends.some((send) => send.to === 2); sent++) solo.sendAll(100);
    expect(sent).toBe(5);
    solo.ack(2, 3);
    expect(solo.sends).toMatchObject([{ to: 2, fromIndex: 7, bytesMax: 200 }]);
  });

  it("sends again from matchIndex + 1 what is not acknowledged in time", () => {
    const solo = new Solo().lead();
    solo.sendAll();
    solo.ack(2, 1);
    for (let i = 0; i < 3; i++) solo.core.propose(1, 100);
    solo.settle();
    while (solo.sends.length > 0) solo.sendAll();
    solo.pass(250);
    expect(solo.sends.filter((send) => send.to === 2)).toMatchObject([{ fromIndex: 2 }]);
  });

  it("asks first where much was sent, and sends it again when the answer tells of nothing", () => {
    const solo = leading(1);
    solo.sendAll(2_000);
    solo.pass(5);
    expect(solo.sends).toEqual([]);
    const { round } = solo.lastTo(2, "heartbeat") ?? { round: 0 };
    solo.pass(10);
    expect(solo.sends).toEqual([]);
    expect(solo.lastTo(2, "heartbeat")?.round).toBeGreaterThan(round);
    const reply = { type: "heartbeatReply", term: 1, durableIndex: 1, commitIndex: 1 } as const;
    solo.step(2, { ...reply, round: solo.lastRound() });
    expect(solo.sends).toEqual([]);
    solo.pass(20);
    expect(solo.sends).toMatchObject([{ to: 2, fromIndex: 2 }]);
    expect(solo.core.status().peers[0]).toMatchObject({ state: "replicate" });
  });

  it("asks again for an order that the node never reported", () => {
    const solo = new Solo().lead();
    solo.sends = [];
    solo.pass(250);
    expect(solo.sends.map((send) => send.to)).toEqual([2, 3]);
  });

  it("an order of which nothing could be read is given again after a while, not at once", () => {
    const solo = new Solo().lead();
    solo.sendAll();
    solo.ack(2, 1);
    solo.core.propose(1, 100);
    solo.settle();
    const order = solo.sends.pop();
    expect(order).toMatchObject({ to: 2, fromIndex: 2 });
    solo.sends = [];
    solo.core.sent(2, 1, 1, 1, 0, solo.nowMs);
    solo.settle();
    expect(solo.sends).toEqual([]);
    solo.pass(250);
    expect(solo.sends.filter((send) => send.to === 2)).toMatchObject([{ fromIndex: 2 }]);
  });

  it("sends only heartbeats to a peer that does not answer, and entries again with its first answer", () => {
    const solo = new Solo().lead();
    solo.sendAll();
    for (let i = 0; i < 100; i++) {
      solo.ack(2, 1);
      solo.pass(25);
      solo.sendAll();
    }
    solo.sends = [];
    solo.messages = [];
    solo.pass(300);
    expect(solo.sends.filter((send) => send.to === 3)).toEqual([]);
    expect(solo.lastTo(3, "heartbeat")).toBeDefined();
    const round = solo.lastRound();
    solo.step(3, { type: "heartbeatReply", term: 1, round, durableIndex: 0, commitIndex: 0 });
    expect(solo.sends.filter((send) => send.to === 3)).toHaveLength(1);
  });

  it("skips a whole term of conflicting entries with one answer", () => {
    const solo = new Solo({ log: [1, 1, 4, 4, 5] }).lead();
    solo.sendAll();
    solo.step(2, {
      type: "appendReply",
      term: 6,
      round: solo.lastRound(),
      result: "conflict",
      prevIndex: 5,
      matchIndex: 0,
      hintIndex: 4,
      hintTerm: 3,
      durableIndex: 6,
    });
    expect(solo.sends).toMatchObject([{ to: 2, fromIndex: 3 }]);
  });

  it("one overtaken append costs one step back per round trip, not one per append", () => {
    const solo = new Solo().lead();
    solo.sendAll();
    solo.ack(2, 1);
    for (let i = 0; i < 6; i++) solo.core.propose(1, 100);
    solo.settle();
    const rounds = solo.sendAllTo(2);
    expect(rounds).toHaveLength(6);
    const gap = (round: number, prevIndex: number): void => {
      solo.step(2, {
        type: "appendReply",
        term: 1,
        round,
        result: "conflict",
        prevIndex,
        matchIndex: 0,
        hintIndex: 1,
        hintTerm: 1,
        durableIndex: 1,
      });
    };
    gap(rounds[1] ?? 0, 2);
    const resent = solo.sends.filter((send) => send.to === 2);
    expect(resent).toMatchObject([{ fromIndex: 2 }]);
    expect(solo.core.status().peers[0]).toMatchObject({ state: "replicate" });
    while (solo.sends.some((send) => send.to === 2)) solo.sendAll();
    for (const [at, round] of rounds.entries()) if (at > 1) gap(round, at + 1);
    expect(solo.sends.filter((send) => send.to === 2)).toEqual([]);
  });

  it("goes back to probing when a new process of the peer is met, from what was durable there", () => {
    const solo = new Solo().lead();
    solo.sendAll();
    solo.ack(2, 1);
    solo.core.peerBooted({ id: 2, incarnation: "i2", bootId: "again" }, solo.nowMs);
    expect(solo.core.status().peers[0]).toMatchObject({
      state: "probe",
      matchIndex: 1,
      nextIndex: 2,
    });
  });

  it("offers the first segment's head to a peer that needs entries from before the log's base", () => {
    const solo = new Solo({ baseIndex: 10, baseTerm: 2, log: [2, 3] }).lead();
    solo.sendAll();
    solo.step(2, {
      type: "appendReply",
      term: 4,
      round: solo.lastRound(),
      result: "conflict",
      prevIndex: 12,
      matchIndex: 0,
      hintIndex: 0,
      hintTerm: 0,
      durableIndex: 0,
    });
    expect(solo.snapshotsTo).toEqual([2]);
    solo.ack(2, 10);
    expect(solo.sends.filter((send) => send.to === 2)).toMatchObject([{ fromIndex: 11 }]);
  });

  it("heartbeats go on while appends are in flight", () => {
    const solo = new Solo().lead();
    solo.core.propose(1, 100);
    solo.sendAll();
    solo.messages = [];
    solo.pass(TIMINGS.heartbeatMs);
    expect(solo.lastTo(2, "heartbeat")).toBeDefined();
  });
});

describe("§7 InstallSnapshot", () => {
  const install = {
    type: "installSnapshot",
    term: 3,
    round: 1,
    lastIndex: 10,
    lastTerm: 2,
  } as const;
  const configuration = {
    index: 4,
    members: [{ id: 1, incarnation: "i1", role: "voter" }],
  } as const;

  it("replaces the whole log, and is acknowledged at its last index when durable", () => {
    const solo = new Solo({ log: [1, 1] });
    expect(solo.step(2, { ...install, configuration })).toMatchObject([
      { result: "matched", matchIndex: 10 },
    ]);
    expect(solo.order).toEqual({ truncateFrom: null, appendFrom: null, install: true });
    expect([solo.core.lastIndex, solo.core.commitIndex, solo.core.termAt(10)]).toEqual([10, 10, 2]);
    expect(solo.core.configuration).toEqual(configuration);
  });
});

describe("a slow follower", () => {
  it("catches up from an empty log while others go on", () => {
    const cluster = new Cluster({ voters: [1, 2, 3] });
    cluster.elect(1);
    cluster.crash(3);
    for (let i = 0; i < 50; i++) cluster.propose(1);
    cluster.run(2000);
    cluster.restart(3);
    cluster.run(2000);
    expect(cluster.core(3).commitIndex).toBe(51);
  });
});
