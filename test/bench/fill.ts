/** Makes a long log quickly: many entries in one request, several requests under way, and a check
 *  of samples, for a log of this length takes longer to read than to measure. */
import type { LogIndex, RaftClient } from "../../src/index.ts";
import type { Sampled } from "./scenario.ts";

export const ENTRY_BYTES = 100;
/** Entries of one request, and so of one record. */
const PER_REQUEST = 250;
const REQUESTS_UNDER_WAY = 16;
const TIMEOUT_MS = 60_000;
const SAMPLES = 40;

export class Fill {
  readonly #client: RaftClient;
  /** The first index of each request, by its number. */
  readonly #indexes: number[] = [];

  constructor(client: RaftClient) {
    this.#client = client;
  }

  /** Entries written so far, all acknowledged. */
  get entries(): number {
    return this.#indexes.length * PER_REQUEST;
  }

  /** Where the last of them lies. */
  get lastIndex(): LogIndex {
    const first = this.#indexes.reduce((most, index) => Math.max(most, index), 0);
    return first + PER_REQUEST - 1;
  }

  /** Adds at least `entries`. */
  async add(entries: number): Promise<void> {
    const until = this.#indexes.length + Math.ceil(entries / PER_REQUEST);
    const work = async (): Promise<void> => {
      while (this.#indexes.length < until) {
        const number = this.#indexes.length;
        this.#indexes.push(0);
        const receipt = await this.#client.send(batch(number), { timeoutMs: TIMEOUT_MS });
        this.#indexes[number] = receipt.index;
      }
    };
    await Promise.all(Array.from({ length: REQUESTS_UNDER_WAY }, work));
  }

  /** Reads requests spread over the log back, the first and the last among them. Throws when one is
   *  not where it was acknowledged. */
  async verify(client = this.#client): Promise<Sampled> {
    let compared = 0;
    const last = this.#indexes.length - 1;
    for (let sample = 0; sample <= Math.min(SAMPLES, last); sample++) {
      const number = Math.round((sample * last) / Math.max(1, Math.min(SAMPLES, last)));
      const from = this.#indexes[number] ?? 0;
      const expected = batch(number);
      let at = 0;
      const range = { from, to: from + PER_REQUEST - 1, timeoutMs: TIMEOUT_MS };
      for await (const { index, bytes } of client.log(range)) {
        if (index !== from + at || Buffer.compare(bytes, expected[at] ?? bytes.subarray(1)) !== 0)
          throw new Error(`entry ${at} of request ${number} is not at ${from + at}`);
        at++;
      }
      if (at !== PER_REQUEST) throw new Error(`${at} entries of request ${number} are there`);
      compared += at;
    }
    return { compared, of: this.entries };
  }
}

function batch(number: number): Buffer[] {
  return Array.from({ length: PER_REQUEST }, (_, at) =>
    Buffer.from(`${number}.${at} `.padEnd(ENTRY_BYTES, "abcdefghijklmnopqrstuvwxyz")),
  );
}
