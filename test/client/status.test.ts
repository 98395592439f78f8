/** How the reports of nodes become one table. */

import { describe, expect, it } from "vitest";
import { isComplete, mergeStatus } from "../../src/client/status.ts";
import type { NodeReport, PeerReport } from "../../src/transport/requests.ts";
import { KEY } from "./fake-world.ts";

const incarnation = (id: number): string => id.toString(16).padStart(32, "0");
const MEMBERS = {
  index: 0,
  members: [1, 2, 3].map((id) => ({ id, incarnation: incarnation(id), role: "voter" as const })),
};

function report(id: number, fields: Partial<NodeReport> = {}): NodeReport {
  return {
    cluster: "raft",
    auth: "open",
    clusterId: "5f".repeat(16),
    foundedMs: 1,
    id,
    incarnation: incarnation(id),
    bootId: incarnation(id + 100),
    version: "1.0.0",
    state: "member",
    role: "follower",
    term: 2,
    votedFor: null,
    leader: 1,
    leaderSinceMs: null,
    firstIndex: 1,
    lastIndex: 57,
    commitIndex: 57,
    configuration: MEMBERS,
    founders: [1, 2, 3],
    syncMs: 0.6,
    address: { host: `10.0.0.${id}`, port: 7400 + id },
    userHost: `ana@lab-0${id}`,
    uptimeMs: 1_000,
    executable: "./raft",
    mute: null,
    lostData: false,
    networkDisk: false,
    acceptsEntries: true,
    dataDir: "/x",
    peers: [],
    ...fields,
  };
}

function peer(id: number, fields: Partial<PeerReport> = {}): PeerReport {
  return {
    id,
    incarnation: incarnation(id),
    userHost: `ana@lab-0${id}`,
    address: { host: `10.0.0.${id}`, port: 7400 + id },
    rttMs: 0.3,
    lastContactMs: 12,
    lastHeardWallMs: 5,
    stopped: false,
    dataDir: null,
    matchIndex: 57,
    term: 2,
    member: true,
    ...fields,
  };
}

const merge = (...reports: NodeReport[]) =>
  mergeStatus(
    reports.map((one) => ({ report: one, rttMs: 1, heartbeatMs: 50 })),
    KEY,
  );
const short = (...reports: NodeReport[]) =>
  merge(...reports).rows.map(
    ({ id, member, role, lastIndex, lag }) => `${id} ${member} ${role} ${lastIndex} ${lag}`,
  );

const leader = report(1, {
  role: "leader",
  leader: 1,
  leaderSinceMs: 7_000,
  peers: [peer(2, { lastContactMs: 130_000, matchIndex: 42, term: 1 }), peer(3)],
});

it("a member that said goodbye is shown as stopped, with its place, and not waited for", () => {
  const gone = peer(2, { stopped: true, dataDir: "/srv/d2", lastContactMs: 50 });
  const seen = { ...leader, peers: [gone, peer(3)] };
  const row = merge(seen, report(3)).rows.find(({ id }) => id === 2);
  expect(row).toMatchObject({ role: "unreachable", stopped: true, dataDir: "/srv/d2" });
  const heard = [seen, report(3)].map((one) => ({ report: one, rttMs: 1, heartbeatMs: 50 }));
  expect(isComplete(heard)).toBe(true);
});

it.each([
  [50, 400, true],
  [1_000, 8_000, false],
])("a heartbeat of %d ms makes a voter alive for %d ms", (heartbeatMs, aliveMs, isAway) => {
  const seen = { ...leader, peers: [peer(2, { lastContactMs: 600 }), peer(3)] };
  const heard = [seen, report(3)].map((one) => ({ report: one, rttMs: 1, heartbeatMs }));
  expect(mergeStatus(heard, KEY).aliveMs).toBe(aliveMs);
  expect(isComplete(heard)).toBe(isAway);
});

