/** Every place where a crash can leave a disk: what a node does to it, stopped in front of each
 *  step and behind each sync that failed. */

import { DiskFailure } from "../../src/storage/disk-error.ts";
import type { MemoryDisk } from "../../src/storage/memory-disk.ts";
import type { Disk, DiskError, DiskFile } from "../../src/storage/types.ts";

/** Passes everything on, and hands out the disk as a crash would leave it to the machine: the page
 *  cache is still there. */
export class WatchedDisk implements Disk {
  private readonly disk: MemoryDisk;
  private readonly onPoint: (left: MemoryDisk) => void;

  constructor(disk: MemoryDisk, onPoint: (left: MemoryDisk) => void) {
    this.disk = disk;
    this.onPoint = onPoint;
  }

  private point(): void {
    this.onPoint(this.disk.fork());
  }

  /** A sync that fails forgets what it should have written; the page cache shows it still. */
  private failedSync(path: string): void {
    const left = this.disk.fork();
    left.faults.push({ operation: "sync", path: "", code: "EIO", after: 0 });
    try {
      left.open(path, false).syncNow();
    } catch (thrown) {
      if (!(thrown instanceof DiskFailure)) throw thrown;
    }
    this.onPoint(left);
  }

  open(path: string, create: boolean): DiskFile {
    if (create && !this.disk.exists(path)) this.point();
    return new WatchedFile(
      this.disk.open(path, create),
      () => this.point(),
      (now) => this.failedSync(now),
      () => (this.disk.exists(path) ? path : path.replace("preparing", "log")),
    );
  }

  list(): readonly string[] {
    return this.disk.list();
  }

  exists(path: string): boolean {
    return this.disk.exists(path);
  }

  remove(path: string): void {
    this.point();
    this.disk.remove(path);
  }

  rename(from: string, to: string): void {
    this.point();
    this.disk.rename(from, to);
  }

  syncDirectory(): void {
    this.point();
    this.disk.syncDirectory();
  }

  syncDirectorySoon(done: (error: DiskError | null) => void): void {
    this.point();
    this.disk.syncDirectorySoon(done);
  }

  fileId(path: string, birth: boolean): string {
    return this.disk.fileId(path, birth);
  }

  modifiedMs(): null {
    return null;
  }
}

class WatchedFile implements DiskFile {
  readonly path: string;
  private readonly file: DiskFile;
  private readonly point: () => void;
  private readonly failedSync: (path: string) => void;
  private readonly nameNow: () => string;

  constructor(
    file: DiskFile,
    point: () => void,
    failedSync: (path: string) => void,
    nameNow: () => string,
  ) {
    this.path = file.path;
    this.file = file;
    this.point = point;
    this.failedSync = failedSync;
    this.nameNow = nameNow;
  }

  size(): number {
    return this.file.size();
  }

  readSync(position: number, length: number, into?: Uint8Array): Uint8Array {
    return this.file.readSync(position, length, into);
  }

  writeSync(position: number, bytes: Uint8Array): void {
    this.point();
    this.file.writeSync(position, bytes);
  }

  sync(done: (error: DiskError | null) => void): void {
    this.syncing();
    this.file.sync(done);
  }

  writeSoon(position: number, bytes: Uint8Array, done: (error: DiskError | null) => void): void {
    this.point();
    this.file.writeSoon(position, bytes, done);
  }

  syncNow(): void {
    this.syncing();
    this.file.syncNow();
  }

  close(): void {
    this.file.close();
  }

  private syncing(): void {
    this.point();
    this.failedSync(this.nameNow());
  }
}

/** Draws for a power cut: the first `names` unsynced things by the bits of `kept`, all others
 *  `rest`. Directory entries are drawn first. */
export function draws(kept: number, names: number, rest: boolean): () => number {
  let at = 0;
  return () => {
    const isKept = at < names ? ((kept >>> at) & 1) === 1 : rest;
    at += 1;
    return isKept ? 0.25 : 0.99;
  };
}
