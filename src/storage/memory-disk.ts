/** The disk's in-memory twin. It knows what is synced and what is not, and is stricter than real
 *  file systems: a power cut keeps any subset of the 512-byte sectors written since the last sync,
 *  now and then only the first bytes of one, with or without the growth of the file; and any subset
 *  of the directory's operations since its last sync. Everything is deterministic under
 *  the caller's dice. */

import { DiskFailure, toDiskError } from "./disk-error.ts";
import type { Disk, DiskError, DiskFile } from "./types.ts";

const SECTOR_BYTES = 512;
/** How often a sector that a power cut keeps is torn. */
const TORN_SHARE = 1 / 16;

interface PendingWrite {
  readonly position: number;
  readonly bytes: Uint8Array;
}

/** A file apart from its names. `seen` is the page cache; `durable` is the platter. */
interface Inode {
  readonly number: number;
  seen: Uint8Array;
  seenSize: number;
  durable: Uint8Array;
  durableSize: number;
  pending: PendingWrite[];
}

type DirectoryChange =
  | { readonly type: "create"; readonly path: string; readonly inode: Inode }
  | { readonly type: "remove"; readonly path: string }
  | {
      readonly type: "rename";
      readonly from: string;
      readonly to: string;
      readonly inode: Inode;
    };

/** How asynchronous completions are delivered; the default is a microtask, a simulator gives
 *  virtual time. */
export interface MemoryDiskOptions {
  readonly schedule?: (run: () => void) => void;
  /** Total bytes of all files; default unlimited. */
  readonly capacityBytes?: number;
}

/** A fault to inject. `path` is a part of the file's name. */
export interface DiskFault {
  readonly operation: "read" | "write" | "sync" | "syncDirectory";
  readonly path: string;
  readonly code: string;
  /** How many operations succeed before it strikes. */
  after: number;
}

export class MemoryDisk implements Disk {
  /** Counts power cuts; files opened before one are dead. */
  generation = 0;
  capacityBytes: number;
  readonly faults: DiskFault[] = [];
  private names = new Map<string, Inode>();
  private durableNames = new Map<string, Inode>();
  private changes: DirectoryChange[] = [];
  private inodeCount = 0;
  private spared = false;
  private readonly schedule: (run: () => void) => void;

  constructor(options: MemoryDiskOptions = {}) {
    this.schedule = options.schedule ?? queueMicrotask;
    this.capacityBytes = options.capacityBytes ?? Number.MAX_SAFE_INTEGER;
  }

  open(path: string, create: boolean): DiskFile {
    let inode = this.names.get(path);
    if (inode === undefined) {
      if (!create) throw new DiskFailure("ENOENT", `${path}: no such file`);
      inode = this.newInode();
      this.names.set(path, inode);
      this.changes.push({ type: "create", path, inode });
    }
    return new MemoryFile(this, inode, path);
  }

  list(): readonly string[] {
    return [...this.names.keys()].sort();
  }

  exists(path: string): boolean {
    return this.names.has(path);
  }

  remove(path: string): void {
    if (!this.names.delete(path)) throw new DiskFailure("ENOENT", `${path}: no such file`);
    this.changes.push({ type: "remove", path });
  }

  rename(from: string, to: string): void {
    const inode = this.names.get(from);
    if (inode === undefined) throw new DiskFailure("ENOENT", `${from}: no such file`);
    this.names.delete(from);
    this.names.set(to, inode);
    this.changes.push({ type: "rename", from, to, inode });
  }

  syncDirectory(): void {
    const error = this.fault("syncDirectory", ".");
    if (error !== null) throw error;
    this.durableNames = new Map(this.names);
    this.changes = [];
  }

  syncDirectorySoon(done: (error: DiskError | null) => void): void {
    const generation = this.generation;
    this.schedule(() => {
      if (generation !== this.generation) return;
      const error = this.fault("syncDirectory", ".");
      if (error === null) {
        this.durableNames = new Map(this.names);
        this.changes = [];
      }
      done(error);
    });
  }

  fileId(path: string, birth: boolean): string {
    const inode = this.names.get(path);
    if (inode === undefined) throw new DiskFailure("ENOENT", `${path}: no such file`);
    return birth ? `${inode.number}:1` : `${inode.number}`;
  }

  modifiedMs(): null {
    return null;
  }

  /** The power goes. `random` gives numbers in [0, 1): each unsynced sector write and each unsynced
   *  directory operation stays with probability `keep`. Files opened before are dead, syncs under
   *  way never complete. */
  powerCut(random: () => number, keep = 0.5): void {
    this.generation += 1;
    const names = new Map(this.durableNames);
    for (const change of this.changes) {
      if (random() >= keep) continue;
      if (change.type === "create") names.set(change.path, change.inode);
      else if (change.type === "remove") names.delete(change.path);
      else {
        // Without the change that gave the file its first name there is nothing to move.
        if (names.get(change.from) !== change.inode) continue;
        names.delete(change.from);
        names.set(change.to, change.inode);
      }
    }
    for (const inode of new Set(names.values())) cutInode(inode, random, keep);
    this.names = names;
    this.durableNames = new Map(names);
    this.changes = [];
  }

