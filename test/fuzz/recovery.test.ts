/** A small share of the damaged directories; the measure in test/prove/fuzz.ts takes more. */

import { expect, it } from "vitest";
import { readIdentity } from "../../src/storage/identity.ts";
import { MemoryDisk } from "../../src/storage/memory-disk.ts";
import { RecoveryFuzz } from "./recovery-fuzz.ts";

it("recovers, reports or refuses whatever is on the disk, and loses nothing without saying so", () => {
  const fuzz = new RecoveryFuzz(1);
  while (fuzz.counts.cases < 120 && fuzz.next());
  expect(fuzz.failures).toEqual([]);
  expect(fuzz.counts.cases).toBe(120);
  expect(fuzz.counts.opened).toBeGreaterThan(50);
  expect(fuzz.counts.damaged).toBeGreaterThan(10);
});

it("calls an identity unreadable that has a checksum and nothing else", () => {
  const disk = new MemoryDisk();
  const file = disk.open("identity", true);
  file.writeSync(0, new TextEncoder().encode("\n00000000\n"));
  expect(readIdentity(disk)).toMatchObject({ ok: false, problem: "unreadable" });
});
