/** The next segment is filled ahead of need, and without haste: flushes of the log wait for the
 *  disk behind every chunk of zeros. */

import { expect, it } from "vitest";
import { MemoryDisk } from "../../src/storage/memory-disk.ts";
import { Preparer, preparingName } from "../../src/storage/preparer.ts";
import type { DiskError } from "../../src/storage/types.ts";
import { settled } from "./fixture.ts";

const MIB = 1_048_576;
const CHUNK = MIB / 4;

async function prepared() {
  const disk = new MemoryDisk();
  let ready = 0;
  const fatal = ({ message }: DiskError): void => {
    throw new Error(message);
  };
  const preparer = new Preparer(disk, 1, null, 0, { changed: () => ready++, fatal });
  const filled = async (): Promise<number> => {
    for (let turn = 0; turn < 100; turn++) await settled();
    if (!disk.exists(preparingName(1))) return ready > 0 ? 4 * MIB : 0;
    const file = disk.open(preparingName(1), false);
    return file.size();
  };
  preparer.want(4 * MIB, 0);
  return { preparer, filled, ready: () => ready };
}

it("rests between two chunks while the segment in use has room", async () => {
  const { preparer, filled } = await prepared();
  const begun = await filled();
  expect(begun).toBe(MIB);
  expect(await filled()).toBe(begun);
  preparer.tick(100);
  expect(preparer.nextDeadlineMs()).toBe(104);
  preparer.tick(103);
  expect(await filled()).toBe(begun);
  preparer.tick(104);
  expect(await filled()).toBe(begun + CHUNK);
});

it("stays ahead of what is used, and does not rest when the log waits", async () => {
  const { preparer, filled, ready } = await prepared();
  await filled();
  preparer.want(4 * MIB, 0.4);
  expect(await filled()).toBe(11 * CHUNK);
  expect(ready()).toBe(0);
  preparer.want(4 * MIB, 1);
  expect(await filled()).toBe(4 * MIB);
  expect(ready()).toBe(1);
});
