/** MessagePack as an enemy writes it: every type there is, false lengths, deep nesting, numbers at
 *  every limit. Packs by hand, because a packer that is right refuses most of it. */

import type { Wire } from "../../src/transport/messagepack.ts";
import type { Rolls } from "./bytes.ts";

/** A value that is already bytes. */
export interface Raw {
  readonly raw: Uint8Array;
}

export type HostileWire = Exclude<Wire, readonly Wire[]> | Raw | readonly HostileWire[];

const raw = (...bytes: readonly number[]): Raw => ({ raw: Uint8Array.from(bytes) });
const repeated = (byte: number, times: number): readonly number[] =>
  Array.from({ length: times }, () => byte);
const float64 = (value: number): Raw => {
  const bytes = new Uint8Array(9);
  bytes[0] = 0xcb;
  new DataView(bytes.buffer).setFloat64(1, value);
  return { raw: bytes };
};

/** Numbers at the edges of every width that is written or checked anywhere. */
export const EDGES: readonly number[] = [
  ...[0, 1, 2, 7, 8, 15, 16, 17, 31, 32, 127, 128, 255, 256, 999, 1_000, 1_024, 4_096],
  ...[65_507, 65_535, 65_536, 1_048_576, 1_048_577, 2_621_440, 2_621_441, 16_777_216],
  ...[2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40, 2 ** 48 - 1, 2 ** 48, 2 ** 52],
  ...[2 ** 53 - 2, 2 ** 53 - 1],
];

/** Values that no frame of ours holds. */
const STRANGE: readonly Raw[] = [
  ...[
    2 ** 53,
    2 ** 63,
    2 ** 64,
    1e308,
    -1,
    -0.5,
    0.1,
    1.5,
    Number.NaN,
    Infinity,
    -Infinity,
    -0,
  ].map(float64),
  raw(0xca, 0x7f, 0xc0, 0, 0),
  raw(0xcf, ...repeated(0xff, 8)),
  raw(0xcf, 0, 0, 0, 0, 0, 0, 0, 1),
  raw(0xd3, 0x80, ...repeated(0, 7)),
  raw(0xe0),
  raw(0xff),
  raw(0xd0, 0x80),
  raw(0xd1, 0x80, 0),
  raw(0xd2, 0x80, 0, 0, 0),
  raw(0xc1),
  raw(0x80),
  raw(0x81, 0x01, 0x01),
  raw(0xde, 0xff, 0xff),
  raw(0xdf, 0xff, 0xff, 0xff, 0xff),
  raw(0xdd, 0xff, 0xff, 0xff, 0xff),
  raw(0xdd, 0, 0, 0, 0),
  raw(0xdc, 0xff, 0xff),
  raw(0xd4, 0x72, 0x40),
  raw(0xd4, 0x00, 0x00),
  raw(0xd6, 0xff, 0, 0, 0, 0),
  raw(0xd8, 0x05, ...repeated(0, 16)),
  raw(0xc7, 0xff, 0x01),
  raw(0xc8, 0xff, 0xff, 0x01),
  raw(0xc9, 0xff, 0xff, 0xff, 0xff, 0x01),
  raw(0xc4, 0x05, 1, 2),
  raw(0xc5, 0xff, 0xff),
  raw(0xc6, 0xff, 0xff, 0xff, 0xff),
  raw(0xc6, 0x7f, 0xff, 0xff, 0xff, 1),
  raw(0xd9, 0x20, 0x41),
  raw(0xda, 0xff, 0xff),
  raw(0xdb, 0xff, 0xff, 0xff, 0xff),
  raw(0xa4, 0xff, 0xfe, 0xc0, 0x80),
  raw(...repeated(0x91, 9), 0xc0),
  raw(...repeated(0x91, 4_000)),
  raw(...repeated(0x9f, 60)),
  raw(...repeated(0x81, 200)),
];

const TEXTS = ["", "a", "raft", "10.0.0.1", "999.1.1.1", "\u0000\u001b[31m", "é".repeat(20)];

