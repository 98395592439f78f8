/** Keeps the next segment ready: zero-filled, synced and named in the directory before it is
 *  needed, so that changing to it costs nothing. A full disk shows here, long before an entry is at
 *  risk. */

import type { MonotonicMs } from "../base/types.ts";
import { isFull, toDiskError } from "./disk-error.ts";
import { segmentName } from "./segment-head.ts";
import type { Disk, DiskError, DiskFile } from "./types.ts";

const CHUNK_BYTES = 262_144;
const ZEROS = new Uint8Array(CHUNK_BYTES);
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

  /** Starts preparing one of at least `bytes`, unless one is ready or under way. */
  want(bytes: number): void {
    this.wantedBytes = bytes;
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
    if (this.retryAtMs === null || nowMs < this.retryAtMs || this.closed) return;
    this.retryAtMs = null;
    this.begin();
  }

  nextDeadlineMs(): MonotonicMs {
    return this.retryAtMs ?? Number.POSITIVE_INFINITY;
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

  /** Writes zeros a chunk at a time, each synced off the loop: entries go on meanwhile. */
  private fill(segment: PreparedSegment, from: number): void {
    const to = Math.min(from + CHUNK_BYTES, segment.bytes);
    segment.file.writeSync(from, ZEROS.subarray(0, to - from));
    segment.file.sync((error) => {
      this.guarded(error, () => {
        if (to < segment.bytes) this.fill(segment, to);
        else this.publish(segment);
      });
    });
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
    const name = preparingName(this.nextCreation);
    if (this.disk.exists(name)) this.disk.remove(name);
    this.events.changed();
  }
}

/** The same, blocking: the first segment of a directory and the one that recovery begins. Throws
 *  DiskError. */
export function prepareNow(disk: Disk, creation: number, bytes: number): PreparedSegment {
  const file = disk.open(preparingName(creation), true);
  for (let from = 0; from < bytes; from += CHUNK_BYTES) {
    file.writeSync(from, ZEROS.subarray(0, Math.min(CHUNK_BYTES, bytes - from)));
  }
  file.syncNow();
  file.close();
  disk.rename(preparingName(creation), segmentName(creation));
  disk.syncDirectory();
  return { creation, bytes, file: disk.open(segmentName(creation), false) };
}
