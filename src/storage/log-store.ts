/** The replicated log of one node on its disk. Appending is at once, in memory; `flush` makes it
 *  durable, one batch and one sync at a time while the next batch collects. */

import { assert } from "../base/assert.ts";
import type { ClusterId, Incarnation, LogIndex, MonotonicMs, Term } from "../base/types.ts";
import type { WriteId } from "../raft/types.ts";
import type { DamageNote } from "./damage-note.ts";
import { Derived, termInRuns } from "./derived.ts";
import { toDiskError } from "./disk-error.ts";
import { Healer, holesOf } from "./heal.ts";
import type { LogLimits } from "./limits.ts";
import { LogWriter } from "./log-writer.ts";
import type { WriterSource } from "./log-writer.ts";
import type { PreparedSegment } from "./preparer.ts";
import { ReadMemory } from "./read-memory.ts";
import { headsOf, membersAt, readHead, RECORD_BYTES_MAX } from "./record.ts";
import type { RecordFields } from "./record.ts";
import { decodeSegmentHead } from "./segment-head.ts";
import type { DerivedHead } from "./segment-head.ts";
import type { SegmentFile } from "./segment-file.ts";
import { SegmentList } from "./segment-list.ts";
import { Tail } from "./tail.ts";
import { RECORD_KIND } from "./types.ts";
import type { DamagedRange, Disk, DiskError, LogRead, LogStore, SessionRow } from "./types.ts";

const NO_DAMAGE: readonly DamagedRange[] = [];

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
  readonly note: DamageNote;
  readonly lastIndex: LogIndex;
  readonly lastChain: number;
}

export class DiskLog implements LogStore, WriterSource {
  readonly clusterId: ClusterId;
  baseIndex: LogIndex;
  baseTerm: Term;
  lastIndex: LogIndex;
  lastChain: number;
  tail: Tail;
  private readonly limits: LogLimits;
  private readonly writer: LogWriter;
  private readonly healer: Healer;
  private readonly segments: SegmentList;
  private readonly readMemory = new ReadMemory();
  private derived: Derived;
  derivedKnown: boolean;
  private baseChain: number;
  private syncedIndex: LogIndex;
  private committedIndex: LogIndex;
  private appendedBytes = 0;
  private readonly note: DamageNote;

  constructor(start: LogStart) {
    this.limits = start.limits;
    this.clusterId = start.clusterId;
    this.segments = new SegmentList(start.segments);
    this.derived = start.derived;
    this.derivedKnown = start.derivedKnown;
    this.note = start.note;
    this.lastIndex = start.lastIndex;
    this.lastChain = start.lastChain;
    this.syncedIndex = start.lastIndex;
    this.tail = new Tail(start.lastIndex, start.lastChain, start.limits);
    const base = this.segments.first.head;
    this.baseIndex = base.firstIndex - 1;
    this.baseTerm = base.termBefore;
    this.baseChain = base.chainBefore;
    this.committedIndex = this.baseIndex;
    this.healer = new Healer(start.disk);
    const { segmentBytesMin, segmentBytesMax } = start.limits;
    this.writer = new LogWriter(
      { ...start, segmentBytesMin, segmentBytesMax },
      this.segments,
      this,
    );
  }

  // -------------------------------------------------------------------------------------------
  // Appending and rolling back, in memory.

  append(records: Uint8Array, heads = headsOf(records)): void {
    let offset = 0;
    for (const head of heads) {
      assert(
        head.firstIndex === this.lastIndex + 1,
        () => `index ${head.firstIndex} follows ${this.lastIndex}`,
      );
      const members = head.kind === RECORD_KIND.configuration ? membersAt(records, offset) : null;
      this.derived.advance(head, members);
      this.lastIndex = head.lastIndex;
      this.lastChain = head.chain;
      offset += head.bytes;
    }
    assert(offset === records.length, "whole records are appended");
    this.tail.push(records, heads);
    this.appendedBytes += records.length;
  }

  appendNew(fields: RecordFields, payloads: Uint8Array): void {
    const { firstIndex } = fields;
    assert(
      firstIndex === this.lastIndex + 1,
      () => `index ${firstIndex} follows ${this.lastIndex}`,
    );
    const head = this.tail.make(fields, payloads);
    this.derived.advance(head, null);
    this.lastIndex = head.lastIndex;
    this.lastChain = head.chain;
    this.appendedBytes += head.bytes;
  }

