/** A leader without a majority, or without a disk, steps down (thesis §6.2). */

import { describe, expect, it } from "vitest";
import { TIMINGS } from "./test-node.ts";
import { Solo } from "./solo.ts";

describe("check-quorum", () => {
  it("a leader that hears no majority for an election timeout follows, and names the silent", () => {
    const solo = new Solo().lead();
    solo.nowMs = solo.core.nextDeadlineMs();
    solo.pass(TIMINGS.electionMaxMs - 51);
    expect(solo.core.role).toBe("leader");
    solo.pass(51);
    expect(solo.core.role).toBe("follower");
    expect(solo.core.term).toBe(1);
    const reason = solo.events.findLast((event) => event.type === "role")?.reason;
    expect(reason).toMatch(/^nothing heard from nodes 2 and 3 for \d+ ms: 1 of 3 voters left$/);
  });

  it("one answering follower of two is enough", () => {
    const solo = new Solo().lead();
    for (let i = 0; i < 60; i++) {
      solo.step(3, {
        type: "heartbeatReply",
        term: 1,
        round: solo.lastRound(),
        durableIndex: 0,
        commitIndex: 0,
      });
      solo.pass(50);
    }
    expect(solo.core.role).toBe("leader");
  });

  it("a learner's answers do not keep a leader", () => {
    const solo = new Solo({ voters: [1, 2], learners: [3] }).lead();
    for (let i = 0; i < 13; i++) {
      solo.step(3, {
        type: "heartbeatReply",
        term: 1,
        round: solo.lastRound(),
        durableIndex: 0,
        commitIndex: 0,
      });
      solo.pass(50);
    }
    expect(solo.core.role).toBe("follower");
  });

  it("F63: a leader whose own disk owes a write for four election timeouts steps down and does not campaign", () => {
    const solo = new Solo().lead();
    solo.autoDisk = false;
    solo.core.propose(1, 100);
    const write = solo.core.writeStarted();
    const heartbeats = (4 * TIMINGS.electionMaxMs) / TIMINGS.heartbeatMs;
    for (let i = 0; i < heartbeats; i++) {
      expect(solo.core.role).toBe("leader");
      solo.step(2, {
        type: "heartbeatReply",
        term: 1,
        round: solo.lastRound(),
        durableIndex: 0,
        commitIndex: 0,
      });
      solo.pass(50);
    }
    expect(solo.core.role).toBe("follower");
    const reason = solo.events.findLast((event) => event.type === "role")?.reason;
    expect(reason).toBe("this node's own disk has not completed a write for 2400 ms");
    solo.pass(5 * TIMINGS.electionMaxMs);
    expect(solo.core.role).toBe("follower");
    solo.core.writeDone(write, solo.nowMs);
    solo.pass(1);
    expect(solo.core.role).toBe("pre-candidate");
  });
});

describe("deadlines", () => {
  it("a tick before the deadline does nothing, a tick at it moves it", () => {
    const solo = new Solo().lead();
    solo.ack(2, 1);
    solo.ack(3, 1);
    for (let i = 0; i < 200; i++) {
      const deadlineMs = solo.core.nextDeadlineMs();
      expect(deadlineMs).toBeGreaterThan(solo.nowMs);
      solo.messages = [];
      solo.pass(deadlineMs - solo.nowMs - 0.001);
      expect(solo.messages).toEqual([]);
      expect(solo.core.nextDeadlineMs()).toBe(deadlineMs);
      solo.pass(0.002);
      solo.answerHeartbeat(2);
    }
    expect(solo.core.role).toBe("leader");
  });

  it("a learner without a leader has nothing to wake up for", () => {
    const solo = new Solo({ id: 4, learners: [4] });
    expect(solo.core.nextDeadlineMs() - solo.nowMs).toBe(3_600_000);
  });
});
