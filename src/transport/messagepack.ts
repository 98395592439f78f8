/** MessagePack as this wire uses it: nested positional arrays of small integers, strings, booleans,
 *  null and byte strings, and nothing else. What comes in is scanned before the decoder sees it, so
 *  maps, extension types, 64-bit integers, deep nesting, false lengths and trailing bytes never
 *  reach it. */

import { Packr, RESET_BUFFER_MODE } from "msgpackr/pack";
import { Unpackr } from "msgpackr/unpack";

/** What a positional array holds. Integers from 2^32 travel as float64 and stay exact up to
 *  2^53. */
export type Wire = number | string | boolean | null | Uint8Array | readonly Wire[];

/** hello > founding > founders > pair needs 6. */
const DEPTH_MAX = 8;
/** One datagram of 65,507 bytes holds at most some 10,000 of our smallest frames. */
const ELEMENTS_MAX = 65_536;

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false });

/** A byte string from here on is copied by hand: the packer takes ten times as long for 60,000
 *  bytes. */
const LARGE_BYTES = 512;
const NO_BYTES = new Uint8Array(0);
const scratch = new Uint8Array(131_072);

/** The packed bytes. They stand in the packer's own buffer: use or copy them before anything else
 *  is packed. */
export function pack(value: Wire): Uint8Array {
  return packr.pack(value, RESET_BUFFER_MODE);
}

/** Packs up to 65,535 values as one array of at most 65,507 bytes; those that are arrays and end in
 *  a large byte string without the packer's copy. The bytes stand until the next call. */
export function packBody(values: readonly Wire[]): Uint8Array {
  let at = 3;
  let run = 0;
  scratch[0] = 0xdc;
  scratch[1] = values.length >>> 8;
  scratch[2] = values.length & 255;
  for (let i = 0; i < values.length; i++) {
    const tail = largeTail(values[i]);
    if (tail === null) continue;
    at = packRun(values, run, i, at);
    const head = headBeforeTail(values[i] as readonly Wire[]);
    scratch.set(head, at);
    at = writeBytes(scratch, at + head.length, tail);
    run = i + 1;
  }
  return scratch.subarray(0, packRun(values, run, values.length, at));
}

/** Packs an array that ends in a byte string of any length, into bytes of its own. */
export function packWithTail(array: readonly Wire[]): Uint8Array {
  const tail = array.at(-1);
  if (!(tail instanceof Uint8Array)) return new Uint8Array(pack(array));
  const head = headBeforeTail(array);
  const packed = new Uint8Array(head.length + headBytes(tail.length) + tail.length);
  packed.set(head);
  writeBytes(packed, head.length, tail);
  return packed;
}

/** Everything of a packed array but its last element, which is a byte string. */
function headBeforeTail(array: readonly Wire[]): Uint8Array {
  const packed = pack([...array.slice(0, -1), NO_BYTES]);
  return packed.subarray(0, packed.length - 2);
}

function largeTail(value: Wire | undefined): Uint8Array | null {
  if (!Array.isArray(value)) return null;
  const tail: unknown = value[value.length - 1];
  return tail instanceof Uint8Array && tail.length >= LARGE_BYTES ? tail : null;
}

/** Values start..end - 1, without the array head that the packer puts before them. */
function packRun(values: readonly Wire[], start: number, end: number, at: number): number {
  if (start === end) return at;
  const packed = pack(start === 0 && end === values.length ? values : values.slice(start, end));
  const items = packed.subarray(end - start < 16 ? 1 : 3);
  scratch.set(items, at);
  return at + items.length;
}

function writeBytes(target: Uint8Array, at: number, bytes: Uint8Array): number {
  const head = headBytes(bytes.length);
  target[at] = head === 2 ? 0xc4 : head === 3 ? 0xc5 : 0xc6;
  for (let i = 1; i < head; i++) target[at + i] = (bytes.length >>> (8 * (head - 1 - i))) & 255;
  target.set(bytes, at + head);
  return at + head + bytes.length;
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
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) return 9;
  return value < 0x80 ? 1 : headBytes(value);
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
