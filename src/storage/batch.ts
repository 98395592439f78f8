/** A batch: what one fdatasync makes durable. Local to this disk, never on the wire.
 *
 *      0       4        8          16            24             28       32
 *     +-------+--------+----------+-------------+--------------+--------+------------
 *     | magic | length | number   | first index | chain before | crc    | records
 *     +-------+--------+----------+-------------+--------------+--------+------------
 *
 *  `number` rises by one from batch to batch within a segment. A batch is written only after the
 *  sync of the one before it returned, so a valid header n+1 proves that n was durable. A batch
 *  without records is a *seal*. The crc is seeded with a value of this directory and segment, so
 *  bytes inside a user's entry never look like a header, nor do those of another segment. The first
 *  batch of a segment has its own magic: it is written in one go with the head and proves nothing
 *  about it. */

import type { ClusterId, Incarnation } from "../base/types.ts";
import { crc32, endOfBytes, readU32, readU64, writeU32, writeU64 } from "./bytes.ts";

export const BATCH_HEAD_BYTES = 32;

const FIRST_MAGIC = 0x52464231; // RFB1
const NEXT_MAGIC = 0x52464232; // RFB2
const NEXT_MAGIC_BYTES = new Uint8Array([0x52, 0x46, 0x42, 0x32]);

export interface BatchHead {
  readonly first: boolean;
  /** Bytes of the records behind this header; 0 for a seal. */
  readonly length: number;
  readonly number: number;
  readonly firstIndex: number;
  readonly chainBefore: number;
}

/** What seeds the headers' CRC in one segment of one directory. */
export function batchSeed(
  clusterId: ClusterId,
  incarnation: Incarnation,
  creation: number,
): number {
  return crc32(new TextEncoder().encode(`${clusterId} ${incarnation} ${creation}`), 0);
}

export function encodeBatchHead(head: BatchHead, seed: number): Uint8Array {
  const bytes = new Uint8Array(BATCH_HEAD_BYTES);
  writeU32(bytes, 0, head.first ? FIRST_MAGIC : NEXT_MAGIC);
  writeU32(bytes, 4, head.length);
  writeU64(bytes, 8, head.number);
  writeU64(bytes, 16, head.firstIndex);
  writeU32(bytes, 24, head.chainBefore);
  writeU32(bytes, 28, crc32(bytes.subarray(0, 28), seed));
  return bytes;
}

/** The header at `offset`, or null when there is none that verifies. */
export function readBatchHead(bytes: Uint8Array, offset: number, seed: number): BatchHead | null {
  if (offset + BATCH_HEAD_BYTES > bytes.length) return null;
  const magic = readU32(bytes, offset);
  if (magic !== FIRST_MAGIC && magic !== NEXT_MAGIC) return null;
  if (crc32(bytes.subarray(offset, offset + 28), seed) !== readU32(bytes, offset + 28)) return null;
  return {
    first: magic === FIRST_MAGIC,
    length: readU32(bytes, offset + 4),
    number: readU64(bytes, offset + 8),
    firstIndex: readU64(bytes, offset + 16),
    chainBefore: readU32(bytes, offset + 24),
  };
}

/** Where the next valid header of a batch that is not the segment's first begins, at or after
 *  `from`; -1 if nowhere. */
export function findBatchHead(bytes: Uint8Array, from: number, seed: number): number {
  const end = Math.min(bytes.length, endOfBytes(bytes, from) + NEXT_MAGIC_BYTES.length);
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, end);
  let at = buffer.indexOf(NEXT_MAGIC_BYTES, from);
  while (at >= 0 && readBatchHead(bytes, at, seed) === null)
    at = buffer.indexOf(NEXT_MAGIC_BYTES, at + 1);
  return at;
}
