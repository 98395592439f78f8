/** One segment on disk, open or not: where its batches go, and a sparse index to find old records
 *  again. */

import { nasty } from "../base/buggify.ts";
import type { LogIndex } from "../base/types.ts";
import { BATCH_HEAD_BYTES, readBatchHead } from "./batch.ts";
import { chainOf, readHead, RECORD_BYTES_MAX, recordBytesAt } from "./record.ts";
import { decodeSegmentHead, segmentHeadBytes, segmentName } from "./segment-head.ts";
import type { SegmentHead } from "./segment-head.ts";
import { scanSegment } from "./segment-scan.ts";
import type { Hole, Scan } from "./segment-scan.ts";
import type { Disk, DiskFile, LogRead, RecordHead } from "./types.ts";

/** About this many bytes lie between two places that the index knows. */
const INDEX_EVERY_BYTES = 32_768;
const WINDOW_BYTES = 65_536;

interface Place {
  readonly firstIndex: LogIndex;
  readonly offset: number;
  readonly chainBefore: number;
  readonly batchEnd: number;
}

/** Reads a segment's head. A string is the reason why it cannot be read. */
export function readSegmentHead(file: DiskFile): SegmentHead | string {
  const size = segmentHeadBytes(file.readSync(0, 16));
  return size === 0 ? "not the head of a segment" : decodeSegmentHead(file.readSync(0, size));
}

export class SegmentFile {
  readonly head: SegmentHead;
  readonly name: string;
  /** Where the next batch goes, while this is the segment in use; else where the last one ended. */
  endOffset: number;
  /** The first index that a later segment holds: from there on this one does not count. */
  untilIndex: LogIndex = Number.MAX_SAFE_INTEGER;
  untilChain = 0;
  /** Damage known here; empty when none, or not looked at yet. */
  holes: readonly Hole[] = [];
  readonly seed: number;
  private readonly disk: Disk;
  private file: DiskFile | null;
  private places: Place[] = [];
  private indexed: boolean;

  constructor(disk: Disk, head: SegmentHead, seed: number, file: DiskFile | null, fresh: boolean) {
    this.disk = disk;
    this.head = head;
    this.name = segmentName(head.creation);
    this.seed = seed;
    this.file = file;
    this.endOffset = head.headBytes;
    this.indexed = fresh;
  }

  get firstIndex(): LogIndex {
    return this.head.firstIndex;
  }

  opened(): DiskFile {
    this.file ??= this.disk.open(this.name, false);
    return this.file;
  }

  close(): void {
    this.file?.close();
    this.file = null;
  }

  /** Notes where a batch's first record was written. */
  note(place: Place): void {
    const last = this.places.at(-1);
    if (last === undefined || place.offset - last.offset >= INDEX_EVERY_BYTES)
      this.places.push(place);
  }

  /** Drops what the index and the holes say about entries that a later segment replaced. */
  endBefore(index: LogIndex, chainBefore: number): void {
    this.untilIndex = index;
    this.untilChain = chainBefore;
    this.holes = this.holes
      .filter((hole) => hole.from < index)
      .map((hole) =>
        hole.to < index ? hole : { ...hole, to: index - 1, chainAfter: chainBefore },
      );
    while ((this.places.at(-1)?.firstIndex ?? 0) >= index) this.places.pop();
  }

  /** Reads and verifies everything; afterwards the index and the holes are known. */
  scan(): Scan {
    const file = this.opened();
    const last = this.untilIndex === Number.MAX_SAFE_INTEGER;
    const scan = scanSegment({
      name: this.name,
      bytes: file.readSync(0, file.size()),
      headBytes: this.head.headBytes,
      seed: this.seed,
      firstIndex: this.head.firstIndex,
      chainBefore: this.head.chainBefore,
      firstBatch: this.head.firstBatch,
      until: last ? null : { index: this.untilIndex - 1, chain: this.untilChain },
    });
    this.places = [];
    let end = 0;
    for (const record of scan.records) {
      const place = { ...record, firstIndex: record.head.firstIndex };
      // A reader cannot walk over a hole or a lost seal: behind one the index has a place of its
      // own.
      if (record.offset > end + BATCH_HEAD_BYTES) this.places.push(place);
      else this.note(place);
      end = record.offset + record.head.bytes;
    }
    this.holes = scan.holes;
    this.endOffset = scan.endOffset;
    this.indexed = true;
    return scan;
  }

