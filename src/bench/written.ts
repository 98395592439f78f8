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

const FIRST_ROOM = 65_536;
const PROBLEMS_TOLD_MAX = 5;

export class Written {
  readonly #form: EntryForm;
  /** By number: where it was acknowledged; 0: it was not (yet). */
  #acknowledgedAt = new Float64Array(FIRST_ROOM);
  #sent = 0;
  #acknowledged = 0;
  #firstIndex: LogIndex = Infinity;
  #lastIndex: LogIndex = 0;

  constructor(form: EntryForm) {
    this.#form = form;
  }

  /** Entries that were sent. */
  get sent(): number {
    return this.#sent;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Where the acknowledged entries lie, others between them; null when there are none. */
  get span(): { readonly firstIndex: LogIndex; readonly lastIndex: LogIndex } | null {
    if (this.#acknowledged === 0) return null;
    return { firstIndex: this.#firstIndex, lastIndex: this.#lastIndex };
  }

  /** The number of the next entry: makes `entry` that one. */
  next(entry: Uint8Array): number {
    const number = this.#sent++;
    if (number === this.#acknowledgedAt.length) {
      const wider = new Float64Array(2 * number);
      wider.set(this.#acknowledgedAt);
      this.#acknowledgedAt = wider;
    }
    this.#form.number(entry, number);
    return number;
  }

  acknowledge(number: number, index: LogIndex): void {
    this.#acknowledgedAt[number] = index;
    this.#acknowledged++;
    if (index < this.#firstIndex) this.#firstIndex = index;
    if (index > this.#lastIndex) this.#lastIndex = index;
  }

  /** Compares with the log as it is read from where the load began. An entry that was sent and not
   *  acknowledged may be there once or not at all. */
  async verify(
    log: AsyncIterable<{ readonly index: LogIndex; readonly bytes: Uint8Array }>,
  ): Promise<Verdict> {
    const seenAt = new Float64Array(this.#sent);
    const problems = new Problems();
    let verified = 0;
    for await (const { index, bytes } of log) {
      const number = this.#form.numberOf(bytes);
      if (number === null) continue;
      const before = seenAt[number];
      const acknowledgedAt = this.#acknowledgedAt[number];
      if (before === undefined || acknowledgedAt === undefined) {
        problems.add(`entry ${number} is at ${index} and was never sent`);
        continue;
      }
      seenAt[number] = index;
      if (before !== 0) problems.add(`entry ${number} is in the log twice: at ${before}, ${index}`);
      else if (!this.#form.isWhole(bytes)) problems.add(`entry ${number}, at ${index}, is damaged`);
      else if (acknowledgedAt === index) verified++;
      else if (acknowledgedAt !== 0)
        problems.add(`entry ${number} is at ${index}, and was acknowledged at ${acknowledgedAt}`);
    }
    for (let number = 0; number < this.#sent; number++) {
      const index = this.#acknowledgedAt[number] ?? 0;
      if (index !== 0 && seenAt[number] === 0)
        problems.add(`entry ${number} was acknowledged at ${index} and is not in the log`);
    }
    return { verified, problems: problems.told, problemCount: problems.count };
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
