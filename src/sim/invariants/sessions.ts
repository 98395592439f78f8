/** In the committed log the entries of a client stand in the order of their sequences, without a
 *  gap and each once. Only the name that a user chose may begin again, once its client was
 *  forgotten: then `sessionsMax` other clients have appended since. */

import type { Invariant } from "./types.ts";
import { RECORD_KIND } from "../../storage/types.ts";

export const sessions: Invariant = {
  name: "Session uniqueness",
  source: "§8, thesis §6.3",
  tla: null,
  watch({ cluster }) {
    /** The last sequence of each client that is remembered, the longest silent first. */
    const last = new Map<string, number>();
    return {
      committed({ fresh }) {
        for (const { head } of fresh) {
          if (head.kind !== RECORD_KIND.user) continue;
          const { clientId, firstSequence, count, firstIndex } = head;
          const expected = (last.get(clientId) ?? 0) + 1;
          if (firstSequence !== expected) {
            const problem = firstSequence < expected ? "again" : "too early";
            return `entry ${firstIndex} is sequence ${firstSequence} of client ${clientId.slice(0, 16)} ${problem}: ${expected} was next`;
          }
          last.delete(clientId);
          last.set(clientId, firstSequence + count - 1);
          for (const [oldest] of last) {
            if (last.size <= cluster.plan.limits.sessionsMax) break;
            last.delete(oldest);
          }
        }
        return null;
      },
    };
  },
};
