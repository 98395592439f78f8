/** Lets a follower that is behind write in large batches.
 *
 *  What is committed already is durable at a majority: nobody waits for this disk. A sync and its
 *  acknowledgement cost the same for one datagram as for many, so what was appended waits a little
 *  for more. One entry that is not known to be committed ends the waiting, for the leader may need
 *  this very disk. The gain: src/node/SPEED.md, "Large entries and old ones". */

import type { MonotonicMs } from "../base/types.ts";
import type { Core } from "../raft/types.ts";
import type { LogStore } from "../storage/types.ts";

const GATHERED_BYTES_MAX = 262_144;
/** The leader sends no more than the window before it hears what is durable here: a batch has to be
 *  written while the next one comes in. */
const BATCHES_PER_WINDOW = 4;
const GATHERED_MS = 4;

export class Gathering {
  /** A batch of this size waits no longer. */
  readonly #enoughBytes: number;
  #untilMs: MonotonicMs = Infinity;

  /** `receiveWindowBytes`: what others may have in flight to this node. */
  constructor(receiveWindowBytes: number) {
    this.#enoughBytes = Math.min(GATHERED_BYTES_MAX, receiveWindowBytes / BATCHES_PER_WINDOW);
  }

  /** True: do not write yet, but call again at the latest at `nextDeadlineMs`. */
  goesOn(core: Core, log: LogStore, nowMs: MonotonicMs): boolean {
    const { unflushedBytes, writing } = log;
    const isWanted = core.role !== "follower" || core.commitIndex < core.lastIndex;
    if (isWanted || writing || unflushedBytes === 0 || unflushedBytes >= this.#enoughBytes) {
      this.#untilMs = Infinity;
      return false;
    }
    if (this.#untilMs === Infinity) this.#untilMs = nowMs + GATHERED_MS;
    if (nowMs < this.#untilMs) return true;
    this.#untilMs = Infinity;
    return false;
  }

  nextDeadlineMs(): MonotonicMs {
    return this.#untilMs;
  }
}
