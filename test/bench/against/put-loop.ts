/** A closed loop: so many entries under way at all times, over one connection or several. It is the
 *  same for every side. */
import { LatencyHistogram } from "../../../src/bench/histogram.ts";
import { sleep } from "../../e2e/world.ts";
import { DIGEST_MODULUS, digitsOf, numberedEntry, placeDigest } from "./entry.ts";
import type { Numbers } from "./entry.ts";
import type { Answers, OpenPuts, Puts } from "./wire.ts";

export interface PutWork {
  readonly outstanding: number;
  /** The entries under way are spread over these, each with so many clients on it. */
  readonly connections: number;
  readonly clientsEach: number;
  /** Measured after this, ms, and not before every one of `outstanding` had its first answer:
   *  sessions are open, code is compiled, windows are full. */
  readonly warmUpMs: number;
  readonly measuredMs: number;
  /** Bytes of an entry. */
  readonly size: number;
  /** The number of the first entry. */
  readonly first: number;
}

export interface PutResult {
  /** Of what was acknowledged while it was measured. */
  readonly latencies: LatencyHistogram;
  /** How long that was, ms. */
  readonly measuredMs: number;
  /** Everything that was acknowledged. */
  readonly numbers: Numbers;
}

/** Called when measuring begins and ends. */
export interface Marks {
  readonly begin: () => void;
  readonly end: () => void;
}

/** Resolves when everything under way was acknowledged. */
export async function runPuts(open: OpenPuts, work: PutWork, marks: Marks): Promise<PutResult> {
  const loop = new PutLoop(work);
  for (let number = 0; number < work.connections; number++) {
    loop.puts.push(await open(loop, work.clientsEach));
  }
  try {
    await loop.run(marks);
    return loop.result;
  } finally {
    for (const puts of loop.puts) await puts.close();
  }
}

class PutLoop implements Answers {
  readonly puts: Puts[] = [];
  readonly #work: PutWork;
  /** By slot: its entry, when that was put, and its number. */
  readonly #entries: readonly Buffer[];
  readonly #startedMs: Float64Array;
  readonly #numbers: Float64Array;
  /** By slot: 1 when an entry of it was acknowledged. */
  readonly #answered: Uint8Array;
  #unanswered: number;
  readonly #latencies = new LatencyHistogram();
  #next: number;
  #underWay = 0;
  #digest = 0;
  #nowMs = 0;
  #fromMs = Infinity;
  #untilMs = Infinity;
  #allAnswered: () => void = () => {};
  #resolve: () => void = () => {};
  #reject: (error: Error) => void = () => {};

  constructor(work: PutWork) {
    this.#work = work;
    this.#entries = Array.from({ length: work.outstanding }, () => numberedEntry(work.size, 0));
    this.#startedMs = new Float64Array(work.outstanding);
    this.#numbers = new Float64Array(work.outstanding);
    this.#answered = new Uint8Array(work.outstanding);
    this.#unanswered = work.outstanding;
    this.#next = work.first;
  }

  run(marks: Marks): Promise<void> {
    const { outstanding, warmUpMs } = this.#work;
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      const isWarm = new Promise<void>((warm) => (this.#allAnswered = warm));
      void Promise.all([isWarm, sleep(warmUpMs)]).then(() => this.#measure(marks));
      this.#nowMs = performance.now();
      for (let slot = 0; slot < outstanding; slot++) this.#put(slot);
      for (const puts of this.puts) puts.flush();
    });
  }

  async #measure({ begin, end }: Marks): Promise<void> {
    begin();
    this.#fromMs = performance.now();
    await sleep(this.#work.measuredMs);
    this.#untilMs = performance.now();
    end();
  }

  get result(): PutResult {
    const { first } = this.#work;
    return {
      latencies: this.#latencies,
      measuredMs: this.#untilMs - this.#fromMs,
      numbers: { first, count: this.#next - first, digest: this.#digest },
    };
  }

  acknowledged(slot: number, place: number): void {
    const nowMs = performance.now();
    this.#nowMs = nowMs;
    this.#underWay--;
    this.#digest = (this.#digest + placeDigest(this.#numbers[slot]!, place)) % DIGEST_MODULUS;
    if (this.#answered[slot] === 0) this.#handleFirst(slot);
    if (nowMs >= this.#fromMs && nowMs < this.#untilMs)
      this.#latencies.record(nowMs - this.#startedMs[slot]!);
    if (this.#untilMs === Infinity) this.#put(slot);
    else if (this.#underWay === 0) this.#resolve();
  }

  failed(reason: string): void {
    this.#reject(new Error(reason));
  }

  #handleFirst(slot: number): void {
    this.#answered[slot] = 1;
    if (--this.#unanswered === 0) this.#allAnswered();
  }

  #put(slot: number): void {
    const number = this.#next++;
    this.#underWay++;
    this.#startedMs[slot] = this.#nowMs;
    this.#numbers[slot] = number;
    const entry = this.#entries[slot]!;
    entry.write(digitsOf(number), "latin1");
    this.puts[slot % this.puts.length]!.put(slot, number, entry);
  }
}
