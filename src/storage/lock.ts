/** The lock on a data directory: the kernel's, so it is gone with the process however that ends,
 *  and valid across machines that share the directory where the file system passes locks on.
 *  SQLite's exclusive transaction is the one lock that Bun reaches on every platform. A text beside
 *  it names the holder. */

import { Database } from "bun:sqlite";
import { join } from "node:path";
import { DiskFailure } from "./disk-error.ts";
import { makeDirectory, readSmallFile, removeFile, writeFileAtomically } from "./real-disk.ts";

const LOCK_FILE = "lock";
const HOLDER_FILE = "lock.holder";
const HOLDER_BYTES_MAX = 4_096;

/** Keeps the garbage collector from closing, and so unlocking, what is held. */
const held = new Set<Database>();
/** A command that only looks whether a node runs shares the lock for a moment, on a busy machine
 *  for longer. A start waits so long for it, */
const LOOK_MS = 300;
/** and so many times in all, six seconds, as long as nobody holds the lock alone. */
const LOOKS_MAX = 20;

/** Who holds a directory, for people. Process ids mean something on the machine with this boot id
 *  only. */
export interface LockHolder {
  readonly user: string;
  readonly host: string;
  readonly pid: number;
  /** "10.0.0.7:7401", or "" before it is known. */
  readonly address: string;
  /** The machine's, not the process's; null where the system has none. */
  readonly machineBootId: string | null;
  readonly sinceMs: number;
}

/** A directory that this process holds. */
export interface DirectoryLock {
  /** Says more about the holder, such as the address once it is known. */
  describe(more: Partial<LockHolder>): void;
  release(): void;
}

/** Takes the lock; the directory is made when missing. `holder` null: held by somebody who left no
 *  text. Throws DiskFailure when the directory cannot be written. */
export function acquireLock(
  directory: string,
  holder: LockHolder,
):
  | { readonly ok: true; readonly lock: DirectoryLock }
  | { readonly ok: false; readonly holder: LockHolder | null } {
  makeDirectory(directory);
  const database = lockedDatabase(directory);
  if (database === null) return { ok: false, holder: readHolder(directory) };
  held.add(database);
  writeHolder(directory, holder);
  const lock = {
    describe: (more: Partial<LockHolder>) => writeHolder(directory, { ...holder, ...more }),
    release: () => {
      removeHolder(directory);
      held.delete(database);
      database.close();
    },
  };
  return { ok: true, lock };
}

/** Who runs on this directory now; null when nobody does. Looking shares the lock with everybody
 *  else who looks: nobody takes a look for a running node. Leaves nothing behind. */
export function lockHolder(directory: string): { readonly holder: LockHolder | null } | null {
  const database = existingDatabase(directory);
  if (database === null) return null;
  const isFree = isUnlocked(database);
  database.close();
  return isFree ? null : { holder: readHolder(directory) };
}

/** Null when there is none. It is not looked for by reading: closing any other descriptor of the
 *  file would give up the locks that this process holds on it. */
function existingDatabase(directory: string): Database | null {
  try {
    return new Database(join(directory, LOCK_FILE), { readonly: true });
  } catch (thrown) {
    if (hasCode(thrown, "SQLITE_CANTOPEN")) return null;
    throw thrown;
  }
}

/** Null when somebody else holds it, or others have looked at it all the time. */
function lockedDatabase(directory: string): Database | null {
  const database = new Database(join(directory, LOCK_FILE), { create: true, readwrite: true });
  for (let look = 0; look < LOOKS_MAX; look++) {
    const isLocked = orBusy(() => {
      database.run(`PRAGMA busy_timeout = ${LOOK_MS}`);
      database.run("PRAGMA journal_mode = MEMORY");
      database.run("BEGIN EXCLUSIVE");
    });
    if (isLocked) return database;
    database.run("PRAGMA busy_timeout = 0");
    if (!isUnlocked(database)) break;
  }
  database.close();
  return null;
}

/** False when another connection has the lock for itself; others may share it. */
function isUnlocked(database: Database): boolean {
  return orBusy(() => void database.query("SELECT count(*) FROM sqlite_master").get());
}

/** False when another connection has the lock. */
function orBusy(work: () => void): boolean {
  try {
    work();
    return true;
  } catch (thrown) {
    if (hasCode(thrown, "SQLITE_BUSY")) return false;
    throw thrown;
  }
}

function hasCode(thrown: unknown, code: string): boolean {
  return thrown instanceof Error && "code" in thrown && String(thrown.code).startsWith(code);
}

function writeHolder(directory: string, holder: LockHolder): void {
  const text = `${JSON.stringify(holder)}\n`;
  writeFileAtomically(join(directory, HOLDER_FILE), new TextEncoder().encode(text));
}

/** On a disk that has failed the text stays: without the lock it names nobody, and the reason why
 *  the node ends must not be lost over it. */
function removeHolder(directory: string): void {
  try {
    removeFile(join(directory, HOLDER_FILE));
  } catch (thrown) {
    if (!(thrown instanceof DiskFailure)) throw thrown;
  }
}

function readHolder(directory: string): LockHolder | null {
  try {
    const file = readSmallFile(join(directory, HOLDER_FILE), HOLDER_BYTES_MAX);
    return file === null ? null : parseHolder(JSON.parse(new TextDecoder().decode(file.bytes)));
  } catch {
    return null;
  }
}

function parseHolder(value: unknown): LockHolder | null {
  if (typeof value !== "object" || value === null) return null;
  const fields: Record<string, unknown> = { ...value };
  const { user, host, pid, address, machineBootId, sinceMs } = fields;
  if (typeof user !== "string" || typeof host !== "string" || typeof address !== "string")
    return null;
  if (typeof pid !== "number" || typeof sinceMs !== "number") return null;
  return {
    user,
    host,
    pid,
    address,
    sinceMs,
    machineBootId: typeof machineBootId === "string" ? machineBootId : null,
  };
}
