/** The replicated log of one node on its disk. Appending is at once, in memory; `flush` makes it durable, one batch and
 *  one sync at a time while the next batch collects. */

import { assert } from "../base/assert.ts";
import type { ClusterId, Incarnation, LogIndex, MonotonicMs, Term } from "../base/types.ts";
import type { WriteId } from "../raft/types.ts";
import { BATCH_HEAD_BYTES, batchSeed, encodeBatchHead } from "./batch.ts";
import { Derived, termInRuns } from "./derived.ts";
import { toDiskError } from "./disk-error.ts";
import { Healer, holesOf } from "./heal.ts";
import { Preparer } from "./preparer.ts";
import type { PreparedSegment } from "./preparer.ts";
import { membersAt, readHead, RECORD_BYTES_MAX } from "./record.ts";
import { decodeSegmentHead, encodeSegmentHead } from "./segment-head.ts";
import { SegmentFile } from "./segment-file.ts";
import { Tail, TAIL_BYTES_MAX } from "./tail.ts";
import type { TailRun } from "./tail.ts";
import { RECORD_KIND } from "./types.ts";
import type { DamagedRange, Disk, DiskError, LogRead, LogStore, RecordHead, SessionRow } from "./types.ts";

/** The size of a quiet log's segments; a busy log's double up to the larger. */
export const SEGMENT_BYTES_MIN = 4_194_304;
export const SEGMENT_BYTES_MAX = 33_554_432;
/** A batch without records follows the last one after this time. */
export const SEAL_AFTER_MS = 100;
/** Files of old segments that stay open. */
const OPEN_FILES_MAX = 8;

/** Sizes, for tests; the defaults are what runs. */
export interface LogLimits {
  readonly segmentBytesMin: number;
  readonly segmentBytesMax: number;
  readonly tailBytesMax: number;
  readonly sessionsMax: number;
}

export const LOG_LIMITS: LogLimits = {
  segmentBytesMin: SEGMENT_BYTES_MIN,
  segmentBytesMax: SEGMENT_BYTES_MAX,
  tailBytesMax: TAIL_BYTES_MAX,
  sessionsMax: 65_536,
};

/** What recovery (or a fresh log) hands over. */
export interface LogStart {
  readonly disk: Disk;
  readonly clusterId: ClusterId;
  readonly incarnation: Incarnation;
  readonly limits: LogLimits;
  readonly nowMs: MonotonicMs;
  /** Times the syncs, for `syncMs` only. */
  readonly clock: (() => MonotonicMs) | null;
  readonly onFatal: (error: DiskError) => void;
  /** Oldest first, the last one in use; never empty. */
  readonly segments: readonly SegmentFile[];
  /** A ready segment left by the process before. */
  readonly prepared: PreparedSegment | null;
  readonly nextCreation: number;
  readonly nextBatch: number;
  readonly sealed: boolean;
  readonly derived: Derived;
  /** False while damage lies between the last head with derived values and the end. */
  readonly derivedKnown: boolean;
  readonly lastIndex: LogIndex;
  readonly lastChain: number;
}

interface Job {
  lastIndex: LogIndex;
  readonly id: WriteId;
  readonly done: (id: WriteId) => void;
}

/** One write on its way to the disk. */
interface Flight {
  lastIndex: LogIndex;
  readonly seal: boolean;
  readonly begun: boolean;
}

export class DiskLog implements LogStore {
  readonly clusterId: ClusterId;
  baseIndex: LogIndex;
  lastIndex: LogIndex;
  lastChain: number;
  syncMs: number | null = null;
  private readonly start: LogStart;
  private readonly disk: Disk;
  private readonly limits: LogLimits;
  private readonly preparer: Preparer;
  private readonly healer: Healer;
  private segments: SegmentFile[];
  /** Deleted once the segment that replaced them is durable. */
  private replaced: SegmentFile[] = [];
  private derived: Derived;
  private derivedKnown: boolean;
  private tail: Tail;
  baseTerm: Term;
  private baseChain: number;
  /** The last entry given to the disk, and the last that is durable. */
  private writtenIndex: LogIndex;
  private writtenChain: number;
  private syncedIndex: LogIndex;
  private committedIndex: LogIndex;
  /** The next batch begins a new segment. */
  private beginNext = false;
  /** A snapshot was installed and is not on the disk yet. */
  private installing = false;
  private job: Job | null = null;
  private flight: Flight | null = null;
  private stepping = false;
  private nextBatch: number;
  private nextBytes: number;
  private sealed: boolean;
  private sealAtMs: MonotonicMs = Number.POSITIVE_INFINITY;
  private lastTickMs: MonotonicMs;
  private appendedBytes = 0;
  private writtenBytes = 0;
  private stopped = false;

