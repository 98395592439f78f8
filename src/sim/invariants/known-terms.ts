/** The terms that a core remembers are those of the records on its disk. A start takes most of them
 *  from the heads of segments, and nobody looks at the records again. */

import type { Member } from "../../node/member.ts";
import type { Machine } from "../machine.ts";
import type { Core } from "../../raft/types.ts";
import type { Invariant } from "./types.ts";

export const knownTerms: Invariant = {
  name: "Known terms",
  source: "ours",
  tla: null,
  watch({ platters }) {
    const seen = new WeakSet<Core>();
    const compare = (machine: Machine, { core, log }: Member): string | null => {
      // Terms that damage hides are guessed until it is healed, and the core hears of that in the
      // turn behind.
      if (!log.derivedKnown || !core.termsKnown) return null;
      seen.add(core);
      const disk = platters.of(machine).log;
      for (let index = log.baseIndex + 1; index <= core.durableIndex; index++) {
        const held = disk.at(index)?.head.term;
        const known = core.termAt(index);
        if (held !== undefined && known !== held)
          return `node ${machine.id} takes entry ${index} for one of term ${known}; its disk has one of term ${held}`;
      }
      return null;
    };
    return {
      turned: (machine, member) => (seen.has(member.core) ? null : compare(machine, member)),
      sampled: compare,
    };
  },
};
