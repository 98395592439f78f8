/** A log that was being made when the power went. */

import { expect, it } from "vitest";
import { HARD_STATE_FILE } from "../../src/storage/hard-state.ts";
import { MemoryDisk } from "../../src/storage/memory-disk.ts";
import { segmentName } from "../../src/storage/segment-head.ts";
import { createStore } from "../../src/storage/store.ts";
import { create, open, options, sealedLog } from "./fixture.ts";

const SEGMENT = segmentName(1);

it("is made anew, however much of its first write is there", () => {
  const whole = new MemoryDisk();
  create(whole);
  const segment = whole.open(SEGMENT, false);
  const written = segment.readSync(0, segment.size()).findLastIndex((byte) => byte !== 0) + 1;
  expect(written).toBeGreaterThan(100);
  for (let kept = 0; kept <= written; kept++) {
    const disk = whole.copy();
    disk.remove(HARD_STATE_FILE);
    disk.overwrite(SEGMENT, kept, new Uint8Array(written - kept));
    expect(createStore(options(disk)), `${kept} of ${written} bytes`).toEqual({ ok: true });
    const { log } = open(disk);
    expect(log.lastIndex).toBe(0);
    log.close();
  }
});

it("is refused when it holds entries, for then it was finished once", async () => {
  const disk = await sealedLog(["a", "b"]);
  disk.remove(HARD_STATE_FILE);
  expect(createStore(options(disk))).toMatchObject({
    ok: false,
    problem: "damaged",
    reason: "a log with entries but without a hard state",
  });
});