  constructor(start: LogStart) {
    this.start = start;
    this.disk = start.disk;
    this.limits = start.limits;
    this.clusterId = start.clusterId;
    this.segments = [...start.segments];
    this.derived = start.derived;
    this.derivedKnown = start.derivedKnown;
    this.lastIndex = start.lastIndex;
    this.lastChain = start.lastChain;
    this.writtenIndex = start.lastIndex;
    this.writtenChain = start.lastChain;
    this.syncedIndex = start.lastIndex;
    this.nextBatch = start.nextBatch;
    this.nextBytes = start.limits.segmentBytesMin;
    this.sealed = start.sealed;
    this.lastTickMs = start.nowMs;
    if (!start.sealed) this.sealAtMs = start.nowMs + SEAL_AFTER_MS;
    this.tail = new Tail(start.lastIndex, start.lastChain, start.limits.tailBytesMax);
    const base = this.first().head;
    this.baseIndex = base.firstIndex - 1;
    this.baseTerm = base.termBefore;
    this.baseChain = base.chainBefore;
    this.committedIndex = this.baseIndex;
    this.healer = new Healer(start.disk);
    const events = { changed: () => this.step(), fatal: (error: DiskError) => this.fail(error) };
    this.preparer = new Preparer(start.disk, start.nextCreation, start.prepared, start.nowMs, events);
    this.preparer.want(this.nextBytes);
  }

  // -------------------------------------------------------------------------------------------
  // Appending and rolling back, in memory.

  append(records: Uint8Array): void {
    const heads: RecordHead[] = [];
    for (let offset = 0; offset < records.length; ) {
      const head = readHead(records, offset);
      assert(typeof head !== "string", `an appended record is well formed: ${String(head)}`);
      assert(head.firstIndex === this.lastIndex + 1, `index ${head.firstIndex} follows ${this.lastIndex}`);
      const members = head.kind === RECORD_KIND.configuration ? membersAt(records, offset) : null;
      this.derived.advance(head, members);
      this.lastIndex = head.lastIndex;
      this.lastChain = head.chain;
      heads.push(head);
      offset += head.bytes;
    }
    this.tail.push(records, heads);
    this.appendedBytes += records.length;
  }

  truncate(index: LogIndex): void {
    if (index > this.lastIndex) return;
    assert(index > this.committedIndex, `truncation at ${index} is above the commit index ${this.committedIndex}`);
    assert(index > this.baseIndex, `truncation at ${index} is above the base ${this.baseIndex}`);
    const before = this.chainAt(index - 1);
    assert(before !== undefined && before.lastIndex === index - 1, `a record begins at ${index}`);
    if (this.derived.canRollback(index)) this.derived.rollback(index);
    else {
      // Below the last head of a process before: no undo is in memory.
      const { derived, complete } = this.derivedUpTo(index - 1);
      this.derived = derived;
      this.derivedKnown = complete;
    }
    this.lastIndex = index - 1;
    this.lastChain = before.chain;
    this.tail.truncate(index, before.chain);
    if (this.job !== null) this.job.lastIndex = Math.min(this.job.lastIndex, index - 1);
    if (this.flight !== null) this.flight.lastIndex = Math.min(this.flight.lastIndex, index - 1);
    this.syncedIndex = Math.min(this.syncedIndex, index - 1);
    if (index <= this.writtenIndex) {
      if (index - 1 > this.baseIndex) this.segmentOf(index - 1)?.endBefore(index, before.chain);
      this.writtenIndex = index - 1;
      this.writtenChain = before.chain;
      this.beginNext = true;
    }
    this.appendedBytes = this.writtenBytes + this.pendingBytes();
  }

