/** Since when sessions are: an index that is committed when a session begins. Before the first one
 *  of a client any node is asked for it; the leader, when the cluster had forgotten a session that
 *  was born too long ago. One question serves all sessions that wait. */

import type { LogIndex } from "../base/types.ts";
import type { Call, Target } from "./call.ts";
import type { Calls } from "./calls.ts";
import type { Finder } from "./finder.ts";

export class Births {
  readonly #calls: Calls;
  readonly #finder: () => Finder;
  /** In the order of their asking. */
  readonly #waiting = new Set<() => void>();
  #asking: Call | null = null;
  /** What was heard of the log is so old that a session born after it would be refused. */
  #isOld = false;

  constructor(calls: Calls, finder: () => Finder) {
    this.#calls = calls;
    this.#finder = finder;
  }

  /** The birth of a session that begins now; null: not known yet, and `whenKnown` is called
   *  once. */
  take(whenKnown: () => void): LogIndex | null {
    const { commitIndex } = this.#finder();
    // Never 0, which would be a name that a user chose; the log's first entry is nobody's.
    if (!this.#isOld && commitIndex !== null) return Math.max(1, commitIndex);
    this.#waiting.add(whenKnown);
    this.#ask();
    return null;
  }

  /** Whoever waited waits no more. */
  leave(whenKnown: () => void): void {
    if (!this.#waiting.delete(whenKnown) || this.#waiting.size > 0 || this.#asking === null) return;
    this.#calls.cancel(this.#asking);
    this.#asking = null;
  }

  /** A session was forgotten of which nothing is open: the next one must be born later. */
  tooOld(): void {
    this.#isOld = true;
  }

  #ask(): void {
    if (this.#asking !== null) return;
    const target: Target = this.#isOld ? "leader" : "any";
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
