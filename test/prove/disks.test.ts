/** A small share of the campaigns on failing disks, and the proof that a cut disk forgets what was
 *  not synced, and only that. */
import {
  closeSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";

import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { seededRandom } from "../../src/base/random.ts";
import { measure as diskFaults } from "./disk-faults.ts";
import { keepSomeSectors, LoopDisk, loopDisksUnavailable, recentFiles } from "./loop-disk.ts";
import type { Measure } from "./measure.ts";
import { measure as powerCuts } from "./power-cuts.ts";

const SECONDS = 40;
const SECTOR_BYTES = 512;
const SECTORS = 2_000;

function skips(what: string, why: string | null): boolean {
  if (why !== null) console.warn(`skipped: ${what} (${why})`);
  return why !== null;
}

const noLoopDisk = loopDisksUnavailable(tmpdir());

describe.skipIf(skips("a disk whose power is cut", noLoopDisk))("a disk whose power is cut", () => {
  it("keeps what was synced, fails from then on, and has lost the rest, or any part of it", async () => {
    const place = mkdtempSync(join(tmpdir(), "raft-loop-"));
    const disk = LoopDisk.create(place, 16);
    onTestFinished(() => {
      disk.removeNow();
      rmSync(place, { recursive: true, force: true });
    });
    const path = join(disk.path, "file");
    const filled = (value: number) => new Uint8Array(SECTORS * SECTOR_BYTES).fill(value);
    const sectorsOf = (value: number) => {
      const bytes = readFileSync(path);
      expect(bytes).toHaveLength(SECTORS * SECTOR_BYTES);
      return Array.from({ length: SECTORS }, (_, at) => bytes[at * SECTOR_BYTES]).filter(
        (each) => each === value,
      ).length;
    };
    let file = openSync(path, "w");
    writeSync(file, filled(1), 0, SECTORS * SECTOR_BYTES, 0);
    fdatasyncSync(file);
    writeSync(file, filled(2), 0, SECTORS * SECTOR_BYTES, 0);
    expect(sectorsOf(2)).toBe(SECTORS);
    const unsynced = recentFiles(disk.path);
    disk.cut();
    expect(() => writeSync(file, filled(3), 0, SECTORS * SECTOR_BYTES, 0)).toThrow(/EIO/);
    closeSync(file);
    await disk.restart();
    expect(sectorsOf(1)).toBe(SECTORS);
    const { lost, kept } = keepSomeSectors(unsynced, seededRandom(1));
    expect(lost + kept).toBe(SECTORS);
    expect(Math.min(lost, kept)).toBeGreaterThan(0);
    expect([sectorsOf(1), sectorsOf(2)]).toEqual([lost, kept]);
    // And once more, synced this time.
    file = openSync(path, "r+");
    writeSync(file, filled(3), 0, SECTORS * SECTOR_BYTES, 0);
    fdatasyncSync(file);
    disk.cut();
    closeSync(file);
    await disk.restart();
    expect(sectorsOf(3)).toBe(SECTORS);
  });
});

describe.each<{ measure: Measure; target: number }>([
  { measure: powerCuts, target: 3 },
  { measure: diskFaults, target: 3 },
])("a small share of the measure $measure.name", ({ measure, target }) => {
  it.skipIf(skips(measure.title, measure.unavailable()))("breaks no promise", async () => {
    const progress = (): void => undefined;
    const figure = await measure.run({ target, seconds: SECONDS, seed: 1, progress });
    expect(figure.failures).toEqual([]);
    expect(figure).toMatchObject({ ok: true, bad: 0 });
    expect(figure.done).toBeGreaterThan(0);
  });
});
