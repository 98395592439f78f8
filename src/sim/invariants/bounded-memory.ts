/** What a node keeps in memory stays within its limits, whatever its peers and clients do. */

import { PAYLOADS_BYTES_MAX } from "../../base/limits.ts";
import { WAITERS_MAX } from "../../node/append-queue.ts";
import { HELD_MAX } from "../../node/held-requests.ts";
import { DEFAULT_LIMITS } from "../../node/limits.ts";
import { CLIENTS_MAX, NODES_MAX } from "../../transport/roster.ts";
import type { Invariant } from "./types.ts";

export const boundedMemory: Invariant = {
  name: "Bounded memory",
  source: "ours",
  tla: null,
  watch({ cluster: { plan } }) {
    const { sessionsMax, tailBytesMax } = plan.limits;
    // What is not durable yet stays: no more than customers have under way, and a page.
    const underWay = plan.customers * plan.outstanding + 2;
    return {
      sampled({ id }, { core, sizes }) {
        const limits: readonly (readonly [what: string, is: number, most: number])[] = [
          ["requests held", sizes.held, HELD_MAX],
          ["records waiting", sizes.waiting, WAITERS_MAX],
          ["sessions", sizes.sessions, sessionsMax],
          ["bytes of records", sizes.tailBytes, tailBytesMax + underWay * PAYLOADS_BYTES_MAX],
          ["connections", sizes.connections, CLIENTS_MAX + NODES_MAX],
          [
            "uncommitted entries",
            core.role === "leader" ? core.lastIndex - core.commitIndex : 0,
            DEFAULT_LIMITS.uncommittedEntriesMax,
          ],
        ];
        const broken = limits.find(([, is, most]) => is > most);
        if (broken === undefined) return null;
        const [what, is, most] = broken;
        return `node ${id} holds ${is} ${what}, at most ${most} are allowed`;
      },
    };
  },
};