  install(bytes: Uint8Array): void {
    const head = decodeSegmentHead(bytes);
    assert(typeof head !== "string", `an installed head is well formed: ${String(head)}`);
    assert(head.derived !== null, "an installed head carries what is derived");
    assert(head.clusterId === this.clusterId, "an installed head is of this cluster");
    assert(head.firstIndex > this.committedIndex, `the snapshot before ${head.firstIndex} is newer than the log`);
    const before = head.derived.configurations.at(-1);
    const configurations = before === undefined ? [] : [before];
    this.derived = new Derived({ ...head.derived, runs: [], configurations }, this.limits.sessionsMax);
    this.derivedKnown = true;
    this.baseIndex = head.firstIndex - 1;
    this.baseTerm = head.termBefore;
    this.baseChain = head.chainBefore;
    this.lastIndex = this.baseIndex;
    this.lastChain = this.baseChain;
    this.committedIndex = this.baseIndex;
    this.writtenIndex = this.baseIndex;
    this.writtenChain = this.baseChain;
    this.syncedIndex = this.baseIndex;
    this.tail = new Tail(this.lastIndex, this.lastChain, this.limits.tailBytesMax);
    this.job = this.job === null ? null : { ...this.job, lastIndex: this.baseIndex };
    if (this.flight !== null) this.flight.lastIndex = this.baseIndex;
    this.appendedBytes = this.writtenBytes;
    this.beginNext = true;
    this.installing = true;
  }

  committed(index: LogIndex): void {
    this.committedIndex = Math.max(this.committedIndex, Math.min(index, this.lastIndex));
    this.settle();
  }

  /** Only what is committed and durable can no longer be rolled back, nor be missing from a head. */
  private settle(): void {
    this.derived.settle(Math.min(this.committedIndex, this.syncedIndex));
  }

  private pendingBytes(): number {
    if (this.writtenIndex >= this.lastIndex) return 0;
    return this.tail.take(this.writtenIndex + 1, this.lastIndex, Number.MAX_SAFE_INTEGER)?.bytes ?? 0;
  }

  // -------------------------------------------------------------------------------------------
  // Reading.

  get lastUserIndex(): LogIndex {
    return this.derived.lastUserIndex;
  }

  get forgottenAt(): LogIndex {
    return this.derived.forgottenAt;
  }

  /** The term of the last entry. */
  get lastTerm(): Term {
    return this.derived.runs.at(-1)?.term ?? this.baseTerm;
  }

  get runs(): Derived["runs"] {
    return this.derived.runs;
  }

  get configurations(): Derived["configurations"] {
    return this.derived.configurations;
  }

  lastUserIndexAt(index: LogIndex): LogIndex {
    return this.derived.lastUserIndexAt(index);
  }

  session(clientId: string): SessionRow | undefined {
    return this.derived.session(clientId);
  }

  snapshotHead(): Uint8Array {
    assert(!this.installing, "an installed snapshot is durable before it is handed on");
    const first = this.first();
    const bytes = first.opened().readSync(0, first.head.headBytes);
    this.closeOld(first);
    return bytes;
  }

  read(index: LogIndex, bytesMax: number): LogRead | null {
    if (index <= this.baseIndex || index > this.lastIndex) return null;
    return this.tail.read(index, bytesMax) ?? this.readOld(index, bytesMax);
  }

  private readOld(index: LogIndex, bytesMax: number): LogRead | null {
    const segment = this.segmentOf(index);
    if (segment === undefined) return null;
    try {
      const found = segment.read(index, Math.min(bytesMax, this.limits.tailBytesMax));
      // What is there and does not verify is looked at as a whole, so that the damage gets its bounds.
      if (found === null && !segment.inHole(index)) segment.scan();
      return found;
    } catch (thrown) {
      this.fail(toDiskError(thrown, segment.name));
      return null;
    } finally {
      this.closeOld(segment);
    }
  }

