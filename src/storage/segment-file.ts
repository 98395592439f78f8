/** One segment on disk, open or not: where its batches go, and a sparse index to find old records
 *  again. */

import { nasty } from "../base/buggify.ts";
import type { LogIndex } from "../base/types.ts";
import { BATCH_HEAD_BYTES, readBatchHead } from "./batch.ts";
import type { ReadMemory } from "./read-memory.ts";
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
  /** Where records begin; sorted. Those of an earlier process' segment become known as it is
   *  read. */
  private places: Place[] = [];
  /** Where the last read ended: the next one often goes on there. */
  private readOn: Place | null = null;
  /** The index knows the way around every hole and lost seal. */
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
    this.readOn = null;
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
    this.readOn = null;
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

  /** Whole records from the one that contains `index`, verified, in `memory`; null when they cannot
   *  be read. */
  read(index: LogIndex, bytesMax: number, memory: ReadMemory): LogRead | null {
    const found = this.walkTo(index, bytesMax, memory);
    if (found !== null) return found;
    // The last read may have ended in front of a lost seal, and damage may hide the way. Reading
    // everything finds another one.
    this.readOn = null;
    if (!this.indexed) this.scan();
    return this.walkTo(index, bytesMax, memory);
  }

  private walkTo(index: LogIndex, bytesMax: number, memory: ReadMemory): LogRead | null {
    const start = this.placeOf(index);
    if (start === undefined || this.inHole(index)) return null;
    const walk = new Walk(this.opened(), start, this.seed, memory);
    const found: WalkedRecord[] = [];
    let size = 0;
    let prevChain = start.chainBefore;
    for (;;) {
      const before = walk.chain;
      const next = walk.next(found.length === 0 ? RECORD_BYTES_MAX : bytesMax - size);
      if (next === null || next.head.firstIndex >= this.untilIndex) break;
      if (next.head.lastIndex < index) {
        if (!this.indexed) this.note(walk.place(next.head.lastIndex + 1));
        continue;
      }
      if (found.length === 0 && next.head.firstIndex > index) return null;
      if (found.length === 0) prevChain = before;
      found.push(next);
      size += next.head.bytes;
      this.readOn = walk.place(next.head.lastIndex + 1);
      if (next.head.lastIndex + 1 >= this.untilIndex || this.inHole(next.head.lastIndex + 1)) break;
    }
    const first = found[0];
    const last = found.at(-1);
    if (first === undefined || last === undefined) return null;
    if (!this.indexed && this.readOn !== null) this.note(this.readOn);
    return {
      bytes: joined(found, size, memory),
      firstIndex: first.head.firstIndex,
      lastIndex: last.head.lastIndex,
      prevChain,
    };
  }

  inHole(index: LogIndex): boolean {
    return this.holes.some((hole) => index >= hole.from && index <= hole.to);
  }

  private placeOf(index: LogIndex): Place | undefined {
    if (this.readOn?.firstIndex === index) return this.readOn;
    let low = 0;
    let high = this.places.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.places[middle]?.firstIndex ?? 0) <= index) low = middle + 1;
      else high = middle;
    }
    return this.places[low - 1] ?? (this.indexed ? undefined : this.firstPlace());
  }

  /** Right behind the head, in front of the first batch. */
  private firstPlace(): Place {
    const { firstIndex, headBytes, chainBefore } = this.head;
    return { firstIndex, offset: headBytes, chainBefore, batchEnd: headBytes };
  }
}

interface WalkedRecord {
  readonly bytes: Uint8Array;
  readonly head: RecordHead;
}

/** The records' bytes as one: a view where they lie side by side in one window, else a copy. */
function joined(found: readonly WalkedRecord[], size: number, memory: ReadMemory): Uint8Array {
  const first = found[0]?.bytes;
  const last = found.at(-1)?.bytes;
  if (first !== undefined && last?.buffer === first.buffer) {
    const bytes = last.byteOffset + last.length - first.byteOffset;
    if (bytes === size) return new Uint8Array(first.buffer, first.byteOffset, size);
  }
  const bytes = memory.take(size).subarray(0, size);
  let offset = 0;
  for (const record of found) {
    bytes.set(record.bytes, offset);
    offset += record.bytes.length;
  }
  return bytes;
}

/** Steps from record to record through the batches of a segment, reading the file in windows. */
class Walk {
  chain: number;
  private readonly file: DiskFile;
  private readonly seed: number;
  private readonly memory: ReadMemory;
  private offset: number;
  private batchEnd: number;
  private windowAt = 0;
  private window: Uint8Array = new Uint8Array(0);

  constructor(file: DiskFile, start: Place, seed: number, memory: ReadMemory) {
    this.file = file;
    this.seed = seed;
    this.memory = memory;
    this.offset = start.offset;
    this.batchEnd = start.batchEnd;
    this.chain = start.chainBefore;
  }

  /** The next record if it verifies and has at most `bytesMax` bytes, else null. */
  next(bytesMax: number): WalkedRecord | null {
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
    if (size === 0 || size > Math.min(bytesMax, RECORD_BYTES_MAX)) return null;
    window = this.load(size);
    const at = this.offset - this.windowAt;
    const head = readHead(window, at);
    if (typeof head === "string" || chainOf(window, at, head.bytes, this.chain) !== head.chain)
      return null;
    this.chain = head.chain;
    this.offset += head.bytes;
    return { bytes: window.subarray(at, at + head.bytes), head };
  }

  /** Where the walk is, in front of the record with `firstIndex`. */
  place(firstIndex: LogIndex): Place {
    const { offset, chain, batchEnd } = this;
    return { firstIndex, offset, chainBefore: chain, batchEnd };
  }

  /** A window that holds the next `bytes` bytes, if the file does. What the one before holds of
   *  them is not read again. */
  private load(bytes: number): Uint8Array {
    const from = this.offset - this.windowAt;
    if (from >= 0 && from + bytes <= this.window.length) return this.window;
    const length = nasty("short read") ? bytes : Math.max(bytes, WINDOW_BYTES);
    const memory = this.memory.take(length);
    const here = from < 0 ? this.window.subarray(0, 0) : this.window.subarray(from);
    memory.set(here);
    const missing = memory.subarray(here.length, length);
    const more = this.file.readSync(this.offset + here.length, missing.length, missing);
    this.windowAt = this.offset;
    this.window = memory.subarray(0, here.length + more.length);
    return this.window;
  }
}
