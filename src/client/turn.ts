/** The end of a turn, shared by all sessions of a client: what they gathered leaves together, and
 *  one order to the clock serves them all. */

import type { Clock } from "../transport/clock.ts";

export class Turn {
  readonly #clock: Clock;
  #waiting: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `run` once after everything that has already arrived was taken in, in the order of the
   *  asking. */
  after(run: () => void): void {
    if (this.#waiting.push(run) === 1) this.#clock.soon(() => this.#end());
  }

  #end(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const run of waiting) run();
  }
}