describe("another process under a member's id", () => {
  const stranger = peer(2, { incarnation: incarnation(9), member: false, lastContactMs: 6_000 });
  const seenByLeader = { ...leader, peers: [...leader.peers, stranger] };
  const wiped = report(2, { incarnation: incarnation(9), state: "outside", configuration: null });

  it("has a row of its own, and says nothing about the member", () => {
    const status = merge(seenByLeader, report(3), wiped);
    const rows = status.rows.filter(({ id }) => id === 2);
    expect(rows.map(({ member, role, lastContactMs }) => [member, role, lastContactMs])).toEqual([
      ["voter", "unreachable", 130_000],
      ["none", "outside", 6_000],
    ]);
  });

  it("is shown as the leader hears it when it does not answer", () => {
    expect(short(seenByLeader, report(3)).at(-1)).toBe("2 none outside null null");
  });

  it("is waited for", () => {
    const heard = (...reports: NodeReport[]) =>
      reports.map((one) => ({ report: one, rttMs: 1, heartbeatMs: 50 }));
    expect(isComplete(heard(leader, report(3)))).toBe(true);
    expect(isComplete(heard(seenByLeader, report(3)))).toBe(false);
    expect(isComplete(heard(seenByLeader, report(3), wiped))).toBe(true);
  });
});

describe("before founding", () => {
  const waits = { state: "waiting", configuration: null, clusterId: null, term: 0 } as const;

  it("what most were told counts, and the others are told apart", () => {
    const odd = report(3, { ...waits, founders: [1, 2, 3, 4, 5] });
    const status = merge(odd, report(1, waits), report(2, waits));
    expect(status).toMatchObject({
      waitingFor: [],
      disagreement: "nodes disagree on the founders: 1 and 2 have --size 3, 3 has --size 5",
    });
    expect(status.rows.map(({ id }) => id)).toEqual([1, 2, 3]);
  });

  it("a node outside knows for whom everybody waits", () => {
    const status = merge(report(5, { ...waits, state: "outside" }));
    expect(status).toMatchObject({ waitingFor: [1, 2, 3], disagreement: null });
    expect(status.rows.map(({ id, role }) => `${id} ${role}`)).toEqual([
      "1 unheard",
      "2 unheard",
      "3 unheard",
      "5 outside",
    ]);
  });
});

it("voters that came back without their data are lost when the others are no majority", () => {
  const renewed = (id: number): NodeReport =>
    report(id, { incarnation: incarnation(70 + id), state: "waiting", configuration: null });
  const alone = report(3, { leader: null, role: "pre-candidate" });
  expect(merge(alone, renewed(1), renewed(2)).lost).toEqual([1, 2]);
  expect(merge(alone, renewed(1)).lost).toEqual([]);
  expect(merge(leader, report(3), renewed(2)).lost).toEqual([]);
});

it("a node that was removed stands outside, whatever it takes itself for", () => {
  const removed = report(4, { role: "pre-candidate", leader: null });
  expect(short(leader, report(3), removed).at(-1)).toBe("4 none outside 57 0");
});

