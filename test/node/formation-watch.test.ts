/** What people are told while a cluster is founded, and how often. */

import { expect, it } from "vitest";
import type { DiscoveryReport, Hint } from "../../src/discovery/types.ts";
import type { NodeEvent } from "../../src/node/events.ts";
import { foundingRecord } from "../../src/node/formation-record.ts";
import { type FormationSurroundings, FormationWatch } from "../../src/node/formation-watch.ts";
import { Formation } from "../../src/node/formation.ts";
import { beaconOf } from "../discovery/discovery-world.ts";
import { CLUSTER, helloOf } from "./formation-world.ts";

const quiet: DiscoveryReport = {
  interfaces: ["10.0.0.7", "127.0.0.1"],
  ways: ["multicast"],
  heard: [],
  deaf: [],
  problems: [],
};

function around(discovery: DiscoveryReport): FormationSurroundings {
  return {
    self: 1,
    cluster: CLUSTER,
    ownHost: "10.0.0.7",
    ownKeyTag: 7,
    ownAuth: "open",
    founders: [1, 2, 3],
    nameOf: ({ id, userHost }) => ({ id, userHost, address: null, dataDir: null }),
    foundedMs: null,
    entries: null,
    discovery,
  };
}

function heardFrom(host: string, parts: Parameters<typeof beaconOf>[1] = {}): Hint {
  return { beacon: beaconOf(2, parts), address: { host, port: 7_402 }, heardMs: 0 };
}

function founder(): Formation {
  const options = { cluster: CLUSTER, id: 1, incarnation: "1a", founders: [1, 2, 3] };
  return new Formation({ ...options, record: null, member: false });
}

/** Everything said in the first `seconds` seconds, looked at four times a second. */
function saidBy(formation: Formation, discovery: DiscoveryReport, seconds: number): NodeEvent[] {
  const watch = new FormationWatch();
  const met = [...formation.processes.values()].map(({ hello }) => hello);
  const said: NodeEvent[] = [];
  for (let nowMs = 0; nowMs <= seconds * 1_000; nowMs += 250) {
    said.push(...watch.look(formation.view(), met, around(discovery), nowMs));
  }
  return said;
}

it("says once for whom it waits, and after ten seconds what may be in between", () => {
  expect(saidBy(founder(), quiet, 11)).toEqual([
    { type: "waiting", for: [2, 3], single: false },
    {
      type: "silence",
      ids: [2, 3],
      seconds: 10,
      causes: [{ type: "unknown", ownHost: "10.0.0.7" }],
    },
  ]);
});

it("names another machine that is heard, never this one, where the own multicast is dropped", () => {
  const deaf = { ...quiet, deaf: ["10.0.0.7"] };
  const causes = (heard: readonly Hint[]): unknown =>
    saidBy(founder(), { ...deaf, heard }, 11).find(({ type }) => type === "silence");
  const own = [heardFrom("127.0.0.1"), heardFrom("10.0.0.7")];
  expect(causes(own)).toMatchObject({
    causes: [{ type: "own multicast unheard", interface: "10.0.0.7", tryHost: null }],
  });
  expect(causes([...own, heardFrom("10.0.0.8")])).toMatchObject({
    causes: [{ type: "own multicast unheard", interface: "10.0.0.7", tryHost: "10.0.0.8" }],
  });
});

it("says whose key or cluster differs", () => {
  const heard = [
    heardFrom("10.0.0.8", { keyTag: 8, auth: "key" }),
    heardFrom("127.0.0.1", { keyTag: 8, auth: "key" }),
    heardFrom("10.0.0.9", { cluster: "g4", userHost: "bob@lab-09" }),
  ];
  expect(saidBy(founder(), { ...quiet, heard }, 11)).toContainEqual({
    type: "silence",
    ids: [2, 3],
    seconds: 10,
    causes: [
      { type: "other key", host: "10.0.0.8", keyed: "theirs" },
      { type: "other cluster", host: "10.0.0.9", cluster: "g4", userHost: "bob@lab-09" },
    ],
  });
});

it("goes on waiting, aloud, for a founder that left before it had signed", () => {
  const record = foundingRecord(
    CLUSTER,
    [1, 2, 3].map((id) => ({ id, incarnation: `${id}a` })),
  );
  const formation = founder();
  formation.heard(helloOf({ id: 2, founding: record }), true);
  formation.recordSynced();
  const said = saidBy(formation, quiet, 11);
  expect(said.map(({ type }) => type)).toEqual(["met", "waiting", "silence"]);
  expect(said[1]).toEqual({ type: "waiting", for: [3], single: true });
});

it("says which names are not known", () => {
  const text = "no IPv4 address is known for nosuchhost (--peers)";
  expect(saidBy(founder(), { ...quiet, problems: [text] }, 11)).toContainEqual(
    expect.objectContaining({ type: "silence", causes: [{ type: "problem", text }] }),
  );
});

function outsider(): Formation {
  const options = { cluster: CLUSTER, id: 5, incarnation: "5a", founders: [1, 2, 3] };
  return new Formation({ ...options, record: null, member: false });
}

it("says that it is no founder when that has lasted, and not beside a cluster that it hears", () => {
  const notFounder = { type: "not a founder", founders: [1, 2, 3] };
  expect(saidBy(outsider(), quiet, 1.5)).toEqual([]);
  expect(saidBy(outsider(), quiet, 3)).toEqual([notFounder]);
  const heard = [heardFrom("10.0.0.8", { cluster: CLUSTER, clusterId: "5f".repeat(16) })];
  expect(saidBy(outsider(), { ...quiet, heard }, 3)).toEqual([]);
});

it("says what an older cluster holds only when its other members do not come", () => {
  const record = foundingRecord(
    CLUSTER,
    [1, 2, 3].map((id) => ({ id, incarnation: id === 1 ? "old" : `${id}a` })),
  );
  const member = (id: number) =>
    helloOf({ id, incarnation: `${id}a`, founding: record, member: true });
  const formation = founder();
  formation.heard(member(2), true);
  expect(saidBy(formation, quiet, 1.5).map(({ type }) => type)).not.toContain("older cluster");
  expect(saidBy(formation, quiet, 3).map(({ type }) => type)).toContain("older cluster");
  formation.heard(member(3), true);
  expect(saidBy(formation, quiet, 3).map(({ type }) => type)).not.toContain("older cluster");
});
