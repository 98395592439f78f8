/** When a lasting state is said again: after 10 s, after 1 min, then every 10 min. */

import type { MonotonicMs } from "../base/types.ts";

const AFTER_MS = [10_000, 60_000] as const;
const EVERY_MS = 600_000;

export class Repeat {
  #sinceMs: MonotonicMs | null = null;
  #said = 0;

  /** The state holds since now, unless it did already. */
  begin(nowMs: MonotonicMs): void {
    this.#sinceMs ??= nowMs;
  }

  get lasting(): boolean {
    return this.#sinceMs !== null;
  }

  end(): void {
    this.#sinceMs = null;
    this.#said = 0;
  }

  /** Seconds that the state has lasted when it is time to say so, else null. */
  due(nowMs: MonotonicMs): number | null {
    if (this.#sinceMs === null) return null;
    const lastedMs = nowMs - this.#sinceMs;
    const nextMs = AFTER_MS[this.#said] ?? (this.#said - AFTER_MS.length + 1) * EVERY_MS;
    if (lastedMs < nextMs) return null;
    this.#said += 1;
    return Math.round(lastedMs / 1_000);
  }
}
