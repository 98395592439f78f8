/** Founding by meeting and signing, rule by rule. */

import { describe, expect, it } from "vitest";
import type { FoundingRecord, NodeId } from "../../src/base/types.ts";
import { claimOfId, foundingRecord, sameRecord } from "../../src/node/formation-record.ts";
import { Formation, PROCESSES_MAX } from "../../src/node/formation.ts";
import { CLUSTER, helloOf } from "./formation-world.ts";

function recordOf(...incarnations: string[]): FoundingRecord {
  return foundingRecord(
    CLUSTER,
    incarnations.map((incarnation) => ({ id: Number.parseInt(incarnation, 10), incarnation })),
  );
}

function founder(
  id: NodeId,
  founders: readonly NodeId[] = [1, 2, 3],
  record: FoundingRecord | null = null,
): Formation {
  const formation = new Formation({
    cluster: CLUSTER,
    id,
    incarnation: `${id}a`,
    founders,
    record,
    member: false,
  });
  formation.start();
  return formation;
}

const R = recordOf("1a", "2a", "3a");

describe("signing", () => {
  it("waits until every other founder has been met, then writes the sorted pairs once", () => {
    const one = founder(1);
    expect(one.heard(helloOf({ id: 3 }), true)).toEqual([]);
    expect(one.view().waitingFor).toEqual([2]);
    expect(one.heard(helloOf({ id: 2 }), true)).toEqual([{ type: "writeRecord", record: R }]);
    expect(one.record).toBeNull();
    expect(one.heard(helloOf({ id: 2 }), true)).toEqual([]);
    expect(one.recordSynced()).toEqual([]);
    expect(one.record).toEqual(R);
    expect(one.view()).toMatchObject({ standing: "signed", waitingFor: [2, 3] });
  });

  it("does not count a hello that does not prove both directions", () => {
    const one = founder(1);
    one.heard(helloOf({ id: 2 }), true);
    expect(one.heard(helloOf({ id: 3 }), false)).toEqual([]);
    expect(one.view().obstacles).toContainEqual({
      type: "heard but not met",
      peer: helloOf({ id: 3 }),
    });
    expect(one.heard(helloOf({ id: 3 }), true)).toHaveLength(1);
  });

  it("does not sign with a founder that has gone", () => {
    const one = founder(1);
    one.heard(helloOf({ id: 2 }), true);
    expect(one.lost("2a.1")).toEqual([]);
    expect(one.heard(helloOf({ id: 3 }), true)).toEqual([]);
    expect(one.heard(helloOf({ id: 2, incarnation: "2b", bootId: "2b.1" }), true)).toEqual([
      { type: "writeRecord", record: recordOf("1a", "2b", "3a") },
    ]);
  });

  it("founds with neither of two incarnations of one id, until one has gone", () => {
    const one = founder(1);
    one.heard(helloOf({ id: 2 }), true);
    one.heard(helloOf({ id: 2, incarnation: "2b", bootId: "2b.1" }), true);
    expect(one.heard(helloOf({ id: 3 }), true)).toEqual([]);
    expect(one.view().obstacles[0]).toMatchObject({ type: "doubled", id: 2, copied: false });
    expect(one.lost("2a.1")).toEqual([{ type: "writeRecord", record: recordOf("1a", "2b", "3a") }]);
  });

  it("takes a restart for one process and a copied directory for two", () => {
    const one = founder(1);
    one.heard(helloOf({ id: 2 }), true);
    one.heard(helloOf({ id: 2, bootId: "2a.2", bootCount: 2 }), true);
    expect(one.view().obstacles).toEqual([]);
    one.heard(helloOf({ id: 2, bootId: "2a.x", bootCount: 2 }), true);
    expect(one.view().obstacles).toMatchObject([{ type: "doubled", id: 2, copied: true }]);
    expect(one.heard(helloOf({ id: 3 }), true)).toEqual([]);
  });

  it("waits for founders that disagree on the founders, and names both sets", () => {
    const one = founder(1);
    const two = helloOf({ id: 2, founders: [1, 2] });
    one.heard(two, true);
    expect(one.heard(helloOf({ id: 3 }), true)).toEqual([]);
    expect(one.view().obstacles).toContainEqual({
      type: "other founders",
      peer: two,
      theirs: [1, 2],
    });
  });

  it("takes a record that names this very directory, from anybody who is met", () => {
    const three = founder(3);
    expect(three.heard(helloOf({ id: 1, founding: R }), true)).toEqual([
      { type: "writeRecord", record: R },
    ]);
  });

  it("does not take a record of another incarnation or cluster, nor sign beside it", () => {
    const other = recordOf("1a", "2a", "3b");
    const three = founder(3);
    three.heard(helloOf({ id: 2 }), true);
    expect(three.heard(helloOf({ id: 1, founding: other }), true)).toEqual([]);
    expect(three.view().obstacles).toMatchObject([{ type: "two foundings" }]);
    expect(founder(3).heard(helloOf({ id: 1, founding: { ...R, cluster: "g4" } }), true)).toEqual(
      [],
    );
  });

  it("founds at once when alone", () => {
    const one = new Formation({
      cluster: CLUSTER,
      id: 1,
      incarnation: "1a",
      founders: [1],
      record: null,
      member: false,
    });
    const record = recordOf("1a");
    expect(one.start()).toEqual([{ type: "writeRecord", record }]);
    expect(one.recordSynced()).toEqual([{ type: "becomeMember", record }]);
    expect(one.view()).toEqual({
      standing: "member",
      founders: [1],
      met: [],
      waitingFor: [],
      obstacles: [],
    });
  });

  it("never signs when the id is not a founder's", () => {
    const four = founder(4);
    for (const id of [1, 2, 3]) expect(four.heard(helloOf({ id }), true)).toEqual([]);
    expect(four.view()).toMatchObject({
      standing: "outside",
      obstacles: [{ type: "not a founder", founders: [1, 2, 3] }],
    });
  });
});

