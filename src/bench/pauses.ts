/** When receipts stood still, and how often another leader gave them: beside latencies, where all
 *  that a change of leaders leaves is the largest one. */
import type { MonotonicMs, Term } from "../base/types.ts";

export interface PauseFigures {
  /** How often receipts began to come from a later term. */
  readonly leaderMoves: number;
  /** The longest time without a receipt that began within the measured time; it may end after
   *  it. */
  readonly longestPauseMs: number;
  /** When it began, after the measuring did. */
  readonly longestPauseAtMs: number;
}

export class Pauses {
  #term: Term = 0;
  #moves = 0;
  #lastMs: MonotonicMs = 0;
  #longestMs = 0;
  #longestFromMs: MonotonicMs = 0;

  /** A receipt, and the term that it names, if any. `fromMs`, `untilMs`: the measured time. */
  landed(
    nowMs: MonotonicMs,
    term: Term | undefined,
    fromMs: MonotonicMs,
    untilMs: MonotonicMs,
  ): void {
    if (nowMs >= fromMs && this.#lastMs < untilMs) this.#standstill(nowMs, fromMs);
    this.#lastMs = nowMs;
    if (term === undefined || term <= this.#term) return;
    if (this.#term > 0 && nowMs >= fromMs) this.#moves++;
    this.#term = term;
  }

  /** Of the time measured until `untilMs`. */
  figures(fromMs: MonotonicMs, untilMs: MonotonicMs): PauseFigures {
    if (this.#lastMs < untilMs) this.#standstill(untilMs, fromMs);
    return {
      leaderMoves: this.#moves,
      longestPauseMs: this.#longestMs,
      longestPauseAtMs: this.#longestMs === 0 ? 0 : this.#longestFromMs - fromMs,
    };
  }

  #standstill(nowMs: MonotonicMs, fromMs: MonotonicMs): void {
    const since = this.#lastMs > fromMs ? this.#lastMs : fromMs;
    const lastedMs = nowMs - since;
    if (lastedMs <= this.#longestMs) return;
    this.#longestMs = lastedMs;
    this.#longestFromMs = since;
  }
}