  chainAt(index: LogIndex): { readonly chain: number; readonly lastIndex: LogIndex } | undefined {
    if (index === this.lastIndex) return { chain: this.lastChain, lastIndex: index };
    if (index === this.baseIndex) return { chain: this.baseChain, lastIndex: index };
    if (index < this.baseIndex || index > this.lastIndex) return undefined;
    const recent = this.tail.chainAt(index);
    if (recent !== undefined) return recent;
    const old = this.read(index, 1);
    if (old === null) return undefined;
    const head = readHead(old.bytes, 0);
    return typeof head === "string" ? undefined : { chain: head.chain, lastIndex: head.lastIndex };
  }

  private segmentOf(index: LogIndex): SegmentFile | undefined {
    let low = 0;
    let high = this.segments.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.segments[middle]?.firstIndex ?? 0) <= index) low = middle + 1;
      else high = middle;
    }
    return this.segments[low - 1];
  }

  private first(): SegmentFile {
    const first = this.segments[0];
    assert(first !== undefined, "a log has a segment");
    return first;
  }

  private current(): SegmentFile {
    const current = this.segments.at(-1);
    assert(current !== undefined, "a log has a segment");
    return current;
  }

  /** Keeps few files open: the old ones are opened again when somebody reads them. */
  private readonly openOld: SegmentFile[] = [];

  private closeOld(used: SegmentFile): void {
    const at = this.openOld.indexOf(used);
    if (at >= 0) this.openOld.splice(at, 1);
    this.openOld.push(used);
    if (this.openOld.length <= OPEN_FILES_MAX) return;
    const oldest = this.openOld.shift();
    if (oldest !== this.current()) oldest?.close();
  }

  // -------------------------------------------------------------------------------------------
  // Making durable: one job at a time, in as many batches as segments ask for.

  get writing(): boolean {
    return this.job !== null;
  }

  get unflushedBytes(): number {
    return this.appendedBytes - this.writtenBytes;
  }

  get acceptsEntries(): boolean {
    return !this.preparer.full && !this.stopped;
  }

  flush(started: () => WriteId, done: (id: WriteId) => void): boolean {
    if (this.stopped || this.job !== null) return false;
    if (this.writtenIndex >= this.lastIndex && !this.installing) return false;
    this.job = { lastIndex: this.lastIndex, id: started(), done };
    this.step();
    return true;
  }

  /** Does what can be done now: the next batch of the job, or its end. Called again by every completion. */
  private step(): void {
    if (this.stepping) return;
    this.stepping = true;
    try {
      while (this.job !== null && this.flight === null && !this.stopped) {
        if (this.writtenIndex >= this.job.lastIndex && !this.installing) this.finishJob(this.job);
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
    const current = this.current();
    const room = current.head.segmentBytes - current.endOffset - 2 * BATCH_HEAD_BYTES;
    const run = this.beginNext ? null : this.tail.take(this.writtenIndex + 1, lastIndex, room);
    if (run !== null) {
      this.put(current, run, null);
      return true;
    }
    return this.beginSegment(lastIndex);
  }

  private beginSegment(lastIndex: LogIndex): boolean {
    const firstIndex = this.writtenIndex + 1;
    const before = this.segments.findLast((segment) => segment.firstIndex < firstIndex);
    const derived = this.derivedKnown ? this.derived.headAt(firstIndex, before?.firstIndex ?? 0) : null;
    const fields = {
      segmentBytes: 0,
      creation: 0,
      clusterId: this.clusterId,
      firstIndex,
      termBefore: termInRuns(this.derived.runs, firstIndex - 1, this.baseTerm),
      chainBefore: this.writtenChain,
      firstBatch: this.nextBatch,
      logStart: this.baseIndex + 1,
      previous: this.installing ? 0 : (before?.head.creation ?? 0),
      derived,
    };
    const headBytes = encodeSegmentHead(fields).length;
    const least = headBytes + 2 * BATCH_HEAD_BYTES + this.tail.recordBytes(firstIndex);
    const prepared = this.preparer.take(least);
    if (prepared === null) {
      this.preparer.want(Math.max(this.nextBytes, least));
      return false;
    }
    const { creation, bytes: segmentBytes } = prepared;
    const head = { ...fields, segmentBytes, creation, headBytes };
    const segment = this.segmentFrom(prepared, head);
    const room = segmentBytes - headBytes - 2 * BATCH_HEAD_BYTES;
    const run = this.tail.take(firstIndex, lastIndex, room);
    this.enter(segment);
    this.put(segment, run, encodeSegmentHead(head));
    return true;
  }

  private segmentFrom(prepared: PreparedSegment, head: SegmentFile["head"]): SegmentFile {
    const seed = batchSeed(this.clusterId, this.start.incarnation, prepared.creation);
    return new SegmentFile(this.disk, head, seed, prepared.file, true);
  }

  /** Makes `segment` the one in use; what it replaces is deleted when it is durable. */
  private enter(segment: SegmentFile): void {
    if (!this.beginNext) this.nextBytes = Math.min(this.nextBytes * 2, this.limits.segmentBytesMax);
    const gone = (old: SegmentFile): boolean => {
      return old.firstIndex >= segment.firstIndex || old.firstIndex < segment.head.logStart;
    };
    this.replaced.push(...this.segments.filter(gone));
    this.segments = this.segments.filter((old) => !gone(old));
    const last = this.segments.at(-1);
    last?.endBefore(segment.firstIndex, segment.head.chainBefore);
    if (last !== undefined) this.closeOld(last);
    this.segments.push(segment);
    this.beginNext = false;
  }

  /** Writes [head,] batch header and records, then syncs. `run` null: a seal, or a head with nothing behind it yet. */
  private put(segment: SegmentFile, run: TailRun | null, head: Uint8Array | null): void {
    const firstIndex = this.writtenIndex + 1;
    const length = run?.bytes ?? 0;
    const batch = { first: head !== null, length, number: this.nextBatch, firstIndex, chainBefore: this.writtenChain };
    const file = segment.opened();
    if (head !== null) file.writeSync(0, head);
    let offset = segment.endOffset;
    file.writeSync(offset, encodeBatchHead(batch, segment.seed));
    offset += BATCH_HEAD_BYTES;
    const batchEnd = offset + length;
    if (run !== null) segment.note({ firstIndex, offset, chainBefore: this.writtenChain, batchEnd });
    for (const view of run?.views ?? []) {
      file.writeSync(offset, view);
      offset += view.length;
    }
    segment.endOffset = batchEnd;
    this.nextBatch += 1;
    this.writtenIndex = run?.lastIndex ?? this.writtenIndex;
    this.writtenChain = run?.lastChain ?? this.writtenChain;
    this.writtenBytes += length;
    if (head !== null) this.installing = false;
    this.sealed = run === null;
    const flight = { lastIndex: this.writtenIndex, seal: run === null && head === null, begun: head !== null };
    this.flight = flight;
    const startedMs = this.start.clock?.() ?? 0;
    file.sync((error) => {
      if (error === null) this.synced(flight, startedMs);
      else this.fail(error);
    });
  }

  private synced(flight: Flight, startedMs: MonotonicMs): void {
    if (this.stopped) return;
    this.flight = null;
    this.syncedIndex = Math.max(this.syncedIndex, flight.lastIndex);
    this.settle();
    if (this.start.clock !== null && !flight.seal) {
      const tookMs = this.start.clock() - startedMs;
      this.syncMs = this.syncMs === null ? tookMs : this.syncMs * 0.9 + tookMs * 0.1;
    }
    this.sealAtMs = this.sealed ? Number.POSITIVE_INFINITY : this.lastTickMs + SEAL_AFTER_MS;
    try {
      if (flight.begun) this.deleteReplaced();
    } catch (thrown) {
      this.fail(toDiskError(thrown, "log"));
    }
    this.preparer.want(this.nextBytes);
    this.tail.evict(this.syncedIndex);
    this.step();
  }

  private deleteReplaced(): void {
    for (const segment of this.replaced) {
      segment.close();
      this.disk.remove(segment.name);
    }
    this.replaced = [];
  }

  // -------------------------------------------------------------------------------------------
  // Time.

  tick(nowMs: MonotonicMs): void {
    this.lastTickMs = nowMs;
    if (this.stopped) return;
    this.preparer.tick(nowMs);
    if (nowMs < this.sealAtMs || this.flight !== null || this.job !== null || this.beginNext) return;
    this.sealAtMs = Number.POSITIVE_INFINITY;
    try {
      this.put(this.current(), null, null);
    } catch (thrown) {
      this.fail(toDiskError(thrown, "log"));
    }
  }

  nextDeadlineMs(): MonotonicMs {
    if (this.stopped) return Number.POSITIVE_INFINITY;
    const waiting = this.flight !== null || this.job !== null || this.beginNext;
    return Math.min(this.preparer.nextDeadlineMs(), waiting ? Number.POSITIVE_INFINITY : this.sealAtMs);
  }

  // -------------------------------------------------------------------------------------------
  // Damage.

  get damage(): readonly DamagedRange[] {
    return this.segments.flatMap((segment) => holesOf(segment, this.healer));
  }

  heal(records: Uint8Array): boolean {
    const segment = this.segments.find((candidate) => candidate.holes.length > 0);
    if (segment === undefined || this.stopped) return false;
    const current = segment === this.current();
    // The segment in use cannot be written anew: the next batch goes to another one.
    if (current) this.beginNext = true;
    try {
      if (!this.healer.offer(segment, records, !current)) return false;
      if (!this.derivedKnown) this.maybeRederive();
      return true;
    } catch (thrown) {
      this.fail(toDiskError(thrown, segment.name));
      return false;
    }
  }

  /** After the last hole is filled: what is derived is read again. */
  private maybeRederive(): void {
    const { derived, complete } = this.derivedUpTo(this.lastIndex);
    if (!complete) return;
    this.derived = derived;
    this.derivedKnown = true;
    this.settle();
  }

  /** What the log up to `lastIndex` says, from the last head before it that has derived values. Incomplete when a
   *  hole is in between. */
  private derivedUpTo(lastIndex: LogIndex): { readonly derived: Derived; readonly complete: boolean } {
    const from = this.segments.findLast((segment) => {
      return segment.head.derived !== null && segment.firstIndex <= lastIndex + 1;
    });
    const head = from?.head.derived;
    assert(from !== undefined && head !== undefined && head !== null, "the first segment's head has derived values");
    const derived = new Derived(head, this.limits.sessionsMax);
    const runs = this.derived.runs.filter((run) => run.firstIndex < from.firstIndex);
    const configurations = this.derived.configurations.filter((entry) => entry.index < from.firstIndex);
    derived.runs.splice(0, derived.runs.length, ...runs);
    if (configurations.length > 0) {
      derived.configurations.splice(0, derived.configurations.length, ...configurations);
    }
    for (let index = from.firstIndex; index <= lastIndex; ) {
      const found = this.read(index, RECORD_BYTES_MAX);
      if (found === null) return { derived, complete: false };
      for (let offset = 0; offset < found.bytes.length; ) {
        const record = readHead(found.bytes, offset);
        if (typeof record === "string") return { derived, complete: false };
        if (record.lastIndex > lastIndex) return { derived, complete: true };
        const members = record.kind === RECORD_KIND.configuration ? membersAt(found.bytes, offset) : null;
        derived.advance(record, members);
        offset += record.bytes;
      }
      index = found.lastIndex + 1;
    }
    return { derived, complete: true };
  }

  // -------------------------------------------------------------------------------------------
  // The end.

  /** A failed write or sync is never tried again: what is in the page cache may be gone from the disk. */
  private fail(error: DiskError): void {
    if (this.stopped) return;
    this.stopped = true;
    this.preparer.close();
    this.start.onFatal(error);
  }

  close(): void {
    if (!this.stopped && this.flight === null && !this.beginNext && !this.sealed) this.sealNow();
    this.stopped = true;
    this.preparer.close();
    for (const segment of [...this.segments, ...this.replaced]) segment.close();
  }

  /** The last seal of an orderly stop, so that the next start has nothing to copy. */
  private sealNow(): void {
    const current = this.current();
    const number = this.nextBatch;
    const seal = { first: false, length: 0, number, firstIndex: this.writtenIndex + 1, chainBefore: this.writtenChain };
    try {
      current.opened().writeSync(current.endOffset, encodeBatchHead(seal, current.seed));
      current.opened().syncNow();
    } catch (thrown) {
      this.start.onFatal(toDiskError(thrown, current.name));
    }
  }
}
