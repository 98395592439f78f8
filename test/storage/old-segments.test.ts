/** Reading what is no longer in memory, in the segments of an earlier process. */

import { describe, expect, it } from "vitest";
import { MemoryDisk } from "../../src/storage/memory-disk.ts";
import type { Disk, DiskFile } from "../../src/storage/types.ts";
import { appendText, create, flipInside, flushed, open, texts } from "./fixture.ts";

const BATCH_MAGIC = "RFB2";

const LIMITS = {
  segmentBytesMin: 1_048_576,
  segmentBytesMax: 1_048_576,
  tailBytesMax: 65_536,
  tailPageBytes: 16_384,
  sessionsMax: 8,
};
const PIECE = 57_000;

/** A log of three full segments and the beginning of a fourth; `middle`: a record of the second. */
async function threeSegments(): Promise<{ disk: MemoryDisk; middle: Uint8Array; bytes: number }> {
  const disk = new MemoryDisk();
  create(disk, LIMITS);
  const { log, hardStates } = open(disk, LIMITS);
  let middle: Uint8Array = new Uint8Array(0);
  let bytes = 0;
  for (let at = 0; bytes < 3.2 * LIMITS.segmentBytesMax; at++) {
    const record = appendText(log, 1, [`entry ${at} `.padEnd(9_000, ".")]);
    if (at === 150) middle = record;
    bytes += record.length;
    if (at % 7 === 0) await flushed(log);
  }
  await flushed(log);
  log.close();
  hardStates.close();
  return { disk, middle, bytes };
}

/** Counts the bytes that are read. */
function counted(disk: Disk): { disk: Disk; count: () => number } {
  let read = 0;
  const open = (path: string, make: boolean): DiskFile => {
    const file = disk.open(path, make);
    const readSync = (position: number, length: number, into?: Uint8Array): Uint8Array => {
      const bytes = file.readSync(position, length, into);
      read += bytes.length;
      return bytes;
    };
    return Object.create(file, { readSync: { value: readSync } }) as DiskFile;
  };
  return { disk: Object.create(disk, { open: { value: open } }) as Disk, count: () => read };
}

describe("an old segment", () => {
  it("is not read whole when one piece of it is wanted", async () => {
    const made = counted((await threeSegments()).disk);
    const { log } = open(made.disk, LIMITS);
    const before = made.count();
    expect(log.read(1, PIECE)?.firstIndex).toBe(1);
    expect(made.count() - before).toBeLessThan(4 * PIECE);
    log.close();
  });

  it("is read about once by whoever reads it from its beginning to its end", async () => {
    const { disk, bytes } = await threeSegments();
    const made = counted(disk);
    const { log } = open(made.disk, LIMITS);
    const before = made.count();
    for (let next = 1; next <= log.lastIndex;) {
      const found = log.read(next, PIECE);
      expect(found?.firstIndex).toBe(next);
      next = (found?.lastIndex ?? log.lastIndex) + 1;
    }
    expect((made.count() - before) / bytes).toBeLessThan(1.6);
    log.close();
  });

  it("is read into memory that is used again when the turn is over, and not before", async () => {
    const { log } = open((await threeSegments()).disk, LIMITS);
    const first = log.read(1, PIECE)?.bytes ?? new Uint8Array(0);
    const copy = new Uint8Array(first);
    const second = log.read(100, PIECE)?.bytes;
    expect(second?.buffer).not.toBe(first.buffer);
    expect(first).toEqual(copy);
    log.endTurn();
    const again = [1, 50].map((index) => log.read(index, PIECE)?.bytes.buffer);
    expect(new Set(again)).toEqual(new Set([first.buffer, second?.buffer]));
    log.close();
  });

  it("does not hold more memory for later than a bound", async () => {
    const { log } = open((await threeSegments()).disk, LIMITS);
    const readAll = (): Set<ArrayBufferLike | undefined> =>
      new Set(Array.from({ length: 100 }, (_, at) => log.read(1 + at, PIECE)?.bytes.buffer));
    const before = readAll();
    expect(before.size).toBe(100);
    log.endTurn();
    const again = [...readAll()].filter((buffer) => before.has(buffer)).length;
    expect(again).toBeGreaterThan(0);
    expect(again).toBeLessThanOrEqual((4 << 20) / 65_536);
    log.close();
  });

  it("gives what lies behind damage, and says what is damaged, whoever reads first", async () => {
    const { disk, middle } = await threeSegments();
    flipInside(disk, middle);
    const { log } = open(disk, LIMITS);
    // The rest of its batch hangs on it.
    expect(log.read(156, PIECE)?.firstIndex).toBe(156);
    expect(log.damage.map(({ from, to }) => [from, to])).toEqual([[151, 155]]);
    expect(log.read(151, PIECE)).toBeNull();
    expect(log.read(150, PIECE)?.lastIndex).toBe(150);
    expect(texts(log).length).toBe(150);
    log.close();
  });

  it("is read past a lost seal, also by whoever comes from in front of it", async () => {
    const disk = new MemoryDisk();
    create(disk, LIMITS);
    const made = open(disk, LIMITS).log;
    const appendTen = async (what: string): Promise<void> => {
      for (let at = 0; at < 10; at++) {
        appendText(made, 1, [`${what} ${at}`]);
        await flushed(made);
      }
    };
    await appendTen("before");
    for (const nowMs of [200, 400]) made.tick(nowMs);
    await appendTen("after");
    disk.crash();
    spoilFirstSeal(disk);
    const { log } = open(disk, LIMITS);
    expect(log.damage).toEqual([]);
    // As a leader reads for a follower: what comes next, then the chain in front of the rest.
    expect(log.read(1, PIECE)?.lastIndex).toBe(10);
    expect(log.chainAt(10)?.lastIndex).toBe(10);
    expect(log.read(11, PIECE)?.firstIndex).toBe(11);
    log.close();
  });
});

/** Damages the first batch without records behind one with records. */
function spoilFirstSeal(disk: MemoryDisk): void {
  const name = disk.list().find((path) => path.endsWith(".log")) ?? "";
  const file = disk.open(name, false);
  const bytes = Buffer.from(file.readSync(0, file.size()));
  for (let at = bytes.indexOf(BATCH_MAGIC); at >= 0; at = bytes.indexOf(BATCH_MAGIC, at + 1)) {
    if (bytes.readUInt32BE(at + 4) === 0) return disk.flipBit(name, (at + 20) * 8);
  }
  throw new Error("there is no seal");
}
