/** Leader election by the sentences of §5.1, §5.2 and §5.4.1, with pre-vote and withheld votes
 *  (thesis §4.2.3, §9.6). */

import { describe, expect, it } from "vitest";
import { Cluster } from "./cluster.ts";
import { TIMINGS } from "./test-node.ts";
import { append, heartbeat, identityOf, membersOf, preVote, Solo, vote } from "./solo.ts";

describe("§5.1 terms", () => {
  it("a node whose term is smaller than another's updates it", () => {
    const solo = new Solo({ term: 3 });
    solo.step(2, heartbeat(5, 0));
    expect(solo.core.term).toBe(5);
  });

  it("a leader that finds its term out of date follows at once", () => {
    const solo = new Solo().lead();
    solo.step(3, append(9, 0, 0, [9]));
    expect(solo.core.role).toBe("follower");
    expect(solo.core.leader).toBe(3);
  });

  it("a leader learns of a newer term from an answer, too", () => {
    const solo = new Solo().lead();
    solo.step(3, { type: "heartbeatReply", term: 9, round: 1, durableIndex: 0, commitIndex: 0 });
    expect([solo.core.role, solo.core.term, solo.core.leader]).toEqual(["follower", 9, null]);
  });

  it("a request with a stale term is refused with the current one", () => {
    const solo = new Solo({ term: 4 });
    expect(solo.step(2, append(3, 0, 0, [3]))).toMatchObject([
      { type: "appendReply", term: 4, result: "conflict" },
    ]);
    expect(solo.step(2, heartbeat(3, 0))).toMatchObject([{ type: "heartbeatReply", term: 4 }]);
    expect(solo.step(2, vote(3, 9, 3))).toMatchObject([
      { type: "voteReply", term: 4, answer: "refused" },
    ]);
    expect(solo.core.leader).toBeNull();
    expect(solo.core.lastIndex).toBe(0);
  });
});

