/** What a load sent and was told, held against the log: every acknowledged entry must be there
 *  once, whole, at its index. Entries of others may stand between them. */
import type { LogIndex } from "../base/types.ts";
import type { EntryForm } from "./entries.ts";

export interface Verdict {
  /** Acknowledged entries that are in the log as they were acknowledged. */
  readonly verified: number;
  /** What is not as it was acknowledged, in words: the first few. */
  readonly problems: readonly string[];
  /** How many there are in all. */
  readonly problemCount: number;
}

/** Entries of one load at most: each costs 8 bytes while it runs, and 8 more to verify. */
const ENTRIES_MAX = 50_000_000;
const CHUNK_BITS = 16;
const CHUNK = 1 << CHUNK_BITS;
const PROBLEMS_TOLD_MAX = 5;

export class Written {
  readonly #form: EntryForm;
  readonly #entriesMax: number;
  /** By number: where it was acknowledged; 0: it was not (yet). */
  readonly #acknowledgedAt = new Indexes();
  #sent = 0;
  #acknowledged = 0;
  #firstIndex: LogIndex = Infinity;
  #lastIndex: LogIndex = 0;

  constructor(form: EntryForm, entriesMax = ENTRIES_MAX) {
    this.#form = form;
    this.#entriesMax = entriesMax;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** No more should be sent. */
  get isFull(): boolean {
    return this.#sent >= this.#entriesMax;
  }

  /** Where the acknowledged entries lie, others between them; null when there are none. */
  get span(): { readonly firstIndex: LogIndex; readonly lastIndex: LogIndex } | null {
    if (this.#acknowledged === 0) return null;
    return { firstIndex: this.#firstIndex, lastIndex: this.#lastIndex };
  }

  /** The number of the next entry: makes `entry` that one. */
  next(entry: Uint8Array): number {
    const number = this.#sent++;
    this.#form.number(entry, number);
    return number;
  }

  acknowledge(number: number, index: LogIndex): void {
    this.#acknowledgedAt.set(number, index);
    this.#acknowledged++;
    if (index < this.#firstIndex) this.#firstIndex = index;
    if (index > this.#lastIndex) this.#lastIndex = index;
  }

  /** Compares with the log as it is read from where the load began. An entry that was sent and not
   *  acknowledged may be there once or not at all. */
  async verify(
    log: AsyncIterable<{ readonly index: LogIndex; readonly bytes: Uint8Array }>,
  ): Promise<Verdict> {
    const seenAt = new Indexes();
    const problems = new Problems();
    let verified = 0;
    for await (const { index, bytes } of log) {
      const number = this.#form.numberOf(bytes);
      if (number === null) continue;
      if (number >= this.#sent) {
        problems.add(`entry ${number} is at ${index} and was never sent`);
        continue;
      }
      const before = seenAt.get(number);
      const acknowledgedAt = this.#acknowledgedAt.get(number);
      seenAt.set(number, index);
      if (before !== 0) problems.add(`entry ${number} is in the log twice: at ${before}, ${index}`);
      else if (!this.#form.isWhole(bytes)) problems.add(`entry ${number}, at ${index}, is damaged`);
      else if (acknowledgedAt === index) verified++;
      else if (acknowledgedAt !== 0)
        problems.add(`entry ${number} is at ${index}, and was acknowledged at ${acknowledgedAt}`);
    }
    for (let number = 0; number < this.#sent; number++) {
      const index = this.#acknowledgedAt.get(number);
      if (index !== 0 && seenAt.get(number) === 0)
        problems.add(`entry ${number} was acknowledged at ${index} and is not in the log`);
    }
    return { verified, problems: problems.told, problemCount: problems.count };
  }
}

/** An index for each number, 0 at first; grows without being copied. */
class Indexes {
  readonly #chunks: (Float64Array | undefined)[] = [];

  get(number: number): LogIndex {
    return this.#chunks[number >>> CHUNK_BITS]?.[number & (CHUNK - 1)] ?? 0;
  }

  set(number: number, index: LogIndex): void {
    const at = number >>> CHUNK_BITS;
    const chunk = (this.#chunks[at] ??= new Float64Array(CHUNK));
    chunk[number & (CHUNK - 1)] = index;
  }
}

class Problems {
  readonly told: string[] = [];
  count = 0;

  add(text: string): void {
    this.count++;
    if (this.told.length < PROBLEMS_TOLD_MAX) this.told.push(text);
  }
}
