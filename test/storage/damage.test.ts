/** Rot, cut files, full and failing disks: recovered whole, or refused, or marked; never silently
 *  short. */

import { describe, expect, it } from "vitest";
import type { Member } from "../../src/raft/types.ts";
import { MemoryDisk } from "../../src/storage/memory-disk.ts";
import { encodeMembers } from "../../src/storage/record.ts";
import { decodeSegmentHead, encodeSegmentHead } from "../../src/storage/segment-head.ts";
import { RECORD_KIND } from "../../src/storage/types.ts";
import type { Disk, DiskError, LogStore } from "../../src/storage/types.ts";
import {
  appendText,
  create,
  dice,
  flipInside,
  flushed,
  INCARNATION,
  nextRecord,
  open,
  sealedLog,
  settled,
  SMALL,
  texts,
  tryOpen,
} from "./fixture.ts";

const TINY = { ...SMALL, segmentBytesMin: 2_048 };

/** Whole, or refused, or marked as damaged: says which. */
function verdict(
  disk: Disk,
  wanted: readonly string[],
  limits = SMALL,
): "whole" | "refused" | "marked" {
  const store = tryOpen(disk, limits);
  if (!store.ok) {
    expect(store.problem).toBe("damaged");
    expect(store.file).toMatch(/\.log$/);
    return "refused";
  }
  const { log } = store;
  if (log.damage.length > 0) {
    expect(store.voteFromCommitIndex).toBe(wanted.length);
    expect(log.lastIndex).toBe(wanted.length);
    for (const range of log.damage) expect(range.file).toMatch(/\.log$/);
    log.close();
    return "marked";
  }
  expect(texts(log)).toEqual(wanted);
  log.close();
  return "whole";
}

const ENTRIES = ["first", "second", "third"];

describe("a sealed log", () => {
  it("with any one bit flipped is whole, refused or marked (60)", async () => {
    const origin = await sealedLog(ENTRIES, TINY);
    const counts = { whole: 0, refused: 0, marked: 0 };
    for (let bit = 0; bit < 700 * 8; bit += 1) {
      const disk = origin.copy();
      disk.flipBit("0000000001.log", bit);
      counts[verdict(disk, ENTRIES, TINY)] += 1;
    }
    expect(counts.marked).toBeGreaterThan(1_000);
    expect(counts.refused).toBeGreaterThan(1_000);
  });

  it("cut at any byte is refused or whole", async () => {
    const origin = await sealedLog(ENTRIES, TINY);
    const counts = { whole: 0, refused: 0, marked: 0 };
    for (let size = 0; size < 2_048; size += 1) {
      const disk = origin.copy();
      disk.cutFile("0000000001.log", size);
      counts[verdict(disk, ENTRIES, TINY)] += 1;
    }
    expect(counts.refused).toBe(2_048);
    expect(counts.whole).toBe(0);
  });

  it("that lost any of its files is refused (52)", async () => {
    const entries = Array.from({ length: 30 }, (_, at) => `${at} ${"x".repeat(2_000)}`);
    const origin = await sealedLog(entries);
    const used = origin
      .list()
      .filter((name) => name.endsWith(".log"))
      .slice(0, -1);
    expect(used.length).toBeGreaterThan(2);
    for (const name of used) {
      const disk = origin.copy();
      disk.remove(name);
      expect(verdict(disk, entries)).toBe("refused");
    }
  });

  it("whose head is damaged deletes nothing (55)", async () => {
    const disk = await sealedLog(ENTRIES);
    disk.flipBit("0000000001.log", 50 * 8);
    const before = disk.list();
    expect(verdict(disk, ENTRIES)).toBe("refused");
    expect(disk.list()).toEqual(before);
  });
});

