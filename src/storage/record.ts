/** A record: what one request appended, as the same bytes on every disk and wire.
 *
 *     0       4        8    9            18          27        29            38
 *     | chain | length | 97 | cf index 8 | cf term 8 | cc kind | cf timeMs 8 | c4 10 client 16 |
 *     56              65
 *     | cf sequence 8 | payloads
 *
 *     payloads = dd count4, then count times  c4 n1 bytes | c5 n2 bytes | c6 n4 bytes
 *
 *  All integers are big-endian, as in MessagePack. `length` counts from offset 8; `chain` is the
 *  CRC-32 of length and body (offset 4 to the end) seeded with the chain of the record before. From
 *  offset 8 on any MessagePack decoder reads it. */

import { assert } from "../base/assert.ts";
import {
  ENTRIES_PER_RECORD_MAX,
  MEMBERS_MAX,
  NODE_ID_MAX,
  PAYLOADS_BYTES_MAX,
} from "../base/limits.ts";
import type { ClusterId, LogIndex, Term } from "../base/types.ts";
import type { Member } from "../raft/types.ts";
import { idAt } from "../base/ids.ts";
import { crc32, readHex, readU16, readU32, readU64, readU8 } from "./bytes.ts";
import { writeHex, writeU16, writeU32, writeU64 } from "./bytes.ts";
import { RECORD_KIND } from "./types.ts";
import type { RecordHead, RecordKind } from "./types.ts";

/** Where the payloads' array begins in a record. */
export const PAYLOADS_OFFSET = 65;
/** The largest record, bytes. */
export const RECORD_BYTES_MAX = PAYLOADS_OFFSET + PAYLOADS_BYTES_MAX;
/** The smallest: one empty payload. Shorter is never a record, so zeros are not a run of valid
 *  ones. */
export const RECORD_BYTES_MIN = PAYLOADS_OFFSET + 5 + 2;
/** The client of records that no client sent. */
export const NO_CLIENT = "00000000000000000000000000000000";

const LENGTH_OFFSET = 4;
const BODY_OFFSET = 8;
const TERM_OFFSET = 19;

/** What the leader puts in front of the payloads. */
export interface RecordFields {
  readonly firstIndex: LogIndex;
  readonly term: number;
  readonly kind: RecordKind;
  readonly timeMs: number;
  /** 32 hex digits. */
  readonly clientId: string;
  readonly firstSequence: number;
}

/** The chain before index 1 of a cluster. */
export function chainSeed(clusterId: ClusterId): number {
  const bytes = new Uint8Array(16);
  writeHex(bytes, 0, clusterId);
  return crc32(bytes, 0);
}

/** Makes the payloads' array, once, where the entries are born; the leader copies these bytes as
 *  they are. The caller keeps to ENTRY_BYTES_MAX, ENTRIES_PER_RECORD_MAX and PAYLOADS_BYTES_MAX. */
export function encodePayloads(payloads: readonly Uint8Array[]): Uint8Array {
  let size = 5;
  for (const payload of payloads) size += payloadHeadBytes(payload.length) + payload.length;
  const bytes = new Uint8Array(size);
  bytes[0] = 0xdd;
  writeU32(bytes, 1, payloads.length);
  let offset = 5;
  for (const payload of payloads) {
    offset = writePayloadHead(bytes, offset, payload.length);
    bytes.set(payload, offset);
    offset += payload.length;
  }
  return bytes;
}

/** The bytes that one more payload of `length` bytes adds to the array. */
export function payloadBytes(length: number): number {
  return payloadHeadBytes(length) + length;
}

function payloadHeadBytes(length: number): number {
  return length < 0x100 ? 2 : length < 0x1_0000 ? 3 : 5;
}

function writePayloadHead(bytes: Uint8Array, offset: number, length: number): number {
  if (length < 0x100) {
    bytes[offset] = 0xc4;
    bytes[offset + 1] = length;
    return offset + 2;
  }
  if (length < 0x1_0000) {
    bytes[offset] = 0xc5;
    writeU16(bytes, offset + 1, length);
    return offset + 3;
  }
  bytes[offset] = 0xc6;
  writeU32(bytes, offset + 1, length);
  return offset + 5;
}

