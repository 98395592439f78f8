/** Known bugs of real Raft implementations, one test each, named by its number in the list: reads,
 *  membership and identity. */

import { describe, expect, it } from "vitest";
import { Cluster } from "./cluster.ts";
import { TIMINGS } from "./test-node.ts";
import { heartbeat, identityOf, Solo, vote } from "./solo.ts";

describe("C: reads", () => {
  it("C30, C32: a deposed leader answers no read, whatever arrives late", () => {
    const cluster = new Cluster({ voters: [1, 2, 3] });
    cluster.elect(1);
    cluster.run(100);
    const isOne = (e: { from: { id: number }; to: number }): boolean =>
      e.to === 1 || e.from.id === 1;
    cluster.timeout(2);
    cluster.deliverAll(isOne);
    cluster.propose(2);
    cluster.deliverAll(isOne);
    expect(cluster.core(2).commitIndex).toBe(3);
    expect(cluster.core(1).role).toBe("leader");
    cluster.read(1, 7);
    cluster.deliverAll();
    expect(cluster.node(1).reads.get(7)).toBeNull();
  });

  it("C31: a new leader answers reads only after a commit of its own term", () => {
    const solo = new Solo({ log: [1, 1] }).lead();
    solo.core.readIndex(1, solo.nowMs);
    solo.settle();
    solo.step(2, {
      type: "heartbeatReply",
      term: 2,
      round: solo.lastRound(),
      durableIndex: 2,
      commitIndex: 0,
    });
    expect(solo.reads.size).toBe(0);
    solo.ack(2, 3);
    solo.step(2, {
      type: "heartbeatReply",
      term: 2,
      round: solo.lastRound(),
      durableIndex: 3,
      commitIndex: 0,
    });
    expect([...solo.reads]).toEqual([[1, 3]]);
  });

  it("C33: after a restart of all, reads wait until everything acknowledged is committed again", () => {
    const cluster = new Cluster({ voters: [1, 2, 3] });
    cluster.elect(1);
    for (let i = 0; i < 5; i++) cluster.propose(1);
    cluster.run(200);
    for (const id of [1, 2, 3]) cluster.restart(id);
    cluster.drop();
    expect(cluster.read(1, 1)).toBe(false);
    cluster.elect(1);
    cluster.read(1, 2);
    cluster.run(100);
    expect(cluster.node(1).reads.get(2)).toBe(7);
  });

  it("C37: whoever heard of a newer term names no leader of the older one", () => {
    const solo = new Solo();
    solo.step(2, heartbeat(1, 0));
    solo.nowMs += 1000;
    solo.step(3, vote(2, 0, 0));
    expect(solo.core.leader).toBeNull();
    expect(solo.events.at(-1)).toMatchObject({ type: "leader", leader: null, term: 2 });
  });

  it("C38: a transfer leaves no lease behind: reads after it need a round in the old leader's term, which fails", () => {
    const cluster = new Cluster({ voters: [1, 2, 3] });
    cluster.elect(1);
    cluster.run(100);
    cluster.transfer(1, 2);
    cluster.read(1, 1);
    cluster.deliverAll();
    expect(cluster.core(2).role).toBe("leader");
    const index = cluster.node(1).reads.get(1);
    expect(index === null || index === 1).toBe(true);
    expect(cluster.read(1, 2)).toBe(false);
  });

  it("C39: a transfer whose target is silent blocks writes for one election timeout, reads or not", () => {
    const cluster = new Cluster({ voters: [1, 2, 3] });
    cluster.elect(1);
    cluster.run(100);
    cluster.transfer(1, 2);
    cluster.crash(2);
    expect(cluster.propose(1)).toBeNull();
    for (let i = 0; i < 13; i++) {
      cluster.read(1, i);
      cluster.run(50);
    }
    expect(cluster.propose(1)).toBe(2);
  });
});

describe("D: membership and identity", () => {
  it("D40: no membership change before a commit of the own term", () => {
    const solo = new Solo({ log: [1], learners: [4] }).lead();
    expect(solo.core.proposeConfiguration({ type: "remove", id: 4 }, 0)).toMatchObject({
      ok: false,
      reason: expect.stringContaining("its term"),
    });
    solo.ack(2, 2);
    expect(solo.core.proposeConfiguration({ type: "remove", id: 4 }, 0).ok).toBe(true);
  });

  it("D43: a truncated configuration is rolled back, a durable one survives a restart", () => {
    const cluster = new Cluster({ voters: [1, 2, 3], outsiders: [4] });
    cluster.elect(1);
    cluster.run(100);
    cluster.change(1, { type: "addLearner", id: 4, incarnation: "i4" });
    cluster.drop();
    cluster.restart(1);
    expect(cluster.core(1).configuration.index).toBe(2);
    cluster.timeout(2);
    cluster.deliverAll((e) => e.from.id === 1);
    cluster.run(300);
    expect(cluster.core(1).configuration.index).toBe(0);
  });

  it("D44: a removed node that never learns of it disturbs nobody", () => {
    const cluster = new Cluster({ voters: [1, 2, 3, 4] });
    cluster.elect(1);
    cluster.run(100);
    cluster.crash(4);
    cluster.change(1, { type: "remove", id: 4 });
    cluster.run(300);
    cluster.restart(4);
    cluster.run(20 * TIMINGS.electionMaxMs);
    expect([cluster.core(1).role, cluster.core(1).term]).toEqual(["leader", 1]);
    expect(cluster.core(4).term).toBe(1);
  });

  it("D47, H14: a wiped voter under a new incarnation is not counted, nor does it campaign", () => {
    const solo = new Solo({ voters: [1, 2, 3] });
    solo.pass(TIMINGS.electionMaxMs);
    const wiped = identityOf(2, "wiped", "b9");
    solo.step(wiped, { type: "preVoteReply", term: 1, round: 1, answer: "granted", askedTerm: 1 });
    expect(solo.core.role).toBe("pre-candidate");
    solo.answerLast(3, "preVote");
    solo.step(wiped, { type: "voteReply", term: 1, round: 2, answer: "granted" });
    expect(solo.core.role).toBe("candidate");
    solo.answerLast(3, "vote");
    solo.ack(wiped, 1);
    expect(solo.core.commitIndex).toBe(0);
    const cluster = new Cluster({ voters: [1, 2, 3] });
    cluster.wipe(2, "new");
    cluster.run(5000, () => true);
    expect(cluster.core(2).role).toBe("follower");
  });

  it("D47: a voter that lost its log under its old incarnation is noticed and no longer counted", () => {
    const cluster = new Cluster({ voters: [1, 2, 3] });
    cluster.elect(1);
    cluster.propose(1);
    cluster.run(200);
    cluster.crash(3);
    cluster.wipe(2, "i2");
    cluster.run(200);
    expect(cluster.node(1).events).toContainEqual({
      type: "lostData",
      peer: 2,
      matchIndex: 2,
      durableIndex: 0,
    });
    cluster.propose(1);
    cluster.run(200);
    expect(cluster.core(1).commitIndex).toBe(2);
  });

  it("D48: two leaders in one term stop the node that sees them, loudly", () => {
    const solo = new Solo();
    solo.step(2, heartbeat(1, 0));
    expect(() => solo.step(3, heartbeat(1, 0))).toThrow(/Election Safety/);
  });
});