describe("damage", () => {
  const entries = Array.from({ length: 40 }, (_, at) => `${at} ${"x".repeat(1_000)}`);

  it("heals with the bytes of another member and nothing else, and the node may vote again (60, 61)", async () => {
    for (const segment of [1, 2]) {
      const whole = open((await sealedLog(entries)).copy()).log;
      const disk = await sealedLog(entries);
      disk.flipBit(`${String(segment).padStart(10, "0")}.log`, 2_000 * 8);
      const store = open(disk);
      const { log } = store;
      for (let index = 1; index <= log.lastIndex; index += 1) log.read(index, 1);
      const [range] = log.damage;
      expect(range).toBeDefined();
      if (range === undefined) return;
      expect(log.lastIndex).toBe(40);
      expect(log.read(range.from, 1)).toBeNull();
      const right = whole.read(range.from, 1)?.bytes ?? new Uint8Array();
      const wrong = right.slice();
      wrong[90] = (wrong[90] ?? 0) ^ 1;
      expect(log.heal(wrong)).toBe(false);
      let healed = false;
      for (let tries = 0; log.damage[0] !== undefined && tries < 50; tries += 1) {
        healed = log.heal(whole.read(log.damage[0].from, 1_500)?.bytes.slice() ?? new Uint8Array());
      }
      expect(healed).toBe(true);
      expect(texts(log)).toEqual(entries);
      appendText(log, 1, ["after"]);
      await flushed(log);
      log.close();
      store.hardStates.close();
      const again = open(disk);
      expect(again.voteFromCommitIndex).toBe(0);
      expect(texts(again.log)).toEqual([...entries, "after"]);
      expect(again.log.lastUserIndex).toBe(41);
      again.log.close();
    }
  });

  it("that hides a change of members is known as such until it is healed", async () => {
    const disk = new MemoryDisk();
    create(disk);
    const first = open(disk).log;
    const members: readonly Member[] = [{ id: 1, incarnation: INCARNATION, role: "voter" }];
    first.append(
      nextRecord(first, 1, [encodeMembers(members)], { kind: RECORD_KIND.configuration }),
    );
    await flushed(first);
    appendText(first, 1, ["after"]);
    await flushed(first);
    const right = first.read(1, 0)?.bytes.slice() ?? new Uint8Array();
    const whole = first.configurations;
    expect(whole.map(({ index }) => index)).toEqual([0, 1]);
    first.close();
    flipInside(disk, right);
    const { log } = open(disk);
    expect([log.lastIndex, log.derivedKnown]).toEqual([2, false]);
    expect(log.configurations).toHaveLength(1);
    expect(log.heal(right)).toBe(true);
    expect(log.derivedKnown).toBe(true);
    expect(log.configurations).toEqual(whole);
    log.close();
  });

  it.each(["the log goes on in", "a restart begins"])(
    "that is healed leaves every term and every change of members known, once %s a new segment",
    async (how) => {
      const disk = new MemoryDisk();
      create(disk);
      const first = open(disk).log;
      const members: readonly Member[] = [{ id: 1, incarnation: INCARNATION, role: "voter" }];
      const change = { kind: RECORD_KIND.configuration };
      appendText(first, 1, ["one"]);
      for (const term of [2, 3]) {
        first.append(nextRecord(first, term, [encodeMembers(members)], change));
        await flushed(first);
      }
      const right = appendText(first, 4, ["4".repeat(100)]).slice();
      await flushed(first);
      appendText(first, 5, ["five"]);
      await flushed(first);
      const told = ({ runs, configurations }: LogStore): unknown => [
        [...runs],
        [...configurations],
      ];
      const whole = told(first);
      expect(first.runs).toHaveLength(5);
      disk.crash();
      flipInside(disk, right);

      // It goes on with a segment whose head tells nothing, for the damage hides a part.
      let { log } = open(disk);
      expect(log.derivedKnown).toBe(false);
      expect(log.heal(right)).toBe(true);
      expect(told(log)).toEqual(whole);
      const files = disk.list().length;
      const entry = how === "a restart begins" ? "x" : "x".repeat(6_000);
      for (let count = 0; count < 4; count += 1) appendText(log, 5, [entry]);
      await flushed(log);
      if (how === "a restart begins") disk.crash();
      else log.close();
      ({ log } = open(disk));
      expect(disk.list().length).toBeGreaterThan(files);
      log.close();
      ({ log } = open(disk));
      expect(told(log)).toEqual(whole);
      log.close();
    },
  );

  it("that is not healed does not keep a node from following, nor from restarting", async () => {
    const disk = await sealedLog(entries);
    const last =
      disk
        .list()
        .filter((name) => name.endsWith(".log"))
        .at(-2) ?? "";
    disk.flipBit(last, 1_000 * 8);
    for (let start = 0; start < 3; start += 1) {
      const store = open(disk);
      expect(store.voteFromCommitIndex).toBe(40 + start);
      appendText(store.log, 1, [`more ${start}`], { sequence: 41 + start });
      await flushed(store.log);
      store.log.close();
      store.hardStates.close();
    }
  });
});

describe("a disk that refuses", () => {
  it("when full keeps the log readable, refuses new entries early and goes on when there is space (59)", async () => {
    const disk = new MemoryDisk();
    create(disk);
    const store = open(disk);
    await flushed(store.log);
    await settled();
    disk.capacityBytes = disk.usedBytes();
    let appended = 0;
    for (; store.log.acceptsEntries && appended < 100; appended += 1) {
      appendText(store.log, 1, [`${appended} ${"x".repeat(1_000)}`]);
      await flushed(store.log);
      await settled();
    }
    expect(appended).toBeLessThan(40);
    expect(texts(store.log)).toHaveLength(appended);
    store.log.tick(5_000);
    await settled();
    expect(store.log.acceptsEntries).toBe(false);
    disk.capacityBytes = Number.MAX_SAFE_INTEGER;
    store.log.tick(store.log.nextDeadlineMs());
    for (let turn = 0; turn < 50; turn += 1) await settled();
    expect(store.log.acceptsEntries).toBe(true);
    for (let more = 0; more < 40; more += 1)
      appendText(store.log, 1, [`${more} ${"x".repeat(1_000)}`]);
    await flushed(store.log);
    expect(texts(store.log)).toHaveLength(appended + 40);
    store.log.close();
  });

  it("a failed sync is fatal, is never tried again, and the restarted node trusts only what it copies (57, 58)", async () => {
    for (const operation of ["sync", "write"] as const) {
      const disk = new MemoryDisk();
      create(disk);
      const errors: DiskError[] = [];
      const store = open(disk, SMALL, (error) => errors.push(error));
      appendText(store.log, 1, ["durable"]);
      await flushed(store.log);
      await settled();
      disk.faults.push({ operation, path: "0000000001.log", code: "EIO", after: 0 });
      appendText(store.log, 1, ["lost"]);
      let done = false;
      store.log.flush(
        () => 1,
        () => (done = true),
      );
      await settled();
      expect(errors.map((error) => error.code)).toEqual(["EIO"]);
      expect(done).toBe(false);
      expect(
        store.log.flush(
          () => 2,
          () => (done = true),
        ),
      ).toBe(false);
      disk.crash();
      const again = open(disk);
      const found = texts(again.log);
      expect(found[0]).toBe("durable");
      again.log.close();
      // What the restarted node showed must survive a power cut, though the page cache lied to it.
      disk.powerCut(dice(1), 0);
      expect(texts(open(disk).log)).toEqual(found);
    }
  });
});

