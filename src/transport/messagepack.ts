/** MessagePack as this wire uses it: nested positional arrays of small integers, strings, booleans, null and
 *  byte strings, and nothing else. What comes in is scanned before the decoder sees it, so maps, extension
 *  types, 64-bit integers, deep nesting, false lengths and trailing bytes never reach it. */

import { Packr, RESET_BUFFER_MODE } from "msgpackr/pack";
import { Unpackr } from "msgpackr/unpack";

/** What a positional array holds. Integers from 2^32 travel as float64 and stay exact up to 2^53. */
export type Wire = number | string | boolean | null | Uint8Array | readonly Wire[];

/** hello > founding > founders > pair needs 6. */
const DEPTH_MAX = 8;
/** One datagram of 65,507 bytes holds at most some 10,000 of our smallest frames. */
const ELEMENTS_MAX = 65_536;

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false });

/** The packed bytes. They stand in the packer's own buffer: use or copy them before anything else is packed. */
export function pack(value: Wire): Uint8Array {
  return packr.pack(value, RESET_BUFFER_MODE);
}

/** An upper bound of pack(value).length, without packing. */
export function packedBytesMax(value: Wire): number {
  if (typeof value === "number") return 9;
  if (typeof value === "string") return 5 + 3 * value.length;
  if (value instanceof Uint8Array) return 5 + value.length;
  if (value === null || typeof value === "boolean") return 1;
  let bytes = 5;
  for (const item of value) bytes += packedBytesMax(item);
  return bytes;
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
      return 5 + (bytes[at + 1] ?? 0) * 2 ** 24 + (((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 8) | (bytes[at + 4] ?? 0));
    default:
      return 0;
  }
}
