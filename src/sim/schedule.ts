/** Virtual time: events in the order of their moments, and of their making where two share one.
 *  Time passes only between events. */

import type { MonotonicMs } from "../base/types.ts";

export interface ScheduledEvent {
  readonly atMs: MonotonicMs;
  readonly order: number;
  /** Null once it was cancelled. */
  run: (() => void) | null;
}

export class Schedule {
  nowMs: MonotonicMs = 0;
  /** How many events were run. */
  ran = 0;
  readonly #heap: ScheduledEvent[] = [];
  #order = 0;

  /** Runs at `atMs`, or now if that has passed. */
  at(atMs: MonotonicMs, run: () => void): ScheduledEvent {
    const event = { atMs: Math.max(atMs, this.nowMs), order: this.#order++, run };
    this.#push(event);
    return event;
  }

  /** The moment of the next event; Infinity when there is none. */
  nextMs(): MonotonicMs {
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      if (top.run !== null) return top.atMs;
      this.#pop();
    }
    return Infinity;
  }

  /** Runs the next event; false when there is none. */
  step(): boolean {
    if (this.nextMs() === Infinity) return false;
    const { atMs, run } = this.#pop();
    this.nowMs = atMs;
    this.ran += 1;
    run?.();
    return true;
  }

  /** Lets time pass in which nothing happens. */
  passTo(atMs: MonotonicMs): void {
    this.nowMs = Math.max(this.nowMs, Math.min(atMs, this.nextMs()));
  }

  #push(event: ScheduledEvent): void {
    const heap = this.#heap;
    let at = heap.length;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up];
      if (parent === undefined || !before(event, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = event;
  }

  #pop(): ScheduledEvent {
    const heap = this.#heap;
    const [top] = heap;
    const last = heap.pop();
    if (top === undefined || last === undefined) throw new Error("no event is scheduled");
    if (heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      let child = heap[down];
      if (child === undefined) break;
      const right = heap[down + 1];
      if (right !== undefined && before(right, child)) {
        child = right;
        down += 1;
      }
      if (!before(child, last)) break;
      heap[at] = child;
      at = down;
    }
    heap[at] = last;
    return top;
  }
}

function before(a: ScheduledEvent, b: ScheduledEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
