/** matchIndex never falls within a leadership, and what it says is on that member's disk. A member
 *  that has moved on to a later term may have truncated it since. */

import type { Incarnation, LogIndex, NodeId, Term } from "../../base/types.ts";
import type { Core } from "../../raft/types.ts";
import { hiddenText } from "./hidden.ts";
import type { Evidence, Invariant } from "./types.ts";

interface Matched {
  readonly incarnation: Incarnation;
  readonly term: Term;
  readonly index: LogIndex;
}

export const matchIndex: Invariant = {
  name: "matchIndex",
  source: "Figure 2, §5.3",
  tla: "MonotonicMatchIndexProp",
  watch(evidence) {
    const seen = new WeakMap<Core, Map<NodeId, Matched>>();
    return {
      turned(machine, { core, log }) {
        const { id: leader } = machine;
        if (core.role !== "leader") return null;
        const { term } = core;
        let known = seen.get(core);
        if (known === undefined) seen.set(core, (known = new Map()));
        // Whoever was removed and let in again is counted anew.
        for (const id of known.keys()) if (core.matchIndexOf(id) === null) known.delete(id);
        for (const { id, incarnation } of core.configuration.members) {
          const index = core.matchIndexOf(id);
          if (index === null) continue;
          const before = known.get(id);
          const goesOn = before?.term === term && before.incarnation === incarnation;
          if (goesOn && before.index === index) continue;
          known.set(id, { incarnation, term, index });
          if (goesOn && index < before.index)
            return `leader ${leader} lowered the matchIndex of node ${id} from ${before.index} to ${index}`;
          if (index === 0) continue;
          const own = log.chainAt(index);
          const hidden = own === undefined ? hiddenText(machine, log, index) : null;
          if (hidden !== null) return hidden;
          if (own === undefined || hasIt(evidence, id, incarnation, index, own.chain, term))
            continue;
          return `leader ${leader} of term ${term} counts entry ${index} for node ${id}, whose disk does not hold it`;
        }
        return null;
      },
    };
  },
};

function hasIt(
  { cluster, platters }: Evidence,
  id: NodeId,
  incarnation: Incarnation,
  index: LogIndex,
  chain: number,
  term: Term,
): boolean {
  const machine = cluster.machines.get(id);
  if ((machine?.process?.member?.core.term ?? 0) > term) return true;
  for (const { log, hardState } of platters.had(id, incarnation)) {
    if (log.at(index)?.head.chain === chain) return true;
    if ((hardState?.hardState.term ?? 0) > term) return true;
  }
  return false;
}
