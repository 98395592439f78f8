/** Term and vote, in two slots of their own 4-KiB blocks.
 *
 *      0 magic 4             4 crc 4     8 counter 8         16 term 8
 *     24 voted 2 (0 or 1)   26 id 2     28 incarnation 16   44 boot id 16
 *
 *  The crc covers everything behind it. A change is synced to one slot before anything depends on
 *  it, and to the other before the next change: at rest both are equal, so either alone may rot. */

import { assert } from "../base/assert.ts";
import type { HardState } from "../raft/types.ts";
import {
  crc32,
  readHex,
  readU16,
  readU32,
  readU64,
  writeHex,
  writeU16,
  writeU32,
  writeU64,
} from "./bytes.ts";
import { toDiskError } from "./disk-error.ts";
import type { Disk, DiskError, DiskFile } from "./types.ts";

export const HARD_STATE_FILE = "hardstate";

/** What is said when one slot rotted, or a write of it was cut off. */
export const ONE_SLOT = "one of the two slots did not verify, the other one is whole";

const BLOCK_BYTES = 4_096;
const SLOT_BYTES = 60;
const MAGIC = 0x52464853; // RFHS

export interface Slot {
  /** Rises with every change. */
  readonly counter: number;
  readonly hardState: HardState;
}

/** The hard state of an open directory. */
export class HardStateStore {
  /** The last one given to `write`, durable or not. */
  current: HardState;
  private readonly file: DiskFile;
  private readonly onFatal: (error: DiskError) => void;
  private counter: number;
  private slot: 0 | 1 = 0;
  private busy = false;
  private waiting: { readonly hardState: HardState; readonly done: () => void } | null = null;
  private stopped = false;

  constructor(
    file: DiskFile,
    current: HardState,
    counter: number,
    onFatal: (error: DiskError) => void,
  ) {
    this.file = file;
    this.current = current;
    this.counter = counter;
    this.onFatal = onFatal;
  }

  /** True until the last change is in both slots. */
  get writing(): boolean {
    return this.busy;
  }

  /** Makes a change durable, then calls `done`. At most one at a time: not before `done` of the one
   *  before. */
  write(hardState: HardState, done: () => void): void {
    assert(this.waiting === null, "one change of the hard state at a time");
    assert(
      hardState.term >= this.current.term,
      `term ${hardState.term} is not below ${this.current.term}`,
    );
    this.current = hardState;
    if (this.busy) this.waiting = { hardState, done };
    else this.begin(hardState, done);
  }

  close(): void {
    this.stopped = true;
    this.file.close();
  }

  private begin(hardState: HardState, done: () => void): void {
    this.busy = true;
    this.counter += 1;
    const bytes = encodeSlot({ counter: this.counter, hardState });
    const other = this.slot === 0 ? 1 : 0;
    this.put(this.slot, bytes, () => {
      this.put(other, bytes, () => {
        this.slot = other;
        this.busy = false;
        const next = this.waiting;
        this.waiting = null;
        if (next !== null) this.begin(next.hardState, next.done);
      });
      done();
    });
  }

  private put(slot: number, bytes: Uint8Array, done: () => void): void {
    if (this.stopped) return;
    try {
      this.file.writeSync(slot * BLOCK_BYTES, bytes);
    } catch (thrown) {
      this.fail(toDiskError(thrown, HARD_STATE_FILE));
      return;
    }
    this.file.sync((error) => {
      if (this.stopped) return;
      if (error === null) done();
      else this.fail(error);
    });
  }

  private fail(error: DiskError): void {
    if (this.stopped) return;
    this.stopped = true;
    this.onFatal(error);
  }
}

/** Makes both slots of a new directory, synced. The file appears whole or not at all. Throws
 *  DiskError. */
export function createHardState(disk: Disk, hardState: HardState): void {
  const file = disk.open(`${HARD_STATE_FILE}.new`, true);
  file.writeSync(0, new Uint8Array(2 * BLOCK_BYTES));
  const bytes = encodeSlot({ counter: 1, hardState });
  file.writeSync(0, bytes);
  file.writeSync(BLOCK_BYTES, bytes);
  file.syncNow();
  file.close();
  disk.rename(`${HARD_STATE_FILE}.new`, HARD_STATE_FILE);
  disk.syncDirectory();
}