/** Walks an array made elsewhere: exact length, canonical widths, every limit. One entry set has
 *  one encoding. Returns how many entries it holds, or why it is none. */
export function checkPayloads(bytes: Uint8Array, entryBytesMax: number): number | string {
  if (bytes.length > PAYLOADS_BYTES_MAX) return "too many bytes for one record";
  if (bytes.length < 7 || bytes[0] !== 0xdd) return "not an array of payloads";
  const count = readU32(bytes, 1);
  if (count < 1) return "no payload";
  if (count > ENTRIES_PER_RECORD_MAX) return "too many entries for one record";
  let offset = 5;
  for (let entry = 0; entry < count; entry += 1) {
    const length = payloadLength(bytes, offset);
    if (length < 0) return `payload ${entry} is not a canonical bin`;
    if (length > entryBytesMax) return `payload ${entry} is larger than ${entryBytesMax} bytes`;
    offset += payloadHeadBytes(length) + length;
    if (offset > bytes.length) return `payload ${entry} is cut`;
  }
  return offset === bytes.length ? count : "bytes after the last payload";
}

/** The length of the bin at `offset`; -1 unless it is there in its shortest form. */
function payloadLength(bytes: Uint8Array, offset: number): number {
  if (offset + 2 > bytes.length) return -1;
  const marker = readU8(bytes, offset);
  if (marker === 0xc4) return readU8(bytes, offset + 1);
  if (marker === 0xc5) {
    const length = readU16(bytes, offset + 1);
    return length < 0x100 ? -1 : length;
  }
  if (marker !== 0xc6) return -1;
  const length = readU32(bytes, offset + 1);
  return length < 0x1_0000 ? -1 : length;
}

/** Makes a record; `payloads` as `encodePayloads` gave them, already checked. */
export function encodeRecord(
  fields: RecordFields,
  payloads: Uint8Array,
  chainBefore: number,
): Uint8Array {
  const bytes = new Uint8Array(PAYLOADS_OFFSET + payloads.length);
  writeRecord(bytes, 0, fields, payloads, chainBefore);
  return bytes;
}

/** The same, made where it is to lie: at `at`, where there is room for it. Returns what `readHead`
 *  would read there: to read it took 7% of a leader's time with records of one entry. */
export function writeRecord(
  bytes: Uint8Array,
  at: number,
  fields: RecordFields,
  payloads: Uint8Array,
  chainBefore: number,
): RecordHead {
  const { firstIndex, term, kind, timeMs, clientId, firstSequence } = fields;
  const count = readU32(payloads, 1);
  const end = at + PAYLOADS_OFFSET + payloads.length;
  writeU32(bytes, at + LENGTH_OFFSET, end - at - BODY_OFFSET);
  bytes[at + 8] = 0x97;
  bytes[at + 9] = 0xcf;
  writeU64(bytes, at + 10, firstIndex);
  bytes[at + 18] = 0xcf;
  writeU64(bytes, at + 19, term);
  bytes[at + 27] = 0xcc;
  bytes[at + 28] = kind;
  bytes[at + 29] = 0xcf;
  writeU64(bytes, at + 30, timeMs);
  bytes[at + 38] = 0xc4;
  bytes[at + 39] = 0x10;
  writeHex(bytes, at + 40, clientId);
  bytes[at + 56] = 0xcf;
  writeU64(bytes, at + 57, firstSequence);
  bytes.set(payloads, at + PAYLOADS_OFFSET);
  const chain = crc32(bytes.subarray(at + LENGTH_OFFSET, end), chainBefore);
  writeU32(bytes, at, chain);
  return {
    firstIndex,
    lastIndex: firstIndex + count - 1,
    count,
    term,
    kind,
    timeMs,
    clientId,
    firstSequence,
    chain,
    bytes: end - at,
  };
}

/** The record's length if its first 8 bytes at `offset` announce a possible one; else 0. */
export function recordBytesAt(bytes: Uint8Array, offset: number): number {
  if (offset + BODY_OFFSET > bytes.length) return 0;
  const size = readU32(bytes, offset + LENGTH_OFFSET) + BODY_OFFSET;
  return size < RECORD_BYTES_MIN || size > RECORD_BYTES_MAX ? 0 : size;
}

