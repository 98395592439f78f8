/** Memory that old records are read into, used again when the turn in which they were read is over.
 *
 *  A follower that catches up makes its leader read the whole log, and fresh memory costs several
 *  times what reading from the page cache does: the kernel clears every page that is touched for
 *  the first time. The gain: src/node/SPEED.md, "Large entries and old ones". */

/** The smallest buffer: a window of reading (segment-file.ts). */
const LEAST_BYTES = 65_536;
/** Kept for later, of all sizes together. */
const KEPT_BYTES_MAX = 4 << 20;

export class ReadMemory {
  /** By size, a power of two. */
  readonly #free = new Map<number, Uint8Array[]>();
  #freeBytes = 0;
  /** What of this turn is kept for later. */
  #lent: Uint8Array[] = [];
  #lentBytes = 0;

  /** At least `bytes` bytes of any content, until the turn ends. */
  take(bytes: number): Uint8Array {
    let size = LEAST_BYTES;
    while (size < bytes) size *= 2;
    const used = this.#free.get(size)?.pop();
    if (used !== undefined) this.#freeBytes -= size;
    // Not zeroed first.
    const memory = used ?? new Uint8Array(Buffer.allocUnsafeSlow(size).buffer);
    if (this.#freeBytes + this.#lentBytes + size <= KEPT_BYTES_MAX) {
      this.#lentBytes += size;
      this.#lent.push(memory);
    }
    return memory;
  }

  /** Nobody looks any more at what was read. */
  endTurn(): void {
    if (this.#lent.length === 0) return;
    for (const memory of this.#lent) {
      const alike = this.#free.get(memory.length);
      if (alike === undefined) this.#free.set(memory.length, [memory]);
      else alike.push(memory);
    }
    this.#freeBytes += this.#lentBytes;
    this.#lentBytes = 0;
    this.#lent = [];
  }
}
