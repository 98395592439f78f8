/** What real Raft implementations got wrong, one test each, named by its number in the list of known bugs.
 *  Rows of disks, sessions and datagrams are tested in their own folders. */

import { describe, expect, it } from "vitest";
import { Cluster, TIMINGS } from "./cluster.ts";
import { append, heartbeat, identityOf, membersOf, preVote, Solo, vote } from "./solo.ts";

/** A leader of three whose no-op is committed, with `entries` more that nobody acknowledged. */
function leading(entries = 0): Solo {
  const solo = new Solo().lead();
  solo.sendAll();
  solo.ack(2, 1);
  for (let i = 0; i < entries; i++) solo.core.propose(1, 100);
  solo.settle();
  return solo;
}

function conflict(
  solo: Solo,
  from: number,
  round: number,
  prevIndex: number,
  hintIndex: number,
  hintTerm: number,
): void {
  solo.step(from, {
    type: "appendReply",
    term: solo.core.term,
    round,
    result: "conflict",
    prevIndex,
    matchIndex: 0,
    hintIndex,
    hintTerm,
    durableIndex: hintIndex,
  });
}

describe("A: votes and elections", () => {
  it("A1: a vote leaves only after it is durable, and a crash before that sends none", () => {
    const solo = new Solo();
    solo.autoDisk = false;
    expect(solo.step(2, vote(1, 0, 0))).toEqual([]);
    expect(solo.finishHardWrite()).toMatchObject([{ type: "voteReply", answer: "granted" }]);
  });

  it("A1: a candidate's own vote counts only when it is durable", () => {
    const solo = new Solo();
    solo.autoDisk = false;
    solo.pass(TIMINGS.electionMaxMs);
    solo.answerLast(2, "preVote");
    expect(solo.core.role).toBe("candidate");
    expect(solo.lastTo(2, "vote")).toBeUndefined();
    solo.step(2, { type: "voteReply", term: 1, round: 2, answer: "granted" });
    expect(solo.core.role).toBe("candidate");
    solo.finishHardWrite();
    expect(solo.core.role).toBe("leader");
  });

  it("A2: term and vote are written together, one write at a time", () => {
    const solo = new Solo();
    solo.autoDisk = false;
    solo.step(2, vote(1, 0, 0));
    solo.step(3, vote(2, 0, 0));
    expect(solo.hardWrites).toHaveLength(1);
    expect(solo.hardWrites[0]?.hardState).toMatchObject({ term: 1, votedFor: { id: 2 } });
    expect(solo.finishHardWrite()).toEqual([]);
    expect(solo.hardWrites[0]?.hardState).toMatchObject({ term: 2, votedFor: { id: 3 } });
    expect(solo.finishHardWrite()).toMatchObject([
      { type: "voteReply", term: 2, answer: "granted" },
    ]);
  });

  it("A3: terms go on after all nodes lost power at once", () => {
    const cluster = new Cluster({ voters: [1, 2, 3] });
    cluster.elect(1);
    cluster.propose(1);
    cluster.run(200);
    for (const id of [1, 2, 3]) cluster.crash(id);
    cluster.drop();
    for (const id of [1, 2, 3]) cluster.restart(id);
    cluster.elect(2);
    expect(cluster.core(2).term).toBe(2);
    cluster.run(200);
    expect(cluster.core(3).commitIndex).toBe(3);
  });

  it("A4, H1: a doubled vote is one vote", () => {
    const solo = new Solo({ voters: [1, 2, 3, 4, 5] });
    solo.pass(TIMINGS.electionMaxMs);
    for (const id of [2, 3]) solo.answerLast(id, "preVote");
    for (let i = 0; i < 5; i++) solo.answerLast(2, "vote");
    expect(solo.core.role).toBe("candidate");
  });

  it("A4: a voter that restarts and votes again is one voter", () => {
    const solo = new Solo({ voters: [1, 2, 3, 4, 5] });
    solo.pass(TIMINGS.electionMaxMs);
    for (const id of [2, 3]) solo.answerLast(id, "preVote");
    for (const bootId of ["b2", "b2-again"]) {
      solo.step(identityOf(2, "i2", bootId), {
        type: "voteReply",
        term: 1,
        round: 2,
        answer: "granted",
      });
    }
    expect(solo.core.role).toBe("candidate");
  });

  it("A5, H2: a vote of an older term or candidacy is not counted", () => {
    const solo = new Solo({ term: 4 });
    solo.pass(TIMINGS.electionMaxMs);
    solo.answerLast(2, "preVote");
    const old = solo.lastTo(2, "vote");
    solo.pass(TIMINGS.electionMaxMs);
    solo.answerLast(2, "preVote");
    expect([solo.core.role, solo.core.term]).toEqual(["candidate", 6]);
    solo.step(2, { type: "voteReply", term: 5, round: old?.round ?? 0, answer: "granted" });
    solo.step(2, { type: "voteReply", term: 5, round: solo.lastRound(), answer: "granted" });
    solo.step(2, { type: "voteReply", term: 6, round: old?.round ?? 0, answer: "granted" });
    expect(solo.core.role).toBe("candidate");
  });

  it("A6, H3: following in the same term keeps the vote, entering a new one frees it", () => {
    const solo = new Solo();
    solo.step(2, vote(1, 0, 0));
    solo.step(3, heartbeat(1, 0));
    expect(solo.core.status().votedFor).toMatchObject({ id: 2 });
    const leader = new Solo().lead();
    leader.pass(2 * TIMINGS.electionMaxMs);
    expect(leader.core.status().votedFor).toMatchObject({ id: 1 });
    solo.nowMs += 1000;
    expect(solo.step(3, vote(2, 0, 0))).toMatchObject([{ answer: "granted" }]);
  });

  it("A6: a restart keeps the vote", () => {
    const solo = new Solo({ term: 3, votedFor: identityOf(2) });
    expect(solo.step(3, vote(3, 9, 3))).toMatchObject([{ answer: "refused" }]);
    expect(solo.step(2, vote(3, 9, 3))).toMatchObject([{ answer: "granted" }]);
  });

  it("A7: a pre-vote takes no vote back, and its answer is no vote", () => {
    const solo = new Solo({ term: 1 });
    solo.step(2, vote(2, 0, 0));
    solo.pass(2 * TIMINGS.electionMaxMs);
    expect([solo.core.role, solo.core.status().votedFor]).toMatchObject([
      "pre-candidate",
      { id: 2 },
    ]);
    const candidate = new Solo();
    candidate.pass(TIMINGS.electionMaxMs);
    candidate.answerLast(2, "preVote");
    candidate.step(3, { type: "preVoteReply", term: 1, round: 2, answer: "granted", askedTerm: 1 });
    candidate.step(3, { type: "preVoteReply", term: 2, round: 2, answer: "granted", askedTerm: 2 });
    expect(candidate.core.role).toBe("candidate");
  });

  it("A8: the same candidate may ask again and gets the same answer", () => {
    const solo = new Solo();
    for (let i = 0; i < 3; i++)
      expect(solo.step(2, vote(1, 0, 0))).toMatchObject([{ answer: "granted" }]);
    expect(solo.step(identityOf(2, "i2", "other"), vote(1, 0, 0))).toMatchObject([
      { answer: "refused" },
    ]);
  });

  it("A9: no vote for a log that is behind, though its term is newer", () => {
    const solo = new Solo({ log: [1, 2] });
    expect(solo.step(2, vote(9, 5, 1))).toMatchObject([{ answer: "refused", term: 9 }]);
  });

  it("A10: a leader cut off with a minority commits nothing and follows the other side's when it returns", () => {
    const cluster = new Cluster({ voters: [1, 2, 3, 4, 5] });
    cluster.elect(1);
    cluster.run(100);
    const minority = [1, 2];
    const isCut = (e: { from: { id: number }; to: number }): boolean =>
      minority.includes(e.from.id) !== minority.includes(e.to);
    cluster.propose(1);
    cluster.run(3000, isCut);
    expect(cluster.core(1).commitIndex).toBe(1);
    expect([3, 4, 5].filter((id) => cluster.core(id).role === "leader")).toHaveLength(1);
    cluster.run(2000);
    const leaders = [1, 2, 3, 4, 5].filter((id) => cluster.core(id).role === "leader");
    expect(leaders).toHaveLength(1);
    cluster.oracle.logsMatch(cluster.nodes.values());
  });

  it("A11: granting a pre-vote does not delay an election, and a leader's own pre-vote is not withheld", () => {
    const solo = new Solo();
    solo.step(2, heartbeat(1, 0));
    const deadlineMs = solo.core.nextDeadlineMs();
    expect(solo.step(2, preVote(2, 0, 0))).toMatchObject([{ answer: "granted" }]);
    expect(solo.core.nextDeadlineMs()).toBe(deadlineMs);
  });
});

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
      solo.step(2, {
        type: "heartbeatReply",
        term: 1,
        round: solo.lastRound(),
        durableIndex: 1,
        commitIndex: 1,
      });
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
    expect(solo.core.status().peers[0]).toMatchObject({ matchIndex: 0, state: "probe" });
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
    const rounds: number[] = [];
    while (solo.sends.some((send) => send.to === 2))
      rounds.push(
        ...solo
          .sendAll()
          .filter((s) => s.to === 2)
          .map((s) => s.round),
      );
    conflict(solo, 2, rounds[1] ?? 0, 2, 1, 1);
    while (solo.sends.length > 0) solo.sendAll();
    for (const round of rounds) conflict(solo, 2, round, 3, 1, 1);
    expect(solo.core.status().peers[0]).toMatchObject({ state: "replicate", nextIndex: 6 });
  });
});
