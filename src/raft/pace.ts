/** How fast a follower that is behind catches up while the cluster commits without it.
 *
 *  Old records cost the leader what clients' new ones need: unchecked, a follower that catches up
 *  takes three quarters of it. So while entries are being committed, a follower is sent what is
 *  committed already out of an allowance (a token bucket that may go below zero): it grows by a
 *  fixed number of bytes a millisecond and by every byte that the log itself grows, and every byte
 *  that is sent to the follower comes out of it. So it always gains on the log, however fast that
 *  grows; and when nothing is committed, or commitment waits for this very follower, there is no
 *  bound. What is not used soon is lost: else a follower whose disk was slow for an hour would be
 *  sent what that hour brought without a bound.
 *
 *  Nothing depends on it but speed: an order that has to wait is not given, so no timer of an order
 *  runs meanwhile. */

import type { MonotonicMs } from "../base/types.ts";

/** What was not used, and what was sent too much, counts for so long. */
const UNUSED_MS = 64;
const OWED_MS = 100;
/** What the log grew by and was not used melts away: a step of so many ms takes all that is left, a
 *  shorter one its share. */
const GROWN_MS = 1_000;

export class CatchUpPace {
  /** What may be sent now; below 0: what has to be made up for first. */
  #allowedBytes = 0;
  #atMs: MonotonicMs = 0;
  #grownBytes = 0;

  /** `grownBytes`: what the log grew by in this leadership, here and below. */
  begin(grownBytes: number, nowMs: MonotonicMs): void {
    this.#allowedBytes = 0;
    this.#atMs = nowMs - UNUSED_MS;
    this.#grownBytes = grownBytes;
  }

  /** `bytes` of old records have left. */
  sent(bytes: number, bytesPerMs: number, grownBytes: number, nowMs: MonotonicMs): void {
    this.#fill(bytesPerMs, grownBytes, nowMs);
    this.#allowedBytes = Math.max(this.#allowedBytes - bytes, -OWED_MS * bytesPerMs);
  }

  /** When more may be sent: now, or later, unless the log grows before that. */
  readyAtMs(bytesPerMs: number, grownBytes: number, nowMs: MonotonicMs): MonotonicMs {
    this.#fill(bytesPerMs, grownBytes, nowMs);
    return this.#allowedBytes >= 0 ? nowMs : nowMs - this.#allowedBytes / bytesPerMs;
  }

  #fill(bytesPerMs: number, grownBytes: number, nowMs: MonotonicMs): void {
    const passedMs = nowMs - this.#atMs;
    const mostBytes = UNUSED_MS * bytesPerMs;
    const filled = Math.min(this.#allowedBytes + passedMs * bytesPerMs, mostBytes);
    const unusedBytes = Math.max(0, this.#allowedBytes - mostBytes);
    const keptBytes = unusedBytes * Math.max(0, 1 - passedMs / GROWN_MS);
    this.#allowedBytes = filled + keptBytes + grownBytes - this.#grownBytes;
    this.#atMs = nowMs;
    this.#grownBytes = grownBytes;
  }
}
