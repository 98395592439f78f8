/** Big-endian integers in byte arrays: the few reads and writes that every format of this folder is
 *  made of. */

import { crc32 as zlibCrc32 } from "node:zlib";

/** CRC-32 (IEEE) of `bytes`, continued from `seed`; 0 to 2^32 - 1. */
export function crc32(bytes: Uint8Array, seed: number): number {
  return zlibCrc32(bytes, seed);
}

const ZEROS = new Uint8Array(65_536);

/** Where the last byte that is not zero ends, `from` at least. A block at a time: most of a segment
 *  is zeros when a node starts. */
export function endOfBytes(bytes: Uint8Array, from: number): number {
  let end = bytes.length;
  for (let at = end - ZEROS.length; at >= from; at -= ZEROS.length) {
    if (Buffer.compare(bytes.subarray(at, end), ZEROS) !== 0) break;
    end = at;
  }
  while (end > from && bytes[end - 1] === 0) end -= 1;
  return end;
}

/** A byte, or 0 beyond the end: callers check lengths first. */
export function readU8(bytes: Uint8Array, offset: number): number {
  return bytes[offset] ?? 0;
}

/** Two bytes as an unsigned integer. */
export function readU16(bytes: Uint8Array, offset: number): number {
  return (readU8(bytes, offset) << 8) | readU8(bytes, offset + 1);
}

/** Four bytes as an unsigned integer. */
export function readU32(bytes: Uint8Array, offset: number): number {
  const high = (readU8(bytes, offset) << 24) | (readU8(bytes, offset + 1) << 16);
  return (high | (readU8(bytes, offset + 2) << 8) | readU8(bytes, offset + 3)) >>> 0;
}

/** Eight bytes as a number; check `Number.isSafeInteger` before trusting it. */
export function readU64(bytes: Uint8Array, offset: number): number {
  return readU32(bytes, offset) * 0x1_0000_0000 + readU32(bytes, offset + 4);
}

export function writeU16(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 8;
  bytes[offset + 1] = value;
}

export function writeU32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 24;
  bytes[offset + 1] = value >>> 16;
  bytes[offset + 2] = value >>> 8;
  bytes[offset + 3] = value;
}

/** `value` is a safe integer of at least 0. */
export function writeU64(bytes: Uint8Array, offset: number, value: number): void {
  writeU32(bytes, offset, Math.floor(value / 0x1_0000_0000));
  writeU32(bytes, offset + 4, value >>> 0);
}

/** Lower-case hex of `length` bytes. */
export function readHex(bytes: Uint8Array, offset: number, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + offset, length).toString("hex");
}

/** Writes the bytes that `hex` spells. */
export function writeHex(bytes: Uint8Array, offset: number, hex: string): void {
  for (let at = 0; at < hex.length; at += 2) {
    bytes[offset + at / 2] = (hexDigit(hex.charCodeAt(at)) << 4) | hexDigit(hex.charCodeAt(at + 1));
  }
}

function hexDigit(code: number): number {
  return code <= 57 ? code - 48 : (code | 32) - 87;
}
