/** A node that lost entries to damage remembers how far it had acknowledged. */

import { describe, expect, it } from "vitest";
import { DAMAGE_FILE, DamageNote } from "../../src/storage/damage-note.ts";
import { wipeDisk } from "../../src/storage/identity.ts";
import { MemoryDisk } from "../../src/storage/memory-disk.ts";

const noneKept = (): number => 1;

describe("the note of damage", () => {
  it("is there after a power cut, until the log is whole up to it", () => {
    const disk = new MemoryDisk();
    expect(DamageNote.begin(disk, false, 9).index).toBe(0);
    expect(disk.exists(DAMAGE_FILE)).toBe(false);
    expect(DamageNote.begin(disk, true, 8).index).toBe(8);
    disk.powerCut(noneKept);
    expect(DamageNote.begin(disk, false, 5).index).toBe(8);
    expect(DamageNote.begin(disk, true, 6).index).toBe(8);
    expect(DamageNote.begin(disk, true, 12).index).toBe(12);
    disk.powerCut(noneKept);
    expect(DamageNote.begin(disk, false, 11).index).toBe(12);
    expect(DamageNote.begin(disk, false, 12).index).toBe(0);
    expect(disk.exists(DAMAGE_FILE)).toBe(false);
  });

  it("is forgotten once, and only rises", () => {
    const disk = new MemoryDisk();
    const note = DamageNote.begin(disk, true, 8);
    note.raise(3);
    expect(note.index).toBe(8);
    note.raise(10);
    note.forget();
    note.forget();
    expect([note.index, disk.exists(DAMAGE_FILE)]).toEqual([0, false]);
  });

  it("stands for what is here when it has rotted itself", () => {
    const disk = new MemoryDisk();
    DamageNote.begin(disk, true, 8);
    disk.flipBit(DAMAGE_FILE, 3);
    expect(DamageNote.begin(disk, false, 5).index).toBe(5);
  });

  it("that cannot be written ends the start", () => {
    const disk = new MemoryDisk();
    disk.faults.push({ operation: "sync", path: DAMAGE_FILE, code: "EIO", after: 0 });
    expect(() => DamageNote.begin(disk, true, 8)).toThrow(expect.objectContaining({ code: "EIO" }));
  });

  it("goes with everything else of a directory that is wiped", () => {
    const disk = new MemoryDisk();
    DamageNote.begin(disk, true, 8);
    wipeDisk(disk);
    expect(disk.list()).toEqual([]);
  });
});
