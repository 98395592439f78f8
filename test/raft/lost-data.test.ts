/** A member whose disk lost what it had acknowledged: no longer counted, told so, and mute. */

import { describe, expect, it } from "vitest";
import type { LogIndex } from "../../src/base/types.ts";
import type { RaftMessage } from "../../src/raft/types.ts";
import { Cluster } from "./cluster.ts";
import { append, heartbeat, identityOf, preVote, Solo, vote } from "./solo.ts";
import { TIMINGS } from "./test-node.ts";

/** A leader of three in term 1 to which node 2 acknowledged entry 1 and perhaps entry 2. */
function leaderWith(matchIndex: LogIndex): Solo {
  const solo = new Solo({ voters: [1, 2, 3] }).lead();
  solo.core.propose(1, 100);
  solo.settle();
  solo.sendAll();
  solo.ack(2, matchIndex);
  return solo;
}

function heard(round: number, durableIndex: LogIndex): RaftMessage {
  return { type: "heartbeatReply", term: 1, round, durableIndex, commitIndex: 0 };
}

function told(matchIndex: LogIndex, term = 2, round = 9): RaftMessage {
  return { type: "lostData", term, round, matchIndex };
}

/** Node 2 follows node 1 in term 2 and holds entries 1 to 3, all verified. */
function follower(options: ConstructorParameters<typeof Solo>[0] = {}): Solo {
  const solo = new Solo({ id: 2, log: [1, 1, 1], term: 2, ...options });
  solo.step(1, append(2, 3, 1, []));
  return solo;
}

describe("the leader", () => {
  it("counts a member no longer that reports less durable than it acknowledged", () => {
    const solo = leaderWith(1);
    solo.pass(50);
    solo.step(2, heard(solo.lastRound(), 0));
    const event = { type: "lostData", peer: 2, matchIndex: 1, durableIndex: 0 };
    expect(solo.events).toContainEqual(event);
    expect(solo.core.status().peers[0]?.state).toBe("lost data");
    solo.ack(2, 2);
    expect(solo.core.commitIndex).toBe(1);
    // Committed, but one disk of three is all that is known to hold it.
    expect(solo.core.holdersOf(1)).toEqual([]);
  });

  it("takes an answer older than the acknowledgement for no proof of it", () => {
    const solo = new Solo().lead();
    const old = solo.lastRound();
    solo.pass(50);
    solo.ack(2, 1);
    expect(solo.step(2, heard(old, 0))).toEqual([]);
    expect(solo.core.status().peers[0]?.state).not.toBe("lost data");
  });

  it("tells the very process that answered, and again with every answer while it lasts", () => {
    const solo = leaderWith(2);
    const old = solo.lastRound();
    solo.pass(50);
    const round = solo.lastRound();
    const older = identityOf(2, "i2", "a later process");
    expect(solo.step(older, heard(round, 1))).toEqual([told(2, 1, round)]);
    expect(solo.messages.at(-1)).toMatchObject({ to: 2, replyTo: older });
    expect(solo.step(older, heard(round, 1))).toEqual([told(2, 1, round)]);
    // Another's answer, one from before the acknowledgement, and one of a disk that has it all.
    expect(solo.step(identityOf(2, "other"), heard(round, 1))).toEqual([]);
    expect(solo.step(older, heard(old, 1))).toEqual([]);
    expect(solo.step(2, heard(round, 2))).toEqual([]);
    expect(solo.events.filter(({ type }) => type === "lostData")).toHaveLength(1);
  });

  it("takes a snapshot on its way to a disk, which replaces the log there, for no loss", () => {
    const members = [1, 2, 3].map((id) => ({ id, incarnation: `i${id}`, role: "voter" as const }));
    const base = { baseIndex: 5, baseTerm: 1, configurations: [{ index: 0, members }] };
    const solo = new Solo({ ...base, log: [1, 1], term: 1 }).lead();
    solo.ack(3, 3, { hintIndex: 3 });
    expect([solo.snapshotsTo, solo.core.status().peers[1]?.state]).toEqual([[3], "snapshot"]);
    solo.pass(50);
    const answer = { ...heard(solo.lastRound(), 0), term: 2 };
    expect(solo.step(identityOf(3, "i3", "next"), answer)).toEqual([]);
    expect(solo.core.status().peers[1]?.state).toBe("snapshot");
  });

  it("of a later term hears it from the member itself, and tells its next process", () => {
    const solo = leaderWith(0);
    const reply = { result: "lost data", matchIndex: 7, prevIndex: 0, durableIndex: 0 } as const;
    expect(solo.ack(2, 7, reply)).toEqual([told(7, 1, solo.lastRound())]);
    expect(solo.core.commitIndex).toBe(0);
    const event = { type: "lostData", peer: 2, matchIndex: 7, durableIndex: 0 };
    expect(solo.events.filter(({ type }) => type === "lostData")).toEqual([event]);
    solo.pass(50);
    const round = solo.lastRound();
    const next = identityOf(2, "i2", "next");
    expect(solo.step(next, heard(round, 0))).toEqual([told(7, 1, round)]);
    expect(solo.core.status().peers[0]).toMatchObject({ state: "lost data", matchIndex: 0 });
  });
});