describe("becoming a member", () => {
  it("needs the same record from every founder", () => {
    const one = founder(1, [1, 2, 3], R);
    expect(one.heard(helloOf({ id: 2, founding: R }), true)).toEqual([]);
    expect(one.view().waitingFor).toEqual([3]);
    one.lost("2a.1");
    expect(one.heard(helloOf({ id: 3, founding: R }), true)).toEqual([
      { type: "becomeMember", record: R },
    ]);
    expect(one.heard(helloOf({ id: 3, founding: R }), true)).toEqual([]);
  });

  it("or from one who is a member", () => {
    const one = founder(1, [1, 2, 3], R);
    expect(one.heard(helloOf({ id: 2, founding: R, member: true }), true)).toHaveLength(1);
  });

  it("does not happen before the own record is durable", () => {
    const one = founder(1);
    expect(one.heard(helloOf({ id: 2, founding: R, member: true }), true)).toHaveLength(1);
    expect(one.heard(helloOf({ id: 3, founding: R, member: true }), true)).toEqual([]);
    expect(one.recordSynced()).toEqual([{ type: "becomeMember", record: R }]);
  });

  it("does not happen where two records meet, and the view says who", () => {
    const other = recordOf("1a", "2b", "3a");
    const one = founder(1, [1, 2, 3], R);
    const three = helloOf({ id: 3, founding: other });
    one.heard(three, true);
    expect(one.heard(helloOf({ id: 2, founding: R }), true)).toEqual([]);
    expect(one.view().obstacles).toEqual([
      { type: "two foundings", peers: [three], members: [], selfIsMember: false },
    ]);
  });

  it("does not happen either when all have signed and one shows another record since", () => {
    const one = founder(1, [1, 2, 3], R);
    one.heard(helloOf({ id: 3, founding: R }), true);
    const fresh = { incarnation: "3b", bootId: "3b.1", founding: recordOf("1b", "2b", "3b") };
    one.heard(helloOf({ id: 3, ...fresh }), true);
    expect(one.heard(helloOf({ id: 2, founding: R }), true)).toEqual([]);
    expect(one.lost("3b.1")).toEqual([{ type: "becomeMember", record: R }]);
  });

  it("does not follow from a stored record that does not name this directory", () => {
    const four = founder(4, [1, 2, 3], R);
    expect(four.heard(helloOf({ id: 2, founding: R, member: true }), true)).toEqual([]);
    expect(four.view().standing).toBe("outside");
    four.admitted(R);
    expect(four.view().standing).toBe("member");
  });

  it("by admission needs a directory without another record, and survives being cut off", () => {
    expect(founder(4).admits(R)).toBe(true);
    // Killed after the record was written and before there was a log: the next start goes on.
    expect(founder(4, [1, 2, 3], R).admits(R)).toBe(true);
    expect(founder(4, [1, 2, 3], recordOf("1a", "2b", "3a")).admits(R)).toBe(false);
    const four = founder(4);
    four.admitted(R);
    expect(four.admits(R)).toBe(false);
  });

  it("is not undone by a late hello of an earlier time", () => {
    const one = founder(1, [1, 2, 3], R);
    one.heard(helloOf({ id: 2, founding: R }), true);
    one.heard(helloOf({ id: 2 }), true);
    expect(one.processes.get("2a.1")?.hello.founding).toEqual(R);
  });
});

