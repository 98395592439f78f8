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
const GATHERED_MS = 4;

export class Gathering {
  #untilMs: MonotonicMs = Infinity;

  /** True: do not write yet, but call again at the latest at `nextDeadlineMs`. */
  goesOn(core: Core, log: LogStore, nowMs: MonotonicMs): boolean {
    const { unflushedBytes, writing } = log;
    const isWanted = core.role !== "follower" || core.commitIndex < core.lastIndex;
    if (isWanted || writing || unflushedBytes === 0 || unflushedBytes >= GATHERED_BYTES_MAX) {
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
