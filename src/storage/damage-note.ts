/** How far a log reached in which damage was found, until nothing depends on it any more.
 *
 *      damaged     index, then a line with its CRC-32
 *
 *  What damage hides may be truncated, for its terms are a guess; then no byte of the log tells
 *  that this node acknowledged more than it holds. A restart would vote with what is left, and help
 *  to elect a leader that lacks what was committed. So the note is durable before the node says a
 *  word, and goes once the log is durable again up to there, and whole or known to be committed. */

import type { LogIndex } from "../base/types.ts";
import { crc32 } from "./bytes.ts";
import { toDiskError } from "./disk-error.ts";
import type { Disk } from "./types.ts";

export const DAMAGE_FILE = "damaged";
export const DAMAGE_FILE_NEW = `${DAMAGE_FILE}.new`;

export class DamageNote {
  readonly #disk: Disk;
  #index: LogIndex;

  private constructor(disk: Disk, index: LogIndex) {
    this.#disk = disk;
    this.#index = index;
  }

  /** At a start over a log that ends at `lastIndex` and is damaged, or not. A log that is whole up
   *  to what an earlier start noted has got all of it from leaders since. Throws DiskError. */
  static begin(disk: Disk, isDamaged: boolean, lastIndex: LogIndex): DamageNote {
    const noted = readNote(disk);
    const note = new DamageNote(disk, noted ?? 0);
    // One that cannot be read stands for what is here at least.
    if (isDamaged || noted === null || noted > lastIndex) note.raise(lastIndex);
    else note.forget();
    return note;
  }

  /** 0: nothing is noted. */
  get index(): LogIndex {
    return this.#index;
  }

  /** Durable on return. Throws DiskError. */
  raise(index: LogIndex): void {
    if (index <= this.#index) return;
    this.#index = index;
    try {
      writeNote(this.#disk, index);
    } catch (thrown) {
      throw toDiskError(thrown, DAMAGE_FILE);
    }
  }

  /** Need not be durable, nor succeed: a note that comes back does no harm. */
  forget(): void {
    if (this.#index === 0) return;
    this.#index = 0;
    try {
      this.#disk.remove(DAMAGE_FILE);
    } catch (thrown) {
      // Whatever the disk refuses is harmless here; anything else is a bug and is thrown on.
      toDiskError(thrown, DAMAGE_FILE);
    }
  }
}

/** The index; 0: there is no note; null: it cannot be read. */
function readNote(disk: Disk): LogIndex | null {
  if (!disk.exists(DAMAGE_FILE)) return 0;
  const file = disk.open(DAMAGE_FILE, false);
  const text = new TextDecoder().decode(file.readSync(0, file.size()));
  file.close();
  const index = Number.parseInt(text, 10);
  return text === textOf(index) ? index : null;
}

function writeNote(disk: Disk, index: LogIndex): void {
  if (disk.exists(DAMAGE_FILE_NEW)) disk.remove(DAMAGE_FILE_NEW);
  const file = disk.open(DAMAGE_FILE_NEW, true);
  file.writeSync(0, new TextEncoder().encode(textOf(index)));
  file.syncNow();
  file.close();
  disk.rename(DAMAGE_FILE_NEW, DAMAGE_FILE);
  disk.syncDirectory();
}

function textOf(index: LogIndex): string {
  const line = String(index);
  return `${line}\n${crc32(new TextEncoder().encode(line), 0).toString(16).padStart(8, "0")}\n`;
}