describe("an installed snapshot", () => {
  async function snapshot(): Promise<Uint8Array> {
    const disk = new MemoryDisk();
    create(disk);
    const store = open(disk);
    for (let at = 0; at < 5; at += 1) appendText(store.log, 2, [`s${at}`]);
    await flushed(store.log);
    const first = decodeSegmentHead(store.log.snapshotHead());
    if (typeof first === "string" || first.derived === null) throw new Error("no head");
    const derived = { ...first.derived, lastUserIndex: 5 };
    return encodeSegmentHead({
      ...first,
      firstIndex: 6,
      logStart: 6,
      termBefore: 2,
      chainBefore: store.log.lastChain,
      derived,
    });
  }

  it("replaces the whole log or nothing of it, at every crash (51)", async () => {
    const head = await snapshot();
    for (let seed = 0; seed < 200; seed += 1) {
      const tasks: (() => void)[] = [];
      const disk = new MemoryDisk({ schedule: (run) => tasks.push(run) });
      create(disk);
      const store = open(disk);
      const drain = (most: number): void => {
        for (let left = most; left > 0 && tasks.length > 0; left -= 1) tasks.shift()?.();
      };
      for (const text of ["a", "b"]) appendText(store.log, 1, [text]);
      store.log.flush(
        () => 1,
        () => {},
      );
      drain(20);
      store.log.install(head);
      expect(store.log.lastIndex).toBe(5);
      let done = false;
      store.log.flush(
        () => 2,
        () => (done = true),
      );
      drain(seed % 5);
      if (done) appendText(store.log, 2, ["six"]);
      store.log.flush(
        () => 3,
        () => {},
      );
      drain(seed % 7);
      disk.powerCut(dice(seed));
      const again = open(disk);
      if (done) expect(again.log.baseIndex).toBe(5);
      if (again.log.baseIndex === 5) {
        expect(again.baseTerm).toBe(2);
        expect(again.log.lastUserIndex).toBeGreaterThanOrEqual(5);
        expect(["", "six"]).toContain(texts(again.log).join());
      } else expect(texts(again.log)).toEqual(["a", "b"]);
      again.log.close();
    }
  });
});

describe("a restart", () => {
  it("without new entries begins no new segment, after the first one sealed what it copied", async () => {
    const disk = new MemoryDisk();
    create(disk);
    const first = open(disk);
    appendText(first.log, 1, ["x"]);
    await flushed(first.log);
    disk.crash();
    open(disk).log.close();
    const files = disk.list();
    for (let start = 0; start < 3; start += 1) open(disk).log.close();
    expect(disk.list().filter((name) => name.endsWith(".log"))).toEqual(
      files.filter((name) => name.endsWith(".log")),
    );
  });
});

describe("a flush", () => {
  it("that began before a snapshot was installed does not stand for it", () => {
    const tasks: (() => void)[] = [];
    const disk = new MemoryDisk({ schedule: (run) => tasks.push(run) });
    create(disk);
    const { log } = open(disk);
    while (tasks.length > 0) tasks.shift()?.();
    appendText(log, 1, ["a"]);
    const done: number[] = [];
    expect(
      log.flush(
        () => 1,
        (id) => done.push(id),
      ),
    ).toBe(true);
    const donor = new MemoryDisk();
    create(donor);
    const head = decodeSegmentHead(open(donor).log.snapshotHead());
    if (typeof head === "string") throw new Error(head);
    log.install(
      encodeSegmentHead({ ...head, firstIndex: 9, logStart: 9, termBefore: 1, chainBefore: 7 }),
    );
    expect(
      log.flush(
        () => 2,
        (id) => done.push(id),
      ),
    ).toBe(false);
    while (tasks.length > 0 && done.length === 0) tasks.shift()?.();
    expect(done).toEqual([1]);
    expect(
      log.flush(
        () => 2,
        (id) => done.push(id),
      ),
    ).toBe(true);
    while (tasks.length > 0) tasks.shift()?.();
    expect(done).toEqual([1, 2]);
    log.close();
    expect(open(disk).log).toMatchObject({ baseIndex: 8, lastIndex: 8, lastChain: 7 });
  });
});
