/** Old segments leave the system's memory. `fincore` (util-linux) tells what is in it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { openRealDisk } from "../../src/storage/real-disk.ts";

const MIB = 1_048_576;
const TMPFS = 0x01021994;

function inMemoryBytes(path: string): number {
  const { stdout } = spawnSync("fincore", ["--bytes", "--noheadings", "--output", "RES", path]);
  return Number(String(stdout).trim());
}

const why =
  spawnSync("fincore", ["--version"]).status !== 0
    ? "fincore is missing: apt-get install util-linux"
    : statfsSync(tmpdir()).type === TMPFS
      ? "the temporary folder is memory"
      : null;

it.skipIf(why !== null)(
  `a file's bytes leave memory when they are let go${why === null ? "" : ` (skipped: ${why})`}`,
  () => {
    const directory = mkdtempSync(join(tmpdir(), "raft-cache-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const file = openRealDisk(directory, true).open("a", true);
    file.writeSync(0, new Uint8Array(4 * MIB).fill(7));
    file.syncNow();
    const path = join(directory, "a");
    expect(inMemoryBytes(path)).toBe(4 * MIB);
    file.dropCache();
    expect(inMemoryBytes(path)).toBeLessThan(MIB);
    expect(file.readSync(3 * MIB, 2)).toEqual(new Uint8Array([7, 7]));
    file.close();
    file.dropCache();
  },
);
