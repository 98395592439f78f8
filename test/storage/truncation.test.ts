/** Truncation on the disk: over segments, at crashes, and where damage lies in its way. */

import { describe, expect, it } from "vitest";
import { MemoryDisk } from "../../src/storage/memory-disk.ts";
import {
  appendText,
  CLIENT,
  create,
  dice,
  flipInside,
  flushed,
  open,
  sealedLog,
  settled,
  texts,
} from "./fixture.ts";

describe("truncation", () => {
  it("back behind the last head, with damage that nobody had read, says that sessions are unknown until it is healed", async () => {
    const long = "x".repeat(200);
    const disk = new MemoryDisk();
    create(disk);
    const first = open(disk).log;
    for (let at = 1; at <= 6; at += 1) {
      appendText(first, 1, [`${at} ${long}`]);
      await flushed(first);
    }
    const right = first.read(3, 1)?.bytes.slice() ?? new Uint8Array();
    disk.crash();
    // Begins a new segment with a copy of entry 6.
    open(disk).log.close();
    flipInside(disk, right);
    const { log, voteFromCommitIndex } = open(disk);
    expect([log.derivedKnown, voteFromCommitIndex, log.damage]).toEqual([true, 0, []]);
    log.truncate(5);
    expect([log.derivedKnown, log.damagedTo]).toEqual([false, 4]);
    appendText(log, 2, ["new"], { sequence: 5 });
    await flushed(log);
    expect(log.derivedKnown).toBe(false);
    expect(log.damage).toMatchObject([{ from: 3 }]);
    expect(log.heal(right)).toBe(true);
    expect([log.derivedKnown, log.damagedTo]).toEqual([true, 0]);
    expect(log.session(CLIENT)).toMatchObject({ lastSequence: 5, lastIndex: 5 });
    log.close();
  });

  it.each([
    ["in front of", 4],
    ["at the beginning of", 5],
    ["inside of", 6],
    ["at the end of", 7],
    ["behind", 8],
  ])("%s a hole leaves of it what a leader's bytes fill, after a restart too", async (_, index) => {
    const long = "x".repeat(200);
    const disk = new MemoryDisk();
    create(disk);
    const first = open(disk).log;
    for (let at = 1; at <= 4; at += 1) appendText(first, 1, [`${at} ${long}`]);
    await flushed(first);
    // One batch, so that its first record's damage hides all three.
    for (let at = 5; at <= 7; at += 1) appendText(first, 1, [`${at} ${long}`]);
    await flushed(first);
    const right = first.read(5, 10_000)?.bytes.slice() ?? new Uint8Array();
    const chains = [4, 5, 6, 7].map((at) => first.chainAt(at)?.chain ?? 0);
    for (let at = 8; at <= 10; at += 1) appendText(first, 1, [`${at} ${long}`]);
    await flushed(first);
    first.close();
    flipInside(disk, right);

    for (const restarts of [false, true]) {
      const copy = disk.copy();
      let { log } = open(copy);
      expect(log.damage).toMatchObject([{ from: 5, to: 7 }]);
      log.truncate(index, chains[index - 5]);
      appendText(log, 2, ["new"], { sequence: index });
      await flushed(log);
      if (restarts) {
        log.close();
        ({ log } = open(copy));
      }
      expect([log.lastIndex, log.runs.at(-1)?.term]).toEqual([index, 2]);
      if (index <= 5) expect(log.damage).toEqual([]);
      else {
        expect(log.damage).toMatchObject([{ from: 5, to: Math.min(7, index - 1) }]);
        expect(log.heal(right)).toBe(true);
      }
      expect(log.derivedKnown).toBe(true);
      expect(texts(log).map((text) => text.split(" ")[0])).toEqual([
        ...Array.from({ length: index - 1 }, (_entry, at) => String(at + 1)),
        "new",
      ]);
      log.close();
    }
  });

  it("over several segments is whole or not at all at every crash (25), and memory never disagrees with the disk (26)", async () => {
    const text = "x".repeat(3_000);
    for (let seed = 0; seed < 100; seed += 1) {
      const disk = await sealedLog(Array.from({ length: 20 }, (_, at) => `${at} ${text}`));
      const store = open(disk);
      store.log.truncate(3);
      appendText(store.log, 2, [`new ${text}`]);
      const memory = texts(store.log);
      let done = false;
      store.log.flush(
        () => 1,
        () => (done = true),
      );
      if (seed % 2 === 0) await settled();
      disk.powerCut(dice(seed));
      const found = texts(open(disk).log);
      if (done || found.length === 3) expect(found).toEqual(memory);
      else expect(found).toHaveLength(20);
    }
  });
});