describe("§5.2 leader election", () => {
  it("servers start up as followers", () => {
    expect(new Solo().core.role).toBe("follower");
  });

  it("a follower that hears nothing over an election timeout begins an election", () => {
    const solo = new Solo();
    expect(solo.core.nextDeadlineMs()).toBeGreaterThanOrEqual(solo.nowMs + TIMINGS.electionMinMs);
    expect(solo.core.nextDeadlineMs()).toBeLessThan(solo.nowMs + TIMINGS.electionMaxMs);
    solo.pass(TIMINGS.electionMaxMs);
    expect(solo.core.role).toBe("pre-candidate");
  });

  it("a follower stays one as long as it hears a leader", () => {
    const solo = new Solo();
    for (let i = 0; i < 100; i++) {
      solo.step(2, heartbeat(1, 0, i));
      solo.pass(TIMINGS.electionMinMs - 1);
      expect(solo.core.role).toBe("follower");
    }
  });

  it("a candidate increments its term, votes for itself and asks the others", () => {
    const solo = new Solo({ term: 4 });
    solo.pass(TIMINGS.electionMaxMs);
    solo.answerLast(2, "preVote");
    expect(solo.core.role).toBe("candidate");
    expect(solo.core.term).toBe(5);
    expect(solo.core.status().votedFor).toMatchObject({ id: 1, incarnation: "i1", bootId: "b1" });
    expect(solo.lastTo(2, "vote")).toMatchObject({ term: 5 });
    expect(solo.lastTo(3, "vote")).toMatchObject({ term: 5 });
  });

  it("a candidate wins with the votes of a majority, not with fewer", () => {
    const solo = new Solo({ voters: [1, 2, 3, 4, 5] });
    solo.pass(TIMINGS.electionMaxMs);
    for (const id of [2, 3]) solo.answerLast(id, "preVote");
    solo.answerLast(2, "vote");
    expect(solo.core.role).toBe("candidate");
    solo.answerLast(3, "vote");
    expect(solo.core.role).toBe("leader");
    expect(solo.events).toContainEqual(
      expect.objectContaining({ role: "leader", votes: [1, 2, 3] }),
    );
  });

  it("a server votes for at most one candidate in a term, first come first served", () => {
    const solo = new Solo();
    expect(solo.step(2, vote(1, 0, 0))).toMatchObject([{ answer: "granted", term: 1 }]);
    expect(solo.step(3, vote(1, 0, 0))).toMatchObject([{ answer: "refused", term: 1 }]);
    expect(solo.step(3, vote(2, 0, 0))).toMatchObject([{ answer: "granted", term: 2 }]);
  });

  it("a new leader sends heartbeats at once", () => {
    const solo = new Solo().lead();
    expect(solo.lastTo(2, "heartbeat")).toBeDefined();
    expect(solo.lastTo(3, "heartbeat")).toBeDefined();
  });

  it("a candidate that hears a leader of its term follows it", () => {
    const solo = new Solo();
    solo.pass(TIMINGS.electionMaxMs);
    solo.answerLast(2, "preVote");
    solo.step(3, heartbeat(1, 0));
    expect([solo.core.role, solo.core.leader, solo.core.term]).toEqual(["follower", 3, 1]);
  });

  it("a candidate that hears a leader of an older term stays a candidate", () => {
    const solo = new Solo({ term: 4 });
    solo.pass(TIMINGS.electionMaxMs);
    solo.answerLast(2, "preVote");
    solo.step(3, heartbeat(4, 0));
    expect(solo.core.role).toBe("candidate");
  });

  it("a candidate that neither wins nor loses tries again after a timeout", () => {
    const solo = new Solo();
    solo.pass(TIMINGS.electionMaxMs);
    solo.answerLast(2, "preVote");
    solo.pass(TIMINGS.electionMaxMs);
    expect(solo.core.role).toBe("pre-candidate");
    solo.answerLast(2, "preVote");
    expect([solo.core.role, solo.core.term]).toEqual(["candidate", 2]);
  });

  it("election timeouts are random, the same for one seed and spread over the interval", () => {
    const draw = (seed: number): number => new Solo({ seed }).core.nextDeadlineMs() - 1000;
    expect(draw(5)).toBe(draw(5));
    const drawn = Array.from({ length: 200 }, (_, seed) => draw(seed));
    expect(Math.min(...drawn)).toBeLessThan(TIMINGS.electionMinMs + 30);
    expect(Math.max(...drawn)).toBeGreaterThan(TIMINGS.electionMaxMs - 30);
  });

  it("votes are asked again from whoever has not answered", () => {
    const solo = new Solo();
    solo.pass(TIMINGS.electionMaxMs);
    solo.answerLast(2, "preVote");
    solo.messages = [];
    solo.pass(TIMINGS.heartbeatMs);
    expect(solo.lastTo(2, "vote")).toBeDefined();
    expect(solo.lastTo(3, "vote")).toBeDefined();
  });

  it("a leader alone in its cluster leads at once, in a new term after every start", () => {
    const cluster = new Cluster({ voters: [1] });
    cluster.run(10);
    expect([cluster.core(1).role, cluster.core(1).term]).toEqual(["leader", 1]);
    cluster.propose(1);
    expect(cluster.core(1).commitIndex).toBe(2);
    cluster.restart(1);
    cluster.run(10);
    expect([cluster.core(1).term, cluster.core(1).commitIndex]).toEqual([2, 3]);
  });

  it("an idle cluster keeps its leader and its term", () => {
    const cluster = new Cluster({ voters: [1, 2, 3] });
    cluster.run(3 * TIMINGS.electionMaxMs);
    expect([1, 2, 3].filter((id) => cluster.core(id).role === "leader")).toHaveLength(1);
    const { term } = cluster.core(1);
    cluster.run(30_000);
    expect(cluster.core(1).term).toBe(term);
  });

  it("reasons are sentences that name the silent leader", () => {
    const solo = new Solo();
    solo.step(2, heartbeat(1, 0));
    solo.pass(TIMINGS.electionMaxMs);
    const event = solo.events.findLast((e) => e.type === "role");
    expect(event).toMatchObject({
      role: "pre-candidate",
      reason: "nothing heard from leader 2 for 600 ms",
    });
  });
});

