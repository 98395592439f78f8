/** The table of client sessions: at most 65,536 fixed rows, the one that appended longest ago is
 *  forgotten first. Columns in typed arrays and a linked list through them: no garbage per append,
 *  and a head is written without sorting. */

import { assert } from "../base/assert.ts";
import type { LogIndex } from "../base/types.ts";
import { readHex, readU64, writeHex, writeU64 } from "./bytes.ts";
import type { SessionRow } from "./types.ts";

/** The most clients remembered. */
export const SESSIONS_MAX = 65_536;
/** client id 16, last sequence 8, last index 8. */
export const SESSION_ROW_BYTES = 32;

const NONE = -1;

/** What one append did to the table: enough to take it back. */
export interface SessionUndo {
  readonly clientId: string;
  readonly previous: SessionRow | null;
  readonly evicted: { readonly clientId: string; readonly row: SessionRow } | null;
}

export class SessionTable {
  private readonly capacityMax: number;
  private readonly slots = new Map<string, number>();
  private readonly names: string[] = [];
  private readonly free: number[] = [];
  private sequences = new Float64Array(16);
  private indexes = new Float64Array(16);
  private older = new Int32Array(16);
  private newer = new Int32Array(16);
  private oldest = NONE;
  private newest = NONE;

  constructor(capacityMax = SESSIONS_MAX) {
    this.capacityMax = capacityMax;
  }

  get size(): number {
    return this.slots.size;
  }

  get(clientId: string): SessionRow | undefined {
    const slot = this.slots.get(clientId);
    return slot === undefined ? undefined : this.rowAt(slot);
  }

  /** Notes an append; a new client in a full table forgets the oldest one. */
  touch(clientId: string, lastSequence: number, lastIndex: LogIndex): SessionUndo {
    const slot = this.slots.get(clientId);
    if (slot !== undefined) {
      const previous = this.rowAt(slot);
      this.unlink(slot);
      this.put(slot, lastSequence, lastIndex, this.newest);
      return { clientId, previous, evicted: null };
    }
    const evicted = this.slots.size >= this.capacityMax ? this.takeOldest() : null;
    this.put(this.takeSlot(clientId), lastSequence, lastIndex, this.newest);
    return { clientId, previous: null, evicted };
  }

  /** Takes back the latest `touch` that has not been taken back yet. */
  undo(undo: SessionUndo): void {
    const slot = this.slots.get(undo.clientId);
    assert(slot !== undefined, `session ${undo.clientId} is there to be rolled back`);
    this.unlink(slot);
    if (undo.previous === null) {
      this.slots.delete(undo.clientId);
      this.names[slot] = "";
      this.free.push(slot);
    } else {
      const { lastSequence, lastIndex } = undo.previous;
      let after = this.newest;
      while (after !== NONE && (this.indexes[after] ?? 0) > lastIndex)
        after = this.older[after] ?? NONE;
      this.put(slot, lastSequence, lastIndex, after);
    }
    if (undo.evicted === null) return;
    const { clientId, row } = undo.evicted;
    this.put(this.takeSlot(clientId), row.lastSequence, row.lastIndex, NONE);
  }

  /** All rows, with `changes` put in place of what the table holds: null leaves a client out. */
  encode(changes: ReadonlyMap<string, SessionRow | null>): Uint8Array {
    const bytes = new Uint8Array((this.slots.size + changes.size) * SESSION_ROW_BYTES);
    let offset = 0;
    for (let slot = this.oldest; slot !== NONE; slot = this.newer[slot] ?? NONE) {
      const name = this.names[slot] ?? "";
      if (changes.has(name)) continue;
      writeRow(bytes, offset, name, this.sequences[slot] ?? 0, this.indexes[slot] ?? 0);
      offset += SESSION_ROW_BYTES;
    }
    for (const [name, row] of changes) {
      if (row === null) continue;
      writeRow(bytes, offset, name, row.lastSequence, row.lastIndex);
      offset += SESSION_ROW_BYTES;
    }
    return bytes.subarray(0, offset);
  }

  /** Fills an empty table from a head's rows, in any order. */
  load(rows: Uint8Array): void {
    assert(this.slots.size === 0, "sessions are loaded into an empty table");
    const order: { readonly at: number; readonly index: number }[] = [];
    for (let at = 0; at + SESSION_ROW_BYTES <= rows.length; at += SESSION_ROW_BYTES) {
      order.push({ at, index: readU64(rows, at + 24) });
    }
    order.sort((a, b) => a.index - b.index);
    for (const { at, index } of order)
      this.touch(readHex(rows, at, 16), readU64(rows, at + 16), index);
  }

  private rowAt(slot: number): SessionRow {
    return { lastSequence: this.sequences[slot] ?? 0, lastIndex: this.indexes[slot] ?? 0 };
  }

  private takeOldest(): { readonly clientId: string; readonly row: SessionRow } {
    const slot = this.oldest;
    const clientId = this.names[slot] ?? "";
    const row = this.rowAt(slot);
    this.unlink(slot);
    this.slots.delete(clientId);
    this.free.push(slot);
    return { clientId, row };
  }

  private takeSlot(clientId: string): number {
    const slot = this.free.pop() ?? this.names.length;
    if (slot >= this.sequences.length) this.grow();
    this.names[slot] = clientId;
    this.slots.set(clientId, slot);
    return slot;
  }

  private grow(): void {
    const capacity = this.sequences.length * 2;
    this.sequences = copied(new Float64Array(capacity), this.sequences);
    this.indexes = copied(new Float64Array(capacity), this.indexes);
    this.older = copied(new Int32Array(capacity), this.older);
    this.newer = copied(new Int32Array(capacity), this.newer);
  }

  /** Writes a row and links it as the one just newer than `after` (NONE: as the oldest). */
  private put(slot: number, lastSequence: number, lastIndex: LogIndex, after: number): void {
    this.sequences[slot] = lastSequence;
    this.indexes[slot] = lastIndex;
    const before = after === NONE ? this.oldest : (this.newer[after] ?? NONE);
    this.older[slot] = after;
    this.newer[slot] = before;
    if (after === NONE) this.oldest = slot;
    else this.newer[after] = slot;
    if (before === NONE) this.newest = slot;
    else this.older[before] = slot;
  }

  private unlink(slot: number): void {
    const older = this.older[slot] ?? NONE;
    const newer = this.newer[slot] ?? NONE;
    if (older === NONE) this.oldest = newer;
    else this.newer[older] = newer;
    if (newer === NONE) this.newest = older;
    else this.older[newer] = older;
  }
}

function writeRow(
  bytes: Uint8Array,
  offset: number,
  name: string,
  sequence: number,
  index: number,
): void {
  writeHex(bytes, offset, name);
  writeU64(bytes, offset + 16, sequence);
  writeU64(bytes, offset + 24, index);
}

function copied<T extends Float64Array | Int32Array>(target: T, source: T): T {
  target.set(source);
  return target;
}
