/** Makes the log durable: one job at a time in as many batches as segments ask for, one write and
 *  one sync in flight, a seal when nothing follows, and new segments. */

import { nasty } from "../base/buggify.ts";
import type { ClusterId, Incarnation, LogIndex, MonotonicMs, Term } from "../base/types.ts";
import type { WriteId } from "../raft/types.ts";
import { BATCH_HEAD_BYTES, batchSeed, encodeBatchHead } from "./batch.ts";
import { toDiskError } from "./disk-error.ts";
import { Preparer } from "./preparer.ts";
import type { PreparedSegment } from "./preparer.ts";
import { encodeSegmentHead } from "./segment-head.ts";
import type { DerivedHead, SegmentHead } from "./segment-head.ts";
import { SegmentFile } from "./segment-file.ts";
import { toldFrom } from "./segment-list.ts";
import type { SegmentList } from "./segment-list.ts";
import type { Tail, TailRun } from "./tail.ts";
import type { Disk, DiskError, DiskFile } from "./types.ts";

/** A batch without records follows the last one after this time. */
export const SEAL_AFTER_MS = 100;

/** A batch up to this size is copied behind its header and written at once. */
const TOGETHER_BYTES_MAX = 16_384;

export interface WriterOptions {
  readonly disk: Disk;
  readonly clusterId: ClusterId;
  readonly incarnation: Incarnation;
  readonly segmentBytesMin: number;
  readonly segmentBytesMax: number;
  readonly nowMs: MonotonicMs;
  /** Times the syncs, for `syncMs` only. */
  readonly clock: (() => MonotonicMs) | null;
  readonly onFatal: (error: DiskError) => void;
  /** A ready segment left by the process before. */
  readonly prepared: PreparedSegment | null;
  readonly nextCreation: number;
  readonly nextBatch: number;
  /** The last batch on the disk is a seal. */
  readonly sealed: boolean;
  readonly lastIndex: LogIndex;
  readonly lastChain: number;
}

/** What the writer asks of the log in memory. */
export interface WriterSource {
  readonly baseIndex: LogIndex;
  readonly tail: Tail;
  /** What a segment beginning at `firstIndex` has in its head; `from`: see `toldFrom`. */
  headAt(
    firstIndex: LogIndex,
    from: LogIndex,
  ): { readonly derived: DerivedHead | null; readonly termBefore: Term };
  /** Everything up to `index` is durable. */
  synced(index: LogIndex): void;
}

interface Job {
  lastIndex: LogIndex;
  /** It began after a snapshot was installed and is not done before that is on the disk. */
  installs: boolean;
  readonly id: WriteId;
  readonly done: (id: WriteId) => void;
}

/** One write on its way to the disk. */
interface Flight {
  lastIndex: LogIndex;
  readonly seal: boolean;
  readonly begun: boolean;
}

export class LogWriter {
  syncMs: number | null = null;
  /** The last entry given to the disk. */
  writtenIndex: LogIndex;
  writtenBytes = 0;
  /** A snapshot was installed and is not on the disk yet. */
  installing = false;
  private readonly options: WriterOptions;
  private readonly source: WriterSource;
  private readonly segments: SegmentList;
  private readonly preparer: Preparer;
  /** Deleted once the segment that replaced them is durable. */
  private replaced: SegmentFile[] = [];
  private writtenChain: number;
  /** The next batch begins a new segment. */
  private beginNext = false;
  private job: Job | null = null;
  private flight: Flight | null = null;
  private stepping = false;
  private nextBatch: number;
  private nextBytes: number;
  /** Nothing follows the last seal. */
  private sealed: boolean;
  private sealAtMs: MonotonicMs;
  private lastTickMs: MonotonicMs;
  private isStopped = false;

  constructor(options: WriterOptions, segments: SegmentList, source: WriterSource) {
    this.options = options;
    this.source = source;
    this.segments = segments;
    this.writtenIndex = options.lastIndex;
    this.writtenChain = options.lastChain;
    this.nextBatch = options.nextBatch;
    this.nextBytes = options.segmentBytesMin;
    this.lastTickMs = options.nowMs;
    this.sealed = options.sealed;
    this.sealAtMs = options.sealed ? Number.POSITIVE_INFINITY : options.nowMs + SEAL_AFTER_MS;
    const events = { changed: () => this.step(), fatal: (error: DiskError) => this.fail(error) };
    const { disk, nextCreation, prepared, nowMs } = options;
    this.preparer = new Preparer(disk, nextCreation, prepared, nowMs, events);
    this.preparer.want(this.nextBytes, 0);
  }

  get stopped(): boolean {
    return this.isStopped;
  }

  get writing(): boolean {
    return this.job !== null;
  }

  get acceptsEntries(): boolean {
    return !this.preparer.full && !this.isStopped;
  }

