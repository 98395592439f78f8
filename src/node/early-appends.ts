/** Appends that came before the ones they follow, kept until those are here.
 *
 *  The core has refused them, so the leader knows what is missing, and that these arrived. Taking
 *  one again later is what a network does that delivers twice: it needs no other proof. */

import type { LogIndex, MonotonicMs, NodeIdentity, Term } from "../base/types.ts";
import type { Append, Core } from "../raft/types.ts";
import type { LogStore } from "../storage/types.ts";
import { keepWireMemory } from "../transport/wire-memory.ts";
import type { Frame } from "../transport/types.ts";
import { DEFAULT_LIMITS } from "./limits.ts";
import { type AppendOutcome, takeAppend } from "./replication.ts";

const EARLY_MAX = 4_096;

interface EarlyAppend {
  readonly from: NodeIdentity;
  readonly frame: Extract<Frame, { type: "raft" }>;
  readonly message: Append;
  readonly lastIndex: LogIndex;
}

export class EarlyAppends {
  /** By prevIndex. */
  readonly #held = new Map<LogIndex, EarlyAppend>();
  #term: Term = 0;
  #bytes = 0;

  /** A follower takes an append, and then those that waited for it. */
  takeAppend(
    from: NodeIdentity,
    frame: EarlyAppend["frame"],
    message: Append,
    core: Core,
    log: LogStore,
    nowMs: MonotonicMs,
  ): AppendOutcome {
    const outcome = takeAppend(from, frame, message, core, log, nowMs);
    if (!outcome.ok) return outcome;
    if (message.prevIndex > core.lastIndex && message.term === core.term) {
      this.#hold({ from, frame, message, lastIndex: outcome.outlines.at(-1)?.lastIndex ?? 0 });
    }
    if (!outcome.appended) return outcome;
    for (let next = this.#next(core); next !== null; next = this.#next(core))
      takeAppend(next.from, next.frame, next.message, core, log, nowMs);
    return outcome;
  }

  /** Keeps it, unless too much is kept already: a leader sends no more than this in advance. */
  #hold(early: EarlyAppend): void {
    const { message } = early;
    if (message.term !== this.#term) this.#begin(message.term);
    const { bytes } = early.frame;
    if (this.#held.has(message.prevIndex) || this.#held.size >= EARLY_MAX) return;
    if (bytes === undefined || bytes.length === 0) return;
    if (this.#bytes + bytes.length > DEFAULT_LIMITS.inflightBytesMax) return;
    keepWireMemory(bytes);
    this.#held.set(message.prevIndex, early);
    this.#bytes += bytes.length;
  }

  /** One that joins the log as it is now, or null. */
  #next({ term, lastIndex }: Core): EarlyAppend | null {
    if (this.#held.size === 0) return null;
    if (term !== this.#term) {
      this.#begin(term);
      return null;
    }
    const exact = this.#held.get(lastIndex);
    if (exact !== undefined) return this.#remove(exact);
    for (const early of this.#held.values()) {
      if (early.message.prevIndex > lastIndex) continue;
      this.#remove(early);
      if (early.lastIndex > lastIndex) return early;
    }
    return null;
  }

  #remove(early: EarlyAppend): EarlyAppend {
    this.#held.delete(early.message.prevIndex);
    this.#bytes -= early.frame.bytes?.length ?? 0;
    return early;
  }

  #begin(term: Term): void {
    this.#held.clear();
    this.#bytes = 0;
    this.#term = term;
  }
}
