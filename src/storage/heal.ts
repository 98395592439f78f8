/** Filling holes with bytes from other members. The chain on both sides says exactly which bytes
 *  fit; the segment is then written anew beside the damaged one and takes its name in one step. */

import { BATCH_HEAD_BYTES, encodeBatchHead } from "./batch.ts";
import { verifyRecords } from "./record.ts";
import { encodeSegmentHead } from "./segment-head.ts";
import type { SegmentFile } from "./segment-file.ts";
import type { Hole } from "./segment-scan.ts";
import type { DamagedRange, Disk } from "./types.ts";

const BATCH_BYTES = 1_048_576;

/** Pieces that verified from the left, waiting for the hole to close. */
interface Collected {
  readonly segment: SegmentFile;
  readonly hole: Hole;
  readonly pieces: Uint8Array[];
  nextIndex: number;
  chain: number;
}

export class Healer {
  private readonly disk: Disk;
  private collected: Collected | null = null;

  constructor(disk: Disk) {
    this.disk = disk;
  }

  /** The first index of the hole that no accepted bytes cover yet. */
  progress(hole: Hole): number {
    return this.collected?.hole === hole ? this.collected.nextIndex : hole.from;
  }

  /** Takes records that continue what was collected for the segment's first hole. True when the
   *  hole closed and the segment was written anew; `mayWrite` false keeps a closed hole for the
   *  next offer. Throws DiskError. */
  offer(segment: SegmentFile, records: Uint8Array, mayWrite: boolean): boolean {
    const hole = segment.holes[0];
    if (hole === undefined) return false;
    if (this.collected?.hole !== hole) {
      this.collected = { segment, hole, pieces: [], nextIndex: hole.from, chain: hole.chainBefore };
    }
    const collected = this.collected;
    if (collected.nextIndex <= hole.to) {
      const verified = verifyRecords(records, collected.chain, collected.nextIndex);
      if ("reason" in verified || verified.heads.length === 0) return false;
      let size = 0;
      for (const head of verified.heads) {
        if (head.lastIndex > hole.to) break;
        size += head.bytes;
        collected.nextIndex = head.lastIndex + 1;
        collected.chain = head.chain;
      }
      collected.pieces.push(records.slice(0, size));
      if (collected.nextIndex <= hole.to) return false;
    }
    if (collected.chain !== hole.chainAfter) {
      this.collected = null;
      return false;
    }
    if (!mayWrite) return false;
    this.collected = null;
    rewriteSegment(this.disk, segment, collected.pieces);
    return true;
  }
}

/** The segment's holes as people and other members see them; what was collected already is not
 *  asked for again. */
export function holesOf(segment: SegmentFile, healer: Healer): readonly DamagedRange[] {
  return segment.holes.map((hole) => {
    const from = Math.min(healer.progress(hole), hole.to);
    return { from, to: hole.to, file: segment.name, offset: hole.offset, reason: hole.reason };
  });
}

/** Writes the segment with its first hole filled. Holes behind it stay: a batch that follows one
 *  says so by its first index, as it did before. */
function rewriteSegment(disk: Disk, segment: SegmentFile, pieces: readonly Uint8Array[]): void {
  const scan = segment.scan();
  const filled = scan.holes[0];
  if (filled === undefined) return;
  const old = segment.opened();
  const bytes = old.readSync(0, old.size());
  const batches: Uint8Array[] = [];
  let number = segment.head.firstBatch;
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  let firstIndex = segment.firstIndex;
  let chain = segment.head.chainBefore;
  let nextIndex = firstIndex;
  let nextChain = chain;
  const flush = (): void => {
    const first = number === segment.head.firstBatch;
    const head = { first, length: pendingBytes, number, firstIndex, chainBefore: chain };
    batches.push(encodeBatchHead(head, segment.seed), ...pending);
    number += 1;
    pending = [];
    pendingBytes = 0;
    firstIndex = nextIndex;
    chain = nextChain;
  };
  const add = (view: Uint8Array, lastIndex: number, lastChain: number): void => {
    if (pendingBytes > 0 && pendingBytes + view.length > BATCH_BYTES) flush();
    pending.push(view);
    pendingBytes += view.length;
    nextIndex = lastIndex + 1;
    nextChain = lastChain;
  };
  let holeAt = 0;
  const addHoles = (before: number): void => {
    for (
      let hole = scan.holes[holeAt];
      hole !== undefined && hole.to < before;
      hole = scan.holes[holeAt]
    ) {
      if (hole === filled) {
        for (const piece of pieces) addPiece(piece, add, nextIndex, nextChain);
      } else {
        flush();
        firstIndex = nextIndex = hole.to + 1;
        chain = nextChain = hole.chainAfter;
        number += 1;
      }
      holeAt += 1;
    }
  };
  for (const { head, offset } of scan.records) {
    addHoles(head.firstIndex);
    add(bytes.subarray(offset, offset + head.bytes), head.lastIndex, head.chain);
  }
  addHoles(Number.MAX_SAFE_INTEGER);
  flush();
  replaceSegment(disk, segment, batches);
}

function addPiece(
  piece: Uint8Array,
  add: (view: Uint8Array, lastIndex: number, lastChain: number) => void,
  firstIndex: number,
  chain: number,
): void {
  const verified = verifyRecords(piece, chain, firstIndex);
  if ("reason" in verified) return;
  let offset = 0;
  for (const head of verified.heads) {
    add(piece.subarray(offset, offset + head.bytes), head.lastIndex, head.chain);
    offset += head.bytes;
  }
}

function replaceSegment(disk: Disk, segment: SegmentFile, batches: readonly Uint8Array[]): void {
  let size = segment.head.headBytes + BATCH_HEAD_BYTES;
  for (const part of batches) size += part.length;
  const segmentBytes = Math.max(size, segment.head.segmentBytes);
  const name = `${segment.name}.healing`;
  const file = disk.open(name, true);
  file.writeSync(0, encodeSegmentHead({ ...segment.head, segmentBytes }));
  let offset = segment.head.headBytes;
  for (const part of batches) {
    file.writeSync(offset, part);
    offset += part.length;
  }
  file.writeSync(offset, new Uint8Array(segmentBytes - offset));
  file.syncNow();
  file.close();
  segment.close();
  disk.rename(name, segment.name);
  disk.syncDirectory();
  segment.scan();
}