describe("§5.4.1 election restriction", () => {
  it.each([
    ["a later last term wins, however short the log", vote(9, 1, 6), "granted"],
    ["an earlier last term loses, however long the log", vote(9, 99, 4), "refused"],
    ["with equal last terms a longer log wins", vote(9, 4, 5), "granted"],
    ["an equal log wins", vote(9, 3, 5), "granted"],
    ["with equal last terms a shorter log loses", vote(9, 2, 5), "refused"],
  ])("%s", (_, request, answer) => {
    const solo = new Solo({ log: [1, 5, 5] });
    expect(solo.step(2, request)).toMatchObject([{ type: "voteReply", answer, term: 9 }]);
  });
});

describe("thesis §9.6 pre-vote", () => {
  it("changes no term, no vote and no timer, neither when asked nor when granted", () => {
    const solo = new Solo();
    const deadlineMs = solo.core.nextDeadlineMs();
    expect(solo.step(2, preVote(1, 0, 0))).toMatchObject([
      { type: "preVoteReply", answer: "granted", term: 1 },
    ]);
    expect([solo.core.term, solo.core.status().votedFor]).toEqual([0, null]);
    expect(solo.core.nextDeadlineMs()).toBe(deadlineMs);
  });

  it("is refused with the own term, which the asker adopts", () => {
    const solo = new Solo({ term: 8 });
    expect(solo.step(2, preVote(6, 0, 0))).toMatchObject([
      { answer: "refused", term: 8, askedTerm: 6 },
    ]);
    const asker = new Solo({ term: 5 });
    asker.pass(TIMINGS.electionMaxMs);
    asker.step(2, { type: "preVoteReply", term: 8, round: 1, answer: "refused", askedTerm: 6 });
    expect([asker.core.role, asker.core.term]).toEqual(["follower", 8]);
  });

  it("is refused to a log that is behind", () => {
    expect(new Solo({ log: [1, 2] }).step(2, preVote(5, 1, 1))).toMatchObject([
      { answer: "refused", term: 2 },
    ]);
  });

  it("whoever refuses for its longer log, and finds its leader silent too, campaigns at once instead", () => {
    const solo = new Solo({ log: [1, 1] });
    solo.step(3, heartbeat(1, 0));
    solo.nowMs += TIMINGS.electionMinMs;
    expect(solo.step(2, preVote(2, 1, 1))).toMatchObject([
      { type: "preVoteReply", answer: "refused" },
      { type: "preVote", term: 2, lastIndex: 2 },
      { type: "preVote", term: 2, lastIndex: 2 },
    ]);
    expect(solo.core.role).toBe("pre-candidate");
  });

  it.each([
    ["a leader is alive", 1, 2, preVote(2, 1, 1)],
    ["no leader of this term was heard: another may be winning it", 0, 2, preVote(2, 1, 1)],
    ["the asker is no voter", TIMINGS.electionMinMs, 9, preVote(2, 1, 1)],
    ["it is the asker's term that is too old", TIMINGS.electionMinMs, 2, preVote(1, 1, 1)],
  ])("whoever refuses waits on when %s", (_, silentMs, asker, request) => {
    const solo = new Solo({ log: [1, 1] });
    if (silentMs > 0) solo.step(3, heartbeat(1, 0));
    solo.nowMs += silentMs;
    solo.step(asker, request);
    expect(solo.core.role).toBe("follower");
  });

  it("of two that ask at the same moment the one with the higher id lets the other go first", () => {
    const cluster = new Cluster({ voters: [1, 2, 3] });
    cluster.node(3).up = false;
    cluster.pass(TIMINGS.electionMaxMs);
    cluster.tick(2);
    cluster.tick(1);
    cluster.deliverAll();
    expect([1, 2].map((id) => cluster.core(id).role)).toEqual(["leader", "follower"]);
    expect(cluster.core(1).term).toBe(1);
  });

  it("and goes on soon when nothing comes of it, and does not step aside again", () => {
    const solo = new Solo({ id: 2 });
    solo.pass(TIMINGS.electionMaxMs);
    solo.step(1, preVote(1, 0, 0));
    solo.answerLast(1, "preVote");
    expect(solo.core.role).toBe("pre-candidate");
    expect(solo.core.nextDeadlineMs()).toBeLessThanOrEqual(solo.nowMs + TIMINGS.heartbeatMs);
    solo.step(1, preVote(1, 0, 0));
    solo.pass(TIMINGS.heartbeatMs);
    expect([solo.core.role, solo.core.term]).toEqual(["candidate", 1]);
  });

  it("whoever asks first with the lower id steps aside for nobody", () => {
    const solo = new Solo({ id: 1 });
    solo.pass(TIMINGS.electionMaxMs);
    solo.step(2, preVote(1, 0, 0));
    solo.answerLast(2, "preVote");
    expect(solo.core.role).toBe("candidate");
  });

  it("an asker that is alone never raises its term", () => {
    const solo = new Solo();
    for (let i = 0; i < 50; i++) solo.pass(TIMINGS.electionMaxMs);
    expect([solo.core.role, solo.core.term]).toEqual(["pre-candidate", 0]);
  });
});

