/** At most one leader can be elected in a given term; a process that was started again is another
 *  one. */

import type { Term } from "../../base/types.ts";
import type { Core } from "../../raft/types.ts";
import type { Machine } from "../machine.ts";
import type { Invariant } from "./types.ts";

export const electionSafety: Invariant = {
  name: "Election Safety",
  source: "§5.2",
  tla: "ElectionSafety",
  watch() {
    const leaders = new Map<Term, { readonly core: Core; readonly machine: Machine }>();
    return {
      turned(machine, { core }) {
        if (core.role !== "leader") return null;
        const other = leaders.get(core.term);
        if (other === undefined) leaders.set(core.term, { core, machine });
        if (other === undefined || other.core === core) return null;
        const again = other.machine === machine ? " (started again)" : "";
        return `nodes ${other.machine.id} and ${machine.id}${again} both lead in term ${core.term}`;
      },
    };
  },
};
