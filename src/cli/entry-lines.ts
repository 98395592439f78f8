/** Standard input as entries: one a line, any bytes, empty lines too. Cut into batches that each
 *  fit one record. */

import { ENTRY_BYTES_MAX } from "../base/limits.ts";

/** A batch leaves when it is this large. */
const BATCH_BYTES_MAX = 256 * 1_024;
const BATCH_ENTRIES_MAX = 2_048;

/** A line longer than an entry may be; `line` counts from 1. */
export class LineTooLong extends Error {
  override readonly name = "LineTooLong";
  readonly line: number;
  constructor(line: number) {
    super(`line ${line} is longer than an entry may be (${ENTRY_BYTES_MAX} bytes)`);
    this.line = line;
  }
}

/** Splits chunks of bytes at newlines; memory is bounded by the longest entry and one chunk. */
export class LineSplitter {
  #parts: Uint8Array[] = [];
  #bytes = 0;
  #number = 1;

  /** The lines that end in this chunk. Throws LineTooLong after it has given the lines before. */
  *take(chunk: Uint8Array): Generator<Uint8Array> {
    let start = 0;
    for (let end = chunk.indexOf(10, start); end >= 0; end = chunk.indexOf(10, start)) {
      this.#keep(chunk.subarray(start, end));
      yield this.#takeLine();
      start = end + 1;
    }
    this.#keep(chunk.subarray(start));
  }

  /** The last line, when the input does not end in a newline. */
  *end(): Generator<Uint8Array> {
    if (this.#bytes > 0) yield this.#takeLine();
  }

  #keep(part: Uint8Array): void {
    this.#bytes += part.length;
    if (this.#bytes > ENTRY_BYTES_MAX) throw new LineTooLong(this.#number);
    if (part.length > 0) this.#parts.push(part.slice());
  }

  #takeLine(): Uint8Array {
    const line = new Uint8Array(this.#bytes);
    let at = 0;
    for (const part of this.#parts) {
      line.set(part, at);
      at += part.length;
    }
    this.#parts = [];
    this.#bytes = 0;
    this.#number += 1;
    return line;
  }
}

/** Collects lines until a batch is full. */
export class Batcher {
  #entries: Uint8Array[] = [];
  #bytes = 0;

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /** True when `entry` does not go into this batch any more: take the batch first. */
  isFullFor(entry: Uint8Array): boolean {
    if (this.isEmpty) return false;
    return (
      this.#entries.length >= BATCH_ENTRIES_MAX || this.#bytes + entry.length > BATCH_BYTES_MAX
    );
  }

  add(entry: Uint8Array): void {
    this.#entries.push(entry);
    this.#bytes += entry.length;
  }

  /** Empties the batch. */
  takeBatch(): readonly Uint8Array[] {
    const entries = this.#entries;
    this.#entries = [];
    this.#bytes = 0;
    return entries;
  }
}
