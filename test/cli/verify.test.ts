/** `raft verify` on directories of this machine. */

import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { nodesUnder, renderReport, renderRunning } from "../../src/cli/verify.ts";
import { type FileReport, verifyDirectory } from "../../src/storage/inspect.ts";
import { writeIdentity } from "../../src/storage/identity.ts";
import { openRealDisk } from "../../src/storage/real-disk.ts";
import { FRESH_IDENTITY } from "../storage/fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "raft-verify-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("verify", () => {
  it("finds the node in a directory, and those below that of a cluster or of all", () => {
    for (const [cluster, id] of [
      ["g4", 1],
      ["g4", 2],
      ["g5", 1],
    ] as const) {
      const directory = join(folder, cluster, String(id));
      mkdirSync(directory, { recursive: true });
      writeIdentity(openRealDisk(directory, true), { ...FRESH_IDENTITY, cluster, id });
    }
    const found = (path: string): readonly string[] =>
      nodesUnder(path, null).map(({ cluster, id }) => `${cluster} ${id}`);
    expect(found(join(folder, "g4", "2"))).toEqual(["g4 2"]);
    expect(found(join(folder, "g4"))).toEqual(["g4 1", "g4 2"]);
    expect(found(folder)).toEqual(["g4 1", "g4 2", "g5 1"]);
    expect(found(join(folder, "none"))).toEqual([]);
  });

  it("does not let a copy's original be thrown away", () => {
    const original = join(folder, "original");
    const copy = join(folder, "copy");
    mkdirSync(original);
    writeIdentity(openRealDisk(original, true), { ...FRESH_IDENTITY, cluster: "g4", id: 2 });
    cpSync(original, copy, { recursive: true });
    expect(verifyDirectory(original)).toMatchObject({ ok: true, problem: null });
    const report = verifyDirectory(copy);
    expect(report).toMatchObject({ ok: false, problem: "copied" });
    const text = renderReport(copy, report, "./raft", " --data-dir copy");
    expect(text.split("\n").at(-1)).toBe(
      "damaged: a copy does not start as node 2. Start the original, or make this one fresh: ./raft wipe --data-dir copy",
    );
    expect(renderReport(copy, report, "./raft")).toMatch(/ \.\/raft wipe 2 --cluster g4$/);
  });

  it("says what a prepared file is", () => {
    const file = { file: "log-2", verdict: "prepared", entries: 0, firstIndex: null } as const;
    const report = {
      identity: null,
      problem: null,
      files: [{ ...file, lastIndex: null, reason: null, offset: null }],
      ok: true,
    };
    expect(renderReport("/data", report, "./raft")).toContain(
      "prepared: room that was made ready for the next entries, still empty",
    );
  });

  it("says of a running node without a readable identity what mends it", () => {
    const node = { id: 2, cluster: "g4", directory: "/data", held: { holder: null } };
    const where = { firstIndex: null, lastIndex: null, entries: 0, offset: 0 };
    const files = [{ file: "identity", verdict: "damaged", reason: "rot", ...where } as const];
    const report = { identity: null, problem: "unreadable", files, ok: false } as const;
    expect(renderRunning(node, report, "./raft").split("\n").slice(-2)).toEqual([
      "  identity at byte 0: rot",
      "damaged: no start takes this identity. The node writes it anew when it stops in order: ./raft stop 2 --cluster g4",
    ]);
  });

  it("says how damage is mended: entries by reading them, the rest by letting the node in anew", () => {
    const file = { verdict: "damaged", entries: 5, reason: "rot", offset: 9 } as const;
    const inEntries = { ...file, file: "0000000001.log", firstIndex: 1, lastIndex: 5 };
    const inVotes = { ...file, file: "hardstate", firstIndex: null, lastIndex: null };
    const text = (files: readonly FileReport[], cluster?: string): string => {
      const identity = cluster === undefined ? null : { ...FRESH_IDENTITY, id: 2, cluster };
      return renderReport("/data", { identity, problem: null, files, ok: false }, "./raft");
    };
    expect(text([inEntries])).toContain("repairs these entries when they are read: ./raft up --id");
    expect(text([inEntries, inVotes])).toContain("does not start again with it");
    expect(text([inVotes])).toContain("./raft members replace ID");
    expect(text([inEntries], "g4")).toContain(
      "./raft up --id 2 --cluster g4, then ./raft log --node 2 --cluster g4",
    );
  });
});
