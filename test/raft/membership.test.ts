/** Membership by the sentences of §6 and thesis chapter 4. */

import { describe, expect, it } from "vitest";
import * as fc from "fast-check";
import { MEMBERS_MAX } from "../../src/base/limits.ts";
import { changeMembers, majorityOf, votingPairsChanged } from "../../src/raft/membership.ts";
import type { Configuration, Member, MembershipChange } from "../../src/raft/types.ts";
import { Cluster } from "./cluster.ts";
import { TIMINGS, voterIds } from "./test-node.ts";
import { append, membersOf, Solo } from "./solo.ts";

function problem(configuration: Configuration, change: MembershipChange): string | null {
  const changed = changeMembers(configuration, change);
  return "problem" in changed ? changed.problem : null;
}

describe("changes of a configuration", () => {
  const three: Configuration = { index: 0, members: membersOf([1, 2, 3], [4]) };

  it.each<[string, MembershipChange]>([
    ["node 2 is already a member", { type: "addLearner", id: 2, incarnation: "x" }],
    ["node 9 is not a member", { type: "promote", id: 9 }],
    ["node 2 is already a voter", { type: "promote", id: 2 }],
    ["node 4 is already a learner", { type: "demote", id: 4 }],
    ["node 9 is not a member", { type: "remove", id: 9 }],
    ["node 2 is a member with this very data", { type: "replace", id: 2, incarnation: "i2" }],
  ])("%s", (reason, change) => {
    expect(problem(three, change)).toBe(reason);
  });

  it("the last voter can be neither removed nor demoted nor replaced", () => {
    const one: Configuration = { index: 0, members: membersOf([1], [2]) };
    for (const type of ["remove", "demote"] as const)
      expect(problem(one, { type, id: 1 })).toMatch(/last voter/);
    expect(problem(one, { type: "replace", id: 1, incarnation: "x" })).toMatch(/last voter/);
  });

  it("a cluster has at most 16 members", () => {
    const full: Configuration = {
      index: 0,
      members: membersOf(Array.from({ length: MEMBERS_MAX }, (_, at) => at + 1)),
    };
    expect(problem(full, { type: "addLearner", id: 17, incarnation: "x" })).toMatch(/at most 16/);
  });

  it("replacing takes the old pair out and the new one in as a learner", () => {
    const changed = changeMembers(three, { type: "replace", id: 2, incarnation: "new" });
    expect(changed).toMatchObject({
      members: [{ id: 1 }, { id: 2, incarnation: "new", role: "learner" }, { id: 3 }, { id: 4 }],
    });
  });

  it("any change moves at most one voting pair, so that old and new majorities share a voter", () => {
    const id = fc.integer({ min: 1, max: 6 });
    const incarnation = fc.constantFrom("a", "b", "c");
    const change: fc.Arbitrary<MembershipChange> = fc.oneof(
      fc.record({
        type: fc.constantFrom("addLearner" as const, "replace" as const),
        id,
        incarnation,
      }),
      fc.record({
        type: fc.constantFrom("promote" as const, "demote" as const, "remove" as const),
        id,
      }),
    );
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
        let members: readonly Member[] = membersOf([1, 2, 3]);
        for (const next of changes) {
          const changed = changeMembers({ index: 0, members }, next);
          if ("problem" in changed) continue;
          expect(votingPairsChanged(members, changed.members)).toBeLessThanOrEqual(1);
          expect(changed.members.some((member) => member.role === "voter")).toBe(true);
          members = changed.members;
        }
      }),
    );
  });
});

