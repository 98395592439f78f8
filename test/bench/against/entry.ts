/** The entries of a load: each has its number in front, so that what is read back can be told. */

/** Digits of an entry's number; the rest of the entry is filler. */
const NUMBER_DIGITS = 10;

/** The number as it stands in the entry and, in a store of keys, in the key's name. */
export function digitsOf(number: number): string {
  return String(number).padStart(NUMBER_DIGITS, "0");
}

/** `size` bytes, ten at least. */
export function numberedEntry(size: number, number: number): Buffer {
  const entry = Buffer.alloc(Math.max(NUMBER_DIGITS, size), "x");
  entry.write(digitsOf(number), "latin1");
  return entry;
}

/** Not a number when the entry does not begin with one. */
export function numberOf(entry: Uint8Array): number {
  return Number(Buffer.from(entry.subarray(0, NUMBER_DIGITS)).toString("latin1"));
}

/** Entries of one run of one client: numbers from `first` on, without gaps. */
export interface Numbers {
  readonly first: number;
  readonly count: number;
  /** The sum of `placeDigest` over the entries, modulo DIGEST_MODULUS. */
  readonly digest: number;
}

/** Numbers of different runs are this far apart. */
export const RUN_NUMBERS = 100_000_000;
/** Sums of digests stay exact. */
export const DIGEST_MODULUS = 2 ** 48;

/** Ties an entry to the place at which the log holds it: with another place of any of the entries
 *  the sum over all of them is another. */
export function placeDigest(number: number, place: number): number {
  return ((number % 65_521) + 1) * (place % 4_294_967_291);
}

/** Holds what is read back against what was acknowledged. */
export class Expected {
  readonly #name: string;
  readonly #size: number;
  readonly #runs: readonly { readonly numbers: Numbers; readonly seen: Uint8Array }[];
  #digest = 0;
  #found = 0;

  constructor(name: string, size: number, runs: readonly Numbers[]) {
    this.#name = name;
    this.#size = size;
    this.#runs = runs.map((numbers) => ({ numbers, seen: new Uint8Array(numbers.count) }));
  }

  /** Throws when the entry was not acknowledged, is another one or was there before. */
  found(entry: Uint8Array, place: number): void {
    const number = numberOf(entry);
    const run = this.#runs.find(
      ({ numbers: { first, count } }) => number >= first && number < first + count,
    );
    if (run === undefined) throw new Error(`${this.#name} holds ${number}, which nobody wrote`);
    if (Buffer.compare(entry, numberedEntry(this.#size, number)) !== 0)
      throw new Error(`${this.#name} changed the entry ${number}`);
    const at = number - run.numbers.first;
    if (run.seen[at] !== 0) throw new Error(`${this.#name} holds the entry ${number} twice`);
    run.seen[at] = 1;
    this.#digest = (this.#digest + placeDigest(number, place)) % DIGEST_MODULUS;
    this.#found++;
  }

  /** Everything was read: how many entries there are. Throws when one is missing. */
  all(): number {
    const written = this.#runs.reduce((sum, { numbers }) => sum + numbers.count, 0);
    if (written !== this.#found)
      throw new Error(`${this.#name} acknowledged ${written} entries and holds ${this.#found}`);
    return written;
  }

  /** Throws when an entry is at another place than its acknowledgement said. */
  inPlace(): void {
    const told = this.#runs.reduce(
      (sum, { numbers }) => (sum + numbers.digest) % DIGEST_MODULUS,
      0,
    );
    if (told !== this.#digest)
      throw new Error(`${this.#name} holds entries elsewhere than it acknowledged them`);
  }
}
