/** A configuration entry changes the set of voting (id, incarnation) pairs by at most one; it comes
 *  only when the one before it is committed, and an entry of its own term. */

import type { Member } from "../../raft/types.ts";
import type { Invariant } from "./types.ts";

export const oneVoter: Invariant = {
  name: "One voter at a time",
  source: "§6, thesis §4.1",
  tla: null,
  watch({ platters: { tree }, committed }) {
    let looked = 0;
    return {
      synced() {
        while (looked < tree.configurations.length) {
          const record = tree.configurations[looked++];
          const before = record?.before?.configuration;
          if (record === undefined || before === null || before === undefined) continue;
          const { firstIndex, term } = record.head;
          const now = votingPairs(record.configuration?.members ?? []);
          const old = votingPairs(before.members);
          const changed = [...now, ...old].filter((pair) => now.has(pair) !== old.has(pair)).length;
          if (changed > 1) return `configuration ${firstIndex} changes ${changed} voters at once`;
          if (before.index > committed.lastIndex)
            return `configuration ${firstIndex} follows ${before.index}, which is not committed`;
          if ((committed.tip?.head.term ?? 0) < term)
            return `configuration ${firstIndex} of term ${term} came before an entry of that term was committed`;
        }
        return null;
      },
    };
  },
};

function votingPairs(members: readonly Member[]): Set<string> {
  const voters = members.filter(({ role }) => role === "voter");
  return new Set(voters.map(({ id, incarnation }) => `${id} ${incarnation}`));
}
