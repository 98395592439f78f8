/** The core and the log as the append queue sees them: where a client's request becomes a
 *  record. */

import type { Core } from "../raft/types.ts";
import { encodeRecord, PAYLOADS_OFFSET, readHead } from "../storage/record.ts";
import { RECORD_KIND, type LogStore } from "../storage/types.ts";
import type { Clock } from "../transport/clock.ts";
import type { LeaderHint } from "../transport/requests.ts";
import type { AppendHost } from "./append-queue.ts";

/** The record is made once, here: the payloads are copied into it and never again. */
export function createAppendHost(
  core: Core,
  log: LogStore,
  clock: Clock,
  leaderHint: () => LeaderHint | null,
): AppendHost {
  return {
    get commitIndex() {
      return core.commitIndex;
    },
    get forgottenAt() {
      return log.forgottenAt;
    },
    get lastUserIndex() {
      return log.lastUserIndex;
    },
    get acceptsEntries() {
      return log.acceptsEntries;
    },
    lastUserIndexAt: (index) => log.lastUserIndexAt(index),
    session: (clientId) => log.session(clientId),
    termAt: (index) => core.termAt(index),
    holdersOf: (index) => core.holdersOf(index),
    leaderHint,
    recordAt(index) {
      const read = log.read(index, 0);
      const head = read === null ? "" : readHead(read.bytes, 0);
      return typeof head === "string" ? undefined : head;
    },
    append(request) {
      const proposed = core.propose(request.count, PAYLOADS_OFFSET + request.payloads.length);
      if (!proposed.ok) return { ok: false, reason: proposed.reason };
      const { firstIndex, term } = proposed;
      const { clientId, firstSequence, payloads } = request;
      const timeMs = clock.wallMs();
      const fields = { firstIndex, term, kind: RECORD_KIND.user, timeMs, clientId, firstSequence };
      log.append(encodeRecord(fields, payloads, log.lastChain));
      return { ok: true, firstIndex, term, timeMs };
    },
  };
}
