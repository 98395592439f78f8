/** The core and the log as the append queue sees them: where a client's request becomes a
 *  record. */

import type { Core } from "../raft/types.ts";
import { encodePayloads, PAYLOADS_OFFSET, payloadsOf, readHead } from "../storage/record.ts";
import { RECORD_KIND, type LogStore } from "../storage/types.ts";
import type { Clock } from "../transport/clock.ts";
import { giveBackWireMemory } from "../transport/wire-memory.ts";
import type { AppendRequest, LeaderHint, Response } from "../transport/requests.ts";
import type { AppendHost } from "./append-queue.ts";
import type { Reads } from "./reads.ts";

/** Appended and not yet given to this node's own disk: beyond that it takes no entries. */
const UNFLUSHED_BYTES_MAX = 32 << 20;

export interface AppendHostOptions {
  readonly clock: Clock;
  readonly leaderHint: () => LeaderHint | null;
  /** Asks the loop for another turn. */
  readonly wake: () => void;
}

/** The record is made once, here: the payloads are copied into it and never again. */
export function createAppendHost(
  core: Core,
  log: LogStore,
  { clock, leaderHint, wake }: AppendHostOptions,
  reads: () => Reads,
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
    holds(head, offset, request) {
      const read = log.read(head.firstIndex, 0);
      return read !== null && holdsPayloads(read.bytes, offset, request);
    },
    append(request) {
      // A majority may be faster than this node's own disk, for long.
      if (log.unflushedBytes > UNFLUSHED_BYTES_MAX) return { ok: false, reason: "busy" };
      const proposed = core.propose(request.count, PAYLOADS_OFFSET + request.payloads.length);
      if (!proposed.ok) return { ok: false, reason: proposed.reason };
      const { firstIndex, term } = proposed;
      const { clientId, firstSequence, payloads } = request;
      const timeMs = clock.wallMs();
      const fields = { firstIndex, term, kind: RECORD_KIND.user, timeMs, clientId, firstSequence };
      log.appendNew(fields, payloads);
      // A request enters the log once, and nobody else has these bytes.
      giveBackWireMemory(payloads);
      return { ok: true, firstIndex, term, timeMs };
    },
    readIndex(done) {
      const answer = (response: Response): void => {
        done(response.type === "readIndex" ? response.index : null, clock.monotonicMs());
        wake();
      };
      reads().offer(null, answer, clock.monotonicMs());
    },
  };
}

/** Whether the record's payloads from `offset` on are those of the request, byte for byte. */
export function holdsPayloads(
  record: Uint8Array,
  offset: number,
  { count, payloads }: Pick<AppendRequest, "count" | "payloads">,
): boolean {
  const held = payloadsOf(record, 0)?.slice(offset, offset + count) ?? [];
  if (held.length !== count) return false;
  // One set of payloads has one encoding.
  const encoded = encodePayloads(held);
  // A large one comes again under load: byte by byte in script would stall the node.
  return Buffer.compare(encoded, payloads) === 0;
}