  /** Makes the index if it is not there yet (a segment of an earlier process). */
  ensureIndexed(): void {
    if (!this.indexed) this.scan();
  }

  /** Whole records from the one that contains `index`, verified; null when they cannot be read. */
  read(index: LogIndex, bytesMax: number): LogRead | null {
    this.ensureIndexed();
    const start = this.placeOf(index);
    if (start === undefined || this.inHole(index)) return null;
    const walk = new Walk(this.opened(), start, this.seed);
    const found: { readonly bytes: Uint8Array; readonly head: RecordHead }[] = [];
    let size = 0;
    let prevChain = start.chainBefore;
    for (;;) {
      const before = walk.chain;
      const next = walk.next();
      if (next === null || next.head.firstIndex >= this.untilIndex) break;
      if (next.head.lastIndex < index) continue;
      if (found.length === 0 && next.head.firstIndex > index) return null;
      if (found.length === 0) prevChain = before;
      if (found.length > 0 && size + next.head.bytes > bytesMax) break;
      found.push(next);
      size += next.head.bytes;
      if (next.head.lastIndex + 1 >= this.untilIndex || this.inHole(next.head.lastIndex + 1)) break;
    }
    const first = found[0];
    const last = found.at(-1);
    if (first === undefined || last === undefined) return null;
    const bytes = new Uint8Array(size);
    let offset = 0;
    for (const record of found) {
      bytes.set(record.bytes, offset);
      offset += record.bytes.length;
    }
    return { bytes, firstIndex: first.head.firstIndex, lastIndex: last.head.lastIndex, prevChain };
  }

  inHole(index: LogIndex): boolean {
    return this.holes.some((hole) => index >= hole.from && index <= hole.to);
  }

  private placeOf(index: LogIndex): Place | undefined {
    let low = 0;
    let high = this.places.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.places[middle]?.firstIndex ?? 0) <= index) low = middle + 1;
      else high = middle;
    }
    return this.places[low - 1];
  }
}

/** Steps from record to record through the batches of a segment, reading the file in windows. */
class Walk {
  chain: number;
  private readonly file: DiskFile;
  private readonly seed: number;
  private offset: number;
  private batchEnd: number;
  private windowAt = 0;
  private window: Uint8Array = new Uint8Array(0);

  constructor(file: DiskFile, start: Place, seed: number) {
    this.file = file;
    this.seed = seed;
    this.offset = start.offset;
    this.batchEnd = start.batchEnd;
    this.chain = start.chainBefore;
  }

  /** The next record if it verifies, else null. */
  next(): { readonly bytes: Uint8Array; readonly head: RecordHead } | null {
    while (this.offset >= this.batchEnd) {
      const head = readBatchHead(
        this.load(BATCH_HEAD_BYTES),
        this.offset - this.windowAt,
        this.seed,
      );
      if (head === null || head.chainBefore !== this.chain) return null;
      this.offset += BATCH_HEAD_BYTES;
      this.batchEnd = this.offset + head.length;
    }
    let window = this.load(8);
    const size = recordBytesAt(window, this.offset - this.windowAt);
    if (size === 0 || size > RECORD_BYTES_MAX) return null;
    window = this.load(size);
    const at = this.offset - this.windowAt;
    const head = readHead(window, at);
    if (typeof head === "string" || chainOf(window, at, head.bytes, this.chain) !== head.chain)
      return null;
    this.chain = head.chain;
    this.offset += head.bytes;
    return { bytes: window.subarray(at, at + head.bytes), head };
  }

  private load(bytes: number): Uint8Array {
    const end = this.offset + bytes;
    if (this.offset < this.windowAt || end > this.windowAt + this.window.length) {
      this.windowAt = this.offset;
      this.window = this.file.readSync(
        this.offset,
        nasty("short read") ? bytes : Math.max(bytes, WINDOW_BYTES),
      );
    }
    return this.window;
  }
}