describe("what people are told", () => {
  it("names two peers that do not hear each other", () => {
    const one = founder(1);
    const met = [{ id: 1, incarnation: "1a" }];
    one.heard(helloOf({ id: 2, met }), true);
    one.heard(helloOf({ id: 3, met }), true);
    expect(one.view().obstacles).toMatchObject([
      { type: "not between them", a: { id: 2 }, b: { id: 3 } },
    ]);
  });

  it("names a founder that only a peer hears", () => {
    const one = founder(1);
    const two = helloOf({ id: 2, met: [{ id: 3, incarnation: "3a" }] });
    one.heard(two, true);
    expect(one.view().obstacles).toEqual([{ type: "heard by a peer only", peer: two, unheard: 3 }]);
  });

  it("tells a wiped founder that a living cluster knows it by other data", () => {
    const two = wipedTwo();
    const one = helloOf({ id: 1, founding: R, member: true });
    two.heard(one, true);
    expect(two.view().obstacles).toEqual([
      { type: "older cluster", members: [one], otherMembers: [3], lost: [] },
    ]);
    const three = helloOf({ id: 3, founding: R, member: true });
    two.heard(three, true);
    expect(two.view().obstacles).toEqual([{ type: "fenced", members: [one, three] }]);
  });

  it("says whose data is lost when too few are left to go on without it", () => {
    const two = wipedTwo();
    const one = helloOf({ id: 1, founding: R, member: true });
    two.heard(one, true);
    two.heard(helloOf({ id: 3, incarnation: "3b" }), true);
    expect(two.view().obstacles).toContainEqual({
      type: "older cluster",
      members: [one],
      otherMembers: [],
      lost: [2, 3],
    });
  });

  it("tells one who has signed, and a founder that was wiped since, who the other is", () => {
    const one = founder(1, [1, 2, 3], R);
    const two = wipedTwo();
    const wiped = helloOf({ id: 2, incarnation: "2b" });
    const signed = helloOf({ id: 1, founding: R });
    expect(one.heard(wiped, true)).toEqual([]);
    expect(two.heard(signed, true)).toEqual([]);
    expect(one.view().obstacles).toEqual([
      { type: "two foundings", peers: [wiped], members: [], selfIsMember: false },
    ]);
    expect(two.view().obstacles).toEqual([
      { type: "two foundings", peers: [signed], members: [], selfIsMember: false },
    ]);
  });

  it("tells a member that founders of its own founding are new", () => {
    const one = new Formation({
      cluster: CLUSTER,
      id: 1,
      incarnation: "1a",
      founders: [1, 2, 3],
      record: R,
      member: true,
    });
    const two = helloOf({ id: 2, incarnation: "2b" });
    one.heard(two, true);
    expect(one.view().obstacles).toEqual([
      { type: "new founders", peers: [two], otherMembers: [3], lost: [] },
    ]);
  });

  it("says nothing of a dead founder's directory where its successor has signed", () => {
    const one = founder(1);
    one.heard(helloOf({ id: 2 }), true);
    const two = helloOf({
      id: 2,
      incarnation: "2b",
      bootId: "2b.1",
      founding: recordOf("1a", "2b", "3a"),
    });
    expect(one.heard(two, true)).toHaveLength(1);
    one.recordSynced();
    expect(one.view().obstacles.map(({ type }) => type)).toEqual(["doubled"]);
    one.heard(helloOf({ id: 3, founding: two.founding }), true);
    expect(one.view()).toMatchObject({ standing: "member", obstacles: [{ type: "doubled" }] });
  });

  it("says nothing of a new founder to the members of a cluster that lives without it", () => {
    const options = { cluster: CLUSTER, id: 1, incarnation: "1a", founders: [1, 2, 3], record: R };
    const one = new Formation({ ...options, member: true });
    one.heard(helloOf({ id: 3, founding: R, member: true }), true);
    one.heard(helloOf({ id: 2, incarnation: "2b" }), true);
    expect(one.view().obstacles).toEqual([]);
  });

  it("tells an id outside a living cluster that it waits to be admitted", () => {
    const outsider = founder(22);
    outsider.heard(helloOf({ id: 1, founding: R, member: true }), true);
    expect(outsider.view().obstacles).toEqual([{ type: "not a member", members: [1, 2, 3] }]);
  });

  it("remembers a bounded number of processes", () => {
    const one = founder(1);
    for (let boot = 0; boot < 1_000; boot++)
      one.heard(helloOf({ id: 2 + boot, bootId: `b${boot}` }), true);
    expect(one.processes.size).toBe(PROCESSES_MAX);
  });

  it("gives a copy that goes its own way", () => {
    const one = founder(1);
    one.heard(helloOf({ id: 2 }), true);
    const copy = one.clone();
    copy.heard(helloOf({ id: 3 }), true);
    expect(copy.writing).toEqual(R);
    expect(one.writing).toBeNull();
  });
});