  /** The process dies, the machine lives: the page cache stays as it is, syncs under way never
   *  complete. */
  crash(): void {
    this.generation += 1;
  }

  /** Turns one bit, on the platter and in the page cache. */
  flipBit(path: string, bit: number): void {
    const inode = this.names.get(path);
    if (inode === undefined) throw new DiskFailure("ENOENT", `${path}: no such file`);
    const at = bit >>> 3;
    for (const bytes of [inode.seen, inode.durable]) {
      if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7));
    }
  }

  /** Writes past the file system, on the platter and in the page cache: a misdirected write. Never
   *  makes the file longer. */
  overwrite(path: string, position: number, bytes: Uint8Array): void {
    const inode = this.names.get(path);
    if (inode === undefined) throw new DiskFailure("ENOENT", `${path}: no such file`);
    for (const held of [inode.seen, inode.durable]) {
      held.set(bytes.subarray(0, Math.max(0, held.length - position)), position);
    }
  }

  /** Cuts a file from the outside, durably. */
  cutFile(path: string, size: number): void {
    const inode = this.names.get(path);
    if (inode === undefined) throw new DiskFailure("ENOENT", `${path}: no such file`);
    inode.seen = inode.seen.slice(0, size);
    inode.seenSize = size;
    inode.durable = inode.seen.slice();
    inode.durableSize = size;
    inode.pending = [];
  }

  /** A copy of what is seen now, all of it durable, as `cp -r` would make it: same names, other
   *  inodes. */
  copy(): MemoryDisk {
    return this.twin((twin) => twin.newInode());
  }

  /** The same as an image of the whole disk would hold it: same names, same inodes. A node cannot
   *  tell it from the disk it was taken of. */
  image(): MemoryDisk {
    return this.twin((twin, inode) => ({ ...twin.newInode(), number: inode.number }));
  }

  /** The same at this moment, with all that is not durable yet: to try what becomes of it more than
   *  once. Syncs under way are none of it. */
  fork(): MemoryDisk {
    const fork = new MemoryDisk({ schedule: this.schedule, capacityBytes: this.capacityBytes });
    const inodes = new Map<Inode, Inode>();
    const inodeOf = (inode: Inode): Inode => {
      const known = inodes.get(inode);
      if (known !== undefined) return known;
      const { seen, durable, pending } = inode;
      const made = {
        ...inode,
        seen: seen.slice(),
        durable: durable.slice(),
        pending: [...pending],
      };
      inodes.set(inode, made);
      return made;
    };
    const namesOf = (names: ReadonlyMap<string, Inode>): Map<string, Inode> =>
      new Map([...names].map(([path, inode]) => [path, inodeOf(inode)]));
    fork.inodeCount = this.inodeCount;
    fork.names = namesOf(this.names);
    fork.durableNames = namesOf(this.durableNames);
    fork.changes = this.changes.map((change) =>
      change.type === "remove" ? change : { ...change, inode: inodeOf(change.inode) },
    );
    return fork;
  }

  private twin(inodeFor: (twin: MemoryDisk, inode: Inode) => Inode): MemoryDisk {
    const twin = new MemoryDisk({ schedule: this.schedule, capacityBytes: this.capacityBytes });
    twin.inodeCount = this.inodeCount;
    for (const [path, inode] of this.names) {
      const copied = inodeFor(twin, inode);
      copied.seen = inode.seen.slice(0, inode.seenSize);
      copied.seenSize = inode.seenSize;
      copied.durable = copied.seen.slice();
      copied.durableSize = inode.seenSize;
      twin.names.set(path, copied);
    }
    twin.durableNames = new Map(twin.names);
    return twin;
  }

  /** What a power cut now would leave of a file at least; not to be changed. Null while its name is
   *  not durable. */
  durableBytes(path: string): Uint8Array | null {
    const inode = this.durableNames.get(path);
    return inode?.durable.subarray(0, inode.durableSize) ?? null;
  }

  /** Names that a power cut now would leave at least; sorted. */
  durableList(): readonly string[] {
    return [...this.durableNames.keys()].sort();
  }

  /** Lets somebody look who is no part of the machine: no planned fault strikes meanwhile. */
  spare<T>(look: () => T): T {
    this.spared = true;
    try {
      return look();
    } finally {
      this.spared = false;
    }
  }

  /** Bytes of all files. */
  usedBytes(): number {
    let used = 0;
    for (const inode of this.names.values()) used += inode.seenSize;
    return used;
  }

  /** @internal Takes the fault that strikes this operation, or null. */
  fault(operation: DiskFault["operation"], path: string): DiskFailure | null {
    if (this.spared) return null;
    for (const [at, fault] of this.faults.entries()) {
      if (fault.operation !== operation || !path.includes(fault.path)) continue;
      if (fault.after > 0) {
        fault.after -= 1;
        continue;
      }
      this.faults.splice(at, 1);
      return new DiskFailure(fault.code, `${path}: ${fault.operation} failed (${fault.code})`);
    }
    return null;
  }

  /** @internal */
  later(run: () => void): void {
    this.schedule(run);
  }

  private newInode(): Inode {
    this.inodeCount += 1;
    const empty = new Uint8Array(0);
    return {
      number: this.inodeCount,
      seen: empty,
      seenSize: 0,
      durable: empty,
      durableSize: 0,
      pending: [],
    };
  }
}

