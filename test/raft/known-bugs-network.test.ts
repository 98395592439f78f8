/** Known bugs of real Raft implementations, one test each, named by its number in the list:
 *  liveness, time, and what breaks on UDP. */

import { describe, expect, it } from "vitest";
import { Cluster } from "./cluster.ts";
import { append, conflict, heartbeat, leading, membersOf, preVote, Solo, vote } from "./solo.ts";

describe("G: liveness and time", () => {
  it("G65: with one node that reaches both halves of a cluster there is one stable leader", () => {
    // 1 - 2 - 3, 4 - 2 - 5: every pair but those with node 2 is cut.
    const cluster = new Cluster({ voters: [1, 2, 3, 4, 5] });
    cluster.elect(1);
    cluster.run(100);
    const isCut = (e: { from: { id: number }; to: number }): boolean =>
      e.from.id !== 2 && e.to !== 2;
    cluster.run(8000, isCut);
    const { term } = cluster.core(2);
    expect(cluster.core(2).role).toBe("leader");
    cluster.run(5000, isCut);
    expect([cluster.core(2).role, cluster.core(2).term]).toEqual(["leader", term]);
  });

  it("G67: a node that sends but does not hear raises no term", () => {
    const cluster = new Cluster({ voters: [1, 2, 3] });
    cluster.elect(1);
    cluster.run(10_000, (e) => e.to === 3);
    expect([cluster.core(1).role, cluster.core(1).term, cluster.core(3).term]).toEqual([
      "leader",
      1,
      1,
    ]);
  });

  it("G67: a leader that does not hear makes room for one that does", () => {
    const cluster = new Cluster({ voters: [1, 2, 3] });
    cluster.elect(1);
    cluster.run(5000, (e) => e.to === 1);
    expect(cluster.core(1).role).not.toBe("leader");
    expect([2, 3].filter((id) => cluster.core(id).role === "leader")).toHaveLength(1);
  });

  it("G69: only the current leader, a granted vote and the own election restart the election timer", () => {
    const solo = new Solo({ term: 5, log: [1, 5] });
    const deadlineMs = solo.core.nextDeadlineMs();
    solo.nowMs += 50;
    for (const message of [
      heartbeat(4, 0),
      append(4, 0, 0, [4]),
      vote(4, 9, 9),
      vote(6, 1, 1),
      preVote(9, 9, 9),
      { type: "heartbeatReply", term: 5, round: 0, durableIndex: 0, commitIndex: 0 } as const,
    ]) {
      solo.step(2, message);
      expect(solo.core.nextDeadlineMs()).toBe(deadlineMs);
    }
    solo.step(2, vote(7, 9, 9));
    expect(solo.core.nextDeadlineMs()).not.toBe(deadlineMs);
  });

  it("G70: a clock that steps back changes nothing", () => {
    const solo = new Solo().lead();
    const deadlineMs = solo.core.nextDeadlineMs();
    solo.core.tick(-1e9);
    expect([solo.core.role, solo.core.nextDeadlineMs()]).toEqual(["leader", deadlineMs]);
  });

  it("G72: what is under way to a dead peer stays bounded", () => {
    const solo = leading(90);
    let bytes = 0;
    for (let i = 0; i < 200; i++) {
      bytes += solo.sendAll().filter((send) => send.to === 3).length * 100;
      solo.answerHeartbeat(2);
      solo.pass(50);
    }
    expect(bytes).toBeLessThan(3000);
    for (let i = 0; i < 1000; i++) solo.core.propose(1, 100);
    expect(solo.core.lastIndex).toBeLessThanOrEqual(101);
  });
});

describe("H: what breaks on UDP", () => {
  it("H2: answers of an older term count neither as acknowledgement nor as contact", () => {
    const solo = new Solo({ term: 4 }).lead();
    solo.step(2, {
      type: "appendReply",
      term: 4,
      round: solo.lastRound(),
      result: "matched",
      prevIndex: 1,
      matchIndex: 1,
      hintIndex: 1,
      hintTerm: 0,
      durableIndex: 1,
    });
    expect(solo.core.commitIndex).toBe(0);
    expect(solo.core.status().peers[0]).toMatchObject({ matchIndex: 0 });
  });

  it("H8: an answer of a former reign does not keep the present one", () => {
    const solo = new Solo().lead();
    for (let i = 0; i < 13; i++) {
      solo.step(2, {
        type: "heartbeatReply",
        term: 0,
        round: solo.lastRound(),
        durableIndex: 0,
        commitIndex: 0,
      });
      solo.pass(50);
    }
    expect(solo.core.role).toBe("follower");
  });

  it("H8: the same late answer over and over does not keep a leader", () => {
    const solo = new Solo().lead();
    const round = solo.lastRound();
    for (let i = 0; i < 13; i++) {
      solo.step(2, { type: "heartbeatReply", term: 1, round, durableIndex: 0, commitIndex: 0 });
      solo.pass(50);
    }
    expect(solo.core.role).toBe("follower");
  });

  it("H9: one acknowledgement commits everything below it at once", () => {
    const solo = leading(5);
    solo.ack(3, 6);
    expect(solo.core.commitIndex).toBe(6);
  });

  it("H12: a leader that learns of a newer term handles the message as a follower of that term", () => {
    const solo = leading(2);
    expect(solo.step(3, append(9, 1, 1, [9], 2))).toMatchObject([
      { type: "appendReply", term: 9, matchIndex: 2 },
    ]);
    expect([solo.core.role, solo.core.lastIndex, solo.core.commitIndex]).toEqual([
      "follower",
      2,
      2,
    ]);
  });

  it("H15: a late snapshot is acknowledged and changes nothing", () => {
    const solo = new Solo({ log: [1, 1, 1, 2], commitIndex: 2 });
    const configuration = { index: 0, members: membersOf([1, 2, 3]) };
    for (const [lastIndex, lastTerm] of [
      [2, 1],
      [3, 1],
    ] as const) {
      expect(
        solo.step(2, {
          type: "installSnapshot",
          term: 2,
          round: 1,
          lastIndex,
          lastTerm,
          configuration,
        }),
      ).toMatchObject([{ result: "matched", matchIndex: lastIndex }]);
      expect([solo.order, solo.core.lastIndex]).toEqual([null, 4]);
    }
  });

  it("H16: answers to old rounds move nothing back", () => {
    const solo = leading(4);
    const rounds = solo.sendAllTo(2);
    conflict(solo, 2, rounds[1] ?? 0, 2, 1, 1);
    while (solo.sends.length > 0) solo.sendAll();
    for (const round of rounds) conflict(solo, 2, round, 3, 1, 1);
    expect(solo.core.status().peers[0]).toMatchObject({ state: "replicate", nextIndex: 6 });
  });

  it("H16: nor do those that name another term than the leader's, once one has led to a probe", () => {
    const solo = leading(4);
    const rounds = solo.sendAllTo(2);
    conflict(solo, 2, rounds[1] ?? 0, 2, 1, 0);
    expect(solo.core.status().peers[0]).toMatchObject({ state: "probe" });
    while (solo.sends.length > 0) solo.sendAll();
    solo.ack(2, 1);
    for (const round of rounds) conflict(solo, 2, round, 3, 1, 0);
    expect(solo.core.status().peers[0]).toMatchObject({ state: "replicate", matchIndex: 1 });
  });
});
