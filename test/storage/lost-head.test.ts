/** The segment in use without its beginning: what is behind it tells that it was begun. */

import { describe, expect, it } from "vitest";
import { BATCH_HEAD_BYTES } from "../../src/storage/batch.ts";
import { MemoryDisk } from "../../src/storage/memory-disk.ts";
import { creationOf, segmentHeadBytes } from "../../src/storage/segment-head.ts";
import { appendText, create, flushed, open, settled, SMALL, tryOpen } from "./fixture.ts";

const LATER = "a later one is there";

/** A log of two segments, and one that is prepared; in the second one nothing but its first batch,
 *  of two records. */
async function inUse(): Promise<{ disk: MemoryDisk; name: string; first: number; used: number }> {
  const disk = new MemoryDisk();
  create(disk);
  const { log } = open(disk);
  await settled();
  appendText(log, 1, ["a".repeat(SMALL.segmentBytesMin - 2_000)]);
  await flushed(log);
  await settled();
  appendText(log, 1, ["b".repeat(3_000)]);
  appendText(log, 1, ["c".repeat(3_000)]);
  await flushed(log);
  for (let turn = 0; turn < 20; turn++) await settled();
  disk.crash();
  const logs = disk.list().filter((file) => creationOf(file) !== null);
  expect(logs).toHaveLength(3);
  const name = logs[1] ?? "";
  const file = disk.open(name, false);
  const bytes = file.readSync(0, file.size());
  const used = bytes.findLastIndex((byte) => byte !== 0) + 1;
  expect(used).toBeGreaterThan(6_000);
  return { disk, name, used, first: segmentHeadBytes(bytes) };
}

/** The prepared one. */
const BEHIND = "0000000003.log";

describe("the segment in use, with a prepared one behind it,", () => {
  it("is damaged when all of it reads as zeros", async () => {
    const { disk, name, used } = await inUse();
    expect(tryOpen(disk.copy())).toMatchObject({ ok: true, voteFromCommitIndex: 0 });
    disk.overwrite(name, 0, new Uint8Array(used));
    const reason = `all of it reads as zeros, ${LATER}`;
    expect(tryOpen(disk)).toMatchObject({ problem: "damaged", file: name, reason });
  });

  it("is damaged when its head does", async () => {
    const { disk, name } = await inUse();
    disk.overwrite(name, 0, new Uint8Array(4_096));
    const reason = `its head is missing, ${LATER}`;
    expect(tryOpen(disk)).toMatchObject({ problem: "damaged", file: name, reason });
  });

  it("is damaged when it reads as zeros and the next one was just being begun", async () => {
    const { disk, name, used } = await inUse();
    disk.overwrite(name, 0, new Uint8Array(used));
    disk.overwrite(BEHIND, 600, new Uint8Array([1]));
    const reason = `all of it reads as zeros, ${LATER}`;
    expect(tryOpen(disk)).toMatchObject({ problem: "damaged", file: name, reason });
  });

  it("is missing when it is, whatever is in the next one", async () => {
    const { disk, name } = await inUse();
    disk.remove(name);
    const missing = { problem: "damaged", file: name, reason: `the file is missing, ${LATER}` };
    expect(tryOpen(disk.copy())).toMatchObject(missing);
    disk.overwrite(BEHIND, 600, new Uint8Array([1]));
    expect(tryOpen(disk)).toMatchObject(missing);
  });

  it("is damaged when its only batch is", async () => {
    const { disk, name, first } = await inUse();
    disk.flipBit(name, (first + 20) * 8);
    const reason = "no valid batch behind the head";
    expect(tryOpen(disk)).toMatchObject({ problem: "damaged", file: name, reason });
  });

  it("is damaged when a record of its only batch is", async () => {
    const { disk, name, first } = await inUse();
    disk.flipBit(name, (first + BATCH_HEAD_BYTES + 200) * 8);
    expect(tryOpen(disk)).toMatchObject({ problem: "damaged", file: name });
  });
});
