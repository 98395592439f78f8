/** Term and vote at every crash point. */

import { describe, expect, it } from "vitest";
import { createHardState, openHardState, readHardState } from "../../src/storage/hard-state.ts";
import { MemoryDisk } from "../../src/storage/memory-disk.ts";
import type { DiskError } from "../../src/storage/types.ts";
import { appendText, create, dice, flushed, open, tryOpen } from "./fixture.ts";

describe("the hard state", () => {
  const vote = (id: number) => ({ id, incarnation: "a".repeat(32), bootId: "b".repeat(32) });

  it("is the old one or the new one at each crash point, and never less than what was acknowledged (1, 2, 3)", () => {
    for (let seed = 0; seed < 600; seed += 1) {
      const random = dice(seed);
      const tasks: (() => void)[] = [];
      const disk = new MemoryDisk({ schedule: (run) => tasks.push(run) });
      createHardState(disk, { term: 0, votedFor: null });
      let acked = 0;
      for (let life = 0; life < 4; life += 1) {
        const store = openHardState(disk, 0, (error) => {
          throw new Error(error.message);
        });
        if (store === null) throw new Error("wiped");
        const { term } = store.current;
        expect(term).toBeGreaterThanOrEqual(acked);
        expect(store.current.votedFor).toEqual(term === 0 ? null : vote(1 + (term % 3)));
        let next = term;
        let free = true;
        for (let step = 0; step < random() * 12; step += 1) {
          if (free && random() < 0.6) {
            free = false;
            next += 1;
            const written = next;
            store.write({ term: written, votedFor: vote(1 + (written % 3)) }, () => {
              acked = written;
              free = true;
            });
          } else tasks.shift()?.();
        }
        if (random() < 0.3) disk.crash();
        disk.powerCut(random);
        tasks.length = 0;
      }
    }
  });

  it("survives the loss of either slot, and without both the node is wiped", () => {
    for (let bit = 0; bit < 60 * 8; bit += 1) {
      for (const slot of [0, 4_096 * 8]) {
        const disk = new MemoryDisk();
        createHardState(disk, { term: 7, votedFor: vote(2) });
        disk.flipBit("hardstate", slot + bit);
        expect(readHardState(disk)).toEqual({ term: 7, votedFor: vote(2) });
      }
    }
    const disk = new MemoryDisk();
    create(disk);
    disk.flipBit("hardstate", 100);
    disk.flipBit("hardstate", 4_096 * 8 + 100);
    expect(tryOpen(disk)).toMatchObject({ ok: false, problem: "wiped" });
  });

  it("recovers at least the term of the last record, without a vote (64)", async () => {
    const disk = new MemoryDisk();
    create(disk);
    const store = open(disk);
    appendText(store.log, 9, ["x"]);
    await flushed(store.log);
    store.log.close();
    expect(open(disk).hardState).toEqual({ term: 9, votedFor: null });
  });

  it("that cannot be synced is fatal", async () => {
    const disk = new MemoryDisk();
    createHardState(disk, { term: 0, votedFor: null });
    const errors: DiskError[] = [];
    const store = openHardState(disk, 0, (error) => errors.push(error));
    disk.faults.push({ operation: "sync", path: "hardstate", code: "EIO", after: 0 });
    let done = false;
    store?.write({ term: 1, votedFor: null }, () => (done = true));
    await settled();
    expect(errors).toHaveLength(1);
    expect(done).toBe(false);
  });
});

/** Lets every microtask of the memory disk run. */
async function settled(): Promise<void> {
  await new Promise<void>((resolve) => setTimeout(resolve, 0));
}
