/** Reads a whole segment and says what of it is good, torn, or damaged. Recovery, the index of an
 *  old segment, healing and `raft verify` all see a segment through this one function. */

import type { LogIndex } from "../base/types.ts";
import { BATCH_HEAD_BYTES, findBatchHead, readBatchHead } from "./batch.ts";
import type { BatchHead } from "./batch.ts";
import { endOfBytes, readU32 } from "./bytes.ts";
import { StorageDamage } from "./disk-error.ts";
import { chainOf, readHead, recordBytesAt } from "./record.ts";
import type { RecordHead } from "./types.ts";

/** What the head and the segment behind say about this one. */
export interface ScanInput {
  /** The file, for messages. */
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly headBytes: number;
  readonly seed: number;
  readonly firstIndex: LogIndex;
  readonly chainBefore: number;
  readonly firstBatch: number;
  /** The segment behind begins with `index` + 1 after `chain`; null for the last segment. */
  readonly until: { readonly index: LogIndex; readonly chain: number } | null;
}

export interface ScannedRecord {
  readonly head: RecordHead;
  readonly offset: number;
  readonly chainBefore: number;
  /** Where its batch ends. */
  readonly batchEnd: number;
}

/** Entries from..to are missing; both chains are known, so any member's bytes can be tried. */
export interface Hole {
  readonly from: LogIndex;
  readonly to: LogIndex;
  readonly chainBefore: number;
  readonly chainAfter: number;
  readonly offset: number;
  readonly reason: string;
}

export interface ScannedBatch {
  readonly head: BatchHead;
  readonly offset: number;
}

export interface Scan {
  readonly records: readonly ScannedRecord[];
  readonly holes: readonly Hole[];
  /** The last good batch or seal; null when there is none. */
  readonly lastBatch: ScannedBatch | null;
  /** Where the next batch goes. */
  readonly endOffset: number;
  readonly lastIndex: LogIndex;
  readonly lastChain: number;
  /** A batch at the end that was never acknowledged; null when zeros follow. */
  readonly torn: { readonly offset: number; readonly bytes: number } | null;
  /** Lost seals and the like: no entry is missing. */
  readonly notes: readonly string[];
}

/** Follows the batches from the head on. A batch that does not verify is a hole if anything valid
 *  was written after it, else torn. */
export function scanSegment(input: ScanInput): Scan {
  const records: ScannedRecord[] = [];
  const holes: Hole[] = [];
  const notes: string[] = [];
  let lastBatch: ScannedBatch | null = null;
  let offset = input.headBytes;
  let index = input.firstIndex;
  let chain = input.chainBefore;
  let number = input.firstBatch;
  let torn: Scan["torn"] = null;
  const finished = (): boolean => input.until !== null && index > input.until.index;
  while (!finished()) {
    const head = readBatchHead(input.bytes, offset, input.seed);
    const fits =
      head !== null &&
      head.number === number &&
      head.firstIndex === index &&
      head.chainBefore === chain;
    const good = fits ? readBatchRecords(input, head, offset) : null;
    if (fits && good !== null && good.reason === null) {
      for (const record of good.records) records.push(record);
      lastBatch = { head, offset };
      offset += BATCH_HEAD_BYTES + head.length;
      index = good.lastIndex + 1;
      chain = good.lastChain;
      number += 1;
      continue;
    }
    if (good?.unknown === true) throw new StorageDamage(good.reason ?? "", input.name, good.offset);
    const later = head !== null && !head.first && head.number > number;
    const nextAt = later ? offset : findBatchHead(input.bytes, offset + 1, input.seed);
    if (nextAt < 0 && input.until === null) {
      torn = tornAt(input.bytes, offset);
      break;
    }
    const next = nextAt < 0 ? null : readBatchHead(input.bytes, nextAt, input.seed);
    // What verifies in front of the bad record is kept: the hole is as small as the chain can
    // prove.
    for (const record of good?.records ?? []) records.push(record);
    const from = good === null ? index : good.lastIndex + 1;
    const chainBefore = good === null ? chain : good.lastChain;
    const reason =
      good?.reason ?? (head === null ? "no valid batch here" : "a batch that does not belong here");
    const hole = holeUntil(input, next, {
      from,
      chainBefore,
      offset: good?.offset ?? offset,
      reason,
    });
    if (hole.to >= hole.from) holes.push(hole);
    else notes.push(`a seal at offset ${offset} is lost: nothing was in it`);
    index = hole.to + 1;
    chain = hole.chainAfter;
    if (next === null) break;
    offset = nextAt;
    number = next.number;
  }
  return {
    records,
    holes,
    lastBatch,
    endOffset: offset,
    lastIndex: index - 1,
    lastChain: chain,
    torn,
    notes,
  };
}

function holeUntil(
  input: ScanInput,
  next: BatchHead | null,
  at: Pick<Hole, "from" | "chainBefore" | "offset" | "reason">,
): Hole {
  const until = input.until;
  const beyond = next === null || (until !== null && next.firstIndex > until.index);
  if (!beyond) return { ...at, to: next.firstIndex - 1, chainAfter: next.chainBefore };
  return { ...at, to: until?.index ?? at.from - 1, chainAfter: until?.chain ?? at.chainBefore };
}

interface BatchRecords {
  readonly records: readonly ScannedRecord[];
  readonly lastIndex: LogIndex;
  readonly lastChain: number;
  /** Null when the whole batch verifies. */
  readonly reason: string | null;
  /** Where it went wrong. */
  readonly offset: number;
  /** A good record of a kind that this version does not know: a newer version wrote it. */
  readonly unknown: boolean;
}

function readBatchRecords(input: ScanInput, batch: BatchHead, batchOffset: number): BatchRecords {
  const records: ScannedRecord[] = [];
  const batchEnd = batchOffset + BATCH_HEAD_BYTES + batch.length;
  let offset = batchOffset + BATCH_HEAD_BYTES;
  let chain = batch.chainBefore;
  let index = batch.firstIndex;
  const stopped = (reason: string | null, unknown = false): BatchRecords => {
    return { records, lastIndex: index - 1, lastChain: chain, reason, offset, unknown };
  };
  if (batchEnd > input.bytes.length) return stopped("the file ends inside this batch");
  while (offset < batchEnd) {
    const head = readHead(input.bytes, offset);
    if (typeof head === "string") return stopped(head, isUnknownKind(input.bytes, offset, chain));
    if (offset + head.bytes > batchEnd) return stopped("a record crosses the end of its batch");
    if (head.firstIndex !== index)
      return stopped(`index ${head.firstIndex} where ${index} belongs`);
    if (chainOf(input.bytes, offset, head.bytes, chain) !== head.chain)
      return stopped("the chain does not hold");
    records.push({ head, offset, chainBefore: chain, batchEnd });
    chain = head.chain;
    index = head.lastIndex + 1;
    offset += head.bytes;
  }
  return stopped(null);
}

/** True when the bytes are a record by length and chain; only its kind is not of this version. */
function isUnknownKind(bytes: Uint8Array, offset: number, chain: number): boolean {
  const size = recordBytesAt(bytes, offset);
  if (size === 0 || offset + size > bytes.length) return false;
  return chainOf(bytes, offset, size, chain) === readU32(bytes, offset);
}

/** What is not zero behind the last good batch was being written when the node died. */
function tornAt(bytes: Uint8Array, offset: number): Scan["torn"] {
  const end = endOfBytes(bytes, offset);
  return end === offset ? null : { offset, bytes: end - offset };
}
