/** What people are told, and when: once when it begins, again as it lasts. */

import { describe, expect, it } from "vitest";
import { Contacts } from "../../src/node/contacts.ts";
import type { PeerName } from "../../src/node/events.ts";
import { MemberWatch, type MemberSurroundings } from "../../src/node/member-watch.ts";
import { type PeerSight, PeerWatch } from "../../src/node/peer-watch.ts";
import { Repeat } from "../../src/node/repeat.ts";
import type { CoreEvent, Role } from "../../src/raft/types.ts";
import { helloOf } from "../transport/harness.ts";
import { leaderOfThree } from "./fake-status.ts";

const sight = (id: number, change: Partial<PeerSight> = {}): PeerSight => ({
  name: { id, userHost: `ana@lab-${id}`, address: null, dataDir: null },
  voter: true,
  lastHeardMs: 0,
  stopped: false,
  matchIndex: 10,
  heldIndex: 0,
  ...change,
});

describe("a lasting state", () => {
  it("is said again after 10 s, 1 min and then every 10 min", () => {
    const repeat = new Repeat();
    repeat.begin(0);
    const said: number[] = [];
    for (let nowMs = 0; nowMs <= 1_900_000; nowMs += 1_000) {
      const seconds = repeat.due(nowMs);
      if (seconds !== null) said.push(seconds);
    }
    expect(said).toEqual([10, 60, 600, 1_200, 1_800]);
  });

  it("begins anew after it ended", () => {
    const repeat = new Repeat();
    repeat.begin(0);
    repeat.end();
    repeat.begin(50_000);
    expect(repeat.due(59_999)).toBeNull();
    expect(repeat.due(60_000)).toBe(10);
  });
});

describe("the leader's watch over its peers", () => {
  it("says once that a peer fell silent, and what is left", () => {
    const watch = new PeerWatch(600);
    const peers = [sight(2), sight(3, { lastHeardMs: 1_000 })];
    expect(watch.look(peers, true, 10, 500, 0)).toEqual([]);
    expect(watch.look(peers, true, 10, 1_000, 50_000)).toEqual([
      {
        type: "peer unreachable",
        peer: peers[0]?.name,
        stopped: false,
        sinceWallMs: 49_000,
        votersLeft: 2,
        voters: 3,
        spare: 0,
      },
    ]);
    expect(watch.look(peers, true, 10, 1_100, 50_100)).toEqual([]);
  });

  it("says at once that a peer said goodbye, and does not miss it again in its silence", () => {
    const watch = new PeerWatch(600);
    const peers = [sight(2, { stopped: true }), sight(3)];
    expect(watch.look(peers, true, 10, 100, 50_000)).toMatchObject([
      { type: "peer unreachable", stopped: true, votersLeft: 2, voters: 3, spare: 0 },
    ]);
    expect(watch.look(peers, true, 10, 500, 50_400)).toEqual([]);
    const back = [sight(2, { lastHeardMs: 600 }), sight(3, { lastHeardMs: 600 })];
    expect(watch.look(back, true, 10, 600, 50_500)).toMatchObject([{ type: "peer back" }]);
  });

  it("says that it is back, how far behind, and when it has caught up", () => {
    const watch = new PeerWatch(600);
    watch.look([sight(2)], true, 10, 1_000, 0);
    const back = watch.look(
      [sight(2, { lastHeardMs: 2_000, matchIndex: 10 })],
      true,
      128,
      2_000,
      0,
    );
    expect(back).toMatchObject([{ type: "peer back", behind: 118 }]);
    expect(
      watch.look([sight(2, { lastHeardMs: 2_100, matchIndex: 20 })], true, 128, 2_100, 0),
    ).toEqual([]);
    const caughtUp = watch.look(
      [sight(2, { lastHeardMs: 2_200, matchIndex: 128 })],
      true,
      128,
      2_200,
      0,
    );
    expect(caughtUp).toMatchObject([{ type: "peer caught up", votersHere: 2, voters: 2 }]);
  });

  it("goes by what a peer says that it holds while its leader does not know yet", () => {
    const watch = new PeerWatch(600);
    watch.look([sight(2)], true, 10, 1_000, 0);
    const met = sight(2, { lastHeardMs: 2_000, matchIndex: 0, heldIndex: 120 });
    expect(watch.look([met], true, 128, 2_000, 0)).toMatchObject([
      { type: "peer back", behind: 8 },
    ]);
  });

  it("does not count a learner among the voters", () => {
    const watch = new PeerWatch(600);
    const events = watch.look(
      [sight(2, { voter: false }), sight(3, { lastHeardMs: 5_000 })],
      true,
      10,
      5_000,
      0,
    );
    expect(events).toMatchObject([{ type: "peer unreachable", votersLeft: 2, voters: 2 }]);
  });
});

