/** What a client and a leader exchange on the hot path, read and written in place: datagrams of
 *  requests or answers and nothing else, appends, and their answers.
 *
 *      datagram = [timeUs, echoUs | null, frame, ...]
 *      frame    = [3, requestId, hops, body] | [4, requestId, body]
 *      append   = [0, clientId, firstSequence, count, bornAt, ifLast | null, payloads]
 *      appended = [0, index, count, term, timeMs, duplicate, [holder, ...], commitIndex]
 *
 *  The bytes are those that the packer would make, so either side may be the general one
 *  (request-codec.ts). Reading gives null for whatever is not exactly one of these: the general
 *  decoder then says what it is, or why it is nothing. */

import { ID_BYTES, idAt } from "../base/ids.ts";
import { ENTRIES_PER_RECORD_MAX, isNodeId, PAYLOADS_BYTES_MAX } from "../base/limits.ts";
import type { NodeId } from "../base/types.ts";
import type { Body } from "./codec.ts";
import type { AppendRequest, Response } from "./requests.ts";
import type { Frame } from "./types.ts";

/** The codes of the two frames, and of the append and its answer inside them. */
export const REQUEST_CODE = 3;
export const RESPONSE_CODE = 4;
export const APPEND_CODE = 0;
export const APPENDED_CODE = 0;
export const HOPS_MAX = 8;

type Appended = Extract<Response, { type: "appended" }>;

/** Array head, type, client id with its head. */
const APPEND_HEAD_BYTES = 4 + ID_BYTES;
const NULL = 0xc0;
const FALSE = 0xc2;
const TRUE = 0xc3;
const BIN8 = 0xc4;
const BIN16 = 0xc5;
const BIN32 = 0xc6;
const U8 = 0xcc;
const U16 = 0xcd;
const U32 = 0xce;
const F64 = 0xcb;
/** An array head of up to 15 elements is this and their number. */
const FIXARRAY = 0x90;
const FIXARRAY_MAX = 15;
const ARRAY16 = 0xdc;
const APPEND_FIELDS = 7;
const APPENDED_FIELDS = 8;
const NONE = -1;
/** A number through its eight bytes. */
const float = new DataView(new ArrayBuffer(8));

/** null: there is something else in the datagram. The bodies alias `bytes`. */
export function decodeExchange(bytes: Uint8Array): Body | null {
  const reader = new Reader(bytes, 0);
  const head = reader.next();
  const count = head === ARRAY16 ? reader.big(2) : isFixarray(head) ? head - FIXARRAY : NONE;
  const timeUs = reader.integer();
  const echoUs = reader.isNull() ? null : reader.integer();
  if (count < 2 || !isU32(timeUs) || !isU32(echoUs ?? 0)) return null;
  const frames: Frame[] = [];
  for (let left = count - 2; left > 0; left--) {
    const fields = reader.next() - FIXARRAY;
    const code = reader.next();
    const isRequest = code === REQUEST_CODE && fields === 4;
    if (!isRequest && (code !== RESPONSE_CODE || fields !== 3)) return null;
    const requestId = reader.integer();
    const hops = isRequest ? reader.integer() : 0;
    const length = reader.binLength();
    const end = reader.at + length;
    if (requestId < 0 || hops < 0 || hops > HOPS_MAX || length < 0 || end > bytes.length)
      return null;
    const body = bytes.subarray(reader.at, end);
    reader.at = end;
    if (isRequest) frames.push({ type: "request", requestId, hops, body });
    else frames.push({ type: "response", requestId, body });
  }
  return reader.at === bytes.length ? { timeUs, echoUs, frames } : null;
}