/** Reads what stands before the payloads, checking every field; a string is the reason why it is no
 *  record. Does not check the chain, nor the payloads. */
export function readHead(bytes: Uint8Array, offset: number): RecordHead | string {
  const size = recordBytesAt(bytes, offset);
  if (size === 0) return "impossible record length";
  if (offset + size > bytes.length) return "record is cut";
  const marked =
    readU8(bytes, offset + 8) === 0x97 &&
    readU8(bytes, offset + 9) === 0xcf &&
    readU8(bytes, offset + 18) === 0xcf &&
    readU8(bytes, offset + 27) === 0xcc &&
    readU8(bytes, offset + 29) === 0xcf &&
    readU16(bytes, offset + 38) === 0xc410 &&
    readU8(bytes, offset + 56) === 0xcf &&
    readU8(bytes, offset + 65) === 0xdd;
  if (!marked) return "not a record";
  const firstIndex = readU64(bytes, offset + 10);
  const term = readU64(bytes, offset + 19);
  const kind = readU8(bytes, offset + 28);
  const timeMs = readU64(bytes, offset + 30);
  const firstSequence = readU64(bytes, offset + 57);
  const count = readU32(bytes, offset + 66);
  const lastIndex = firstIndex + count - 1;
  if (!isKind(kind)) return `unknown record kind ${kind}`;
  if (count < 1 || count > ENTRIES_PER_RECORD_MAX) return "impossible entry count";
  if (firstIndex < 1 || !Number.isSafeInteger(lastIndex)) return "impossible index";
  if (term < 1 || !Number.isSafeInteger(term)) return "impossible term";
  if (!Number.isSafeInteger(timeMs) || !Number.isSafeInteger(firstSequence + count))
    return "impossible number";
  const clientId = kind === RECORD_KIND.user ? idAt(bytes, offset + 40) : NO_CLIENT;
  const chain = readU32(bytes, offset);
  return {
    firstIndex,
    lastIndex,
    count,
    term,
    kind,
    timeMs,
    clientId,
    firstSequence,
    chain,
    bytes: size,
  };
}

/** The heads of whole records that this program made; anything else is a bug. */
export function headsOf(records: Uint8Array): readonly RecordHead[] {
  const heads: RecordHead[] = [];
  for (let offset = 0; offset < records.length;) {
    const head = readHead(records, offset);
    assert(typeof head !== "string", "an appended record is well formed");
    heads.push(head);
    offset += head.bytes;
  }
  return heads;
}

function isKind(kind: number): kind is RecordKind {
  return (
    kind === RECORD_KIND.user || kind === RECORD_KIND.noop || kind === RECORD_KIND.configuration
  );
}

/** The term of the record at the beginning of `bytes`, which was verified. */
export function termOf(bytes: Uint8Array): Term {
  return readU64(bytes, TERM_OFFSET);
}

/** The chain that the record's bytes give after `chainBefore`; equal to its first four bytes in a
 *  good one. */
export function chainOf(
  bytes: Uint8Array,
  offset: number,
  size: number,
  chainBefore: number,
): number {
  return crc32(bytes.subarray(offset + LENGTH_OFFSET, offset + size), chainBefore);
}

/** All payloads of the record at `offset`, as views; the record was verified. Null when the array
 *  is malformed. */
export function payloadsOf(bytes: Uint8Array, offset: number): readonly Uint8Array[] | null {
  const end = offset + recordBytesAt(bytes, offset);
  const count = readU32(bytes, offset + PAYLOADS_OFFSET + 1);
  const payloads: Uint8Array[] = [];
  let at = offset + PAYLOADS_OFFSET + 5;
  for (let entry = 0; entry < count; entry += 1) {
    const length = payloadLength(bytes, at);
    if (length < 0) return null;
    at += payloadHeadBytes(length);
    if (at + length > end) return null;
    payloads.push(bytes.subarray(at, at + length));
    at += length;
  }
  return at === end ? payloads : null;
}