describe("a leader that leads no more", () => {
  const around: MemberSurroundings = {
    self: 1,
    status: leaderOfThree,
    memories: new Map(),
    connectionTo: () => undefined,
    nameOf: (id) => ({ id, userHost: null, address: null, dataDir: null }),
    isOutside: false,
  };
  const role = (now: Role): CoreEvent => ({
    type: "role",
    role: now,
    term: 2,
    reason: "higher term",
    votes: [],
  });
  const transfer = (outcome: "ordered" | "given up"): CoreEvent => ({
    type: "transfer",
    to: 2,
    outcome,
  });
  const said = (...events: CoreEvent[]): readonly string[] => {
    const watch = new MemberWatch(600, 0);
    return events.flatMap((event) => watch.take(event, around, 5_000).map(({ type }) => type));
  };

  it("says that it handed over when it did", () => {
    expect(said(role("leader"), transfer("ordered"), role("follower"))).toEqual([
      "leads",
      "ready",
      "handed over",
    ]);
  });

  it("says what was lost when the transfer was given up", () => {
    const events = [role("leader"), transfer("ordered"), transfer("given up"), role("follower")];
    expect(said(...events).at(-1)).toBe("leadership lost");
  });
});

describe("a disk that lost what its node had acknowledged", () => {
  const nameOf = (id: number): PeerName => ({
    id,
    userHost: "rui@lab-09",
    address: null,
    dataDir: null,
  });
  const around = { status: leaderOfThree, memories: new Map(), nameOf, isOutside: false };
  const lost: CoreEvent = { type: "lostData", peer: 3, matchIndex: 10, durableIndex: 5 };

  it.each([
    [1, nameOf(3)],
    [3, null],
  ])("is told by node %d", (self, peer) => {
    const watch = new MemberWatch(600, 0);
    const surroundings = { ...around, self, connectionTo: () => undefined };
    const said = watch.take(lost, surroundings, 5_000);
    expect(said).toEqual([{ type: "lost data", peer, from: 6, to: 10 }]);
  });

  it.each([
    ["replicate", ["peer back", "peer caught up"]],
    ["lost data", ["peer back"]],
  ] as const)("has caught up only where its peer counts: %s", (state, types) => {
    const hello = helloOf({ id: 3, incarnation: "3a", bootId: "b3" });
    const address = { host: "10.0.0.9", port: 7_403 };
    const memory = { hello, address, lastHeardMs: 0, lastHeardWallMs: 0, stopped: false };
    const peer = { id: 3, state, matchIndex: 9, nextIndex: 10, lastContactMs: 0 };
    const surroundings: MemberSurroundings = {
      ...around,
      self: 1,
      memories: new Map([[3, memory]]),
      status: { ...leaderOfThree, peers: [peer] },
      connectionTo: () => undefined,
    };
    const watch = new MemberWatch(600, 0);
    const said: string[] = [];
    for (const [nowMs, heardMs] of [
      [5_000, 0],
      [5_100, 5_050],
      [5_200, 5_150],
    ] as const) {
      memory.lastHeardMs = heardMs;
      for (const event of watch.look(surroundings, nowMs, nowMs))
        if ("peer" in event && typeof event.peer === "object" && event.peer?.id === 3)
          said.push(event.type);
    }
    expect(said).toEqual(["peer unreachable", ...types]);
  });
});

describe("known addresses", () => {
  const address = { host: "127.0.0.1", port: 7_401 };

  it("are greeted again while nobody is met there, never more often than every 5 s", () => {
    const contacts = new Contacts();
    contacts.add(address);
    const greeted: number[] = [];
    for (let nowMs = 0; nowMs <= 12_000; nowMs += 100) {
      if (contacts.due(() => false, nowMs).length > 0) greeted.push(nowMs);
    }
    expect(greeted).toEqual([0, 5_000, 10_000]);
  });

  it("are left alone while somebody is met there", () => {
    const contacts = new Contacts();
    contacts.add(address);
    expect(contacts.due(() => true, 0)).toEqual([]);
    expect(contacts.due(() => false, 1)).toEqual([address]);
  });

  it("are bounded in number", () => {
    const contacts = new Contacts();
    for (let port = 1; port <= 1_000; port += 1) contacts.add({ host: "127.0.0.1", port });
    expect(contacts.due(() => false, 0)).toHaveLength(256);
  });
});
