/** Bytes for the core: turns its send orders into append frames, and append frames into steps.
 *
 *  The core never sees payloads. Here its outlines meet the records: a leader reads what it was
 *  ordered to send, a follower verifies the chain, asks the core what to keep, and keeps that. */

import { nasty } from "../base/buggify.ts";
import type { LogIndex, MonotonicMs, NodeIdentity } from "../base/types.ts";
import type { Append, Core, RecordOutline, SendOrder } from "../raft/types.ts";
import { membersAt, termOf, verifyRecords } from "../storage/record.ts";
import { RECORD_KIND, type LogStore, type RecordHead } from "../storage/types.ts";
import type { Connection, Endpoint, Frame } from "../transport/types.ts";
import { isOld, OLD_APPEND_BYTES } from "./old-orders.ts";
import { assertTermHeld, assertTermIs } from "./term-check.ts";

/** Room in a datagram for header, tag, timestamps and the append's own fields. */
const APPEND_OVERHEAD_BYTES = 160;

/** Reads the records of one order and queues them as one frame. Reports to the core what went out:
 *  nothing (an empty probe) when there is nothing to send or no connection to send it on. Returns
 *  the bytes of the records. */
export function fulfilSendOrder(
  order: SendOrder,
  core: Core,
  log: LogStore,
  endpoint: Endpoint,
  connection: Connection | undefined,
  datagramBytesMax: number,
  nowMs: MonotonicMs,
): number {
  if (core.role !== "leader" || core.term !== order.term) return 0;
  const isPatient = isOld(order);
  const appendBytes = Math.max(
    datagramBytesMax - APPEND_OVERHEAD_BYTES,
    isPatient ? OLD_APPEND_BYTES : 0,
  );
  const most = Math.min(order.bytesMax, appendBytes);
  const bytesMax = nasty("small append") ? 1 : most;
  const read = order.fromIndex <= log.lastIndex ? log.read(order.fromIndex, bytesMax) : null;
  const prevIndex = read === null ? order.fromIndex - 1 : read.firstIndex - 1;
  const lastIndex = read === null ? prevIndex : read.lastIndex;
  const prevTerm = core.termAt(prevIndex);
  const prevChain = read === null ? log.chainAt(prevIndex)?.chain : read.prevChain;
  const bytes = read === null ? 0 : read.bytes.length;
  if (read !== null) assertTermIs(core, read.firstIndex, termOf(read.bytes));
  // Inside a run both ends are of one term, and so is what lies between.
  if (read === null || prevTerm !== core.termAt(read.firstIndex))
    assertTermHeld(core, log, prevIndex);
  if (connection !== undefined && prevTerm !== undefined && prevChain !== undefined) {
    const message: Append = {
      type: "append",
      term: order.term,
      round: order.round,
      prevIndex,
      prevTerm,
      commitIndex: order.commitIndex,
      records: [],
    };
    const frame: Frame =
      read === null
        ? { type: "raft", message, prevChain }
        : { type: "raft", message, prevChain, bytes: read.bytes };
    endpoint.send(connection, frame, isPatient);
  }
  core.sent(order.to, order.term, prevIndex, lastIndex, bytes, nowMs);
  return bytes;
}

export type AppendOutcome =
  | {
      readonly ok: true;
      readonly appended: boolean;
      readonly truncatedFrom: LogIndex | null;
      readonly outlines: readonly RecordOutline[];
    }
  /** The sender's records do not chain among themselves: damage there, nothing changed here. */
  | { readonly ok: false; readonly reason: string };

/** A follower takes an append: verify, step, truncate, append. */
export function takeAppend(
  from: NodeIdentity,
  frame: Extract<Frame, { type: "raft" }>,
  message: Append,
  core: Core,
  log: LogStore,
  nowMs: MonotonicMs,
): AppendOutcome {
  const bytes = frame.bytes ?? EMPTY;
  const prevChain = frame.prevChain ?? 0;
  let heads: readonly RecordHead[] = [];
  if (bytes.length > 0) {
    const verified = verifyRecords(bytes, prevChain, message.prevIndex + 1);
    if ("reason" in verified) return { ok: false, reason: verified.reason };
    heads = verified.heads;
  }
  const outlined = outlineOf(heads, bytes);
  if (typeof outlined === "string") return { ok: false, reason: outlined };
  const differsAt = chainDiffersAt(core, log, message, prevChain, heads);
  const order = core.step(from, { ...message, records: outlined }, nowMs, differsAt);
  if (order === null) return { ok: true, appended: false, truncatedFrom: null, outlines: outlined };
  if (order.truncateFrom !== null) {
    const before = heads.find((head) => head.lastIndex + 1 === order.truncateFrom);
    log.truncate(order.truncateFrom, before?.chain ?? prevChain);
  }
  if (order.appendFrom !== null) {
    // A view: the log copies.
    const from = order.appendFrom;
    const first = heads.findIndex((head) => head.firstIndex >= from);
    log.append(bytes.subarray(offsetOf(heads, from)), first > 0 ? heads.slice(first) : heads);
  }
  return {
    ok: true,
    appended: order.appendFrom !== null,
    truncatedFrom: order.truncateFrom,
    outlines: outlined,
  };
}

const EMPTY = new Uint8Array(0);

/** What the core sees of the records: their heads, and the members that they bring. */
function outlineOf(heads: readonly RecordHead[], bytes: Uint8Array): RecordOutline[] | string {
  const outlines: RecordOutline[] = [];
  let offset = 0;
  for (const head of heads) {
    if (head.kind === RECORD_KIND.configuration) {
      const members = membersAt(bytes, offset);
      if (members === null) return `the configuration at ${head.firstIndex} cannot be read`;
      outlines.push({ ...head, members });
    } else {
      outlines.push(head);
    }
    offset += head.bytes;
  }
  return outlines;
}

function offsetOf(heads: readonly RecordHead[], firstIndex: LogIndex): number {
  let offset = 0;
  for (const head of heads) {
    if (head.firstIndex >= firstIndex) return offset;
    offset += head.bytes;
  }
  return offset;
}

/** The highest index at which the message and this log agree on (index, term) but not on the chain:
 *  divergence. Looking at the highest suffices: a chain that agrees there agrees on everything
 *  before. Where the terms differ the core will truncate, or ask for less: only if its own record
 *  says so too. */
function chainDiffersAt(
  core: Core,
  log: LogStore,
  message: Append,
  prevChain: number,
  heads: readonly RecordHead[],
): LogIndex | null {
  let index = message.prevIndex;
  let chain = prevChain;
  if (index > core.lastIndex) return null;
  if (core.termAt(index) !== message.prevTerm) {
    assertTermHeld(core, log, index);
    return null;
  }
  for (const head of heads) {
    if (head.firstIndex > core.lastIndex) break;
    if (core.termAt(head.firstIndex) !== head.term) {
      assertTermHeld(core, log, head.firstIndex);
      break;
    }
    if (head.lastIndex > core.lastIndex || core.termAt(head.lastIndex) !== head.term) break;
    index = head.lastIndex;
    chain = head.chain;
  }
  const here = index === log.lastIndex ? log.lastChain : log.chainAt(index)?.chain;
  return here !== undefined && here !== chain ? index : null;
}
