/** A closed loop that is watched entry by entry: when the first entry of a later term was
 *  acknowledged, and how long nothing was. It goes on until it is stopped, whoever leads. */
import type { RaftClient, Session, Term } from "../../src/index.ts";

/** Longer than any trouble that a run causes; one that is not acknowledged by then fails the
 *  run. */
const SEND_TIMEOUT_MS = 30_000;
const ENTRY_BYTES = 100;
/** Where the number of an entry ends; the rest of it is filler. */
const NUMBER_BYTES = 10;

interface Watch {
  readonly after: Term;
  readonly resolve: (atMs: number) => void;
  readonly reject: (error: unknown) => void;
}

export class Pulse {
  readonly #client: RaftClient;
  readonly #filler = Buffer.alloc(ENTRY_BYTES, "x");
  /** The index that was acknowledged for each entry, by its number; 0: not yet. */
  readonly #indexes: number[] = [];
  #watches: Watch[] = [];
  #workers: Promise<void>[] = [];
  #isOver = false;
  #failure: unknown = null;
  #lastMs = 0;
  #gapMs = 0;
  #acknowledged = 0;
  term: Term = 0;

  constructor(client: RaftClient) {
    this.#client = client;
  }

  /** Keeps `outstanding` entries of 100 B under way from now on, each in a session of its own if
   *  that is asked for; resolves with the first receipt. */
  async start(outstanding: number, inSessions = false): Promise<void> {
    this.#lastMs = performance.now();
    const first = this.after(this.term - 1);
    this.#workers = Array.from({ length: outstanding }, () =>
      this.#work(inSessions ? this.#client.session() : this.#client),
    );
    await first;
    this.takeGapMs();
  }

  /** Entries acknowledged so far. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** When (performance.now) the next entry of a term above `term` is acknowledged: one that a later
   *  leader appended. */
  after(term: Term): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== null) reject(this.#failure);
      else this.#watches.push({ after: term, resolve, reject });
    });
  }

  /** The longest time without any receipt since the last call, in ms. */
  takeGapMs(): number {
    const gapMs = Math.max(this.#gapMs, performance.now() - this.#lastMs);
    this.#gapMs = 0;
    return gapMs;
  }

  /** Ends the loop when what is under way is acknowledged. Throws what an entry failed with. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#workers);
    if (this.#failure !== null) throw this.#failure;
  }

  /** Every acknowledged entry is in the log once, at its index; how many there are. */
  async verify(): Promise<number> {
    const indexes = [...this.#indexes];
    for await (const { index, bytes } of this.#client.log({ timeoutMs: SEND_TIMEOUT_MS })) {
      const number = Number(Buffer.from(bytes.buffer, bytes.byteOffset, NUMBER_BYTES).toString());
      if (indexes[number] !== index || bytes.length !== ENTRY_BYTES)
        throw new Error(`entry ${number} is at ${index}, acknowledged at ${indexes[number]}`);
      indexes[number] = -1;
    }
    const missing = indexes.findIndex((index) => index !== -1);
    if (missing >= 0) throw new Error(`entry ${missing} was acknowledged and is not in the log`);
    return indexes.length;
  }

  async #work(sender: Pick<Session, "send">): Promise<void> {
    try {
      while (!this.#isOver) {
        const number = this.#indexes.push(0) - 1;
        const entry = Buffer.from(this.#filler);
        entry.write(String(number).padStart(NUMBER_BYTES, "0"));
        const { index, term } = await sender.send(entry, { timeoutMs: SEND_TIMEOUT_MS });
        this.#indexes[number] = index;
        this.#acknowledged++;
        this.#heard(term);
      }
    } catch (error) {
      this.#failure ??= error;
      this.#isOver = true;
      for (const watch of this.#watches.splice(0)) watch.reject(error);
    }
  }

  #heard(term: Term): void {
    const nowMs = performance.now();
    this.#gapMs = Math.max(this.#gapMs, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
    if (term <= this.term && this.#watches.length === 0) return;
    this.term = Math.max(this.term, term);
    const met = this.#watches.filter(({ after }) => term > after);
    this.#watches = this.#watches.filter(({ after }) => term <= after);
    for (const { resolve } of met) resolve(nowMs);
  }
}