describe("status", () => {
  it("healthy: a row per member, lag and contact as the leader sees them", () => {
    const status = merge(report(3, { commitIndex: 55 }), report(2), {
      ...leader,
      peers: [peer(2), peer(3, { rttMs: 0.2 })],
    });
    expect(status).toMatchObject({
      healthy: true,
      leader: 1,
      leaderSinceMs: 7_000,
      term: 2,
      voters: 3,
      reachableVoters: 3,
      canLose: 1,
      founded: true,
    });
    expect(
      status.rows.map(({ id, role, lag, lastContactMs, rttMs }) => [
        id,
        role,
        lag,
        lastContactMs,
        rttMs,
      ]),
    ).toEqual([
      [1, "leader", null, null, null],
      [2, "follower", 0, 12, 0.3],
      [3, "follower", 2, 12, 0.2],
    ]);
  });

  it("one dead: its row shows what the leader last knew", () => {
    const status = merge(leader, report(3));
    expect(status).toMatchObject({ healthy: false, reachableVoters: 2, canLose: 0 });
    expect(status.rows[1]).toMatchObject({
      id: 2,
      role: "unreachable",
      term: 1,
      lastIndex: 42,
      lag: 15,
      lastContactMs: 130_000,
      host: "lab-02",
    });
  });

  it("no leader: everybody else is shown as whoever heard it last", () => {
    const alone = report(1, {
      role: "pre-candidate",
      leader: null,
      peers: [
        peer(2, { matchIndex: null, lastContactMs: 724_000 }),
        peer(3, { matchIndex: null, lastContactMs: 41_000 }),
      ],
    });
    const status = merge(alone);
    expect(status).toMatchObject({ healthy: false, leader: null, canLose: 0, reachableVoters: 1 });
    expect(short(alone)).toEqual([
      "1 voter pre-candidate 57 null",
      "2 voter unreachable null null",
      "3 voter unreachable null null",
    ]);
  });

  it("a deposed leader that has not heard of it yet is not the leader", () => {
    const deposed = report(2, { role: "leader", term: 1, leader: 2 });
    expect(merge(deposed, leader).leader).toBe(1);
    expect(merge(deposed, report(3)).leader).toBe(null);
  });

  it("the newest committed configuration counts, not one that is only appended", () => {
    const grown = {
      index: 60,
      members: [
        ...MEMBERS.members,
        { id: 4, incarnation: incarnation(4), role: "learner" as const },
      ],
    };
    expect(merge({ ...leader, configuration: grown }, report(3)).rows).toHaveLength(3);
    expect(
      merge({ ...leader, configuration: grown, commitIndex: 60 }, report(3)).rows.map(
        ({ id, member }) => `${id} ${member}`,
      ),
    ).toContain("4 learner");
  });

  it("strangers come after the members: those that answer, and those that only the leader hears", () => {
    const outside = report(22, { state: "outside", clusterId: null, configuration: null });
    const seen = {
      ...leader,
      peers: [
        ...leader.peers,
        peer(9, { member: false }),
        peer(8, { member: false, lastContactMs: 90_000 }),
      ],
    };
    expect(short(seen, report(3), outside).slice(3)).toEqual([
      "22 none outside null null",
      "9 none outside null null",
    ]);
  });

  it("a node under a member's id with other data does not count as that member", () => {
    const wiped = report(2, {
      incarnation: incarnation(77),
      state: "outside",
      configuration: null,
    });
    const status = merge(leader, report(3), wiped);
    expect(status.rows[1]).toMatchObject({ id: 2, member: "voter", role: "unreachable" });
    expect(status.rows[3]).toMatchObject({ id: 2, member: "none", role: "outside" });
    expect(status.reachableVoters).toBe(2);
  });

  it("a voter that does not vote is reachable but does not count", () => {
    const status = merge(leader, report(2, { mute: "damage" }), report(3));
    expect(status).toMatchObject({ healthy: false, reachableVoters: 2, canLose: 0 });
  });

  it("before founding: a row per founder, waiting or unheard", () => {
    const waiting = {
      state: "waiting",
      configuration: null,
      clusterId: null,
      term: 0,
      lastIndex: 0,
      commitIndex: 0,
    } as const;
    const one = report(1, {
      ...waiting,
      peers: [
        peer(2, { member: false }),
        peer(3, { lastContactMs: null, address: null, userHost: null }),
      ],
    });
    const status = merge(one, report(2, { ...waiting, peers: [peer(1)] }));
    expect(status).toMatchObject({ founded: false, leader: null, waitingFor: [3], voters: 0 });
    expect(
      status.rows.map(({ id, role, term, lastContactMs }) => [id, role, term, lastContactMs]),
    ).toEqual([
      [1, "waiting", null, 12],
      [2, "waiting", null, 12],
      [3, "unheard", null, null],
    ]);
  });

  it("waits for a learner that was let in just now, which is heard seldom outside, and not for long", () => {
    const learner = { id: 4, incarnation: incarnation(4), role: "learner" as const };
    const configuration = { index: 9, members: [...MEMBERS.members, learner] };
    const complete = (fields: Partial<PeerReport>, ...more: NodeReport[]): boolean => {
      const seen = { ...leader, configuration, peers: [...leader.peers, peer(4, fields)] };
      const heard = { rttMs: null, heartbeatMs: 50 };
      return isComplete([seen, report(3), ...more].map((one) => ({ report: one, ...heard })));
    };
    expect(complete({ matchIndex: 0, lastContactMs: 4_000 })).toBe(false);
    expect(complete({ matchIndex: null, lastContactMs: 4_000 })).toBe(false);
    expect(complete({ matchIndex: 0, lastContactMs: 4_000 }, report(4))).toBe(true);
    expect(complete({ matchIndex: 0, lastContactMs: 60_000 })).toBe(true);
    expect(complete({ matchIndex: 57, lastContactMs: 4_000 })).toBe(true);
  });

  it("waits for nobody that the leader has not heard lately", () => {
    const heard = (...reports: NodeReport[]) =>
      isComplete(reports.map((one) => ({ report: one, rttMs: null, heartbeatMs: 50 })));
    expect(heard()).toBe(false);
    expect(heard(leader)).toBe(false);
    expect(heard(leader, report(3))).toBe(true);
    expect(heard(report(3))).toBe(false);
    expect(heard(report(1), report(2), report(3))).toBe(true);
  });
});
