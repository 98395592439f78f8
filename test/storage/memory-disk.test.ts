/** What the in-memory disk owes those who look at it from outside. */

import { describe, expect, it } from "vitest";
import { MemoryDisk } from "../../src/storage/memory-disk.ts";

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