  truncate(index: LogIndex, chainBefore?: number): void {
    if (index > this.lastIndex) return;
    assert(
      index > this.committedIndex,
      `truncation at ${index} is above the commit index ${this.committedIndex}`,
    );
    assert(index > this.baseIndex, `truncation at ${index} is above the base ${this.baseIndex}`);
    const before = this.chainAt(index - 1);
    // In a hole nothing here says where a record begins: the leader's chain does, and closes it.
    const chain = before?.chain ?? chainBefore;
    assert(
      chain !== undefined && (before?.lastIndex ?? index - 1) === index - 1,
      `a record begins at ${index}`,
    );
    if (this.derived.canRollback(index)) this.derived.rollback(index);
    else {
      // Below the last head of a process before: no undo is in memory.
      const { derived, complete } = this.derivedUpTo(index - 1);
      if (this.derivedKnown && !complete) this.note.raise(index - 1);
      this.derived = derived;
      this.derivedKnown = complete;
    }
    this.lastIndex = index - 1;
    this.lastChain = chain;
    this.tail.truncate(index, chain);
    this.syncedIndex = Math.min(this.syncedIndex, index - 1);
    this.writer.truncate(index, chain);
    this.appendedBytes = this.writer.writtenBytes + this.pendingBytes();
    if (!this.derivedKnown) this.maybeRederive();
  }

  install(bytes: Uint8Array): void {
    const head = decodeSegmentHead(bytes);
    assert(typeof head !== "string", "an installed head is well formed");
    assert(head.derived !== null, "an installed head carries what is derived");
    assert(head.clusterId === this.clusterId, "an installed head is of this cluster");
    assert(
      head.firstIndex > this.committedIndex,
      `the snapshot before ${head.firstIndex} is newer than the log`,
    );
    const before = head.derived.configurations.at(-1);
    const configurations = before === undefined ? [] : [before];
    this.derived = new Derived(
      { ...head.derived, runs: [], configurations },
      this.limits.sessionsMax,
    );
    this.derivedKnown = true;
    this.baseIndex = head.firstIndex - 1;
    this.baseTerm = head.termBefore;
    this.baseChain = head.chainBefore;
    this.lastIndex = this.baseIndex;
    this.lastChain = this.baseChain;
    this.committedIndex = this.baseIndex;
    this.syncedIndex = this.baseIndex;
    this.tail = new Tail(this.lastIndex, this.lastChain, this.limits);
    this.writer.install(this.baseIndex, this.baseChain);
    this.appendedBytes = this.writer.writtenBytes;
  }

  committed(index: LogIndex): void {
    this.committedIndex = Math.max(this.committedIndex, Math.min(index, this.lastIndex));
    this.settle();
  }

  /** Only what is committed and durable can no longer be rolled back, nor be missing from a
   *  head. */
  private settle(): void {
    this.derived.settle(Math.min(this.committedIndex, this.syncedIndex));
    if (this.damagedTo > 0) this.maybeForgetDamage();
  }

  /** Whatever this node ever acknowledged is durable here again, and whole or known committed.
   *  Known committed is not enough: this node's lost copy may be one of those that were counted. */
  private maybeForgetDamage(): void {
    if (this.writer.installing || this.syncedIndex < this.damagedTo) return;
    const isWhole = this.derivedKnown && this.damage.length === 0;
    if (isWhole || this.committedIndex >= this.damagedTo) this.note.forget();
  }

