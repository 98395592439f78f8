/** The log on its disk: one suite for the real disk and its in-memory twin. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { MemoryDisk } from "../../src/storage/memory-disk.ts";
import { openRealDisk } from "../../src/storage/real-disk.ts";
import { payloadsOf, readHead } from "../../src/storage/record.ts";
import type { Disk } from "../../src/storage/types.ts";
import { appendText, create, flushed, open, texts } from "./fixture.ts";

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

const disks: readonly (readonly [string, () => Disk])[] = [
  ["memory", () => new MemoryDisk()],
  [
    "real",
    () => {
      const directory = mkdtempSync(join(tmpdir(), "raft-log-"));
      directories.push(directory);
      return openRealDisk(directory, true);
    },
  ],
];

describe.each(disks)("a log on the %s disk", (_name, newDisk) => {
  it("is empty when created, and opens again empty", () => {
    const disk = newDisk();
    create(disk);
    for (let start = 0; start < 2; start += 1) {
      const store = open(disk);
      expect(store.log.lastIndex).toBe(0);
      expect(store.hardState).toEqual({ term: 0, votedFor: null });
      expect(store.configurations).toHaveLength(1);
      store.log.close();
      store.hardStates.close();
    }
  });

  it("gives back what was appended, before and after a restart", async () => {
    const disk = newDisk();
    create(disk);
    const store = open(disk);
    for (let at = 1; at <= 50; at += 1) {
      appendText(store.log, 1, [`entry ${at}`, "second"]);
      if (at % 3 === 0) await flushed(store.log);
    }
    await flushed(store.log);
    const before = texts(store.log);
    expect(before).toHaveLength(100);
    store.log.close();
    store.hardStates.close();
    const again = open(disk);
    expect(again.notes).toEqual([]);
    expect(texts(again.log)).toEqual(before);
    expect(again.log.lastChain).toBe(store.log.lastChain);
    expect(again.hardState.term).toBe(1);
    expect(again.runs).toEqual([{ firstIndex: 1, term: 1 }]);
    again.log.close();
    again.hardStates.close();
  });

  it("rotates through many segments and reads old entries back from the disk", async () => {
    const disk = newDisk();
    create(disk);
    const store = open(disk);
    const text = "x".repeat(1_000);
    for (let at = 0; at < 200; at += 1) {
      appendText(store.log, 1, [`${at} ${text}`]);
      if (at % 5 === 4) await flushed(store.log);
    }
    expect(disk.list().filter((name) => name.endsWith(".log")).length).toBeGreaterThan(3);
    expect(texts(store.log).map((entry) => Number.parseInt(entry, 10))).toEqual([
      ...Array.from({ length: 200 }).keys(),
    ]);
    const chain = store.log.chainAt(3);
    expect(chain?.lastIndex).toBe(3);
    store.log.close();
    const again = open(disk);
    expect(texts(again.log)).toHaveLength(200);
    expect(again.log.chainAt(3)).toEqual(chain);
    const read = again.log.read(7, 1);
    expect(read?.firstIndex).toBe(7);
    expect(payloadsOf(read?.bytes ?? new Uint8Array(), 0)).toHaveLength(1);
    expect(read?.prevChain).toBe(again.log.chainAt(6)?.chain);
    expect(typeof readHead(read?.bytes ?? new Uint8Array(), 0)).toBe("object");
    again.log.close();
  });

  it("truncates in memory, then on the disk, with a new segment", async () => {
    const disk = newDisk();
    create(disk);
    const store = open(disk);
    for (const text of ["a", "b", "c", "d"]) appendText(store.log, 1, [text]);
    await flushed(store.log);
    store.log.truncate(3);
    appendText(store.log, 2, ["C"]);
    expect(texts(store.log)).toEqual(["a", "b", "C"]);
    await flushed(store.log);
    store.log.close();
    const again = open(disk);
    expect(texts(again.log)).toEqual(["a", "b", "C"]);
    expect(again.runs).toEqual([
      { firstIndex: 1, term: 1 },
      { firstIndex: 3, term: 2 },
    ]);
    again.log.close();
  });
});
