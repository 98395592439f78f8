/** No two processes ever know different entries to be committed at one index; and a record is
 *  committed as a whole. */

import type { Invariant } from "./types.ts";

export const stateMachineSafety: Invariant = {
  name: "State Machine Safety",
  source: "§5.4.3",
  tla: "StateMachineSafety",
  watch() {
    return {
      committed({ machine: { id }, index, term, recordEnd, contradicted }) {
        if (contradicted !== null) {
          const { lastIndex, term: other } = contradicted.head;
          return `node ${id} committed entry ${index} of term ${term}, but entry ${lastIndex} of term ${other} was committed there`;
        }
        if (recordEnd === index) return null;
        return `node ${id} committed entry ${index} without the rest of its record, which ends at ${recordEnd}`;
      },
    };
  },
};
