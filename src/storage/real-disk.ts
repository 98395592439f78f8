/** The real disk: the only file that imports node:fs. Also the few things that the commands need of
 *  it. */

import * as fs from "node:fs";
import { dirname, join } from "node:path";
import { DiskFailure, toDiskError } from "./disk-error.ts";
import { loadFullSync } from "./full-sync.ts";
import type { Disk, DiskError, DiskFile } from "./types.ts";

const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;

/** Opens a data directory, making it (mode 0700) when `create` is set. Throws DiskFailure. */
export function openRealDisk(directory: string, create: boolean): Disk {
  if (create) makeDirectory(directory);
  if (!isDirectory(directory)) throw new DiskFailure("ENOENT", `${directory}: no such directory`);
  return new RealDisk(directory);
}

/** How this platform makes bytes durable; null on macOS when F_FULLFSYNC cannot be called: `raft
 *  up` then says so. */
export function syncMethod(): "fdatasync" | "F_FULLFSYNC" | null {
  if (process.platform !== "darwin") return "fdatasync";
  return fullSync() === null ? null : "F_FULLFSYNC";
}

let fullSyncLoaded: ((fd: number) => boolean) | null | undefined;

function fullSync(): ((fd: number) => boolean) | null {
  fullSyncLoaded ??= process.platform === "darwin" ? loadFullSync() : null;
  return fullSyncLoaded;
}

class RealDisk implements Disk {
  private readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  open(path: string, create: boolean): DiskFile {
    const full = this.at(path);
    return guarded(full, () => {
      const flags = fs.constants.O_RDWR | (create ? fs.constants.O_CREAT : 0);
      return new RealFile(path, fs.openSync(full, flags, FILE_MODE));
    });
  }

  list(): readonly string[] {
    return guarded(this.directory, () => fs.readdirSync(this.directory).sort());
  }

  exists(path: string): boolean {
    return fs.existsSync(this.at(path));
  }

  remove(path: string): void {
    guarded(this.at(path), () => fs.unlinkSync(this.at(path)));
  }

  rename(from: string, to: string): void {
    guarded(this.at(from), () => fs.renameSync(this.at(from), this.at(to)));
  }

  syncDirectory(): void {
    guarded(this.directory, () => syncDirectoryAt(this.directory));
  }

  syncDirectorySoon(done: (error: DiskError | null) => void): void {
    if (process.platform === "win32") {
      setImmediate(() => done(null));
      return;
    }
    const fd = guarded(this.directory, () => fs.openSync(this.directory, fs.constants.O_RDONLY));
    fs.fsync(fd, (error) => {
      fs.closeSync(fd);
      done(error === null ? null : toDiskError(error, this.directory));
    });
  }

  fileId(path: string, birth: boolean): string {
    return guarded(this.at(path), () => {
      const stat = fs.statSync(this.at(path), { bigint: true });
      return birth ? `${stat.ino}:${stat.birthtimeNs}` : `${stat.ino}`;
    });
  }

  modifiedMs(path: string): number {
    return guarded(this.at(path), () => Math.floor(fs.statSync(this.at(path)).mtimeMs));
  }

  private at(path: string): string {
    return join(this.directory, path);
  }
}

class RealFile implements DiskFile {
  readonly path: string;
  private readonly fd: number;
  /** Writes and syncs under way. */
  private syncing = 0;
  private closed = false;

  constructor(path: string, fd: number) {
    this.path = path;
    this.fd = fd;
  }

  size(): number {
    return guarded(this.path, () => fs.fstatSync(this.fd).size);
  }

  readSync(position: number, length: number, into?: Uint8Array): Uint8Array {
    return guarded(this.path, () => {
      // Not zeroed first: what was not read is cut off below.
      const bytes = into ?? new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
      let got = 0;
      while (got < length) {
        const more = fs.readSync(this.fd, bytes, got, length - got, position + got);
        if (more === 0) break;
        got += more;
      }
      return got === bytes.length ? bytes : bytes.subarray(0, got);
    });
  }

  writeSync(position: number, bytes: Uint8Array): void {
    guarded(this.path, () => {
      let put = 0;
      while (put < bytes.length) {
        put += fs.writeSync(this.fd, bytes, put, bytes.length - put, position + put);
      }
    });
  }

  sync(done: (error: DiskError | null) => void): void {
    if (process.platform === "darwin") {
      const error = this.tryNow();
      setImmediate(() => done(error));
      return;
    }
    this.syncing += 1;
    fs.fdatasync(this.fd, (error) => {
      this.syncing -= 1;
      if (this.closed) {
        this.closeIfIdle();
        return;
      }
      done(error === null ? null : toDiskError(error, this.path));
    });
  }

  writeSoon(position: number, bytes: Uint8Array, done: (error: DiskError | null) => void): void {
    this.syncing += 1;
    fs.write(this.fd, bytes, 0, bytes.length, position, (error, put) => {
      this.syncing -= 1;
      if (this.closed) this.closeIfIdle();
      else if (error !== null) done(toDiskError(error, this.path));
      else if (put < bytes.length) this.writeSoon(position + put, bytes.subarray(put), done);
      else this.sync(done);
    });
  }

  syncNow(): void {
    guarded(this.path, () => {
      const full = fullSync();
      if (full === null) fs.fdatasyncSync(this.fd);
      else if (!full(this.fd)) throw new DiskFailure("EIO", `${this.path}: F_FULLFSYNC failed`);
    });
  }

