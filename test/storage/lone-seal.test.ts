/** A segment that begins with a seal, of which the only sync failed. */

import { expect, test } from "vitest";
import { MemoryDisk } from "../../src/storage/memory-disk.ts";
import { appendText, create, flushed, open } from "./fixture.ts";

test("is not gone on in: what is acknowledged later survives a power cut", async () => {
  const disk = new MemoryDisk();
  create(disk);
  let { log } = open(disk);
  for (const text of ["one", "two"]) {
    appendText(log, 1, [text]);
    await flushed(log);
  }
  const first = disk.list().find((name) => name.endsWith(".log")) ?? "";
  log.close();
  disk.crash();
  // Damage far from the end: the next start begins a segment, with a seal.
  disk.flipBit(first, 350 * 8);
  disk.faults.push({ operation: "sync", path: "0000000003", code: "EIO", after: 0 });
  disk.faults.push({ operation: "sync", path: "0000000002", code: "EIO", after: 0 });
  expect(() => open(disk)).toThrow(/EIO/);
  disk.faults.length = 0;
  disk.crash();
  ({ log } = open(disk));
  appendText(log, 1, ["three"]);
  await flushed(log);
  const { lastIndex } = log;
  disk.powerCut(() => 0.5, 0);
  expect(open(disk).log.lastIndex).toBe(lastIndex);
});
