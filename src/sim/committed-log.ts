/** What was committed, as soon as one process was seen to know it, told by the records that disks
 *  hold. */

import type { LogIndex, Term } from "../base/types.ts";
import type { Member } from "../node/member.ts";
import type { Core } from "../raft/types.ts";
import type { Machine } from "./machine.ts";
import type { Platters } from "./platters.ts";
import type { DurableRecord } from "./record-tree.ts";

/** A process's commit index rose. */
export interface Commit {
  readonly machine: Machine;
  readonly member: Member;
  readonly index: LogIndex;
  readonly term: Term;
  readonly chain: number;
  /** The last entry of the record that holds entry `index`. */
  readonly recordEnd: LogIndex;
  /** Null: no disk ever held it. */
  readonly record: DurableRecord | null;
  /** What was committed at `index` before, if that is something else. */
  readonly contradicted: DurableRecord | null;
  /** Committed for the first time by this, oldest first. */
  readonly fresh: readonly DurableRecord[];
}

/** The last record committed by the end of a term. */
interface TermTip {
  readonly term: Term;
  tip: DurableRecord;
}

export class CommittedLog {
  /** `[i]`: the record that holds entry i. */
  readonly #entries: (DurableRecord | undefined)[] = [];
  /** Terms rise. */
  readonly #tips: TermTip[] = [];
  readonly #seen = new WeakMap<Core, LogIndex>();
  readonly #platters: Platters;

  constructor(platters: Platters) {
    this.#platters = platters;
  }

  get tip(): DurableRecord | null {
    return this.#entries.at(-1) ?? null;
  }

  get lastIndex(): LogIndex {
    return this.tip?.head.lastIndex ?? 0;
  }

  at(index: LogIndex): DurableRecord | null {
    return this.#entries[index] ?? null;
  }

  /** The last record that was committed in a term below `term`. */
  tipBefore(term: Term): DurableRecord | null {
    return this.#tips.findLast((known) => known.term < term)?.tip ?? null;
  }

  /** Takes note of what a process knows committed now; null: nothing new. */
  look(machine: Machine, member: Member): Commit | null {
    const { core, log } = member;
    const { commitIndex } = core;
    if (commitIndex <= (this.#seen.get(core) ?? 0)) return null;
    this.#seen.set(core, commitIndex);
    const place = log.chainAt(commitIndex);
    const term = core.termAt(commitIndex);
    // Damage hides it from the process itself.
    if (place === undefined || term === undefined) return null;
    const { chain, lastIndex: recordEnd } = place;
    const record = this.#platters.tree.find(recordEnd, term, chain);
    const claim = { machine, member, index: commitIndex, term, chain, recordEnd, record };
    if (commitIndex <= this.lastIndex || record === null) {
      const known = this.at(commitIndex);
      const differs = known !== null && known !== record;
      return { ...claim, contradicted: differs ? known : null, fresh: [] };
    }
    return { ...claim, ...this.#extend(record, core.term) };
  }

  /** Adds what leads from the tip to `record`. */
  #extend(record: DurableRecord, term: Term): Pick<Commit, "contradicted" | "fresh"> {
    const { tip } = this;
    const fresh: DurableRecord[] = [];
    let at: DurableRecord | null = record;
    for (; at !== null && at.head.firstIndex > this.lastIndex; at = at.before) fresh.push(at);
    if (at !== tip) return { contradicted: tip, fresh: [] };
    fresh.reverse();
    while (this.#entries.length < (fresh[0]?.head.firstIndex ?? 0)) this.#entries.push(undefined);
    for (const one of fresh) {
      for (let count = one.head.count; count > 0; count--) this.#entries.push(one);
    }
    const last = this.#tips.at(-1);
    if (last !== undefined && last.term >= term) last.tip = record;
    else this.#tips.push({ term, tip: record });
    return { contradicted: null, fresh };
  }
}
