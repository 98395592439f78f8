/** A leader was elected by a majority of the voters in force whose votes for it are on their disks.
 *  Counted by (id, incarnation), once per voter, from the slots of the hard state. */

import { majorityOf, votersOf } from "../../raft/membership.ts";
import type { Core } from "../../raft/types.ts";
import type { Invariant } from "./types.ts";

export const durableVotes: Invariant = {
  name: "Votes are durable",
  source: "§5.2",
  tla: "LeaderVotesQuorum",
  watch({ platters }) {
    const seen = new WeakMap<Core, number>();
    return {
      turned(machine, { core }) {
        const { term } = core;
        if (core.role !== "leader" || seen.get(core) === term) return null;
        seen.set(core, term);
        const { incarnation } = platters.of(machine);
        const voters = votersOf(core.configuration);
        const granted = voters.filter((voter) =>
          [...platters.had(voter.id, voter.incarnation)].some((platter) =>
            platter.votes
              .get(term)
              ?.some((vote) => vote.id === machine.id && vote.incarnation === incarnation),
          ),
        );
        if (granted.length >= majorityOf(voters.length)) return null;
        return (
          `node ${machine.id} leads in term ${term} by ${granted.length} durable votes ` +
          `of ${voters.length} voters`
        );
      },
    };
  },
};