  private pendingBytes(): number {
    const { writtenIndex } = this.writer;
    if (writtenIndex >= this.lastIndex) return 0;
    return this.tail.take(writtenIndex + 1, this.lastIndex, Number.MAX_SAFE_INTEGER)?.bytes ?? 0;
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

  get sizes(): { readonly tailBytes: number; readonly sessions: number } {
    return { tailBytes: this.tail.bytes, sessions: this.derived.sessionCount };
  }

  snapshotHead(): Uint8Array {
    assert(!this.writer.installing, "an installed snapshot is durable before it is handed on");
    const { first } = this.segments;
    const bytes = first.opened().readSync(0, first.head.headBytes);
    this.segments.read(first);
    return bytes;
  }

  read(index: LogIndex, bytesMax: number): LogRead | null {
    if (index <= this.baseIndex || index > this.lastIndex) return null;
    return this.tail.read(index, bytesMax) ?? this.readOld(index, bytesMax);
  }

  private readOld(index: LogIndex, bytesMax: number): LogRead | null {
    const segment = this.segments.of(index);
    if (segment === undefined) return null;
    try {
      const most = Math.min(bytesMax, this.limits.tailBytesMax);
      const found = segment.read(index, most, this.readMemory);
      // What is there and does not verify is looked at as a whole, so that the damage gets its
      // bounds.
      if (found === null && !segment.inHole(index)) segment.scan();
      return found;
    } catch (thrown) {
      this.writer.fail(toDiskError(thrown, segment.name));
      return null;
    } finally {
      this.segments.read(segment);
    }
  }

  endTurn(): void {
    this.readMemory.endTurn();
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

  // -------------------------------------------------------------------------------------------
  // Making durable (log-writer.ts).

  get writing(): boolean {
    return this.writer.writing;
  }

  get unflushedBytes(): number {
    return this.appendedBytes - this.writer.writtenBytes;
  }

  get acceptsEntries(): boolean {
    return this.writer.acceptsEntries;
  }

  get syncMs(): number | null {
    return this.writer.syncMs;
  }

  flush(started: () => WriteId, done: (id: WriteId) => void): boolean {
    return this.writer.flush(this.lastIndex, started, done);
  }

  tick(nowMs: MonotonicMs): void {
    this.writer.tick(nowMs);
  }

  nextDeadlineMs(): MonotonicMs {
    return this.writer.nextDeadlineMs();
  }

  close(): void {
    this.writer.close();
  }

  headAt(
    firstIndex: LogIndex,
    from: LogIndex,
  ): { readonly derived: DerivedHead | null; readonly termBefore: Term } {
    const derived = this.derivedKnown ? this.derived.headAt(firstIndex, from) : null;
    return { derived, termBefore: termInRuns(this.derived.runs, firstIndex - 1, this.baseTerm) };
  }

  synced(index: LogIndex): void {
    this.syncedIndex = Math.max(this.syncedIndex, index);
    this.settle();
    this.tail.evict(this.syncedIndex);
  }

  // -------------------------------------------------------------------------------------------
  // Damage.

  get damage(): readonly DamagedRange[] {
    // Asked in every turn, and there is hardly ever any.
    if (!this.segments.all.some(({ holes }) => holes.length > 0)) return NO_DAMAGE;
    return this.segments.all.flatMap((segment) => holesOf(segment, this.healer));
  }

  get damagedTo(): LogIndex {
    return this.note.index;
  }

  heal(records: Uint8Array): boolean {
    const segment = this.segments.all.find((candidate) => candidate.holes.length > 0);
    if (segment === undefined || this.writer.stopped) return false;
    const current = segment === this.segments.current;
    // The segment in use cannot be written anew: the next batch goes to another one.
    if (current) this.writer.leaveCurrent();
    try {
      if (!this.healer.offer(segment, records, !current)) return false;
      if (!this.derivedKnown) this.maybeRederive();
      this.settle();
      return true;
    } catch (thrown) {
      this.writer.fail(toDiskError(thrown, segment.name));
      return false;
    }
  }

  /** After the last hole is filled, or truncated: what is derived is read again. */
  private maybeRederive(): void {
    const { derived, complete } = this.derivedUpTo(this.lastIndex);
    if (!complete) return;
    this.derived = derived;
    this.derivedKnown = true;
    this.settle();
  }

  /** What the log up to `lastIndex` says, from the last head before it that has derived values.
   *  Incomplete when a hole is in between. */
  private derivedUpTo(lastIndex: LogIndex): {
    readonly derived: Derived;
    readonly complete: boolean;
  } {
    const from = this.segments.all.findLast((segment) => {
      return segment.head.derived !== null && segment.firstIndex <= lastIndex + 1;
    });
    const head = from?.head.derived;
    assert(
      from !== undefined && head !== undefined && head !== null,
      "the first segment's head has derived values",
    );
    const derived = new Derived(head, this.limits.sessionsMax);
    const runs = this.derived.runs.filter((run) => run.firstIndex < from.firstIndex);
    const configurations = this.derived.configurations.filter(
      (entry) => entry.index < from.firstIndex,
    );
    derived.runs.splice(0, derived.runs.length, ...runs);
    if (configurations.length > 0) {
      derived.configurations.splice(0, derived.configurations.length, ...configurations);
    }
    for (let index = from.firstIndex; index <= lastIndex;) {
      const found = this.read(index, RECORD_BYTES_MAX);
      if (found === null) return { derived, complete: false };
      for (let offset = 0; offset < found.bytes.length;) {
        const record = readHead(found.bytes, offset);
        if (typeof record === "string") return { derived, complete: false };
        if (record.lastIndex > lastIndex) return { derived, complete: true };
        const members =
          record.kind === RECORD_KIND.configuration ? membersAt(found.bytes, offset) : null;
        derived.advance(record, members);
        offset += record.bytes;
      }
      index = found.lastIndex + 1;
    }
    return { derived, complete: true };
  }
}
