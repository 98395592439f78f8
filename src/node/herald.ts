/** When a node asks who is there and when it says that it leads. Steady state needs neither: both
 *  are hints. */

import type { MonotonicMs } from "../base/types.ts";
import type { Discovery } from "../discovery/types.ts";
import { ANNOUNCE_MS } from "./limits.ts";

/** A new leader says so in a burst: one lost datagram hides nobody. */
const BURST_MS = [0, 100, 400] as const;
/** While somebody is missing everybody is asked this often. */
const QUERY_MISSING_MS = 1_000;
const QUERY_COMPLETE_MS = 5_000;

export class Herald {
  readonly #discovery: Discovery;
  #queryAtMs: MonotonicMs = 0;
  #announceAtMs: MonotonicMs[] = [];

  constructor(discovery: Discovery) {
    this.#discovery = discovery;
  }

  /** Call when the leader's no-op has committed. */
  leads(nowMs: MonotonicMs): void {
    this.#announceAtMs = BURST_MS.map((delayMs) => nowMs + delayMs);
  }

  leadsNoMore(): void {
    this.#announceAtMs = [];
  }

  /** `isMissing`: somebody who should be here is not met. */
  tick(isMissing: () => boolean, nowMs: MonotonicMs): void {
    const announceAtMs = this.#announceAtMs[0];
    if (announceAtMs !== undefined && nowMs >= announceAtMs) {
      this.#announceAtMs.shift();
      if (this.#announceAtMs.length === 0) this.#announceAtMs.push(nowMs + ANNOUNCE_MS);
      this.#discovery.announce();
    }
    if (nowMs >= this.#queryAtMs) {
      const missing = isMissing();
      this.#queryAtMs = nowMs + (missing ? QUERY_MISSING_MS : QUERY_COMPLETE_MS);
      if (missing) this.#discovery.query();
    }
  }

  nextDeadlineMs(): MonotonicMs {
    return Math.min(this.#queryAtMs, this.#announceAtMs[0] ?? Infinity);
  }
}
