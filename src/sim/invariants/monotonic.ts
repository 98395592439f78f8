/** A process's term and commit index never fall, nor does a disk's term. */

import type { LogIndex, Term } from "../../base/types.ts";
import type { Core } from "../../raft/types.ts";
import type { Platter } from "../platters.ts";
import type { Invariant } from "./types.ts";

export const monotonicTerm: Invariant = {
  name: "Monotonic term",
  source: "§5.1",
  tla: "MonotonicTermProp",
  watch({ platters }) {
    const seen = new WeakMap<Core, Term>();
    const onDisk = new WeakMap<Platter, Term>();
    return {
      turned({ id }, { core }) {
        const before = seen.get(core) ?? 0;
        seen.set(core, core.term);
        if (core.term >= before) return null;
        return `node ${id} fell from term ${before} to ${core.term}`;
      },
      synced(machine) {
        const platter = platters.of(machine);
        const before = onDisk.get(platter) ?? 0;
        const term = platter.hardState?.hardState.term ?? 0;
        onDisk.set(platter, Math.max(term, before));
        if (term >= before) return null;
        return `the disk of node ${machine.id} fell from term ${before} to ${term}`;
      },
    };
  },
};

export const monotonicCommitIndex: Invariant = {
  name: "Monotonic commitIndex",
  source: "Figure 2, §5.3",
  tla: "MonotonicCommitIndexProp",
  watch() {
    const seen = new WeakMap<Core, LogIndex>();
    return {
      turned({ id }, { core }) {
        const before = seen.get(core) ?? 0;
        seen.set(core, core.commitIndex);
        if (core.commitIndex >= before) return null;
        return `node ${id} lowered its commit index from ${before} to ${core.commitIndex}`;
      },
    };
  },
};