describe("thesis §4.2.3 withheld votes", () => {
  it("while a leader is alive neither vote nor pre-vote is given and no term adopted", () => {
    const solo = new Solo();
    solo.step(2, heartbeat(1, 0));
    expect(solo.step(3, preVote(2, 9, 9))).toMatchObject([{ answer: "withheld" }]);
    expect(solo.step(3, vote(2, 9, 9))).toMatchObject([{ answer: "withheld", term: 1 }]);
    expect([solo.core.term, solo.core.leader]).toEqual([1, 2]);
    solo.nowMs += TIMINGS.electionMinMs;
    expect(solo.step(3, vote(2, 9, 9))).toMatchObject([{ answer: "granted", term: 2 }]);
  });

  it("a leader withholds, too", () => {
    const solo = new Solo().lead();
    expect(solo.step(3, vote(7, 9, 9))).toMatchObject([{ answer: "withheld", term: 1 }]);
    expect(solo.core.role).toBe("leader");
  });

  it("an ordered candidacy is not withheld (thesis §3.10)", () => {
    const solo = new Solo();
    solo.step(2, heartbeat(1, 0));
    expect(solo.step(3, vote(2, 9, 9, true))).toMatchObject([{ answer: "granted", term: 2 }]);
  });

  it("the leader itself is believed when it campaigns: it leads no more", () => {
    const solo = new Solo();
    solo.step(2, heartbeat(1, 0));
    expect(solo.step(identityOf(2, "i2", "b2-again"), preVote(2, 9, 9))).toMatchObject([
      { answer: "granted" },
    ]);
  });
});