/** The bytes of an append, owned by the caller. */
export function encodeAppend(request: AppendRequest): Uint8Array {
  const { clientId, firstSequence, count, bornAt, ifLast, payloads } = request;
  const bytes = new Uint8Array(
    APPEND_HEAD_BYTES +
      integerBytes(firstSequence) +
      integerBytes(count) +
      integerBytes(bornAt) +
      (ifLast === null ? 1 : integerBytes(ifLast)) +
      binHeadBytes(payloads.length) +
      payloads.length,
  );
  bytes[0] = FIXARRAY | APPEND_FIELDS;
  bytes[1] = APPEND_CODE;
  bytes[2] = BIN8;
  bytes[3] = ID_BYTES;
  for (let at = 0; at < ID_BYTES; at++)
    bytes[4 + at] = (digit(clientId, 2 * at) << 4) | digit(clientId, 2 * at + 1);
  let at = writeInteger(bytes, APPEND_HEAD_BYTES, firstSequence);
  at = writeInteger(bytes, at, count);
  at = writeInteger(bytes, at, bornAt);
  if (ifLast === null) bytes[at++] = NULL;
  else at = writeInteger(bytes, at, ifLast);
  bytes.set(payloads, writeBinHead(bytes, at, payloads.length));
  return bytes;
}

/** null: not an append as it is written here. The payloads alias `bytes`. */
export function decodeAppend(bytes: Uint8Array): AppendRequest | null {
  if (bytes[0] !== (FIXARRAY | APPEND_FIELDS) || bytes[1] !== APPEND_CODE) return null;
  if (bytes[2] !== BIN8 || bytes[3] !== ID_BYTES) return null;
  const reader = new Reader(bytes, APPEND_HEAD_BYTES);
  const firstSequence = reader.integer();
  const count = reader.integer();
  const bornAt = reader.integer();
  const ifLast = reader.isNull() ? null : reader.integer();
  const length = reader.binLength();
  if (firstSequence < 1 || count < 1 || count > ENTRIES_PER_RECORD_MAX || bornAt < 0) return null;
  if ((ifLast ?? 0) < 0 || length < 0 || length > PAYLOADS_BYTES_MAX) return null;
  if (reader.at + length !== bytes.length) return null;
  const payloads = bytes.subarray(reader.at);
  const clientId = idAt(bytes, 4);
  return { type: "append", clientId, firstSequence, count, bornAt, ifLast, payloads };
}

/** The bytes of an answer, owned by the caller. */
export function encodeAppended(response: Appended): Uint8Array {
  const { index, count, term, timeMs, duplicate, holders, commitIndex } = response;
  let size = 2 + integerBytes(index) + integerBytes(count) + integerBytes(term);
  size +=
    integerBytes(timeMs) + 1 + (holders.length <= FIXARRAY_MAX ? 1 : 3) + integerBytes(commitIndex);
  for (const id of holders) size += integerBytes(id);
  const bytes = new Uint8Array(size);
  bytes[0] = FIXARRAY | APPENDED_FIELDS;
  bytes[1] = APPENDED_CODE;
  let at = writeInteger(bytes, 2, index);
  at = writeInteger(bytes, at, count);
  at = writeInteger(bytes, at, term);
  at = writeInteger(bytes, at, timeMs);
  bytes[at++] = duplicate ? TRUE : FALSE;
  if (holders.length <= FIXARRAY_MAX) bytes[at++] = FIXARRAY | holders.length;
  else {
    bytes[at++] = ARRAY16;
    bytes[at++] = 0;
    bytes[at++] = holders.length;
  }
  for (const id of holders) at = writeInteger(bytes, at, id);
  writeInteger(bytes, at, commitIndex);
  return bytes;
}

