/** Keeps the next segment ready: zero-filled, synced and named in the directory before it is
 *  needed, so that changing to it costs nothing. A full disk shows here, long before an entry is at
 *  risk. */

import type { MonotonicMs } from "../base/types.ts";
import { isFull, toDiskError } from "./disk-error.ts";
import { segmentName } from "./segment-head.ts";
import type { Disk, DiskError, DiskFile } from "./types.ts";

const CHUNK_BYTES = 262_144;
const ZEROS = new Uint8Array(CHUNK_BYTES);
/** Between two chunks, while there is time: the log's flushes wait for the disk behind each. */
const PAUSE_MS = 4;
/** Of a segment: so far filling stays ahead of what is used of the one before. */
const AHEAD_SHARE = 0.25;
/** How long to wait before trying again on a full disk. */
export const FULL_RETRY_MS = 1_000;

/** A file under this name is not ready yet; recovery removes it. */
export function preparingName(creation: number): string {
  return `${segmentName(creation).slice(0, 10)}.preparing`;
}

export interface PreparedSegment {
  readonly creation: number;
  readonly bytes: number;
  readonly file: DiskFile;
}

export interface PreparerEvents {
  /** A segment is ready, or the disk is full: look again. */
  readonly changed: () => void;
  readonly fatal: (error: DiskError) => void;
}

export class Preparer {
  /** True while the disk is full. */
  full = false;
  private readonly disk: Disk;
  private readonly events: PreparerEvents;
  private nextCreation: number;
  private ready: PreparedSegment | null;
  private preparing: PreparedSegment | null = null;
  private retryAtMs: MonotonicMs | null = null;
  /** Where filling goes on, and when: null until the next tick has said what time it is. */
  private pause: { readonly from: number; untilMs: MonotonicMs | null } | null = null;
  /** How much of the segment in use is used, 0 to 1. */
  private usedShare = 0;
  private wantedBytes = 0;
  private lastTickMs: MonotonicMs;
  private closed = false;

  /** `ready`: one left by the process before; `nextCreation`: the number after every one in use or
   *  ready. */
  constructor(
    disk: Disk,
    nextCreation: number,
    ready: PreparedSegment | null,
    nowMs: MonotonicMs,
    events: PreparerEvents,
  ) {
    this.disk = disk;
    this.nextCreation = nextCreation;
    this.ready = ready;
    this.lastTickMs = nowMs;
    this.events = events;
  }

  /** Starts preparing one of at least `bytes`, unless one is ready or under way. `usedShare`: of
   *  the segment in use, 0 to 1; what is prepared is kept ahead of it. */
  want(bytes: number, usedShare: number): void {
    this.wantedBytes = bytes;
    this.usedShare = usedShare;
    if (this.pause !== null && this.isLate(this.pause.from)) this.goOn();
    if (this.ready !== null || this.preparing !== null || this.full || this.closed) return;
    this.begin();
  }

  /** The ready segment if it has room for `bytes`; one that is too small is replaced by a larger
   *  one under the same number: a gap in front of a ready segment would mean that a used one was
   *  lost. */
  take(bytes: number): PreparedSegment | null {
    const ready = this.ready;
    if (ready === null) return null;
    this.ready = null;
    if (ready.bytes >= bytes) return ready;
    ready.file.close();
    this.disk.remove(segmentName(ready.creation));
    this.nextCreation = ready.creation;
    return null;
  }

  tick(nowMs: MonotonicMs): void {
    this.lastTickMs = nowMs;
    if (this.pause !== null && !this.closed) {
      this.pause.untilMs ??= nowMs + PAUSE_MS;
      if (nowMs >= this.pause.untilMs) this.goOn();
    }
    if (this.retryAtMs === null || nowMs < this.retryAtMs || this.closed) return;
    this.retryAtMs = null;
    this.begin();
  }

  nextDeadlineMs(): MonotonicMs {
    const pausedMs = this.pause === null ? Number.POSITIVE_INFINITY : this.pause.untilMs;
    return Math.min(pausedMs ?? this.lastTickMs, this.retryAtMs ?? Number.POSITIVE_INFINITY);
  }

  close(): void {
    this.closed = true;
    this.ready?.file.close();
    this.preparing?.file.close();
  }

  private begin(): void {
    const creation = this.nextCreation;
    try {
      const file = this.disk.open(preparingName(creation), true);
      this.preparing = { creation, bytes: this.wantedBytes, file };
      this.fill(this.preparing, 0);
    } catch (thrown) {
      this.failed(toDiskError(thrown, preparingName(creation)));
    }
  }

  /** Writes zeros a chunk at a time, off the loop: entries go on meanwhile. */
  private fill(segment: PreparedSegment, from: number): void {
    const to = Math.min(from + CHUNK_BYTES, segment.bytes);
    segment.file.writeSoon(from, ZEROS.subarray(0, to - from), (error) => {
      this.guarded(error, () => {
        if (to >= segment.bytes) this.publish(segment);
        else if (this.isLate(to)) this.fill(segment, to);
        else this.pause = { from: to, untilMs: null };
      });
    });
  }

  /** True when the segment in use may be full before this one is ready. */
  private isLate(from: number): boolean {
    return from / (this.preparing?.bytes ?? 1) < this.usedShare + AHEAD_SHARE;
  }

  private goOn(): void {
    const { pause, preparing } = this;
    this.pause = null;
    if (pause === null || preparing === null) return;
    this.guarded(null, () => this.fill(preparing, pause.from));
  }

  private publish(segment: PreparedSegment): void {
    this.disk.rename(preparingName(segment.creation), segmentName(segment.creation));
    this.disk.syncDirectorySoon((error) => {
      this.guarded(error, () => {
        this.nextCreation = segment.creation + 1;
        this.ready = segment;
        this.preparing = null;
        this.full = false;
        this.events.changed();
      });
    });
  }

  private guarded(error: DiskError | null, go: () => void): void {
    if (this.closed) return;
    try {
      if (error !== null) throw toDiskError(error, "segment");
      go();
    } catch (thrown) {
      this.failed(toDiskError(thrown, "segment"));
    }
  }

  private failed(error: DiskError): void {
    if (!isFull(error)) {
      this.events.fatal(error);
      return;
    }
    this.full = true;
    this.retryAtMs = this.lastTickMs + FULL_RETRY_MS;
    this.preparing?.file.close();
    this.preparing = null;
    this.pause = null;
    const name = preparingName(this.nextCreation);
    if (this.disk.exists(name)) this.disk.remove(name);
    this.events.changed();
  }
}

/** A segment full of zeros that has no name yet, blocking: the first one of a directory and the one
 *  that recovery begins. Throws DiskError. */
export function fillNow(disk: Disk, creation: number, bytes: number): PreparedSegment {
  const name = preparingName(creation);
  if (disk.exists(name)) {
    disk.remove(name);
    disk.syncDirectory();
  }
  const file = disk.open(name, true);
  for (let from = 0; from < bytes; from += CHUNK_BYTES) {
    file.writeSync(from, ZEROS.subarray(0, Math.min(CHUNK_BYTES, bytes - from)));
  }
  return { creation, bytes, file };
}

/** Names what `fillNow` made, after its head and first batch were written and synced: a segment
 *  that is there and empty says that the one before it was begun for good. Throws DiskError. */
export function nameNow(disk: Disk, { creation, file }: PreparedSegment): DiskFile {
  file.close();
  disk.rename(preparingName(creation), segmentName(creation));
  disk.syncDirectory();
  return disk.open(segmentName(creation), false);
}