  /** Begins a job for everything up to `lastIndex`; false when there is nothing to do or one is
   *  under way. */
  flush(lastIndex: LogIndex, started: () => WriteId, done: (id: WriteId) => void): boolean {
    if (this.isStopped || this.job !== null) return false;
    if (this.writtenIndex >= lastIndex && !this.installing) return false;
    this.job = { lastIndex, installs: this.installing, id: started(), done };
    this.step();
    return true;
  }

  /** Entries from `index` on are gone from the log. What is on the disk is replaced by the next
   *  segment. */
  truncate(index: LogIndex, lastChain: number): void {
    this.clip(index - 1);
    if (index > this.writtenIndex) return;
    if (index - 1 > this.source.baseIndex) this.segments.of(index - 1)?.endBefore(index, lastChain);
    this.writtenIndex = index - 1;
    this.writtenChain = lastChain;
    this.beginNext = true;
  }

  /** The log is empty behind `baseIndex`; the next segment replaces everything. */
  install(baseIndex: LogIndex, baseChain: number): void {
    this.clip(baseIndex);
    this.writtenIndex = baseIndex;
    this.writtenChain = baseChain;
    this.beginNext = true;
    this.installing = true;
  }

  /** The next batch goes to a new segment: the one in use is to be written anew. */
  leaveCurrent(): void {
    this.beginNext = true;
  }

  private clip(lastIndex: LogIndex): void {
    if (this.job !== null) this.job.lastIndex = Math.min(this.job.lastIndex, lastIndex);
    if (this.flight !== null) this.flight.lastIndex = Math.min(this.flight.lastIndex, lastIndex);
  }

  /** Does what can be done now: the next batch of the job, or its end. Called again by every
   *  completion. */
  private step(): void {
    if (this.stepping) return;
    this.stepping = true;
    try {
      while (this.job !== null && this.flight === null && !this.isStopped) {
        if (this.writtenIndex >= this.job.lastIndex && !this.job.installs) this.finishJob(this.job);
        else if (!this.writeBatch(this.job.lastIndex)) break;
      }
    } catch (thrown) {
      this.fail(toDiskError(thrown, "log"));
    } finally {
      this.stepping = false;
    }
  }

  private finishJob(job: Job): void {
    this.job = null;
    this.stepping = false;
    job.done(job.id);
    this.stepping = true;
  }

  /** Writes one batch of the records up to `lastIndex`; false when it has to wait for a segment. */
  private writeBatch(lastIndex: LogIndex): boolean {
    const { current } = this.segments;
    const free = current.head.segmentBytes - current.endOffset - 2 * BATCH_HEAD_BYTES;
    const isSmall = nasty("small batch");
    const one = isSmall ? this.source.tail.recordBytes(this.writtenIndex + 1) : Infinity;
    const room = Math.min(free, one);
    const run =
      this.beginNext || nasty("early segment")
        ? null
        : this.source.tail.take(this.writtenIndex + 1, lastIndex, room);
    if (run !== null) {
      this.put(current, run, null);
      return true;
    }
    return this.beginSegment(lastIndex);
  }

  private beginSegment(lastIndex: LogIndex): boolean {
    const { source, options } = this;
    const firstIndex = this.writtenIndex + 1;
    const held = this.installing
      ? []
      : this.segments.all.filter((old) => old.firstIndex < firstIndex);
    const fields = {
      segmentBytes: 0,
      creation: 0,
      clusterId: options.clusterId,
      firstIndex,
      chainBefore: this.writtenChain,
      firstBatch: this.nextBatch,
      logStart: source.baseIndex + 1,
      previous: held.at(-1)?.head.creation ?? 0,
      ...source.headAt(firstIndex, toldFrom(held)),
    };
    const headBytes = encodeSegmentHead(fields).length;
    const least = headBytes + 2 * BATCH_HEAD_BYTES + source.tail.recordBytes(firstIndex);
    const prepared = this.preparer.take(least);
    if (prepared === null) {
      this.preparer.want(Math.max(this.nextBytes, least), 1);
      return false;
    }
    const { creation, bytes: segmentBytes } = prepared;
    const head: SegmentHead = { ...fields, segmentBytes, creation, headBytes };
    const seed = batchSeed(options.clusterId, options.incarnation, creation);
    const segment = new SegmentFile(options.disk, head, seed, prepared.file, true);
    if (!this.beginNext) this.nextBytes = Math.min(this.nextBytes * 2, options.segmentBytesMax);
    this.beginNext = false;
    this.replaced.push(...this.segments.enter(segment));
    const room = segmentBytes - headBytes - 2 * BATCH_HEAD_BYTES;
    this.put(segment, source.tail.take(firstIndex, lastIndex, room), encodeSegmentHead(head));
    return true;
  }