describe("who answers and who campaigns", () => {
  it("a learner answers by its term and log, and never campaigns", () => {
    const solo = new Solo({ id: 4, learners: [4] });
    expect(solo.step(2, vote(1, 0, 0))).toMatchObject([{ answer: "granted" }]);
    solo.pass(10 * TIMINGS.electionMaxMs);
    expect(solo.core.role).toBe("follower");
  });

  it("a candidate that this node's configuration does not know is answered all the same", () => {
    expect(new Solo().step(9, vote(1, 0, 0))).toMatchObject([{ answer: "granted" }]);
  });

  it("a leader that this node's configuration does not know is followed all the same", () => {
    const solo = new Solo();
    solo.step(9, append(1, 0, 0, [1]));
    expect([solo.core.leader, solo.core.lastIndex]).toEqual([9, 1]);
  });

  it("a damaged node follows and acknowledges, but neither votes nor campaigns until the damage is passed", () => {
    const solo = new Solo({ log: [1, 1], voteFromCommitIndex: 2 });
    expect(solo.core.status().mute).toMatch(/damaged/);
    expect(solo.step(2, vote(2, 2, 1))).toMatchObject([{ answer: "refused", term: 2 }]);
    solo.pass(TIMINGS.electionMaxMs);
    expect(solo.core.role).toBe("follower");
    expect(solo.step(3, append(3, 2, 1, [3], 3))).toMatchObject([
      { result: "matched", matchIndex: 3 },
    ]);
    expect(solo.core.status().mute).toBeNull();
    solo.pass(TIMINGS.electionMaxMs);
    expect(solo.core.role).toBe("pre-candidate");
  });

  it("a node whose damage may hide other members neither votes nor campaigns before it is healed", () => {
    const founding = { index: 0, members: membersOf([1, 2, 3, 4, 5]) };
    const later = { index: 1, members: membersOf([1, 2, 3, 4]) };
    const configurations = [founding];
    const solo = new Solo({ configurations, membersKnown: false, runs: [], lastIndex: 1, term: 1 });
    const { core } = solo;
    solo.pass(TIMINGS.electionMaxMs);
    expect(core.role).toBe("follower");
    expect(solo.step(2, vote(2, 9, 2))).toMatchObject([{ answer: "refused", term: 2 }]);
    core.logHealed([{ firstIndex: 1, term: 1 }], [founding, later], false);
    solo.settle();
    expect([core.termAt(1), core.configuration]).toEqual([1, later]);
    expect(core.status().mute).toBeNull();
    solo.pass(TIMINGS.electionMaxMs);
    expect(core.role).toBe("pre-candidate");
    expect(solo.lastTo(4, "preVote")).toBeDefined();
    expect(solo.lastTo(5, "preVote")).toBeUndefined();
  });

  it("a node whose truncation reached back behind damage campaigns no more before it is healed", () => {
    const solo = new Solo({ log: [1, 1] });
    const { core } = solo;
    solo.pass(TIMINGS.electionMaxMs);
    expect(core.role).toBe("pre-candidate");
    core.logHidden();
    expect(core.role).toBe("follower");
    solo.pass(10 * TIMINGS.electionMaxMs);
    expect(core.role).toBe("follower");
    expect(solo.step(2, vote(2, 2, 1))).toMatchObject([{ answer: "refused" }]);
    core.logHealed([{ firstIndex: 1, term: 1 }], [core.configuration], true);
    solo.pass(2 * TIMINGS.electionMaxMs);
    expect(core.role).not.toBe("follower");
  });

  it("a term that was guessed, because damage hides the entry, gives way to the leader's", () => {
    // Entries 2 and 3 are hidden, and were of term 2 like entry 4.
    const runs = [
      { firstIndex: 1, term: 1 },
      { firstIndex: 4, term: 2 },
    ];
    const solo = new Solo({ membersKnown: false, runs, lastIndex: 4, term: 2 });
    const order = solo.core.step(
      identityOf(2),
      {
        type: "append",
        term: 3,
        round: 1,
        prevIndex: 1,
        prevTerm: 1,
        commitIndex: 0,
        records: [{ firstIndex: 2, lastIndex: 4, term: 1 }],
      },
      0,
    );
    expect(order).toEqual({ truncateFrom: 2, appendFrom: 2, install: false });
    expect([solo.core.termAt(4), solo.core.lastIndex]).toEqual([1, 4]);
  });

  it("a damaged node votes again once it is whole, though nobody can tell it a commit index", () => {
    const solo = new Solo({ log: [1, 1], voteFromCommitIndex: 2 });
    const { core } = solo;
    core.logHealed([{ firstIndex: 1, term: 1 }], [core.configuration], false);
    expect(solo.step(2, vote(2, 2, 1))).toMatchObject([{ answer: "refused" }]);
    core.logHealed([{ firstIndex: 1, term: 1 }], [core.configuration], true);
    expect(solo.step(2, vote(3, 2, 1))).toMatchObject([{ answer: "granted" }]);
  });
});

describe("the longest silence of a leader", () => {
  it("is the longest time between two of its messages, of whatever kind, in its term", () => {
    const solo = new Solo();
    solo.step(2, heartbeat(1, 0));
    for (const [ms, longestMs] of [
      [40, 40],
      [90, 90],
      [60, 90],
    ] as const) {
      solo.nowMs += ms;
      solo.step(2, heartbeat(1, 0));
      expect(solo.core.status().longestSilenceMs).toBe(longestMs);
    }
    solo.nowMs += 70;
    solo.step(3, heartbeat(2, 0));
    expect(solo.core.status().longestSilenceMs).toBe(0);
  });

  it("counts one in which an election was tried and not wanted by the others", () => {
    const solo = new Solo();
    solo.step(2, heartbeat(1, 0));
    solo.pass(TIMINGS.electionMaxMs);
    expect(solo.core.role).toBe("pre-candidate");
    solo.pass(20);
    solo.step(2, heartbeat(1, 0));
    expect(solo.core.status().longestSilenceMs).toBe(TIMINGS.electionMaxMs + 20);
  });
});
