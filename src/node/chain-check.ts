/** Two members compare (index, term, chain) where both know the index committed. A difference is
 *  divergence: one of the two disks, or a bug, has changed what was agreed on. It is shown and
 *  nothing is truncated. */

import type { LogIndex, MonotonicMs, NodeId } from "../base/types.ts";
import type { Core } from "../raft/types.ts";
import type { LogStore } from "../storage/types.ts";
import type { Frame } from "../transport/types.ts";
import { assertTermHeld } from "./term-check.ts";

/** The comparison reads one record from disk at most: once a second per follower costs nothing. */
const CHECK_EVERY_MS = 1_000;

export class ChainCheck {
  readonly #core: Core;
  readonly #log: LogStore;
  /** What followers said they know committed, this leadership or an earlier one: committed stays
   *  committed. */
  readonly #peerCommitted = new Map<NodeId, LogIndex>();
  #nextMs: MonotonicMs = 0;

  constructor(core: Core, log: LogStore) {
    this.#core = core;
    this.#log = log;
  }

  peerCommitted(id: NodeId, commitIndex: LogIndex): void {
    this.#peerCommitted.set(id, commitIndex);
  }

  /** The comparisons that a leader sends now. */
  due(nowMs: MonotonicMs): { readonly to: NodeId; readonly frame: Frame }[] {
    if (this.#core.role !== "leader" || nowMs < this.#nextMs) return [];
    this.#nextMs = nowMs + CHECK_EVERY_MS;
    const checks: { to: NodeId; frame: Frame }[] = [];
    for (const [to, theirs] of this.#peerCommitted) {
      const index = Math.min(theirs, this.#core.commitIndex);
      const term = this.#core.termAt(index);
      const chain = this.#log.chainAt(index);
      if (index === 0 || term === undefined || chain?.lastIndex !== index) continue;
      assertTermHeld(this.#core, this.#log, index);
      checks.push({ to, frame: { type: "check", index, term, chain: chain.chain } });
    }
    return checks;
  }

  /** True when a member's (index, term, chain) contradicts this log where both know it
   *  committed. */
  differs(check: Extract<Frame, { type: "check" }>): boolean {
    if (check.index > this.#core.commitIndex) return false;
    const term = this.#core.termAt(check.index);
    const here = this.#log.chainAt(check.index);
    if (term === undefined || here === undefined) return false;
    if (term !== check.term) assertTermHeld(this.#core, this.#log, check.index);
    return term !== check.term || here.chain !== check.chain;
  }

  nextDeadlineMs(): MonotonicMs {
    return this.#core.role === "leader" ? this.#nextMs : Infinity;
  }
}
