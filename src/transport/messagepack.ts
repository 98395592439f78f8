/** MessagePack as this wire uses it: nested positional arrays of small integers, strings, booleans,
 *  null and byte strings, and nothing else. What comes in is scanned before the decoder sees it, so
 *  maps, extension types, 64-bit integers, deep nesting, false lengths and trailing bytes never
 *  reach it. */

import { Unpackr } from "msgpackr/unpack";

/** What a positional array holds. Integers from 2^32 travel as float64 and stay exact up to
 *  2^53. */
export type Wire = number | string | boolean | null | Uint8Array | readonly Wire[];

/** hello > founding > founders > pair needs 6. */
const DEPTH_MAX = 8;
/** One datagram of 65,507 bytes holds at most some 10,000 of our smallest frames. */
const ELEMENTS_MAX = 65_536;

const unpackr = new Unpackr({ useRecords: false });

/** Of a datagram in the making; larger than any. */
const scratch = new Uint8Array(131_072);
const UTF8 = new TextEncoder();
const float = new DataView(new ArrayBuffer(8));

/** The packed bytes, in memory of their own unless some is given: packedBytesMax(value) bytes. */
export function pack(
  value: Wire,
  into: Uint8Array = new Uint8Array(packedBytesMax(value)),
): Uint8Array {
  return into.subarray(0, write(into, 0, value));
}

/** Packs up to 65,535 values as one array of at most 65,507 bytes. The bytes stand until the next
 *  call. */
export function packBody(values: readonly Wire[]): Uint8Array {
  scratch[0] = 0xdc;
  scratch[1] = values.length >>> 8;
  scratch[2] = values.length;
  let at = 3;
  for (let i = 0; i < values.length; i++) at = write(scratch, at, values[i]!);
  return scratch.subarray(0, at);
}

/** Each value in its shortest form, where it is to lie; returns where it ends. A general packer
 *  takes longer for requests and answers (src/node/SPEED.md), and ten times as long for 60,000
 *  bytes in one. */
function write(target: Uint8Array, at: number, value: Wire): number {
  if (typeof value === "number") return writeNumber(target, at, value);
  if (value instanceof Uint8Array) {
    const from = writeHead(target, at, 0xc4, value.length);
    target.set(value, from);
    return from + value.length;
  }
  if (value === null || typeof value === "boolean") {
    target[at] = value === null ? 0xc0 : value ? 0xc3 : 0xc2;
    return at + 1;
  }
  if (typeof value === "string") return writeText(target, at, UTF8.encode(value));
  const { length } = value;
  let end = at + 1;
  if (length < 16) target[at] = 0x90 | length;
  else {
    target[at] = 0xdc;
    end = writeBig(target, end, length, 2);
  }
  for (let i = 0; i < length; i++) end = write(target, end, value[i]!);
  return end;
}

function writeNumber(target: Uint8Array, at: number, value: number): number {
  if (!isU32(value)) {
    target[at] = 0xcb;
    float.setFloat64(0, value);
    for (let i = 0; i < 8; i++) target[at + 1 + i] = float.getUint8(i);
    return at + 9;
  }
  if (value >= 0x80) return writeHead(target, at, 0xcc, value);
  target[at] = value;
  return at + 1;
}

function writeText(target: Uint8Array, at: number, text: Uint8Array): number {
  let from = at + 1;
  if (text.length < 32) target[at] = 0xa0 | text.length;
  else from = writeHead(target, at, 0xd9, text.length);
  target.set(text, from);
  return from + text.length;
}

/** `type` for one byte, the next ones for two and four, and the number in so many. */
function writeHead(target: Uint8Array, at: number, type: number, value: number): number {
  const width = headBytes(value) - 1;
  target[at] = type + (width >>> 1);
  return writeBig(target, at + 1, value, width);
}

function writeBig(target: Uint8Array, at: number, value: number, width: number): number {
  for (let i = 0; i < width; i++) target[at + i] = value >>> (8 * (width - 1 - i));
  return at + width;
}

/** pack(value).length without packing: exact but for strings, which may be shorter. */
export function packedBytesMax(value: Wire): number {
  if (typeof value === "number") return numberBytes(value);
  if (value instanceof Uint8Array) return headBytes(value.length) + value.length;
  if (typeof value === "string") return 5 + 3 * value.length;
  if (value === null || typeof value === "boolean") return 1;
  let bytes = value.length < 16 ? 1 : 3;
  for (const item of value) bytes += packedBytesMax(item);
  return bytes;
}

function numberBytes(value: number): number {
  if (!isU32(value)) return 9;
  return value < 0x80 ? 1 : headBytes(value);
}

function isU32(value: number): boolean {
  return value >>> 0 === value;
}

/** A type byte and the shortest of 1, 2 or 4 bytes. */
function headBytes(value: number): number {
  if (value < 0x100) return 2;
  return value < 0x1_0000 ? 3 : 5;
}

/** Decodes an array, or says why not. Byte strings in it alias `bytes`. */
export function unpack(bytes: Uint8Array): readonly Wire[] | string {
  const problem = scan(bytes);
  if (problem !== null) return problem;
  try {
    const value: unknown = unpackr.unpack(bytes);
    return Array.isArray(value) ? value : "not an array";
  } catch {
    return "undecodable";
  }
}

/** Walks the bytes once, in time linear in the number of elements and without recursion. */
function scan(bytes: Uint8Array): string | null {
  const open = [1];
  let depth = 0;
  let elements = 0;
  let at = 0;
  for (;;) {
    while (open[depth] === 0) {
      if (depth === 0) return at === bytes.length ? null : "trailing bytes";
      depth--;
    }
    open[depth]!--;
    if (++elements > ELEMENTS_MAX) return "too many elements";
    if (at >= bytes.length) return "truncated";
    const length = arrayLength(bytes, at);
    if (length >= 0) {
      if (++depth > DEPTH_MAX) return "nested too deep";
      open[depth] = length;
      at += bytes[at] === 0xdc ? 3 : 1;
    } else {
      const width = scalarWidth(bytes, at);
      if (width === 0) return "forbidden type";
      at += width;
    }
    if (at > bytes.length) return "truncated";
  }
}

/** -1: not an array. */
function arrayLength(bytes: Uint8Array, at: number): number {
  const head = bytes[at]!;
  if (head >= 0x90 && head <= 0x9f) return head & 0x0f;
  if (head === 0xdc) return ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
  return -1;
}

/** Bytes that the scalar at `at` takes, 0 for every type that this wire does not use. */
function scalarWidth(bytes: Uint8Array, at: number): number {
  const head = bytes[at]!;
  if (head <= 0x7f || head === 0xc0 || head === 0xc2 || head === 0xc3) return 1;
  if (head >= 0xa0 && head <= 0xbf) return 1 + (head & 0x1f);
  switch (head) {
    case 0xcc:
      return 2;
    case 0xcd:
      return 3;
    case 0xce:
      return 5;
    case 0xcb:
      return 9;
    case 0xc4:
    case 0xd9:
      return 2 + (bytes[at + 1] ?? 0);
    case 0xc5:
    case 0xda:
      return 3 + (((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0));
    case 0xc6:
      return (
        5 +
        (bytes[at + 1] ?? 0) * 2 ** 24 +
        (((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 8) | (bytes[at + 4] ?? 0))
      );
    default:
      return 0;
  }
}
