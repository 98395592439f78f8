/** Known bugs of real Raft implementations, one test each, named by its number in the list: votes
 *  and elections. */

import { describe, expect, it } from "vitest";
import { Cluster } from "./cluster.ts";
import { TIMINGS } from "./test-node.ts";
import { heartbeat, identityOf, preVote, Solo, vote } from "./solo.ts";

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
