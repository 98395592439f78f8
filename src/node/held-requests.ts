/** Append requests that wait for their turn: later in the order of their client, or compared with
 *  an entry whose fate is open. Bounded per client, in all, and in time. */

import type { LogIndex, MonotonicMs } from "../base/types.ts";
import type { AppendRequest } from "../transport/requests.ts";

/** Later requests of one client kept until the earlier ones arrive. */
const HELD_PER_CLIENT_MAX = 16;
export const HELD_MAX = 4_096;
const HELD_BYTES_MAX = 64 << 20;
/** A gap that lasts longer is a lost datagram: the client is told what is expected. */
const HOLD_MS = 200;

export interface Held<Requester> {
  readonly request: AppendRequest;
  readonly requester: Requester;
  readonly untilMs: MonotonicMs;
  /** What was acknowledged before it arrived ends here, at the latest; null: not known yet. */
  readIndex: LogIndex | null;
}

export class HeldRequests<Requester> {
  /** Sorted by sequence. */
  readonly #byClient = new Map<string, Held<Requester>[]>();
  #count = 0;
  #bytes = 0;
  /** A lower bound of when the next one is over. */
  #deadlineMs: MonotonicMs = Infinity;

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get nextDeadlineMs(): MonotonicMs {
    return this.#deadlineMs;
  }

  /** null when there is no room. */
  add(request: AppendRequest, requester: Requester, nowMs: MonotonicMs): Held<Requester> | null {
    const queue = this.#byClient.get(request.clientId) ?? [];
    const bytes = request.payloads.length;
    const full = this.#count >= HELD_MAX || this.#bytes + bytes > HELD_BYTES_MAX;
    if (full || queue.length >= HELD_PER_CLIENT_MAX) return null;
    const at = queue.findIndex((other) => other.request.firstSequence > request.firstSequence);
    // The payloads alias a datagram whose buffer is used again (and a Buffer's slice would alias it
    // too).
    const copy = { ...request, payloads: new Uint8Array(request.payloads) };
    const untilMs = nowMs + HOLD_MS;
    const held = { request: copy, requester, untilMs, readIndex: null };
    queue.splice(at < 0 ? queue.length : at, 0, held);
    this.#byClient.set(request.clientId, queue);
    this.#count++;
    this.#bytes += bytes;
    this.#deadlineMs = Math.min(this.#deadlineMs, untilMs);
    return held;
  }

  has(held: Held<Requester>): boolean {
    return this.#byClient.get(held.request.clientId)?.includes(held) ?? false;
  }

  /** The next one of a client. */
  first(clientId: string): Held<Requester> | undefined {
    return this.#byClient.get(clientId)?.[0];
  }

  /** Clients whose next one is compared with the last entry. */
  comparing(): readonly string[] {
    const all = [...this.#byClient.entries()];
    return all
      .filter(([, [first]]) => first?.request.ifLast !== null)
      .map(([clientId]) => clientId);
  }

  remove(held: Held<Requester>): void {
    const { clientId } = held.request;
    const queue = this.#byClient.get(clientId) ?? [];
    queue.splice(queue.indexOf(held), 1);
    if (queue.length === 0) this.#byClient.delete(clientId);
    this.#count--;
    this.#bytes -= held.request.payloads.length;
  }

  takeExpired(nowMs: MonotonicMs): readonly Held<Requester>[] {
    const all = [...this.#byClient.values()].flat();
    const expired = all.filter(({ untilMs }) => untilMs <= nowMs);
    for (const held of expired) this.remove(held);
    const rest = all.filter(({ untilMs }) => untilMs > nowMs).map(({ untilMs }) => untilMs);
    this.#deadlineMs = Math.min(Infinity, ...rest);
    return expired;
  }

  takeAll(): readonly Held<Requester>[] {
    return this.takeExpired(Infinity);
  }
}
