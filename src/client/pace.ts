/** When a copy is sent again: adapts to measured answers, doubles, with jitter. */

import type { Request } from "../transport/requests.ts";

const RETRY_FLOOR_MS = 10;
const RETRY_CEILING_MS = 250;
/** Before the first answer was timed. */
const FIRST_RESEND_MS = 100;
/** A large body gets the time that it needs on a slow link, and behind others: 2 MB/s. */
const BYTES_PER_MS = 2_000;

export class Pace {
  readonly #fraction: () => number;
  /** An append is answered when it is committed, anything else sooner. */
  readonly #append = new RoundTrip();
  readonly #other = new RoundTrip();

  /** `fraction` draws from [0, 1). */
  constructor(fraction: () => number) {
    this.#fraction = fraction;
  }

  measured(request: Request, ms: number): void {
    this.#of(request).measured(ms);
  }

  /** How long an answer may take, ms; null before the first. */
  answerMs(request: Request): number | null {
    return this.#of(request).resendMs;
  }

  /** After a refusal: full jitter between the floor and a ceiling that doubles. */
  restMs(attempt: number): number {
    const ceilingMs = Math.min(RETRY_CEILING_MS, RETRY_FLOOR_MS * 2 ** Math.min(attempt + 1, 8));
    return RETRY_FLOOR_MS + this.#fraction() * (ceilingMs - RETRY_FLOOR_MS);
  }

  /** After a copy: when to send the next if nothing comes back. `unanswered` counts that copy
   *  too. */
  resendMs(request: Request, bodyBytes: number, unanswered: number, rttMs: number | null): number {
    const measuredMs = this.answerMs(request) ?? Math.max(FIRST_RESEND_MS, 3 * (rttMs ?? 0));
    const doubled = measuredMs * 2 ** Math.min(unanswered - 1, 5) * (1 + 0.5 * this.#fraction());
    return Math.min(RETRY_CEILING_MS, Math.max(RETRY_FLOOR_MS, doubled)) + bodyBytes / BYTES_PER_MS;
  }

  #of(request: Request): RoundTrip {
    return request.type === "append" ? this.#append : this.#other;
  }
}

/** Smoothed time from a copy to its answer (RFC 6298, with a doubled margin for loops that
 *  stall). */
class RoundTrip {
  #smoothedMs: number | null = null;
  #variationMs = 0;

  measured(ms: number): void {
    if (this.#smoothedMs === null) {
      this.#smoothedMs = ms;
      this.#variationMs = ms / 2;
      return;
    }
    this.#variationMs += (Math.abs(ms - this.#smoothedMs) - this.#variationMs) / 4;
    this.#smoothedMs += (ms - this.#smoothedMs) / 8;
  }

  /** null before the first measurement. */
  get resendMs(): number | null {
    return this.#smoothedMs === null
      ? null
      : this.#smoothedMs + Math.max(2 * RETRY_FLOOR_MS, 8 * this.#variationMs);
  }
}
