/** The entries of a load: no two are equal, and each tells which one it is. Text, because people
 *  will see them in `raft log`:
 *
 *      b k3f9q 0000000042 abcdefgh...     mark, run, number (10 digits), filler up to the size */

const MARK = "b";
const RUN_CHARACTERS = 5;
const DIGITS = 10;
const DIGITS_FROM = MARK.length + RUN_CHARACTERS;
const ZERO = 0x30;
const FILLER = "abcdefghijklmnopqrstuvwxyz";
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/** The smallest entry that can be told from every other one. */
export const ENTRY_BYTES_LEAST = DIGITS_FROM + DIGITS;

/** Five characters that tell this run's entries from those of others, from as many random bytes. */
export function runName(random: Uint8Array): string {
  return Array.from(
    { length: RUN_CHARACTERS },
    (_, at) => ALPHABET[(random[at] ?? 0) % ALPHABET.length],
  ).join("");
}

export class EntryForm {
  readonly #model: Buffer;

  /** `run` as `runName` makes it; `size` in bytes, at least ENTRY_BYTES_LEAST. */
  constructor(run: string, size: number) {
    if (run.length !== RUN_CHARACTERS || size < ENTRY_BYTES_LEAST)
      throw new RangeError(`no entry of ${size} bytes for run "${run}"`);
    this.#model = Buffer.alloc(size, FILLER);
    this.#model.write(`${MARK}${run}${"0".repeat(DIGITS)}`);
  }

  get size(): number {
    return this.#model.length;
  }

  /** Entry 0, to be numbered: whoever has had its receipt may number it again. */
  blank(): Uint8Array {
    return new Uint8Array(this.#model);
  }

  /** `number` below 10^10. */
  number(entry: Uint8Array, number: number): void {
    let rest = number;
    for (let at = DIGITS_FROM + DIGITS - 1; at >= DIGITS_FROM; at--) {
      const tens = Math.floor(rest / 10);
      entry[at] = ZERO + (rest - tens * 10);
      rest = tens;
    }
  }

  /** Which one these bytes claim to be; null: not one of this run. */
  numberOf(bytes: Uint8Array): number | null {
    if (bytes.length < ENTRY_BYTES_LEAST) return null;
    for (let at = 0; at < DIGITS_FROM; at++) if (bytes[at] !== this.#model[at]) return null;
    let number = 0;
    for (let at = DIGITS_FROM; at < DIGITS_FROM + DIGITS; at++) {
      const digit = (bytes[at] ?? 0) - ZERO;
      if (digit < 0 || digit > 9) return null;
      number = number * 10 + digit;
    }
    return number;
  }

  /** Whether size and filler are as they were sent. */
  isWhole(bytes: Uint8Array): boolean {
    const model = this.#model;
    return (
      bytes.length === model.length &&
      model.compare(bytes, ENTRY_BYTES_LEAST, bytes.length, ENTRY_BYTES_LEAST) === 0
    );
  }
}
