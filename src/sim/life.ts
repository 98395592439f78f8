/** One process from its start to its end: a clock of its own, timers that die with it, and events
 *  that wait while it is paused. */

import type { MonotonicMs, WallMs } from "../base/types.ts";
import type { Clock } from "../transport/clock.ts";
import type { Schedule } from "./schedule.ts";

/** How long a turn of the loop takes: whatever arrives within it shares the next one. */
const TURN_MS = 0.05;
/** The shortest timer: a deadline that is nearer than numbers can tell must still be reached. */
const TIMER_MS_MIN = 0.01;

/** What a paused process is to do when it goes on. */
interface Waiting {
  readonly run: () => void;
  /** It came from outside: no timer of its own, no disk. */
  readonly arrived: boolean;
}

export class Life {
  readonly clock: Clock;
  /** False: nothing that it does has an effect any more. */
  alive = true;
  readonly #schedule: Schedule;
  /** Run after every event of this life. */
  readonly #after: () => void;
  #paused: Waiting[] | null = null;
  #rate: number;
  #anchorMs: MonotonicMs;
  #ownMs = 0;
  #wallAheadMs: number;

  /** `rate`: its milliseconds in one of the world's. `wallAheadMs`: its wall clock at the start of
   *  time. */
  constructor(schedule: Schedule, rate: number, wallAheadMs: WallMs, after: () => void) {
    this.#schedule = schedule;
    this.#rate = rate;
    this.#anchorMs = schedule.nowMs;
    this.#wallAheadMs = wallAheadMs;
    this.#after = after;
    this.clock = {
      monotonicMs: () => this.#monotonicMs(),
      wallMs: () => Math.floor(this.#wallAheadMs + schedule.nowMs),
      after: (delayMs, run) => {
        const task = this.at(schedule.nowMs + Math.max(TIMER_MS_MIN, delayMs) / this.#rate, run);
        return () => {
          task.run = null;
        };
      },
      soon: (run) => void this.at(schedule.nowMs + TURN_MS, run),
    };
  }

  get paused(): boolean {
    return this.#paused !== null;
  }

  /** Runs in this process at the world's moment `atMs`: never after its end, and not before the end
   *  of a pause. `run` null cancels it, during a pause too. */
  at(atMs: MonotonicMs, run: () => void): { run: (() => void) | null } {
    const task: { run: (() => void) | null } = { run };
    this.#schedule.at(atMs, () => {
      if (task.run !== null) this.#enter(() => task.run?.(), false);
    });
    return task;
  }

  /** Runs what arrived from outside: now, or when the pause ends. */
  run(run: () => void): void {
    this.#enter(run, true);
  }

  /** SIGSTOP. */
  pause(): void {
    this.#paused ??= [];
  }

  /** SIGCONT: everything that came meanwhile is there at once, each an event of its own, as it
   *  came. A loop may as well look at its sockets before its timers: then a process takes in what
   *  arrived while it does not know yet how long it stood still. */
  resume(order: "as it came" | "sockets first" = "as it came"): void {
    const waiting = this.#paused ?? [];
    this.#paused = null;
    const late = order === "as it came" ? [] : waiting.filter(({ arrived }) => !arrived);
    const first = late.length === 0 ? waiting : waiting.filter(({ arrived }) => arrived);
    for (const { run, arrived } of [...first, ...late])
      this.#schedule.at(this.#schedule.nowMs, () => this.#enter(run, arrived));
  }

  /** From now on its clock runs at another rate. */
  setRate(rate: number): void {
    this.#ownMs = this.#monotonicMs();
    this.#anchorMs = this.#schedule.nowMs;
    this.#rate = rate;
  }

  jumpWall(byMs: number): void {
    this.#wallAheadMs += byMs;
  }

  #enter(run: () => void, arrived: boolean): void {
    if (!this.alive) return;
    if (this.#paused !== null) {
      this.#paused.push({ run, arrived });
      return;
    }
    run();
    this.#after();
  }

  #monotonicMs(): MonotonicMs {
    return this.#ownMs + (this.#schedule.nowMs - this.#anchorMs) * this.#rate;
  }
}
