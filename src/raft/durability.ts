/** What of the log is on this node's disk, by write and not by index (Figure 2: persistent
 *  state). */

import { assert } from "../base/assert.ts";
import type { LogIndex, MonotonicMs } from "../base/types.ts";
import type { WriteId } from "./types.ts";

interface Write {
  readonly writeId: WriteId;
  readonly startedMs: MonotonicMs;
  /** What this write makes durable; lowered when a truncation takes away what it wrote. */
  lastIndex: LogIndex;
}

/** An index alone cannot say what is durable: entry 7 may be truncated and written anew while the
 *  write of the first entry 7 is under way. So each write remembers what it covers, and truncations
 *  clip it. */
export class Durability {
  #durableIndex: LogIndex;
  readonly #writes: Write[] = [];

  constructor(durableIndex: LogIndex) {
    this.#durableIndex = durableIndex;
  }

  get durableIndex(): LogIndex {
    return this.#durableIndex;
  }

  /** When the oldest write under way began; null when there is none. */
  get oldestStartedMs(): MonotonicMs | null {
    return this.#writes[0]?.startedMs ?? null;
  }

  started(writeId: WriteId, lastIndex: LogIndex, nowMs: MonotonicMs): void {
    this.#writes.push({ writeId, startedMs: nowMs, lastIndex });
  }

  /** Writes end in the order in which they began: a batch is written after the one before it is
   *  synced. */
  done(writeId: WriteId): void {
    const write = this.#writes.shift();
    assert(
      write?.writeId === writeId,
      () => `write ${writeId} ended before write ${write?.writeId}`,
    );
    this.#durableIndex = Math.max(this.#durableIndex, write.lastIndex);
  }

  /** Nothing above `index` that was written so far counts any more. */
  clip(index: LogIndex): void {
    this.#durableIndex = Math.min(this.#durableIndex, index);
    for (const write of this.#writes) write.lastIndex = Math.min(write.lastIndex, index);
  }
}