  /** Writes [head,] batch header and records, then syncs. `run` null: a seal, or a head with
   *  nothing behind it yet. */
  private put(segment: SegmentFile, run: TailRun | null, head: Uint8Array | null): void {
    const firstIndex = this.writtenIndex + 1;
    const length = run?.bytes ?? 0;
    const batch = {
      first: head !== null,
      length,
      number: this.nextBatch,
      firstIndex,
      chainBefore: this.writtenChain,
    };
    const file = segment.opened();
    if (head !== null) file.writeSync(0, head);
    const offset = segment.endOffset + BATCH_HEAD_BYTES;
    const batchEnd = offset + length;
    const parts = [encodeBatchHead(batch, segment.seed), ...(run?.views ?? [])];
    writeParts(file, segment.endOffset, parts, BATCH_HEAD_BYTES + length);
    if (run !== null)
      segment.note({ firstIndex, offset, chainBefore: this.writtenChain, batchEnd });
    segment.endOffset = batchEnd;
    this.nextBatch += 1;
    this.writtenIndex = run?.lastIndex ?? this.writtenIndex;
    this.writtenChain = run?.lastChain ?? this.writtenChain;
    this.writtenBytes += length;
    if (head !== null) {
      this.installing = false;
      if (this.job !== null) this.job.installs = false;
    }
    this.sealed = run === null;
    const flight = {
      lastIndex: this.writtenIndex,
      seal: run === null && head === null,
      begun: head !== null,
    };
    this.flight = flight;
    const startedMs = this.options.clock?.() ?? 0;
    file.sync((error) => {
      if (error === null) this.synced(flight, startedMs);
      else this.fail(error);
    });
  }

  private synced(flight: Flight, startedMs: MonotonicMs): void {
    if (this.isStopped) return;
    this.flight = null;
    if (this.options.clock !== null && !flight.seal) {
      const tookMs = this.options.clock() - startedMs;
      this.syncMs = this.syncMs === null ? tookMs : this.syncMs * 0.9 + tookMs * 0.1;
    }
    this.sealAtMs = this.sealed ? Number.POSITIVE_INFINITY : this.lastTickMs + SEAL_AFTER_MS;
    try {
      if (flight.begun) this.deleteReplaced();
    } catch (thrown) {
      this.fail(toDiskError(thrown, "log"));
    }
    const { current } = this.segments;
    // Only now: a start takes a later file for proof that this one's first write was synced
    // (checkBehind in survey.ts).
    this.preparer.want(this.nextBytes, current.endOffset / current.head.segmentBytes);
    this.source.synced(flight.lastIndex);
    this.step();
  }

  private deleteReplaced(): void {
    for (const segment of this.replaced) {
      segment.close();
      this.options.disk.remove(segment.name);
    }
    this.replaced = [];
  }

  // -------------------------------------------------------------------------------------------
  // Time.

  tick(nowMs: MonotonicMs): void {
    this.lastTickMs = nowMs;
    if (this.isStopped) return;
    this.preparer.tick(nowMs);
    if (nowMs < this.sealAtMs || this.flight !== null || this.job !== null || this.beginNext)
      return;
    this.sealAtMs = Number.POSITIVE_INFINITY;
    try {
      this.put(this.segments.current, null, null);
    } catch (thrown) {
      this.fail(toDiskError(thrown, "log"));
    }
  }

  nextDeadlineMs(): MonotonicMs {
    if (this.isStopped) return Number.POSITIVE_INFINITY;
    const waiting = this.flight !== null || this.job !== null || this.beginNext;
    return Math.min(
      this.preparer.nextDeadlineMs(),
      waiting ? Number.POSITIVE_INFINITY : this.sealAtMs,
    );
  }

  // -------------------------------------------------------------------------------------------
  // The end.

  /** A failed write or sync is never tried again: what is in the page cache may be gone from the
   *  disk. */
  fail(error: DiskError): void {
    if (this.isStopped) return;
    this.isStopped = true;
    this.preparer.close();
    this.options.onFatal(error);
  }

  close(): void {
    if (!this.isStopped && this.flight === null && !this.beginNext && !this.sealed) this.sealNow();
    this.isStopped = true;
    this.preparer.close();
    this.segments.close();
    for (const segment of this.replaced) segment.close();
  }

  /** The last seal of an orderly stop, so that the next start has nothing to copy. */
  private sealNow(): void {
    const { current } = this.segments;
    const number = this.nextBatch;
    const seal = {
      first: false,
      length: 0,
      number,
      firstIndex: this.writtenIndex + 1,
      chainBefore: this.writtenChain,
    };
    try {
      current.opened().writeSync(current.endOffset, encodeBatchHead(seal, current.seed));
      current.opened().syncNow();
    } catch (thrown) {
      this.options.onFatal(toDiskError(thrown, current.name));
    }
  }
}

/** One after the other; what is small in one write, which costs less than a second one. */
function writeParts(
  file: DiskFile,
  position: number,
  parts: readonly Uint8Array[],
  bytes: number,
): void {
  if (bytes <= TOGETHER_BYTES_MAX) return file.writeSync(position, Buffer.concat(parts, bytes));
  let offset = position;
  for (const part of parts) {
    file.writeSync(offset, part);
    offset += part.length;
  }
}
