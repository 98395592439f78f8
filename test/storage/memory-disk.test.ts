/** What the in-memory disk owes those who look at it from outside. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { MemoryDisk } from "../../src/storage/memory-disk.ts";
import { openRealDisk } from "../../src/storage/real-disk.ts";
import type { DiskError, DiskFile } from "../../src/storage/types.ts";

describe("a planned fault", () => {
  it("strikes the process, not somebody who looks on", () => {
    const disk = new MemoryDisk();
    const file = disk.open("a", true);
    file.writeSync(0, new Uint8Array([7]));
    disk.faults.push({ operation: "read", path: "a", code: "EIO", after: 0 });
    expect(disk.spare(() => file.readSync(0, 1))).toEqual(new Uint8Array([7]));
    expect(() => file.readSync(0, 1)).toThrow("EIO");
    expect(file.readSync(0, 1)).toEqual(new Uint8Array([7]));
  });

  it("strikes again after a look that failed", () => {
    const disk = new MemoryDisk();
    const file = disk.open("a", true);
    disk.faults.push({ operation: "write", path: "a", code: "EIO", after: 0 });
    expect(() =>
      disk.spare(() => {
        throw new Error("looked in vain");
      }),
    ).toThrow("looked in vain");
    expect(() => file.writeSync(0, new Uint8Array([7]))).toThrow("EIO");
  });
});

describe("a write off the loop", () => {
  const told = (file: DiskFile, bytes: Uint8Array): Promise<DiskError | null> =>
    new Promise((resolve) => file.writeSoon(2, bytes, resolve));

  it("is there and durable when it is told, on either disk", async () => {
    const directory = mkdtempSync(join(tmpdir(), "raft-disk-"));
    try {
      for (const disk of [new MemoryDisk(), openRealDisk(directory, true)]) {
        const file = disk.open("a", true);
        const bytes = new Uint8Array(300_000).fill(7);
        expect(await told(file, bytes)).toBeNull();
        expect(file.readSync(0, 400_000)).toEqual(new Uint8Array([0, 0, ...bytes]));
        file.close();
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("survives a power cut once it was told", async () => {
    const disk = new MemoryDisk();
    const file = disk.open("a", true);
    disk.syncDirectory();
    expect(await told(file, new Uint8Array([7]))).toBeNull();
    disk.powerCut(() => 0.99, 0);
    expect(disk.open("a", false).readSync(0, 9)).toEqual(new Uint8Array([0, 0, 7]));
  });

  it.each(["write", "sync"] as const)("that fails at its %s says so, once", async (operation) => {
    const disk = new MemoryDisk();
    disk.faults.push({ operation, path: "a", code: "EIO", after: 0 });
    expect(await told(disk.open("a", true), new Uint8Array([7]))).toMatchObject({ code: "EIO" });
  });
});