/** The newer readable slot; null when the file is missing or neither slot can be read: a wiped
 *  node. */
export function readHardState(disk: Disk): HardState | null {
  if (!disk.exists(HARD_STATE_FILE)) return null;
  const file = disk.open(HARD_STATE_FILE, false);
  const newest = newestSlot(file);
  file.close();
  return newest?.hardState ?? null;
}

/** Opens the slots for writing, with the term raised to `termMin`; both are rewritten and synced,
 *  because what was read may have been in the page cache only. Null as above. Throws DiskError. */
export function openHardState(
  disk: Disk,
  termMin: number,
  onFatal: (error: DiskError) => void,
): HardStateStore | null {
  if (!disk.exists(HARD_STATE_FILE)) return null;
  const file = disk.open(HARD_STATE_FILE, false);
  const found = newestSlot(file);
  if (found === null) {
    file.close();
    return null;
  }
  const { hardState } = found;
  const current = hardState.term >= termMin ? hardState : { term: termMin, votedFor: null };
  const counter = found.counter + 1;
  const bytes = encodeSlot({ counter, hardState: current });
  // The slot that is not the newest first: at every moment one of the two is whole.
  for (const slot of found.slot === 0 ? [1, 0] : [0, 1]) {
    file.writeSync(slot * BLOCK_BYTES, bytes);
    file.syncNow();
  }
  return new HardStateStore(file, current, counter, onFatal);
}

/** The slots of a whole file that can be read, in any order. */
export function readSlots(bytes: Uint8Array): readonly Slot[] {
  return [0, BLOCK_BYTES].flatMap(
    (offset) => decodeSlot(bytes.subarray(offset, offset + SLOT_BYTES)) ?? [],
  );
}

/** How many of the two slots can be read. One is enough; that it is only one is worth saying. */
export function readableSlots(disk: Disk): 0 | 1 | 2 {
  if (!disk.exists(HARD_STATE_FILE)) return 0;
  const file = disk.open(HARD_STATE_FILE, false);
  const first = decodeSlot(file.readSync(0, SLOT_BYTES)) !== null;
  const second = decodeSlot(file.readSync(BLOCK_BYTES, SLOT_BYTES)) !== null;
  file.close();
  return first && second ? 2 : first || second ? 1 : 0;
}

function newestSlot(file: DiskFile): (Slot & { readonly slot: 0 | 1 }) | null {
  const first = decodeSlot(file.readSync(0, SLOT_BYTES));
  const second = decodeSlot(file.readSync(BLOCK_BYTES, SLOT_BYTES));
  if (second !== null && (first === null || second.counter > first.counter))
    return { ...second, slot: 1 };
  return first === null ? null : { ...first, slot: 0 };
}

function encodeSlot(slot: Slot): Uint8Array {
  const bytes = new Uint8Array(SLOT_BYTES);
  const vote = slot.hardState.votedFor;
  writeU32(bytes, 0, MAGIC);
  writeU64(bytes, 8, slot.counter);
  writeU64(bytes, 16, slot.hardState.term);
  writeU16(bytes, 24, vote === null ? 0 : 1);
  if (vote !== null) {
    writeU16(bytes, 26, vote.id);
    writeHex(bytes, 28, vote.incarnation);
    writeHex(bytes, 44, vote.bootId);
  }
  writeU32(bytes, 4, crc32(bytes.subarray(8), 0));
  return bytes;
}

function decodeSlot(bytes: Uint8Array): Slot | null {
  if (bytes.length < SLOT_BYTES || readU32(bytes, 0) !== MAGIC) return null;
  if (readU32(bytes, 4) !== crc32(bytes.subarray(8, SLOT_BYTES), 0)) return null;
  const counter = readU64(bytes, 8);
  const term = readU64(bytes, 16);
  if (!Number.isSafeInteger(counter) || !Number.isSafeInteger(term)) return null;
  const vote = {
    id: readU16(bytes, 26),
    incarnation: readHex(bytes, 28, 16),
    bootId: readHex(bytes, 44, 16),
  };
  return { counter, hardState: { term, votedFor: readU16(bytes, 24) === 0 ? null : vote } };
}
