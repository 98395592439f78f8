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

/** The same as `clock.after`, but what has arrived by then is taken in first, if `run` asks for a
 *  turn with `soon`. After a pause (a suspended or starved process) the loop runs its timers before
 *  it reads the sockets; without this round in between a node would think its leader silent whose
 *  heartbeats wait there. */
export function afterArrivals(clock: Clock, delayMs: number, run: () => void): () => void {
  return clock.after(delayMs, () => clock.soon(run));
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
