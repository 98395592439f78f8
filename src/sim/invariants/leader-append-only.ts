/** A leader never overwrites or deletes entries in its log; it only appends new ones. */

import type { LogIndex, Term } from "../../base/types.ts";
import type { Core } from "../../raft/types.ts";
import type { Invariant } from "./types.ts";

/** What a leader's log ended with. */
interface End {
  readonly term: Term;
  readonly lastIndex: LogIndex;
  readonly lastChain: number;
}

export const leaderAppendOnly: Invariant = {
  name: "Leader Append-Only",
  source: "§5.3",
  tla: "AppendOnlyProp",
  watch() {
    const ends = new WeakMap<Core, End>();
    return {
      turned({ id }, { core, log }) {
        if (core.role !== "leader") return null;
        const { term } = core;
        const before = ends.get(core);
        const { lastIndex, lastChain } = log;
        ends.set(core, { term, lastIndex, lastChain });
        if (before === undefined || before.term !== term || before.lastIndex === 0) return null;
        const now = log.chainAt(before.lastIndex);
        if (now?.lastIndex === before.lastIndex && now.chain === before.lastChain) return null;
        return `leader ${id} of term ${term} no longer has its entry ${before.lastIndex}`;
      },
    };
  },
};
