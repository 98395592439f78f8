/** Ranges of entries in log order with their sizes: what is in flight to a peer, what is
 *  uncommitted. */

import type { LogIndex } from "../base/types.ts";

/** Entries before the head are dropped in bulk, so pushing and dropping cost nothing per call. */
const HEAD_MAX = 1024;

/** A queue of (last index, bytes) that knows the sum of its bytes. */
export class RangeQueue {
  #lasts: LogIndex[] = [];
  #sizes: number[] = [];
  #head = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#head === this.#lasts.length;
  }

  push(lastIndex: LogIndex, bytes: number): void {
    this.#lasts.push(lastIndex);
    this.#sizes.push(bytes);
    this.#bytes += bytes;
  }

  /** Drops every range that ends at or below `index`. */
  dropThrough(index: LogIndex): void {
    while (this.#head < this.#lasts.length && (this.#lasts[this.#head] ?? 0) <= index) {
      this.#bytes -= this.#sizes[this.#head] ?? 0;
      this.#head += 1;
    }
    if (this.#head === this.#lasts.length) this.clear();
    else if (this.#head > HEAD_MAX) {
      this.#lasts = this.#lasts.slice(this.#head);
      this.#sizes = this.#sizes.slice(this.#head);
      this.#head = 0;
    }
  }

  clear(): void {
    this.#lasts.length = 0;
    this.#sizes.length = 0;
    this.#head = 0;
    this.#bytes = 0;
  }
}
