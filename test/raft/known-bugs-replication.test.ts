/** Known bugs of real Raft implementations, one test each, named by its number in the list:
 *  replication and commit. */

import { describe, expect, it } from "vitest";
import { Cluster } from "./cluster.ts";
import { TIMINGS } from "./test-node.ts";
import { append, conflict, heartbeat, leading, Solo } from "./solo.ts";

describe("B: replication and commit", () => {
  it("B13: Figure 8: an entry of an older term on a majority is not committed by counting", () => {
    // Entry 2 of term 2 reaches four of five; the no-op of term 4 decides.
    const solo = new Solo({ voters: [1, 2, 3, 4, 5], log: [1, 2], term: 3 }).lead([2, 3]);
    solo.ack(2, 2);
    solo.ack(3, 2);
    solo.ack(4, 2);
    expect(solo.core.commitIndex).toBe(0);
    solo.ack(2, 3);
    solo.ack(3, 3);
    expect(solo.core.commitIndex).toBe(3);
  });

  it("B14, H6: a late or doubled append truncates nothing that it does not conflict with", () => {
    const solo = new Solo();
    solo.step(2, append(1, 0, 0, [1, 1, 1, 1], 2));
    for (const late of [append(1, 0, 0, [1]), append(1, 0, 0, []), append(1, 1, 1, [1, 1])]) {
      expect(solo.step(2, late)).toMatchObject([{ result: "matched", matchIndex: 4 }]);
      expect(solo.order).toBeNull();
      expect(solo.core.lastIndex).toBe(4);
    }
  });

  it("B15, H5: a follower never commits beyond what this message verified", () => {
    const solo = new Solo({ log: [1, 1, 2, 2] });
    solo.step(3, append(3, 1, 1, [1], 4));
    expect([solo.core.commitIndex, solo.core.lastIndex]).toEqual([2, 4]);
  });

  it("B15: a heartbeat commits nothing that this leader's appends have not verified here", () => {
    const solo = new Solo({ log: [1, 1, 2, 2] });
    solo.step(3, heartbeat(3, 4));
    expect(solo.core.commitIndex).toBe(0);
    solo.step(3, append(3, 1, 1, [1], 1));
    solo.step(3, heartbeat(3, 4));
    expect(solo.core.commitIndex).toBe(2);
  });

  it("B15: the leader's heartbeat names no more than the follower has acknowledged", () => {
    const solo = leading(2);
    solo.ack(3, 3);
    solo.messages = [];
    solo.pass(TIMINGS.heartbeatMs);
    expect(solo.core.commitIndex).toBe(3);
    expect(solo.lastTo(2, "heartbeat")).toMatchObject({ commitIndex: 1 });
    expect(solo.lastTo(3, "heartbeat")).toMatchObject({ commitIndex: 3 });
  });

  it("B16, H4: an acknowledgement states exactly what was verified, not the follower's last index", () => {
    const solo = new Solo({ log: [1, 1, 2, 2] });
    expect(solo.step(3, append(3, 1, 1, []))).toMatchObject([
      { result: "matched", matchIndex: 1, durableIndex: 4 },
    ]);
    expect(solo.step(3, append(3, 1, 1, [1]))).toMatchObject([
      { result: "matched", matchIndex: 2 },
    ]);
    expect(solo.step(3, heartbeat(3, 0))).toMatchObject([
      { type: "heartbeatReply", durableIndex: 4 },
      // The heartbeat names less than was verified: the acknowledgement is repeated.
      { type: "appendReply", result: "matched", matchIndex: 2 },
    ]);
  });

  it("B17, H7: a late success lowers neither matchIndex nor nextIndex", () => {
    const solo = leading(3);
    while (solo.sends.length > 0) solo.sendAll();
    const old = solo.lastRound();
    solo.pass(1);
    solo.ack(2, 4);
    solo.step(2, {
      type: "appendReply",
      term: 1,
      round: old - 1,
      result: "matched",
      prevIndex: 2,
      matchIndex: 2,
      hintIndex: 2,
      hintTerm: 0,
      durableIndex: 2,
    });
    expect(solo.core.status().peers[0]).toMatchObject({
      matchIndex: 4,
      nextIndex: 5,
      state: "replicate",
    });
    expect(solo.core.commitIndex).toBe(4);
  });

  it("B18: a new leader that knows less does not lower a follower's commit index", () => {
    const solo = new Solo();
    solo.step(2, append(1, 0, 0, [1, 1, 1], 3));
    solo.step(3, append(2, 3, 1, [2], 1));
    solo.step(3, heartbeat(2, 0));
    expect(solo.core.commitIndex).toBe(3);
  });

  it("B19, H7: doubled and stale conflicts move nextIndex once, and never to 0 or below matchIndex", () => {
    const solo = new Solo({ log: [1, 1, 1] }).lead();
    solo.sendAll();
    const round = solo.lastRound();
    conflict(solo, 2, round, 3, 0, 0);
    const next = (): unknown => solo.core.status().peers[0]?.nextIndex;
    expect(next()).toBe(1);
    solo.sendAll();
    for (let i = 0; i < 3; i++) conflict(solo, 2, round, 3, 0, 0);
    expect(next()).toBe(1);
    expect(solo.sends.filter((send) => send.to === 2)).toEqual([]);
    solo.ack(2, 4);
    for (let i = 0; i < 3; i++) conflict(solo, 2, round, 3, 0, 0);
    expect(solo.core.status().peers[0]).toMatchObject({ matchIndex: 4, nextIndex: 5 });
  });

  it("B19: a conflict that hints below matchIndex does not bring nextIndex there", () => {
    const solo = leading(4);
    while (solo.sends.length > 0) solo.sendAll();
    solo.ack(2, 3);
    conflict(solo, 2, solo.lastRound(), 4, 3, 0);
    expect(solo.core.status().peers[0]).toMatchObject({ matchIndex: 3, nextIndex: 4 });
  });

  it("B20: a conflict moves neither matchIndex nor commitIndex", () => {
    const solo = leading(2);
    while (solo.sends.length > 0) solo.sendAll();
    conflict(solo, 2, solo.lastRound(), 2, 1, 1);
    expect(solo.core.status().peers[0]?.matchIndex).toBe(1);
    expect(solo.core.commitIndex).toBe(1);
  });

  it("B21: a leader alone commits only what its disk holds", () => {
    const solo = new Solo({ voters: [1] });
    solo.pass(1);
    expect(solo.core.commitIndex).toBe(1);
    solo.autoDisk = false;
    solo.core.propose(1, 100);
    const first = solo.core.writeStarted();
    solo.core.propose(1, 100);
    expect(solo.core.commitIndex).toBe(1);
    solo.core.writeDone(first, solo.nowMs);
    expect(solo.core.commitIndex).toBe(2);
  });

  it("B23: a conflict at or below the commit index truncates nothing: it is a divergence", () => {
    const solo = new Solo();
    solo.step(2, append(1, 0, 0, [1, 1], 2));
    expect(solo.step(3, append(2, 0, 0, [2, 2]))).toMatchObject([{ result: "diverged" }]);
    expect([solo.core.lastIndex, solo.core.termAt(1)]).toEqual([2, 1]);
  });

  it("B24: an append with a gap or with falling terms is dropped", () => {
    const solo = new Solo();
    const one = { firstIndex: 1, lastIndex: 1, term: 1 };
    for (const second of [
      { firstIndex: 3, lastIndex: 3, term: 1 },
      { firstIndex: 2, lastIndex: 1, term: 1 },
      { firstIndex: 2, lastIndex: 2, term: 0 },
    ]) {
      const records = [one, second];
      expect(
        solo.step(2, {
          type: "append",
          term: 1,
          round: 1,
          prevIndex: 0,
          prevTerm: 0,
          commitIndex: 0,
          records,
        }),
      ).toEqual([]);
      expect([solo.order, solo.core.lastIndex]).toEqual([null, 0]);
    }
  });

  it("B29: a new leader commits what it inherited without any traffic", () => {
    const cluster = new Cluster({ voters: [1, 2, 3], logs: { 1: [1, 1], 2: [1, 1], 3: [1, 1] } });
    cluster.elect(2);
    expect(cluster.core(2).commitIndex).toBe(3);
  });
});
