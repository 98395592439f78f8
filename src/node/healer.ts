/** Damage heals: asks the other members for the records that this disk lost, one after another, and
 *  takes them only if the chain closes on both sides (the log checks that). Any member may supply
 *  them. */

import type { LogIndex, MonotonicMs } from "../base/types.ts";
import type { LogStore } from "../storage/types.ts";
import type { Connection, Frame } from "../transport/types.ts";

/** One question a second: damage is rare and healing is not in a hurry. */
const ASK_AGAIN_MS = 1_000;
/** One answer; the rest is asked for again. */
const HEAL_BYTES_MAX = 1 << 20;

export class Healer {
  readonly #log: LogStore;
  #nextAskMs: MonotonicMs = 0;
  #turn = 0;

  constructor(log: LogStore) {
    this.#log = log;
  }

  /** Whom to ask for what now, or null. `peers` are live connections to members. */
  ask(
    peers: readonly Connection[],
    nowMs: MonotonicMs,
  ): { readonly connection: Connection; readonly frame: Frame } | null {
    const range = this.#log.damage[0];
    if (range === undefined || nowMs < this.#nextAskMs || peers.length === 0) return null;
    this.#nextAskMs = nowMs + ASK_AGAIN_MS;
    const connection = peers[this.#turn++ % peers.length];
    if (connection === undefined) return null;
    return { connection, frame: { type: "needRecords", from: range.from, to: range.to } };
  }

  /** Records that another member asked for, as far as this log has them. */
  supply(frame: Extract<Frame, { type: "needRecords" }>): Frame | null {
    const read = this.#log.read(frame.from, HEAL_BYTES_MAX);
    if (read === null) return null;
    return { type: "heal", firstIndex: read.firstIndex, bytes: read.bytes };
  }

  /** The range that these records closed, or null. */
  take(
    frame: Extract<Frame, { type: "heal" }>,
  ): { readonly from: LogIndex; readonly to: LogIndex } | null {
    const [range] = this.#log.damage;
    if (range === undefined) return null;
    const isClosed = this.#log.heal(new Uint8Array(frame.bytes));
    // Records that brought nothing are nowhere yet, or wait for the disk: no hurry to ask again.
    const isNearer = (this.#log.damage[0]?.from ?? 0) > range.from;
    if (isClosed || isNearer) this.#nextAskMs = 0;
    return isClosed ? range : null;
  }

  nextDeadlineMs(): MonotonicMs {
    return this.#log.damage.length === 0 ? Infinity : this.#nextAskMs;
  }
}
