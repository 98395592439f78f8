/** Who a data directory is: one small file of JSON, replaced whole or not at all. It holds its own
 *  inode and time of birth, so a copy of the directory knows that it is one. */

import type { Incarnation, NodeId, WallMs } from "../base/types.ts";
import { crc32 } from "./bytes.ts";
import { DAMAGE_FILE, DAMAGE_FILE_NEW } from "./damage-note.ts";
import { HARD_STATE_FILE } from "./hard-state.ts";
import { parseIdentity } from "./identity-fields.ts";
import { openRealDisk } from "./real-disk.ts";
import { creationOf } from "./segment-head.ts";
import type { Disk, Identity, IdentityProblem } from "./types.ts";

export const IDENTITY_FILE = "identity";
const NEW_FILE = "identity.new";
/** While this file is there a wipe has begun and not ended. */
const WIPING_FILE = "wiping";
const IDENTITY_BYTES_MAX = 262_144;
const FORMAT = 1;

/** What `raft up` was told, and what a fresh directory becomes. */
export interface IdentityWanted {
  readonly cluster: string;
  readonly id: NodeId;
  readonly nowMs: WallMs;
  /** 16 random bytes as hex, used when the directory is fresh. */
  readonly freshIncarnation: Incarnation;
}

/** Opens the identity at a start: finishes a wipe that was cut off, makes a fresh one, or checks
 *  the one that is there; counts the boot and syncs that. Throws DiskError. */
export function openIdentity(
  disk: Disk,
  wanted: IdentityWanted,
):
  | { readonly ok: true; readonly identity: Identity; readonly fresh: boolean }
  | ({ readonly ok: false } & IdentityProblem) {
  if (disk.exists(WIPING_FILE)) wipeDisk(disk);
  const found = readIdentity(disk);
  if (found === null) {
    if (disk.list().some(holdsLog)) {
      const reason = "the log is here, but the file that says whose it is is missing";
      return { ok: false, problem: "unreadable", found: null, reason };
    }
    const identity = freshIdentity(wanted);
    writeIdentity(disk, identity);
    return { ok: true, identity, fresh: true };
  }
  if (!found.ok) return found;
  const { identity } = found;
  if (identity.cluster !== wanted.cluster) {
    const reason = `this directory belongs to cluster ${identity.cluster}`;
    return { ok: false, problem: "other cluster", found: identity, reason };
  }
  if (identity.id !== wanted.id) {
    return {
      ok: false,
      problem: "other id",
      found: identity,
      reason: `this directory belongs to node ${identity.id}`,
    };
  }
  const booted = { ...identity, bootCount: identity.bootCount + 1, lastUsedMs: wanted.nowMs };
  writeIdentity(disk, booted);
  return { ok: true, identity: booted, fresh: false };
}

function freshIdentity(wanted: IdentityWanted): Identity {
  return {
    cluster: wanted.cluster,
    id: wanted.id,
    incarnation: wanted.freshIncarnation,
    bootCount: 1,
    founding: null,
    foundedMs: null,
    member: false,
    addresses: {},
    port: null,
    lastUsedMs: wanted.nowMs,
  };
}

/** Reads and checks the file without changing anything; null when there is none. */
export function readIdentity(
  disk: Disk,
):
  | { readonly ok: true; readonly identity: Identity }
  | ({ readonly ok: false } & IdentityProblem)
  | null {
  if (!disk.exists(IDENTITY_FILE)) return null;
  const file = disk.open(IDENTITY_FILE, false);
  const text = new TextDecoder().decode(
    file.readSync(0, Math.min(file.size(), IDENTITY_BYTES_MAX)),
  );
  file.close();
  const parsed = parseFile(text);
  if (typeof parsed === "string")
    return { ok: false, problem: "unreadable", found: null, reason: parsed };
  const here = disk.fileId(IDENTITY_FILE, parsed.file.includes(":"));
  if (here === parsed.file) return { ok: true, identity: parsed.identity };
  const reason =
    "this directory is a copy of another one: its identity was written to another file";
  return { ok: false, problem: "copied", found: parsed.identity, reason };
}

/** Replaces the identity, durable on return. Throws DiskError. */
export function writeIdentity(disk: Disk, identity: Identity): void {
  writeFile(disk, identity, true);
  // Some file systems report the last change as the birth: there the inode alone must do.
  if (readIdentity(disk)?.ok !== true) writeFile(disk, identity, false);
}

function writeFile(disk: Disk, identity: Identity, birth: boolean): void {
  if (disk.exists(NEW_FILE)) disk.remove(NEW_FILE);
  const file = disk.open(NEW_FILE, true);
  const body = JSON.stringify({ format: FORMAT, file: disk.fileId(NEW_FILE, birth), identity });
  const bytes = new TextEncoder().encode(body);
  file.writeSync(0, new TextEncoder().encode(`${body}\n${checksum(bytes)}\n`));
  file.syncNow();
  file.close();
  disk.rename(NEW_FILE, IDENTITY_FILE);
  disk.syncDirectory();
}

function parseFile(text: string): { readonly file: string; readonly identity: Identity } | string {
  const [body = "", sum = ""] = text.split("\n");
  if (checksum(new TextEncoder().encode(body)) !== sum)
    return "the identity's checksum does not hold";
  if (body === "") return "the identity is empty";
  const value: unknown = JSON.parse(body);
  if (typeof value !== "object" || value === null) return "the identity is no object";
  const fields: Record<string, unknown> = { ...value };
  if (fields["format"] !== FORMAT)
    return `identity format ${String(fields["format"])} is unknown to this version`;
  const identity = parseIdentity(fields["identity"]);
  const file = fields["file"];
  return identity === null || typeof file !== "string"
    ? "the identity lacks a field"
    : { file, identity };
}

function checksum(bytes: Uint8Array): string {
  return crc32(bytes, 0).toString(16).padStart(8, "0");
}

function holdsLog(name: string): boolean {
  return creationOf(name) !== null || name === HARD_STATE_FILE;
}

/** The files that this program makes, the lock's apart. Others' files in the directory are never
 *  touched. */
function isOurs(name: string): boolean {
  const notes = [DAMAGE_FILE, DAMAGE_FILE_NEW];
  const plain = [IDENTITY_FILE, NEW_FILE, HARD_STATE_FILE, `${HARD_STATE_FILE}.new`, ...notes];
  return plain.includes(name) || /^\d{10}\.(log|preparing|log\.healing)$/.test(name);
}

/** Makes a directory fresh: the next start gives it a new incarnation. The caller holds the lock,
 *  or knows that nobody runs here. A wipe that is cut off is finished by the next start. Throws
 *  DiskError. */
export function wipeDirectory(directory: string): void {
  wipeDisk(openRealDisk(directory, false));
}

/** The same through an open disk. */
export function wipeDisk(disk: Disk): void {
  const marker = disk.open(WIPING_FILE, true);
  marker.syncNow();
  marker.close();
  disk.syncDirectory();
  for (const name of disk.list()) if (isOurs(name)) disk.remove(name);
  disk.syncDirectory();
  disk.remove(WIPING_FILE);
  disk.syncDirectory();
}