/** One entry's payload of the record at `offset`, as a view; null outside the record. */
export function payloadAt(bytes: Uint8Array, offset: number, index: LogIndex): Uint8Array | null {
  const end = offset + recordBytesAt(bytes, offset);
  const skip = index - readU64(bytes, offset + 10);
  if (skip < 0 || skip >= readU32(bytes, offset + PAYLOADS_OFFSET + 1)) return null;
  let at = offset + PAYLOADS_OFFSET + 5;
  for (let entry = 0; ; entry += 1) {
    const length = payloadLength(bytes, at);
    if (length < 0) return null;
    at += payloadHeadBytes(length);
    if (at + length > end) return null;
    if (entry === skip) return bytes.subarray(at, at + length);
    at += length;
  }
}

/** Checks a run of whole records: lengths, fields, consecutive indexes, terms that never fall, and
 *  the chain from `chainBefore` on. `offset` is where it went wrong. An empty run is good. */
export function verifyRecords(
  bytes: Uint8Array,
  chainBefore: number,
  expectedFirstIndex: LogIndex,
):
  | { readonly heads: readonly RecordHead[]; readonly lastChain: number }
  | { readonly reason: string; readonly offset: number } {
  const heads: RecordHead[] = [];
  let chain = chainBefore;
  let index = expectedFirstIndex;
  let term = 0;
  for (let offset = 0; offset < bytes.length;) {
    const head = readHead(bytes, offset);
    if (typeof head === "string") return { reason: head, offset };
    if (head.firstIndex !== index)
      return { reason: `index ${head.firstIndex} where ${index} belongs`, offset };
    if (head.term < term) return { reason: `term ${head.term} after term ${term}`, offset };
    chain = chainOf(bytes, offset, head.bytes, chain);
    if (chain !== head.chain) return { reason: "the chain does not hold", offset };
    heads.push(head);
    index = head.lastIndex + 1;
    term = head.term;
    offset += head.bytes;
  }
  return { heads, lastChain: chain };
}

const MEMBER_BYTES = 23;

/** The payload of a configuration record: MessagePack `[[id, incarnation, 0 voter | 1 learner],
 *  ...]`. */
export function encodeMembers(members: readonly Member[]): Uint8Array {
  const bytes = new Uint8Array(3 + members.length * MEMBER_BYTES);
  bytes[0] = 0xdc;
  writeU16(bytes, 1, members.length);
  let offset = 3;
  for (const member of members) {
    bytes[offset] = 0x93;
    bytes[offset + 1] = 0xcd;
    writeU16(bytes, offset + 2, member.id);
    bytes[offset + 4] = 0xc4;
    bytes[offset + 5] = 0x10;
    writeHex(bytes, offset + 6, member.incarnation);
    bytes[offset + 22] = member.role === "voter" ? 0 : 1;
    offset += MEMBER_BYTES;
  }
  return bytes;
}

/** Reads such a payload: sorted ids of 1 to 999, at most MEMBERS_MAX; null when it is anything
 *  else. */
export function decodeMembers(bytes: Uint8Array): readonly Member[] | null {
  const count = readU16(bytes, 1);
  if (bytes[0] !== 0xdc || count > MEMBERS_MAX || bytes.length !== 3 + count * MEMBER_BYTES)
    return null;
  const members: Member[] = [];
  let before = 0;
  for (let offset = 3; offset < bytes.length; offset += MEMBER_BYTES) {
    const id = readU16(bytes, offset + 2);
    const role = readU8(bytes, offset + 22);
    const marked = readU16(bytes, offset) === 0x93cd && readU16(bytes, offset + 4) === 0xc410;
    if (!marked || id <= before || id > NODE_ID_MAX || role > 1) return null;
    const incarnation = readHex(bytes, offset + 6, 16);
    members.push({ id, incarnation, role: role === 0 ? "voter" : "learner" });
    before = id;
  }
  return members;
}

/** The members that the configuration record at `offset` brings; null when its payload is
 *  malformed. */
export function membersAt(bytes: Uint8Array, offset: number): readonly Member[] | null {
  const payload = payloadsOf(bytes, offset)?.[0];
  return payload === undefined ? null : decodeMembers(payload);
}
