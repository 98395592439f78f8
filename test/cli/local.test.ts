/** `raft up --local`: several nodes' events as lines of one terminal, each happening once. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Hints } from "../../src/cli/hints.ts";
import { eventLine, parseEventLine } from "../../src/cli/up-child.ts";
import { LocalTeller, refuseOtherSize } from "../../src/cli/up-local.ts";
import type { LocalSettings } from "../../src/cli/up-settings.ts";
import type { NodeEvent } from "../../src/node/events.ts";
import { foundingRecord } from "../../src/node/formation-record.ts";
import { openIdentity, writeIdentity } from "../../src/storage/identity.ts";
import { openRealDisk } from "../../src/storage/real-disk.ts";
import { at, peer } from "./context.ts";

function terminal(): { readonly lines: string[]; readonly teller: LocalTeller } {
  const lines: string[] = [];
  const teller = new LocalTeller(new Hints("./raft", "", 3), "local", [1, 2, 3], (line) =>
    lines.push(line),
  );
  return { lines, teller };
}

const founded: NodeEvent = {
  type: "founded",
  cluster: "local",
  clusterId: "5f3c19ab00112233445566778899aabb",
  founders: [peer(1), peer(2), peer(3)],
  self: 1,
  canLose: 1,
  mixed: false,
};

describe("three nodes in one terminal", () => {
  it("tell each happening once, and at the end what to type", () => {
    const { lines, teller } = terminal();
    for (const id of [1, 2, 3])
      teller.event(
        id,
        { type: "waiting", for: [1, 2, 3].filter((other) => other !== id), single: false },
        at(14, 5, 23),
      );
    for (const id of [3, 1, 2]) teller.event(id, founded, at(14, 5, 24));
    teller.event(2, { type: "leads", leader: 2, term: 1, votes: [2, 1] }, at(14, 5, 24));
    teller.event(1, { type: "leads", leader: 2, term: 1, votes: [] }, at(14, 5, 24));
    for (const id of [1, 2, 3]) teller.event(id, { type: "ready", self: id }, at(14, 5, 24));
    // The sentence about how many may fail is what people read, word for word.
    expect(lines).toEqual([
      "3 | 14:05:24  founded cluster local (5f3c19ab) with nodes 1, 2, 3: any one of them may now fail",
      "2 | 14:05:24  node 2 leads in term 1 (votes: 2, 1)",
      '14:05:24  ready: in another terminal ./raft send "hello"',
    ]);
  });

  it("tell of the next leader again", () => {
    const { lines, teller } = terminal();
    teller.event(1, { type: "leads", leader: 2, term: 1, votes: [] }, at(14, 5, 24));
    teller.event(1, { type: "leads", leader: 3, term: 2, votes: [] }, at(14, 5, 25));
    teller.event(1, { type: "leads", leader: 3, term: 2, votes: [] }, at(15, 5, 25));
    expect(lines.length).toBe(3);
  });

  it("do not miss each other while they all stop", () => {
    const { lines, teller } = terminal();
    teller.stopping();
    teller.event(
      1,
      {
        type: "peer unreachable",
        peer: peer(2),
        stopped: true,
        sinceWallMs: 0,
        votersLeft: 2,
        voters: 3,
        spare: 0,
      },
      at(14, 6),
    );
    teller.event(1, { type: "stopping", leader: null, handedOverMs: null }, at(14, 6));
    teller.line(2, "some words");
    expect(lines).toEqual(["1 | 14:06:00  stopping", "2 | some words"]);
  });
});

describe("a child's line", () => {
  it("comes back as the event that it was", () => {
    expect(parseEventLine(eventLine(founded, 5).trimEnd())).toEqual({ event: founded, wallMs: 5 });
  });
  it("is taken as words when it is no event", () => {
    expect(parseEventLine("hello")).toBe(null);
    expect(parseEventLine('{"event":')).toBe(null);
  });
});

describe("a cluster of another size", () => {
  const settingsOf = (count: number, base: string): LocalSettings => ({
    type: "local",
    count,
    cluster: "local",
    hints: new Hints("./raft", "", count),
    detach: false,
    isChild: false,
    directoryOf: (id) => join(base, String(id)),
    passedOn: [],
  });

  it("is recognised before anything is started, and the size that it has is named", () => {
    const base = mkdtempSync(join(tmpdir(), "raft-local-"));
    try {
      expect(() => refuseOtherSize(settingsOf(4, base))).not.toThrow();
      const record = foundingRecord(
        "local",
        [1, 2, 3].map((id) => ({ id, incarnation: `${id}`.repeat(32) })),
      );
      const disk = openRealDisk(join(base, "1"), true);
      const wanted = { cluster: "local", id: 1, freshIncarnation: "1".repeat(32), nowMs: 1 };
      const opened = openIdentity(disk, wanted);
      if (!opened.ok) throw new Error(opened.reason);
      writeIdentity(disk, { ...opened.identity, founding: record });
      expect(() => refuseOtherSize(settingsOf(3, base))).not.toThrow();
      expect(() => refuseOtherSize(settingsOf(4, base))).toThrow(
        "there is a cluster local of three here already (nodes 1, 2 and 3)\n  go on with it:     ./raft up --local 3\n",
      );
    } finally {
      rmSync(base, { recursive: true });
    }
  });
});
