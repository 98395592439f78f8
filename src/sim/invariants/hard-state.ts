/** A disk names one candidate in a term, for ever: no vote is changed or forgotten within a term.
 *  Both slots are looked at. */

import type { Invariant } from "./types.ts";

export const hardState: Invariant = {
  name: "One vote a term",
  source: "§5.2, Figure 2",
  tla: "VotesGrantedInv",
  watch({ platters }) {
    return {
      synced(machine) {
        const { hardState: newest, votes } = platters.of(machine);
        if (newest === null) return null;
        const { term, votedFor } = newest.hardState;
        const named = votes.get(term) ?? [];
        const who = named.map(({ id, bootId }) => `${id} (${bootId.slice(0, 8)})`).join(" and ");
        if (named.length > 1) return `the disk of node ${machine.id} named ${who} in term ${term}`;
        if (named.length === 1 && votedFor === null)
          return `the disk of node ${machine.id} named ${who} in term ${term} and forgot it`;
        return null;
      },
    };
  },
};
