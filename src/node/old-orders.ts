/** Orders of a turn for records that are committed already: for a follower that is behind.
 *
 *  To read, seal and send them takes the leader a fifth of a millisecond for a datagram of 60,000
 *  bytes, and nobody waits for them. So they are fulfilled when everything else of the turn has
 *  left and the write has begun, a bounded number of bytes in one turn: then whatever arrived
 *  meanwhile has its turn first. The gain: src/node/SPEED.md, "Large entries and old ones".
 *
 *  A heartbeat that the same turn asks for later (a read came in) leaves before them, and bears a
 *  later round: its answer makes them count as lost, so they may be sent once more
 *  (src/raft/inflight.ts). That costs one append and breaks nothing. */

import type { SendOrder } from "../raft/types.ts";

/** After so much another turn goes on. */
export const OLD_BYTES_A_TURN = 65_536;
/** So much travels in one append even where a datagram is smaller, in parts: an append costs the
 *  same for one record as for many. */
export const OLD_APPEND_BYTES = 32_768;

/** Whether what is ordered is committed already. */
export function isOld(order: SendOrder): boolean {
  return order.fromIndex <= order.commitIndex;
}

export class OldOrders {
  #orders: SendOrder[] = [];

  get isEmpty(): boolean {
    return this.#orders.length === 0;
  }

  /** Takes an order for old records; false: it is for new ones. */
  setAside(order: SendOrder): boolean {
    if (!isOld(order)) return false;
    this.#orders.push(order);
    return true;
  }

  /** Those set aside, which are the caller's now. */
  take(): readonly SendOrder[] {
    const orders = this.#orders;
    this.#orders = [];
    return orders;
  }
}
