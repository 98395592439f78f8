/** A closed loop that runs beside something else: its rate and latencies from one moment to the
 *  next. */
import type { RaftClient } from "../../src/index.ts";

const TIMEOUT_MS = 60_000;

export interface Slice {
  readonly entriesPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export class ClosedLoop {
  readonly #client: RaftClient;
  readonly #entry: Buffer;
  #latenciesMs: number[] = [];
  #fromMs = 0;
  #isOver = false;
  #workers: Promise<void>[] = [];

  constructor(client: RaftClient, entryBytes: number) {
    this.#client = client;
    this.#entry = Buffer.alloc(entryBytes, "l");
  }

  start(outstanding: number): void {
    this.#fromMs = performance.now();
    this.#workers = Array.from({ length: outstanding }, () => this.#work());
  }

  /** What was acknowledged since the last call. */
  take(): Slice {
    const sorted = Float64Array.from(this.#latenciesMs).toSorted();
    const at = (part: number) => sorted[Math.floor((sorted.length - 1) * part)] ?? Number.NaN;
    const nowMs = performance.now();
    const seconds = (nowMs - this.#fromMs) / 1_000;
    this.#latenciesMs = [];
    this.#fromMs = nowMs;
    return { entriesPerSecond: sorted.length / seconds, p50Ms: at(0.5), p99Ms: at(0.99) };
  }

  /** Throws when an entry was not acknowledged. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#workers);
  }

  async #work(): Promise<void> {
    while (!this.#isOver) {
      const sentMs = performance.now();
      await this.#client.send(this.#entry, { timeoutMs: TIMEOUT_MS });
      this.#latenciesMs.push(performance.now() - sentMs);
    }
  }
}
