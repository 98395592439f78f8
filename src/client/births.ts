/** Since when sessions are: an index that is committed when a session begins. Before the first one
 *  of a client any node is asked for it; the leader, when the cluster had forgotten a session that
 *  was born too long ago (one that was elected just now may not know of enough yet: then the next
 *  session is forgotten as well, and asks again). One question serves all sessions that wait. */

import type { LogIndex, MonotonicMs } from "../base/types.ts";
import type { Clock } from "../transport/clock.ts";
import type { Call, Target } from "./call.ts";
import type { Calls } from "./calls.ts";
import type { Finder } from "./finder.ts";

/** Nobody is asked more often: whoever answers may not know better for a while. */
const ASK_EVERY_MS = 20;

export class Births {
  readonly #clock: Clock;
  readonly #calls: Calls;
  readonly #finder: () => Finder;
  /** In the order of their asking. */
  readonly #waiting = new Set<() => void>();
  #asking: Call | null = null;
  /** What was heard of the log is so old that a session born after it would be refused. */
  #isOld = false;
  #askedMs: MonotonicMs = -Infinity;
  #cancelRest: (() => void) | null = null;

  constructor(clock: Clock, calls: Calls, finder: () => Finder) {
    this.#clock = clock;
    this.#calls = calls;
    this.#finder = finder;
  }

  /** The birth of a session that begins now; null: not known yet, and `whenKnown` is called
   *  once. */
  take(whenKnown: () => void): LogIndex | null {
    const commitIndex = this.#finder().commitIndex ?? 0;
    // 0 is said by who knows nothing yet; the log's first entry is nobody's.
    if (!this.#isOld && commitIndex > 0) return commitIndex;
    this.#waiting.add(whenKnown);
    this.#ask();
    return null;
  }

  /** Whoever waited waits no more. */
  leave(whenKnown: () => void): void {
    if (!this.#waiting.delete(whenKnown) || this.#waiting.size > 0) return;
    this.#cancelRest?.();
    this.#cancelRest = null;
    if (this.#asking !== null) this.#calls.cancel(this.#asking);
    this.#asking = null;
  }

  /** A session was forgotten of which nothing is open: the next one must be born later. */
  tooOld(): void {
    this.#isOld = true;
  }

  #ask(): void {
    if (this.#asking !== null || this.#cancelRest !== null) return;
    const nowMs = this.#clock.monotonicMs();
    const restMs = this.#askedMs + ASK_EVERY_MS - nowMs;
    if (restMs > 0) {
      this.#cancelRest = this.#clock.after(restMs, () => {
        this.#cancelRest = null;
        this.#ask();
      });
      return;
    }
    this.#askedMs = nowMs;
    const target: Target = this.#isOld || this.#finder().commitIndex === 0 ? "leader" : "any";
    this.#asking = this.#calls.start({
      request: { type: "leader" },
      target,
      deadlineMs: Infinity,
      onResult: () => {
        this.#asking = null;
        if (target === "leader") this.#isOld = false;
        const waiting = [...this.#waiting];
        this.#waiting.clear();
        for (const whenKnown of waiting) whenKnown();
      },
    });
  }
}
