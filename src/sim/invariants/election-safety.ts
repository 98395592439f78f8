/** At most one leader can be elected in a given term. */

import type { NodeId, Term } from "../../base/types.ts";
import type { Invariant } from "./types.ts";

export const electionSafety: Invariant = {
  name: "Election Safety",
  source: "§5.2",
  tla: "OneLeaderPerTerm",
  watch() {
    const leaders = new Map<Term, NodeId>();
    return {
      turned({ id, process }) {
        const core = process?.member?.core;
        if (core === undefined || core.role !== "leader") return null;
        const other = leaders.get(core.term) ?? id;
        leaders.set(core.term, id);
        return other === id ? null : `nodes ${other} and ${id} both lead in term ${core.term}`;
      },
    };
  },
};