/** One value in place of another: at an edge, of another type, or no value of ours at all. */
export function hostileValue(rolls: Rolls, depth = 0): HostileWire {
  switch (rolls.u32() & 7) {
    case 0:
    case 1:
    case 2:
      return rolls.pick(EDGES);
    case 3:
      return rolls.pick(STRANGE);
    case 4:
      return rolls.bytes(rolls.pick([0, 1, 7, 8, 15, 16, 17, 40, 300]));
    case 5:
      return rolls.pick([null, true, false, ...TEXTS]);
    case 6:
      return rolls.below(0x1_0000);
    default:
      if (depth > 3) return rolls.u32();
      return Array.from({ length: rolls.below(6) }, () => hostileValue(rolls, depth + 1));
  }
}

/** A valid array with 1 to 3 of its values, at any depth, replaced, removed or doubled. */
export function disfigure(rolls: Rolls, value: readonly Wire[]): readonly HostileWire[] {
  let made: readonly HostileWire[] = value;
  const times = 1 + rolls.below(3);
  for (let i = 0; i < times; i++) made = disfigureOnce(rolls, made);
  return made;
}

function disfigureOnce(rolls: Rolls, value: readonly HostileWire[]): readonly HostileWire[] {
  const made = [...value];
  const at = rolls.below(made.length + 1);
  const there = made[at];
  if (Array.isArray(there) && !rolls.oneIn(4)) {
    made[at] = disfigureOnce(rolls, there as readonly HostileWire[]);
    return made;
  }
  switch (rolls.u32() & 15) {
    case 0:
      made.splice(at, 1);
      return made;
    case 1:
      made.splice(at, 0, hostileValue(rolls));
      return made;
    case 2:
      if (there !== undefined) made.splice(at, 0, there);
      return made;
    case 3:
      if (there !== undefined) made[at] = Array.from({ length: 17 }, () => there);
      return made;
    default:
      made[at] = hostileValue(rolls);
      return made;
  }
}

/** Packs into `target` from `at` on and returns the end; stops where `target` does. */
export function packHostile(target: Uint8Array, at: number, value: HostileWire): number {
  if (at + 16 > target.length) return at;
  if (value === null) return put(target, at, 0xc0);
  if (typeof value === "boolean") return put(target, at, value ? 0xc3 : 0xc2);
  if (typeof value === "number") return packNumber(target, at, value);
  if (typeof value === "string") return packText(target, at, value);
  if (value instanceof Uint8Array) {
    const headed = packLength(target, at, value.length, [0xc4, 0xc5, 0xc6]);
    return copy(target, headed, value);
  }
  if ("raw" in value) return copy(target, at, value.raw);
  let end: number;
  if (value.length < 16) end = put(target, at, 0x90 | value.length);
  else
    end = put(target, put(target, put(target, at, 0xdc), value.length >>> 8), value.length & 255);
  for (const item of value) end = packHostile(target, end, item);
  return end;
}

function packNumber(target: Uint8Array, at: number, value: number): number {
  const isU32 = Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;
  if (isU32 && value < 0x80) return put(target, at, value);
  if (isU32) return packLength(target, at, value, [0xcc, 0xcd, 0xce]);
  return copy(target, at, float64(value).raw);
}

function packText(target: Uint8Array, at: number, text: string): number {
  const bytes = new TextEncoder().encode(text);
  const headed =
    bytes.length < 32
      ? put(target, at, 0xa0 | bytes.length)
      : packLength(target, at, bytes.length, [0xd9, 0xda, 0xdb]);
  return copy(target, headed, bytes);
}

function packLength(
  target: Uint8Array,
  at: number,
  length: number,
  [narrow, middle, wide]: readonly [number, number, number],
): number {
  const width = length < 0x100 ? 1 : length < 0x1_0000 ? 2 : 4;
  let end = put(target, at, width === 1 ? narrow : width === 2 ? middle : wide);
  for (let byte = width - 1; byte >= 0; byte--)
    end = put(target, end, (length >>> (8 * byte)) & 255);
  return end;
}

function put(target: Uint8Array, at: number, byte: number): number {
  target[at] = byte;
  return at + 1;
}

function copy(target: Uint8Array, at: number, bytes: Uint8Array): number {
  const part = bytes.subarray(0, Math.max(0, target.length - at));
  target.set(part, at);
  return at + part.length;
}
