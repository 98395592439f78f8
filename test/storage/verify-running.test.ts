/** `raft verify` of a node that runs: all but the newest segment, and what goes away meanwhile. */

import { describe, expect, it } from "vitest";
import { IDENTITY_FILE, openIdentity, writeIdentity } from "../../src/storage/identity.ts";
import { type DirectoryReport, verifyRunning } from "../../src/storage/inspect.ts";
import { MemoryDisk } from "../../src/storage/memory-disk.ts";
import type { Disk, DiskFile, LogStore } from "../../src/storage/types.ts";
import {
  appendText,
  create,
  flipInside,
  flushed,
  FOUNDING,
  INCARNATION,
  open,
  settled,
} from "./fixture.ts";

interface Running {
  readonly disk: MemoryDisk;
  readonly log: LogStore;
  /** A record of the second segment, and the last one of all. */
  readonly old: Uint8Array;
  readonly last: Uint8Array;
}

/** A node that runs on three full segments and the beginning of a fourth. */
async function running(): Promise<Running> {
  const disk = new MemoryDisk();
  const wanted = { cluster: "raft", id: 1, nowMs: 5, freshIncarnation: INCARNATION };
  const born = openIdentity(disk, wanted);
  if (!born.ok) throw new Error("born");
  writeIdentity(disk, { ...born.identity, founding: FOUNDING, foundedMs: 7, member: true });
  create(disk);
  const { log } = open(disk);
  const records: Uint8Array[] = [];
  while (headed(disk).length < 4) {
    records.push(appendText(log, 1, [`entry ${log.lastIndex} `.padEnd(1_000, ".")]).slice());
    await flushed(log);
  }
  const second = segmentBytes(disk, headed(disk)[1] ?? "");
  const old = records.find((record) => second.includes(record));
  const last = records.at(-1);
  if (old === undefined || last === undefined) throw new Error("four segments are written");
  return { disk, log, old, last };
}

function segmentBytes(disk: MemoryDisk, name: string): Buffer {
  const file = disk.open(name, false);
  const bytes = Buffer.from(file.readSync(0, file.size()));
  file.close();
  return bytes;
}

/** Segments that are written to, without the room that is prepared. */
function headed(disk: MemoryDisk): readonly string[] {
  return disk
    .list()
    .filter((name) => name.endsWith(".log") && segmentBytes(disk, name).some((byte) => byte !== 0));
}

/** Of the segments in `names`. */
function verdicts({ files }: DirectoryReport, names: readonly string[]): readonly string[] {
  return files.filter(({ file }) => names.includes(file)).map(({ verdict }) => verdict);
}

describe("verify of a running node", () => {
  it("reads every segment but the newest, which is in use", async () => {
    const { disk, log, last } = await running();
    const report = verifyRunning(disk);
    expect(report.ok).toBe(true);
    expect(verdicts(report, headed(disk))).toEqual(["good", "good", "good", "in use"]);
    const sum = report.files.reduce((entries, file) => entries + file.entries, 0);
    expect(sum).toBeGreaterThan(0);
    expect(sum).toBeLessThan(log.lastIndex);
    // What is in use is not judged: it is being written.
    flipInside(disk, last);
    expect(verifyRunning(disk).ok).toBe(true);
    log.close();
  });

  it("finds what rots in an older one", async () => {
    const { disk, log, old } = await running();
    flipInside(disk, old);
    const report = verifyRunning(disk);
    expect(report.ok).toBe(false);
    expect(verdicts(report, headed(disk))).toEqual(["good", "damaged", "good", "in use"]);
    log.close();
  });

  it("finds one that reads as zeros, an older one or the one in use: a later one is there", async () => {
    const { disk, log } = await running();
    for (let turn = 0; turn < 20; turn++) await settled();
    const [first = "", , , newest = ""] = headed(disk);
    const names = headed(disk);
    for (const [name, found] of [
      [first, ["damaged", "good", "good", "in use"]],
      [newest, ["damaged", "good", "in use", "damaged"]],
    ] as const) {
      disk.overwrite(name, 0, new Uint8Array(65_536));
      const report = verifyRunning(disk);
      expect(report.ok).toBe(false);
      expect(verdicts(report, names)).toEqual(found);
      expect(report.files.find(({ file }) => file === name)?.reason).toBe(
        "all of it reads as zeros",
      );
    }
    log.close();
  });

  it("finds a rotten identity, with which the node would not start again", async () => {
    const { disk, log } = await running();
    disk.flipBit(IDENTITY_FILE, 200);
    const report = verifyRunning(disk);
    expect(report).toMatchObject({ ok: false, problem: "unreadable" });
    expect(verdicts(report, [IDENTITY_FILE])).toEqual(["damaged"]);
    log.close();
  });

  it("does not take a node that replaces its identity meanwhile for a copy", async () => {
    const { disk, log } = await running();
    const whole = verifyRunning(disk);
    let left = 1;
    const replaced = (name: string, make: boolean): DiskFile => {
      const file = disk.open(name, make);
      if (name === IDENTITY_FILE && whole.identity !== null && left-- > 0)
        writeIdentity(disk, whole.identity);
      return file;
    };
    const seen = Object.create(disk, { open: { value: replaced } }) as Disk;
    expect(verifyRunning(seen)).toEqual(whole);
    expect(left).toBeLessThan(1);
    log.close();
  });

  it("looks again when a truncation has deleted a segment between the list and the opening", async () => {
    const { disk, log } = await running();
    const before = disk.list();
    log.truncate(2);
    appendText(log, 2, ["another"], { sequence: 2 });
    await flushed(log);
    await settled();
    expect(before.filter((name) => !disk.exists(name))).not.toEqual([]);
    const lists = [before];
    const seen = Object.create(disk, {
      list: { value: () => lists.shift() ?? disk.list() },
    }) as Disk;
    const report = verifyRunning(seen);
    expect(lists).toEqual([]);
    expect(report.ok).toBe(true);
    expect(verdicts(report, headed(disk)).at(-1)).toBe("in use");
    log.close();
  });

  it("gives up in a sentence where files go away all the time", async () => {
    const { disk, log } = await running();
    const listed = [...disk.list(), "0000009999.log"];
    const seen = Object.create(disk, { list: { value: () => listed } }) as Disk;
    expect(() => verifyRunning(seen)).toThrow(/\.log: no such file/);
    log.close();
  });
});
