/** Requests that this node sends to another: a read index asked of the leader, a client's request
 *  passed on. */

import type { LogIndex, MonotonicMs } from "../base/types.ts";
import { decodeResponse, encodeRequest } from "../transport/request-codec.ts";
import type { Connection, Endpoint } from "../transport/types.ts";

/** Passed-on requests and read indexes under way at once; more are refused. */
const OUTGOING_MAX = 10_000;

/** A read index that was not answered is asked for again by the client. */
const READ_INDEX_MS = 1_000;

interface Waiting {
  readonly to: Connection;
  /** null: no answer came; the asker draws its own conclusion (unknown). */
  readonly done: (body: Uint8Array | null) => void;
  readonly untilMs: MonotonicMs;
}

export class Outgoing {
  readonly #endpoint: Endpoint;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
  }

  /** Sends once; the asker's own retries cover loss. False when too many are under way. */
  send(
    to: Connection,
    body: Uint8Array,
    untilMs: MonotonicMs,
    done: (body: Uint8Array | null) => void,
  ): boolean {
    if (this.#waiting.size >= OUTGOING_MAX) return false;
    const requestId = this.#nextId++;
    this.#waiting.set(requestId, { to, done, untilMs });
    this.#endpoint.send(to, { type: "request", requestId, hops: 0, body });
    return true;
  }

  /** A response frame came in. Only the node that was asked may answer. */
  answered(from: Connection, requestId: number, body: Uint8Array): void {
    const waiting = this.#waiting.get(requestId);
    if (waiting === undefined || waiting.to !== from) return;
    this.#waiting.delete(requestId);
    waiting.done(body);
  }

  /** Gives up what has waited too long. */
  tick(nowMs: MonotonicMs): void {
    for (const [requestId, waiting] of this.#waiting) {
      if (nowMs < waiting.untilMs) continue;
      this.#waiting.delete(requestId);
      waiting.done(null);
    }
  }

  nextDeadlineMs(): MonotonicMs {
    let deadlineMs = Infinity;
    for (const { untilMs } of this.#waiting.values()) deadlineMs = Math.min(deadlineMs, untilMs);
    return deadlineMs;
  }
}

/** Asks the leader for a read index; false when it cannot be asked. `done(null)`: no index came. */
export function askReadIndex(
  outgoing: Outgoing,
  leader: Connection | undefined,
  nowMs: MonotonicMs,
  done: (index: LogIndex | null) => void,
): boolean {
  if (leader === undefined) return false;
  return outgoing.send(
    leader,
    encodeRequest({ type: "readIndex" }),
    nowMs + READ_INDEX_MS,
    (body) => {
      const response = body === null ? "" : decodeResponse(body);
      const index =
        typeof response !== "string" && response.type === "readIndex" ? response.index : null;
      done(index);
    },
  );
}