describe("§6 membership changes in the log", () => {
  it("a new configuration is in force as soon as it is appended, on leader and follower", () => {
    const cluster = new Cluster({ voters: [1, 2, 3], outsiders: [4] });
    cluster.elect(1);
    cluster.run(100);
    expect(cluster.change(1, { type: "addLearner", id: 4, incarnation: "i4" })).toBeNull();
    expect(cluster.core(1).configuration).toMatchObject({ index: 2 });
    expect(cluster.core(1).status().configurationCommitted).toBe(false);
    cluster.run(300);
    expect(cluster.core(4).configuration.index).toBe(2);
    expect(cluster.change(1, { type: "promote", id: 4 })).toBeNull();
    cluster.run(300);
    for (const id of [1, 2, 3, 4]) expect(voterIds(cluster.core(id))).toEqual([1, 2, 3, 4]);
  });

  it("only one uncommitted configuration at a time", () => {
    const solo = new Solo({ learners: [4, 5] }).lead();
    solo.ack(2, 1);
    expect(solo.core.proposeConfiguration({ type: "remove", id: 4 }, 0).ok).toBe(true);
    expect(solo.core.proposeConfiguration({ type: "remove", id: 5 }, 2)).toMatchObject({
      ok: false,
      reason: "the change at index 2 is not committed yet",
    });
    solo.settle();
    solo.ack(2, 2);
    expect(solo.core.proposeConfiguration({ type: "remove", id: 5 }, 2).ok).toBe(true);
  });

  it("a change names the configuration that it builds on", () => {
    const solo = new Solo({ learners: [4] }).lead();
    solo.ack(2, 1);
    expect(solo.core.proposeConfiguration({ type: "remove", id: 4 }, 5)).toMatchObject({
      ok: false,
      reason: expect.stringContaining("meanwhile"),
    });
  });

  it("a learner is promoted only when it has caught up", () => {
    const solo = new Solo({ learners: [4] }).lead();
    solo.ack(2, 1);
    expect(solo.core.proposeConfiguration({ type: "promote", id: 4 }, 0)).toMatchObject({
      ok: false,
      reason: "node 4 has not caught up yet: 1 entries behind",
    });
    solo.ack(4, 1);
    expect(solo.core.proposeConfiguration({ type: "promote", id: 4 }, 0).ok).toBe(true);
  });

  it("a learner that has fallen silent is not promoted, however much it holds", () => {
    const solo = new Solo({ learners: [4] }).lead();
    solo.ack(2, 1);
    solo.ack(4, 1);
    for (let ms = 0; ms < TIMINGS.electionMaxMs; ms += 50) {
      solo.pass(50);
      solo.answerHeartbeat(2);
    }
    expect(solo.core.proposeConfiguration({ type: "promote", id: 4 }, 0)).toMatchObject({
      ok: false,
      kind: "later",
      reason: `node 4 has not answered for ${TIMINGS.electionMaxMs} ms`,
    });
    solo.ack(4, 1);
    expect(solo.core.proposeConfiguration({ type: "promote", id: 4 }, 0).ok).toBe(true);
  });

  it("a leader that was removed goes on until the entry commits, not counting itself, then hands over", () => {
    const cluster = new Cluster({ voters: [1, 2, 3] });
    cluster.elect(1);
    cluster.run(100);
    cluster.change(1, { type: "remove", id: 1 });
    expect(cluster.core(1).role).toBe("leader");
    cluster.deliverAll((envelope) => envelope.to === 3 || envelope.from.id === 3);
    expect(cluster.core(1).commitIndex).toBe(1);
    cluster.run(200);
    expect(cluster.core(1).role).toBe("follower");
    expect([2, 3].filter((id) => cluster.core(id).role === "leader")).toHaveLength(1);
    const { term } = cluster.core(2);
    cluster.run(10 * TIMINGS.electionMaxMs);
    expect([cluster.core(1).role, cluster.core(2).term]).toEqual(["follower", term]);
  });

  it("a node that an uncommitted entry removes still campaigns when only its log is complete (thesis §4.2.2)", () => {
    const cluster = new Cluster({ voters: [1, 2] });
    cluster.elect(1);
    cluster.run(100);
    cluster.change(1, { type: "remove", id: 1 });
    cluster.drop();
    cluster.restart(1);
    cluster.run(10 * TIMINGS.electionMaxMs);
    expect(cluster.core(2).role).toBe("leader");
    expect(voterIds(cluster.core(2))).toEqual([2]);
  });

  it("a node that is shown a committed configuration without it campaigns no more, until a later one names it", () => {
    const solo = new Solo({ id: 4, voters: [1, 2, 3, 4], log: [1] });
    solo.pass(2 * TIMINGS.electionMaxMs);
    expect(solo.core.role).toBe("pre-candidate");
    solo.core.reportLeftOut(2);
    expect(solo.core.role).toBe("follower");
    solo.pass(10 * TIMINGS.electionMaxMs);
    expect([solo.core.role, solo.core.term]).toEqual(["follower", 1]);
    solo.step(2, append(2, 1, 1, [1]));
    const members = membersOf([1, 2, 3, 4]);
    solo.step(2, {
      type: "append",
      term: 2,
      round: 9,
      prevIndex: 2,
      prevTerm: 1,
      commitIndex: 2,
      records: [{ firstIndex: 3, lastIndex: 3, term: 2, members }],
    });
    solo.settle();
    solo.pass(2 * TIMINGS.electionMaxMs);
    expect(solo.core.role).toBe("pre-candidate");
  });

  it("a replaced voter's old incarnation counts no more", () => {
    const solo = new Solo().lead();
    solo.ack(2, 1);
    expect(
      solo.core.proposeConfiguration({ type: "replace", id: 3, incarnation: "new" }, 0).ok,
    ).toBe(true);
    solo.settle();
    solo.ack({ id: 3, incarnation: "i3", bootId: "b3" }, 2);
    expect(solo.core.commitIndex).toBe(1);
    solo.ack(2, 2);
    expect(solo.core.commitIndex).toBe(2);
  });

  it("a truncation brings the configuration before it back", () => {
    const solo = new Solo();
    const members = membersOf([1, 2, 3, 4]);
    solo.step(2, {
      type: "append",
      term: 1,
      round: 1,
      prevIndex: 0,
      prevTerm: 0,
      commitIndex: 0,
      records: [{ firstIndex: 1, lastIndex: 1, term: 1, members }],
    });
    expect(solo.core.configuration).toEqual({ index: 1, members });
    solo.step(3, append(2, 0, 0, [2]));
    expect(solo.core.configuration.index).toBe(0);
    expect(solo.events).toContainEqual(
      expect.objectContaining({ type: "configuration", reason: "rolled back" }),
    );
  });
});

it.each([
  [1, 1],
  [2, 2],
  [3, 2],
  [4, 3],
  [5, 3],
])("of %i voters %i are a majority", (voters, majority) => {
  expect(majorityOf(voters)).toBe(majority);
});
