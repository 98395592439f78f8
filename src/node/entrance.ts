/** Where clients' entries come in: checked, and the large ones one after another.
 *
 *  The log is one order, so a small entry waits for everything that was appended before it. A large
 *  request therefore waits here until little is on its way to commitment; small requests of other
 *  clients go past it. Those of its own client follow it by their sequences. Where there is always
 *  much on its way, one of those that wait enters every 100 ms. */

import { ENTRY_BYTES_MAX } from "../base/limits.ts";
import type { MonotonicMs } from "../base/types.ts";
import { checkPayloads } from "../storage/record.ts";
import type { AppendRequest, LeaderHint, Response } from "../transport/requests.ts";

/** Larger than what a client merges out of small entries. */
const LARGE_BYTES = 393_216;
/** A large request enters when no more than this is appended and not committed, or not written
 *  here, bytes. */
const PENDING_BYTES_MAX = 524_288;
/** Large requests that wait; beyond that the first one is let in, and bounded there. */
const WAITING_MAX = 16;
/** The first one enters after this, however much is uncommitted: it may never be little. */
const FIRST_MS = 100;

type Answer = (response: Response) => void;

export interface EntranceHost {
  /** Appended here and not committed, or not written, bytes: whichever is more. */
  readonly pendingBytes: () => number;
  readonly leaderHint: () => LeaderHint | null;
  readonly offer: (request: AppendRequest, answer: Answer, nowMs: MonotonicMs) => void;
}

interface Waiting {
  readonly request: AppendRequest;
  readonly answer: Answer;
}

export class Entrance {
  readonly #host: EntranceHost;
  #waiting: Waiting[] = [];
  /** Since when the first one has been the first. */
  #firstSinceMs: MonotonicMs = 0;

  constructor(host: EntranceHost) {
    this.#host = host;
  }

  /** Bytes of the large requests that wait here, and `pendingBytes`. */
  get heldBytes(): number {
    const waiting = this.#waiting.reduce((sum, { request }) => sum + request.payloads.length, 0);
    return waiting + this.#host.pendingBytes();
  }

  /** Takes a request; it is answered once, at once or later. Of one that waits and comes again the
   *  earlier copy is dropped, as if it had been lost: the answer to the later one settles both. */
  offer(request: AppendRequest, answer: Answer, nowMs: MonotonicMs): void {
    const count = checkPayloads(request.payloads, ENTRY_BYTES_MAX);
    if (typeof count === "string") return answer(badRequest(count));
    if (count !== request.count) return answer(badRequest("count differs"));
    const isLarge = request.payloads.length > LARGE_BYTES;
    const isFree = this.#waiting.length === 0 && this.#isCalm();
    if (!isLarge || isFree) return this.#host.offer(request, answer, nowMs);
    // A copy of its own: whoever appends gives the log's memory back.
    const held = { request: { ...request, payloads: new Uint8Array(request.payloads) }, answer };
    const copy = this.#waiting.findIndex((waiting) => isSame(waiting.request, request));
    if (copy >= 0) {
      this.#waiting[copy] = held;
      return;
    }
    if (this.#waiting.length >= WAITING_MAX) this.#enter(this.#waiting.shift()!, nowMs);
    if (this.#waiting.length === 0) this.#firstSinceMs = nowMs;
    this.#waiting.push(held);
  }

  /** Lets in what may enter now; refuses everything once this node no longer leads. Call in every
   *  turn, and at nextDeadlineMs. Returns whether any entered. */
  release(leads: boolean, nowMs: MonotonicMs): boolean {
    if (!leads) this.#refuseAll();
    let entered = false;
    while (this.#waiting.length > 0 && (this.#isCalm() || nowMs >= this.nextDeadlineMs())) {
      this.#enter(this.#waiting.shift()!, nowMs);
      entered = true;
    }
    return entered;
  }

  nextDeadlineMs(): MonotonicMs {
    return this.#waiting.length === 0 ? Infinity : this.#firstSinceMs + FIRST_MS;
  }

  #enter({ request, answer }: Waiting, nowMs: MonotonicMs): void {
    this.#firstSinceMs = nowMs;
    this.#host.offer(request, answer, nowMs);
  }

  #refuseAll(): void {
    const leader = this.#host.leaderHint();
    for (const { answer } of this.#waiting.splice(0))
      answer({ type: "refused", code: "not leader", text: "", leader, number: null });
  }

  #isCalm(): boolean {
    return this.#host.pendingBytes() <= PENDING_BYTES_MAX;
  }
}

function isSame(one: AppendRequest, other: AppendRequest): boolean {
  return one.clientId === other.clientId && one.firstSequence === other.firstSequence;
}

function badRequest(text: string): Response {
  return { type: "refused", code: "bad request", text, leader: null, number: null };
}