describe("a member that is told", () => {
  it("finds it true, says so once, and keeps its log", () => {
    const solo = follower();
    expect(solo.step(1, told(5))).toEqual([]);
    solo.step(1, told(5));
    const event = { type: "lostData", peer: 2, matchIndex: 5, durableIndex: 3 };
    expect(solo.events.filter(({ type }) => type === "lostData")).toEqual([event]);
    expect(solo.core.status()).toMatchObject({
      mute: "this disk lost entries 4 to 5, which this node had acknowledged",
      lostData: true,
      lastIndex: 3,
    });
  });

  it("neither votes nor campaigns, not even when ordered", () => {
    const solo = follower();
    solo.step(1, told(4));
    solo.step(1, { type: "timeoutNow", term: 2, round: 10 });
    expect(solo.core.role).toBe("follower");
    solo.pass(20 * TIMINGS.electionMaxMs);
    expect([solo.core.role, solo.core.term]).toEqual(["follower", 2]);
    expect(solo.step(3, preVote(3, 9, 2))).toMatchObject([{ answer: "refused" }]);
    expect(solo.step(3, vote(3, 9, 2))).toMatchObject([{ answer: "refused" }]);
    expect(solo.core.status().votedFor).toBe(null);
  });

  it("neither appends nor acknowledges, whoever leads, and answers why", () => {
    const solo = follower();
    solo.step(1, told(4));
    const refusal = { result: "lost data", matchIndex: 4, durableIndex: 3 };
    expect(solo.step(1, append(2, 3, 1, [2]))).toMatchObject([refusal]);
    expect(solo.step(3, append(3, 3, 1, [2, 2]))).toMatchObject([{ term: 3, ...refusal }]);
    expect([solo.order, solo.core.lastIndex]).toEqual([null, 3]);
    const members = solo.core.configuration.members;
    const snapshot = { lastIndex: 9, lastTerm: 2, configuration: { index: 0, members } };
    const install = { type: "installSnapshot", term: 3, round: 4, ...snapshot } as const;
    expect(solo.step(3, install)).toMatchObject([refusal]);
    expect(solo.core.lastIndex).toBe(3);
    expect(solo.step(3, heartbeat(3, 0))).toMatchObject([{ type: "heartbeatReply" }]);
  });

  it("acknowledges nothing that becomes durable afterwards", () => {
    const solo = follower();
    solo.autoDisk = false;
    solo.step(1, append(2, 3, 1, [2]));
    const write = solo.core.writeStarted();
    solo.step(1, told(6));
    solo.core.writeDone(write, solo.nowMs);
    expect(solo.settle()).toEqual([]);
  });

  it("gives way at once when it is campaigning", () => {
    const solo = follower();
    solo.pass(TIMINGS.electionMaxMs);
    solo.pass(TIMINGS.electionMaxMs);
    expect(solo.core.role).toBe("pre-candidate");
    solo.step(1, told(4));
    expect([solo.core.role, solo.core.leader]).toEqual(["follower", 1]);
  });
});

describe("a member that is told wrongly", () => {
  function expectHonest(solo: Solo): void {
    expect(solo.core.status()).toMatchObject({ mute: null, lostData: false });
    expect(solo.events.filter(({ type }) => type === "lostData")).toEqual([]);
  }

  it("goes on when its disk holds what it acknowledged, however late or often it is told", () => {
    const solo = follower();
    for (const round of [0, 9, 9]) solo.step(1, told(3, 2, round));
    solo.step(1, told(2));
    expectHonest(solo);
    expect(solo.step(1, append(2, 3, 1, [2]))).toMatchObject([{ result: "matched" }]);
  });

  it("goes on when a leader of an older term says so, whose entries may be truncated", () => {
    const solo = follower();
    solo.step(3, heartbeat(3, 0));
    solo.step(1, told(9));
    expectHonest(solo);
  });

  it("goes on while the head of a snapshot that holds it is being written", () => {
    const solo = follower();
    solo.autoDisk = false;
    const { members } = solo.core.configuration;
    const at = { lastIndex: 9, lastTerm: 2, configuration: { index: 0, members } };
    solo.step(1, { type: "installSnapshot", term: 2, round: 3, ...at });
    expect(solo.core.durableIndex).toBe(3);
    solo.step(1, told(5));
    expectHonest(solo);
  });

  it("goes on when damage hides what it held: it knows that, and votes not before it is healed", () => {
    for (const damage of [{ voteFromCommitIndex: 5 }, { membersKnown: false }]) {
      const solo = follower(damage);
      solo.step(1, told(5));
      expect(solo.core.status()).toMatchObject({ lostData: false });
      expect(solo.core.status().mute).toMatch(/damaged/);
      expect(solo.step(1, append(2, 3, 1, [2]))).toMatchObject([{ result: "matched" }]);
    }
  });
});

describe("a cluster", () => {
  it("goes on without a voter that lost its log, whose next process is told again", () => {
    const cluster = new Cluster({ voters: [1, 2, 3] });
    cluster.elect(1);
    cluster.propose(1);
    cluster.run(200);
    cluster.wipe(2, "i2");
    cluster.run(200);
    const mute = /lost entries 1 to 2, which this node had acknowledged/;
    expect(cluster.core(2).status().mute).toMatch(mute);
    cluster.crash(2);
    cluster.restart(2);
    expect(cluster.core(2).status().mute).toBe(null);
    cluster.run(200);
    expect(cluster.core(2).status().mute).toMatch(mute);
    cluster.propose(1);
    cluster.run(200);
    expect([cluster.core(1).commitIndex, cluster.core(2).lastIndex]).toEqual([3, 0]);
    // Nor does the next leader count it.
    cluster.transfer(1, 3);
    cluster.run(1_000);
    expect(cluster.core(3).role).toBe("leader");
    expect(
      cluster
        .core(3)
        .status()
        .peers.find(({ id }) => id === 2)?.state,
    ).toBe("lost data");
    expect(cluster.core(2).lastIndex).toBe(0);
  });
});
