/** The only place that reads a clock or sets a timer. Everything else is given the time. */

import type { MonotonicMs, WallMs } from "../base/types.ts";

export interface Clock {
  /** Never jumps; origin means nothing. */
  readonly monotonicMs: () => MonotonicMs;
  /** Informative only; may jump. */
  readonly wallMs: () => WallMs;
  /** Calls `run` once after `delayMs` (0 or more). Returns the cancellation. */
  readonly after: (delayMs: number, run: () => void) => () => void;
  /** Calls `run` once after everything that has already arrived was taken in. */
  readonly soon: (run: () => void) => void;
}

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, Math.max(0, delayMs));
    return () => clearTimeout(timer);
  },
  soon(run) {
    setImmediate(run);
  },
};
