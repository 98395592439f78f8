/** If an entry was committed in a given term, it is in the logs of the leaders of all higher terms.
 *  Equal chains at one index are equal logs up to there, so one comparison suffices. */

import type { Core } from "../../raft/types.ts";
import type { Invariant } from "./types.ts";

export const leaderCompleteness: Invariant = {
  name: "Leader Completeness",
  source: "§5.4",
  tla: "LeaderCompleteness",
  watch({ committed }) {
    const seen = new WeakMap<Core, number>();
    return {
      turned({ id }, { core, log }) {
        const { term } = core;
        if (core.role !== "leader" || seen.get(core) === term) return null;
        seen.set(core, term);
        const tip = committed.tipBefore(term);
        if (tip === null) return null;
        const { lastIndex, chain } = tip.head;
        const own = log.chainAt(lastIndex);
        if (own?.chain === chain && core.termAt(lastIndex) === tip.head.term) return null;
        return `leader ${id} of term ${term} misses entry ${lastIndex} of term ${tip.head.term}, which was committed before`;
      },
    };
  },
};
