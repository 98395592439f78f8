/** Where clients' entries come in: checked, and the large ones one after another.
 *
 *  The log is one order, so a small entry waits for everything that was appended before it. A large
 *  request therefore waits here until little is on its way to commitment; small requests of other
 *  clients go past it. Those of its own client follow it by their sequences. */

import { ENTRY_BYTES_MAX } from "../base/limits.ts";
import type { MonotonicMs } from "../base/types.ts";
import { checkPayloads } from "../storage/record.ts";
import type { AppendRequest, Response } from "../transport/requests.ts";

/** Larger than what a client merges out of small entries. */
const LARGE_BYTES = 393_216;
/** A large request enters when no more than this is appended and not committed, bytes. */
const UNCOMMITTED_BYTES_MAX = 524_288;
/** Large requests that wait; what comes beyond that is let in and bounded there. */
const WAITING_MAX = 16;

type Answer = (response: Response) => void;

export interface EntranceHost {
  /** Appended here in this leadership and not committed, bytes. */
  readonly uncommittedBytes: () => number;
  readonly offer: (request: AppendRequest, answer: Answer, nowMs: MonotonicMs) => void;
}

export class Entrance {
  readonly #host: EntranceHost;
  #waiting: { readonly request: AppendRequest; readonly answer: Answer }[] = [];

  constructor(host: EntranceHost) {
    this.#host = host;
  }

  /** Takes a request; it is answered once, at once or later. */
  offer(request: AppendRequest, answer: Answer, nowMs: MonotonicMs): void {
    const checked = checkPayloads(request.payloads, ENTRY_BYTES_MAX);
    if ("reason" in checked) return answer(badRequest(checked.reason));
    if (checked.count !== request.count) return answer(badRequest("count differs"));
    const isLarge = request.payloads.length > LARGE_BYTES;
    const isFree = this.#waiting.length === 0 && this.#isCalm();
    if (!isLarge || isFree || this.#waiting.length >= WAITING_MAX) {
      return this.#host.offer(request, answer, nowMs);
    }
    // The payloads alias a datagram's bytes.
    this.#waiting.push({
      request: { ...request, payloads: new Uint8Array(request.payloads) },
      answer,
    });
  }

  /** Lets in what may enter now, everything once this node no longer leads: it is refused then.
   *  Returns whether any did. */
  release(leads: boolean, nowMs: MonotonicMs): boolean {
    if (this.#waiting.length === 0) return false;
    let released = 0;
    for (const { request, answer } of [...this.#waiting]) {
      if (leads && !this.#isCalm()) break;
      released++;
      this.#host.offer(request, answer, nowMs);
    }
    if (released > 0) this.#waiting = this.#waiting.slice(released);
    return released > 0;
  }

  #isCalm(): boolean {
    return this.#host.uncommittedBytes() <= UNCOMMITTED_BYTES_MAX;
  }
}

function badRequest(text: string): Response {
  return { type: "refused", code: "bad request", text, leader: null, number: null };
}
