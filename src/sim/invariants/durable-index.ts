/** What a core counts as durable on its own disk is there, byte for byte. */

import type { LogIndex } from "../../base/types.ts";
import type { Core } from "../../raft/types.ts";
import { hiddenText } from "./hidden.ts";
import type { Invariant } from "./types.ts";

export const durableIndex: Invariant = {
  name: "Durable index",
  source: "thesis §3.8",
  tla: null,
  watch({ platters }) {
    const seen = new WeakMap<Core, LogIndex>();
    return {
      turned(machine, { core, log }) {
        const { durableIndex: index } = core;
        if (seen.get(core) === index) return null;
        seen.set(core, index);
        const own = index === 0 ? undefined : log.chainAt(index);
        if (own === undefined) return index === 0 ? null : hiddenText(machine, log, index);
        const held = platters.of(machine).log.at(index);
        if (held?.head.chain === own.chain) return null;
        const has = held === null ? "holds nothing there" : "holds another entry there";
        return `node ${machine.id} counts entry ${index} as durable; its disk ${has}`;
      },
    };
  },
};