/** null: not such an answer as it is written here. */
export function decodeAppended(bytes: Uint8Array): Appended | null {
  if (bytes[0] !== (FIXARRAY | APPENDED_FIELDS) || bytes[1] !== APPENDED_CODE) return null;
  const reader = new Reader(bytes, 2);
  const index = reader.integer();
  const count = reader.integer();
  const term = reader.integer();
  const timeMs = reader.integer();
  const duplicate = reader.next();
  if (duplicate !== TRUE && duplicate !== FALSE) return null;
  // Sixteen, the most there can be, are for the general decoder.
  const length = reader.next() - FIXARRAY;
  if (length < 0 || length > FIXARRAY_MAX) return null;
  const holders: NodeId[] = [];
  for (let at = 0; at < length; at++) {
    const id = reader.integer();
    if (!isNodeId(id)) return null;
    holders.push(id);
  }
  const commitIndex = reader.integer();
  if (index < 1 || count < 1 || count > ENTRIES_PER_RECORD_MAX) return null;
  if (term < 0 || timeMs < 0 || commitIndex < 0 || reader.at !== bytes.length) return null;
  return {
    type: "appended",
    index,
    count,
    term,
    timeMs,
    duplicate: duplicate === TRUE,
    holders,
    commitIndex,
  };
}

/** Reads on from an offset; a step beyond the end gives NONE, or a type that nothing has. */
class Reader {
  at: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  next(): number {
    return this.#bytes[this.at++] ?? NONE;
  }

  isNull(): boolean {
    if (this.#bytes[this.at] !== NULL) return false;
    this.at++;
    return true;
  }

  /** A safe integer of at least 0; NONE: there is none. */
  integer(): number {
    const head = this.next();
    if (head < 0x80) return head;
    if (head === U8) return this.next();
    if (head === U16) return this.big(2);
    if (head === U32) return this.big(4);
    if (head !== F64 || this.at + 8 > this.#bytes.length) return NONE;
    for (let at = 0; at < 8; at++) float.setUint8(at, this.next());
    const value = float.getFloat64(0);
    return Number.isSafeInteger(value) && value >= 0 ? value : NONE;
  }

  /** Of a byte string; NONE: there is none. */
  binLength(): number {
    const head = this.next();
    return head < BIN8 || head > BIN32 ? NONE : this.big(1 << (head - BIN8));
  }

  /** `count` bytes as an unsigned integer; NONE: they are not there. */
  big(count: number): number {
    if (this.at + count > this.#bytes.length) return NONE;
    let value = 0;
    for (let left = count; left > 0; left--) value = value * 256 + this.next();
    return value;
  }
}

function isFixarray(head: number): boolean {
  return head >= FIXARRAY && head <= FIXARRAY + FIXARRAY_MAX;
}

function isU32(value: number): boolean {
  return value >= 0 && value <= 0xffff_ffff;
}

function digit(hex: string, at: number): number {
  const code = hex.charCodeAt(at);
  return code <= 57 ? code - 48 : (code | 32) - 87;
}

function integerBytes(value: number): number {
  return value < 0x80 ? 1 : value < 0x100 ? 2 : value < 0x1_0000 ? 3 : value <= 0xffff_ffff ? 5 : 9;
}

function writeInteger(bytes: Uint8Array, at: number, value: number): number {
  if (value < 0x80) {
    bytes[at] = value;
    return at + 1;
  }
  if (value <= 0xffff_ffff) {
    const width = value < 0x100 ? 1 : value < 0x1_0000 ? 2 : 4;
    bytes[at] = width === 1 ? U8 : width === 2 ? U16 : U32;
    return writeBig(bytes, at + 1, value, width);
  }
  bytes[at] = F64;
  float.setFloat64(0, value);
  for (let byte = 0; byte < 8; byte++) bytes[at + 1 + byte] = float.getUint8(byte);
  return at + 9;
}

function binHeadBytes(length: number): number {
  return length < 0x100 ? 2 : length < 0x1_0000 ? 3 : 5;
}

function writeBinHead(bytes: Uint8Array, at: number, length: number): number {
  const width = binHeadBytes(length) - 1;
  bytes[at] = width === 1 ? BIN8 : width === 2 ? BIN16 : BIN32;
  return writeBig(bytes, at + 1, length, width);
}

function writeBig(bytes: Uint8Array, at: number, value: number, width: number): number {
  for (let byte = 0; byte < width; byte++) bytes[at + byte] = value >>> (8 * (width - 1 - byte));
  return at + width;
}