  /** A sync under way ends first, so that its descriptor is not given to another file. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.closeIfIdle();
  }

  private closeIfIdle(): void {
    if (this.syncing === 0) fs.closeSync(this.fd);
  }

  private tryNow(): DiskError | null {
    try {
      this.syncNow();
      return null;
    } catch (thrown) {
      return toDiskError(thrown, this.path);
    }
  }
}

function guarded<T>(path: string, operation: () => T): T {
  try {
    return operation();
  } catch (thrown) {
    throw toDiskError(thrown, path);
  }
}

function syncDirectoryAt(directory: string): void {
  if (process.platform === "win32") return;
  const fd = fs.openSync(directory, fs.constants.O_RDONLY);
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

// ---------------------------------------------------------------------------------------------
// For the commands.

/** Makes a directory and what is above it; the new ones are private (0700). Throws DiskFailure. */
export function makeDirectory(directory: string): void {
  try {
    fs.mkdirSync(directory, { recursive: true, mode: DIRECTORY_MODE });
  } catch (thrown) {
    const file = fileOnTheWay(directory);
    if (file === null) throw toDiskError(thrown, directory);
    const what = file === directory ? "it" : file;
    throw new DiskFailure("ENOTDIR", `${directory}: ${what} is a file, not a directory`);
  }
}

/** The file that stands where a directory was to be, or above it; null: none. */
function fileOnTheWay(path: string): string | null {
  for (let at = path; at !== dirname(at); at = dirname(at)) {
    try {
      return fs.statSync(at).isDirectory() ? null : at;
    } catch {
      // Not there: what is above it may be in the way.
    }
  }
  return null;
}

/** True when `path` is an existing directory. Throws DiskFailure when nobody can tell. */
export function isDirectory(path: string): boolean {
  return guarded(path, () => fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false);
}

/** Names of the directories in `directory`, sorted; none when it is missing or may not be read. */
export function listDirectories(directory: string): readonly string[] {
  try {
    const found = fs.readdirSync(directory, { withFileTypes: true });
    return found
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
      .sort();
  } catch {
    return [];
  }
}

/** A small file's bytes and permission bits (0 to 0o777); null when it does not exist. Throws
 *  DiskFailure when it is larger than `bytesMax` or may not be read. */
export function readSmallFile(
  path: string,
  bytesMax: number,
): { readonly bytes: Uint8Array; readonly mode: number } | null {
  return guarded(path, () => {
    const stat = fs.statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return null;
    if (!stat.isFile()) throw new DiskFailure("EINVAL", `${path}: not a file`);
    if (stat.size > bytesMax)
      throw new DiskFailure("EFBIG", `${path}: larger than ${bytesMax} bytes`);
    return { bytes: new Uint8Array(fs.readFileSync(path)), mode: stat.mode & 0o777 };
  });
}

/** The end of a file from byte `from` on, at most `bytesMax` of it; empty when there is nothing. */
export function readEnd(path: string, from: number, bytesMax: number): Uint8Array {
  return guarded(path, () => {
    const fd = fs.openSync(path, "r");
    try {
      const { size } = fs.fstatSync(fd);
      const start = Math.max(from, size - bytesMax);
      const bytes = new Uint8Array(Math.max(0, size - start));
      return bytes.subarray(0, fs.readSync(fd, bytes, 0, bytes.length, start));
    } finally {
      fs.closeSync(fd);
    }
  });
}

/** How long a file is, in bytes; 0 when it does not exist. Throws DiskFailure when nobody can
 *  tell. */
export function fileBytes(path: string): number {
  return guarded(path, () => fs.statSync(path, { throwIfNoEntry: false })?.size ?? 0);
}

/** Replaces a file whole or not at all, private (0600), durable on return. `exclusive`: refuses to
 *  replace (EEXIST). */
export function writeFileAtomically(path: string, bytes: Uint8Array, exclusive = false): void {
  guarded(path, () => {
    const beside = `${path}.new`;
    const fd = fs.openSync(beside, "w", FILE_MODE);
    try {
      for (let put = 0; put < bytes.length;) put += fs.writeSync(fd, bytes, put);
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
    if (exclusive) {
      try {
        fs.linkSync(beside, path);
      } finally {
        fs.unlinkSync(beside);
      }
    } else {
      fs.renameSync(beside, path);
    }
    syncDirectoryAt(dirname(path));
  });
}

/** Removes a file; false when it was not there. */
export function removeFile(path: string): boolean {
  if (!fs.existsSync(path)) return false;
  guarded(path, () => fs.unlinkSync(path));
  return true;
}

const NETWORK_FILE_SYSTEMS: Readonly<Record<number, string>> = {
  0x6969: "NFS",
  0x517b: "SMB",
  0xfe534d42: "SMB",
  0xff534d42: "CIFS",
  0x01021997: "9P",
  0x73757245: "Coda",
  0x5346414f: "AFS",
  0x00c36400: "Ceph",
  0x0bd00bd0: "Lustre",
};

/** "NFS", "SMB", ... when the directory lies on a network disk; null on a local one or when
 *  unknown. */
export function networkDisk(directory: string): string | null {
  if (process.platform !== "linux") return null;
  try {
    return NETWORK_FILE_SYSTEMS[fs.statfsSync(directory).type >>> 0] ?? null;
  } catch {
    return null;
  }
}

/** The machine's boot id where the system has one: tells machines apart where host names are
 *  cloned. */
export function machineBootId(): string | null {
  try {
    return fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return null;
  }
}

/** True when the process is suspended (Ctrl-Z); false when it is not, or nobody can tell. */
export function isSuspended(pid: number): boolean {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3) === "T";
  } catch {
    return false;
  }
}

/** A descriptor for a log that is only added to, private (0600); for the output of a process in the
 *  background. */
export function openAppend(path: string): number {
  return guarded(path, () => fs.openSync(path, "a", FILE_MODE));
}

/** Closes what `openAppend` opened. */
export function closeDescriptor(descriptor: number): void {
  fs.closeSync(descriptor);
}