describe("an id claimed twice", () => {
  const fresh = helloOf({ id: 2, bootId: "x", incarnation: "2x", uptimeMs: 60_000 });
  const late = helloOf({ id: 2, bootId: "y", incarnation: "2y", uptimeMs: 10_000 });
  const metAll = helloOf({
    id: 2,
    bootId: "z",
    incarnation: "2z",
    uptimeMs: 1,
    met: [
      { id: 1, incarnation: "1a" },
      { id: 3, incarnation: "3a" },
    ],
  });
  const member = helloOf({
    id: 2,
    bootId: "m",
    incarnation: "2m",
    uptimeMs: 1,
    founding: R,
    member: true,
  });
  const founderOf2 = { ...member, bootId: "f", incarnation: "2a", uptimeMs: 90_000 };
  const elsewhere = { ...founderOf2, founding: recordOf("1b", "2a", "3b") };
  const twin = helloOf({ id: 2, bootId: "t", incarnation: "2x", uptimeMs: 70_000 });
  const together = helloOf({ id: 2, bootId: "w", incarnation: "2w", uptimeMs: 60_500 });

  it.each([
    ["a member before one who has met all", member, metAll, "mine"],
    ["a member before a fresh node", member, fresh, "mine"],
    ["one who has met all others before a fresh node", metAll, fresh, "mine"],
    ["the one that has run longer", fresh, late, "mine"],
    ["the larger incarnation when they started together", fresh, together, "mine"],
    ["a replacement before the founder that comes back", member, founderOf2, "mine"],
    ["the member that has run longer when they are of two clusters", elsewhere, member, "mine"],
    ["nobody when the directory was copied", fresh, twin, "neither"],
    ["itself", fresh, fresh, "same"],
  ] as const)("belongs to %s", (_, mine, theirs, outcome) => {
    expect(claimOfId(mine, theirs)).toBe(outcome);
    expect(claimOfId(theirs, mine)).toBe(outcome === "mine" ? "theirs" : outcome);
  });
});

describe("records", () => {
  it("are the same only with the same name, pairs and parent", () => {
    const parent = { clusterId: "00", index: 1, term: 1, chain: 1 };
    expect(sameRecord(R, recordOf("3a", "1a", "2a"))).toBe(true);
    expect(sameRecord(R, recordOf("1a", "2b", "3a"))).toBe(false);
    expect(sameRecord(R, { ...R, cluster: "g4" })).toBe(false);
    expect(sameRecord(R, { ...R, parent })).toBe(false);
    expect(sameRecord({ ...R, parent }, { ...R, parent: { ...parent } })).toBe(true);
    expect(sameRecord({ ...R, parent }, { ...R, parent: { ...parent, chain: 2 } })).toBe(false);
  });
});

/** Founder 2 on an empty disk, under a new incarnation. */
function wipedTwo(): Formation {
  return new Formation({
    cluster: CLUSTER,
    id: 2,
    incarnation: "2b",
    founders: [1, 2, 3],
    record: null,
    member: false,
  });
}