class MemoryFile implements DiskFile {
  readonly path: string;
  private readonly disk: MemoryDisk;
  private readonly inode: Inode;
  private readonly generation: number;

  constructor(disk: MemoryDisk, inode: Inode, path: string) {
    this.disk = disk;
    this.inode = inode;
    this.path = path;
    this.generation = disk.generation;
  }

  size(): number {
    return this.inode.seenSize;
  }

  readSync(position: number, length: number, into?: Uint8Array): Uint8Array {
    const error = this.disk.fault("read", this.path);
    if (error !== null) throw error;
    const end = Math.min(position + length, this.inode.seenSize);
    if (into === undefined) return this.inode.seen.slice(position, end);
    const found = this.inode.seen.subarray(position, end);
    into.set(found);
    return into.subarray(0, found.length);
  }

  writeSync(position: number, bytes: Uint8Array): void {
    this.checkAlive();
    const error = this.disk.fault("write", this.path);
    if (error !== null) throw error;
    const end = position + bytes.length;
    const growth = end - this.inode.seenSize;
    if (growth > 0 && this.disk.usedBytes() + growth > this.disk.capacityBytes) {
      throw new DiskFailure("ENOSPC", `${this.path}: no space left on device`);
    }
    this.inode.seen = grown(this.inode.seen, end);
    this.inode.seen.set(bytes, position);
    this.inode.seenSize = Math.max(this.inode.seenSize, end);
    this.inode.pending.push({ position, bytes: bytes.slice() });
  }

  sync(done: (error: DiskError | null) => void): void {
    this.checkAlive();
    const writes = this.inode.pending.length;
    const size = this.inode.seenSize;
    this.disk.later(() => {
      if (this.generation !== this.disk.generation) return;
      done(this.complete(writes, size));
    });
  }

  writeSoon(position: number, bytes: Uint8Array, done: (error: DiskError | null) => void): void {
    this.checkAlive();
    try {
      this.writeSync(position, bytes);
    } catch (thrown) {
      const error = toDiskError(thrown, this.path);
      this.disk.later(() => {
        if (this.generation === this.disk.generation) done(error);
      });
      return;
    }
    this.sync(done);
  }

  syncNow(): void {
    this.checkAlive();
    const error = this.complete(this.inode.pending.length, this.inode.seenSize);
    if (error !== null) throw error;
  }

  close(): void {}

  /** A failed sync forgets its writes: the page cache still shows them and the next sync
   *  "succeeds". */
  private complete(writes: number, size: number): DiskFailure | null {
    const covered = this.inode.pending.splice(0, writes);
    const error = this.disk.fault("sync", this.path);
    if (error !== null) return error;
    this.inode.durable = grown(this.inode.durable, size);
    for (const write of covered) this.inode.durable.set(write.bytes, write.position);
    this.inode.durableSize = Math.max(this.inode.durableSize, size);
    return null;
  }

  private checkAlive(): void {
    if (this.generation !== this.disk.generation)
      throw new DiskFailure("EIO", `${this.path}: dead since the crash`);
  }
}

function cutInode(inode: Inode, random: () => number, keep: number): void {
  let size = inode.durableSize;
  let durable = inode.durable;
  for (const write of inode.pending) {
    const end = write.position + write.bytes.length;
    for (let from = write.position; from < end;) {
      const to = Math.min(end, (Math.floor(from / SECTOR_BYTES) + 1) * SECTOR_BYTES);
      if (random() < keep) {
        const kept = random() < TORN_SHARE ? from + Math.floor(random() * (to - from)) : to;
        durable = grown(durable, kept);
        durable.set(write.bytes.subarray(from - write.position, kept - write.position), from);
        size = Math.max(size, kept);
      }
      from = to;
    }
    // A file may have become longer without its bytes: they are zeros then.
    if (random() < keep / 8) size = Math.max(size, end);
  }
  inode.durable = grown(durable, size);
  inode.durableSize = size;
  inode.seen = inode.durable.slice(0, size);
  inode.seenSize = size;
  inode.pending = [];
}

/** The same bytes with room for `size`, zeros behind. */
function grown(bytes: Uint8Array, size: number): Uint8Array {
  if (size <= bytes.length) return bytes;
  const larger = new Uint8Array(Math.max(size, bytes.length * 2));
  larger.set(bytes);
  return larger;
}
