/** Whatever becomes committed is at that moment on the disks of a majority of the voters in force,
 *  counted by (id, incarnation). A disk that was lost since it acknowledged counts as it was. */

import type { LogIndex } from "../../base/types.ts";
import { majorityOf, votersOf } from "../../raft/membership.ts";
import type { Core } from "../../raft/types.ts";
import { hiddenText } from "./hidden.ts";
import type { Invariant } from "./types.ts";

export const committedIsDurable: Invariant = {
  name: "Committed is durable",
  source: "§5.3, thesis §3.8",
  tla: "QuorumLogInv",
  watch({ platters }) {
    const seen = new WeakMap<Core, LogIndex>();
    return {
      turned(machine, { core, log }) {
        const { commitIndex: index } = core;
        if (index <= (seen.get(core) ?? 0)) return null;
        seen.set(core, index);
        return log.chainAt(index) === undefined ? hiddenText(machine, log, index) : null;
      },
      committed({ machine, member, index, term, record, fresh }) {
        if (record === null)
          return `node ${machine.id} committed entry ${index} of term ${term}, which is on no disk`;
        if (fresh.length === 0) return null;
        const voters = votersOf(member.core.configuration);
        const holders = voters.filter(({ id, incarnation }) =>
          platters.holds(id, incarnation, record),
        );
        if (holders.length >= majorityOf(voters.length)) return null;
        return (
          `node ${machine.id} committed entry ${index} of term ${term}, ` +
          `which is on ${holders.length} of ${voters.length} voters' disks`
        );
      },
    };
  },
};
