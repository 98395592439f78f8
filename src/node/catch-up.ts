/** Send orders for records that are no longer in memory: the pace at which a follower that is far
 *  behind may catch up while clients wait.
 *
 *  Such an order costs the leader several times what recent records cost: they are read from the
 *  disk, verified, and sent to one follower only. Without a bound a follower that catches up takes
 *  whatever the leader has; nobody is hurt if it needs a little longer. */

import type { MonotonicMs, NodeId } from "../base/types.ts";
import type { SendOrder } from "../raft/types.ts";

/** Old records a millisecond while clients wait. */
const BYTES_PER_MS = 65_536;
/** What was not used within this time is not made up for. */
const BURST_MS = 8;

export class CatchUpPace {
  readonly #postponed = new Map<NodeId, SendOrder>();
  /** When the records sent so far are paid for. */
  #paidAtMs: MonotonicMs = 0;

  /** True when the order has to wait: it comes again from `due`. */
  postpones(order: SendOrder, nowMs: MonotonicMs): boolean {
    this.#postponed.delete(order.to);
    if (nowMs >= this.#paidAtMs) return false;
    this.#postponed.set(order.to, order);
    return true;
  }

  noteSent(bytes: number, nowMs: MonotonicMs): void {
    this.#paidAtMs = Math.max(this.#paidAtMs, nowMs - BURST_MS) + bytes / BYTES_PER_MS;
  }

  /** The orders whose time has come. */
  due(nowMs: MonotonicMs): readonly SendOrder[] {
    if (this.#postponed.size === 0 || nowMs < this.#paidAtMs) return [];
    return [...this.#postponed.values()];
  }

  nextDeadlineMs(): MonotonicMs {
    return this.#postponed.size === 0 ? Infinity : this.#paidAtMs;
  }
}
