/** The one timer of a process: the smallest deadline of all its parts. */

import type { MonotonicMs } from "../base/types.ts";
import { afterArrivals, type Clock } from "../transport/clock.ts";

export class Alarm {
  readonly #clock: Clock;
  readonly #ring: () => void;
  /** When it rings; Infinity: it is not set. */
  #dueMs: MonotonicMs = Infinity;
  #cancel: () => void = () => {};

  /** `ring`: it is time, and what has arrived by then was taken in. */
  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  /** Rings at `dueMs` at the latest. One that is set for earlier stays: deadlines move into the
   *  future with every datagram, and to ring for nothing now and then costs less than setting a
   *  timer each time. */
  by(dueMs: MonotonicMs, nowMs: MonotonicMs): void {
    if (dueMs >= this.#dueMs) return;
    this.#cancel();
    this.#dueMs = dueMs;
    this.#cancel = afterArrivals(this.#clock, dueMs - nowMs, () => {
      this.#dueMs = Infinity;
      this.#ring();
    });
  }

  /** Does not ring any more. */
  stop(): void {
    this.#cancel();
    // Nothing is earlier than this, so whatever still calls `by` sets no timer.
    this.#dueMs = -Infinity;
  }
}
