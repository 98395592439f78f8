/** Looking at a data directory without opening it: for `raft status`, `raft wipe` and `raft
 *  verify`. Nothing is written. */

import { batchSeed } from "./batch.ts";
import { DiskFailure, StorageDamage, toDiskError } from "./disk-error.ts";
import { clusterIdOf } from "./founding.ts";
import { HARD_STATE_FILE, ONE_SLOT, readableSlots, readHardState } from "./hard-state.ts";
import { readIdentity } from "./identity.ts";
import { LOG_LIMITS, type LogLimits } from "./limits.ts";
import { isDirectory, openRealDisk } from "./real-disk.ts";
import { creationOf, segmentName } from "./segment-head.ts";
import { readSegmentHead, SegmentFile } from "./segment-file.ts";
import type { Scan } from "./segment-scan.ts";
import { reachedSegments, settleLast, surveySegments, ZEROS } from "./survey.ts";
import type { WallMs } from "../base/types.ts";
import type { HardState } from "../raft/types.ts";
import type { Disk, Identity, IdentityProblem } from "./types.ts";

/** How often a directory is looked at whose files go away meanwhile. */
const LOOKS_MAX = 10;

/** What a person is told about a directory before touching it. */
export interface Inspection {
  readonly identity: Identity | null;
  /** Why the identity cannot be used, if so. */
  readonly problem: IdentityProblem | null;
  /** Entries in the retained log; null when it cannot be read. */
  readonly entries: number | null;
  readonly lastIndex: number | null;
  /** Null: never a member, or unreadable. */
  readonly hardState: HardState | null;
  /** When it was closed in order; after a crash when its log, term or vote was last written, or
   *  when it was started, whichever was later. Null: unreadable. */
  readonly lastUsedMs: WallMs | null;
}

/** Null when the directory does not exist or holds nothing of ours. A running node's directory may
 *  be inspected: what it is writing just now may not be counted. */
export function inspect(directory: string): Inspection | null {
  return isDirectory(directory) ? inspectDisk(openRealDisk(directory, false)) : null;
}

/** The same through an open disk. */
export function inspectDisk(disk: Disk): Inspection | null {
  const read = readIdentity(disk);
  if (read === null && !disk.list().some((name) => creationOf(name) !== null)) return null;
  const identity = read === null ? null : read.ok ? read.identity : read.found;
  const problem =
    read === null || read.ok
      ? null
      : { problem: read.problem, found: read.found, reason: read.reason };
  const hardState = readHardState(disk);
  const lastUsedMs = identity === null ? null : lastUseOf(disk, identity);
  if (identity === null || identity.founding === null)
    return { identity, problem, entries: 0, lastIndex: 0, hardState, lastUsedMs };
  const survey = surveyOf(disk, identity);
  const { entries, lastIndex } = survey;
  return { identity, problem, entries, lastIndex, hardState, lastUsedMs };
}

function lastUseOf(disk: Disk, identity: Identity): WallMs {
  const written = disk
    .list()
    .filter((name) => creationOf(name) !== null || name === HARD_STATE_FILE)
    .map((name) => disk.modifiedMs(name) ?? 0);
  return Math.max(identity.lastUsedMs, ...written);
}

function surveyOf(
  disk: Disk,
  identity: Identity,
): { readonly entries: number | null; readonly lastIndex: number | null } {
  const segments = segmentsOf(disk, identity).flatMap((segment) => segment.file ?? []);
  let found: { readonly entries: number; readonly lastIndex: number } | null = null;
  for (let segment = segments.pop(); segment !== undefined; segment = segments.pop()) {
    const scan: Scan | null = found === null ? tryScan(segment) : null;
    if (scan !== null && scan.lastBatch !== null) {
      const lastIndex: number = scan.lastIndex;
      found = { entries: lastIndex - segment.head.logStart + 1, lastIndex };
    }
    segment.close();
  }
  return found ?? { entries: null, lastIndex: null };
}

function tryScan(segment: SegmentFile): Scan | null {
  try {
    return segment.scan();
  } catch {
    return null;
  }
}

interface Listed {
  readonly name: string;
  /** Null when the head is not valid; then `reason` says why. */
  readonly file: SegmentFile | null;
  readonly reason: string;
  readonly blank: boolean;
}

/** Every segment, opened. A running node may delete one between the list and the opening: then the
 *  directory is looked at again. Throws DiskFailure. */
function segmentsOf(disk: Disk, identity: Identity): readonly Listed[] {
  for (let look = 1; ; look += 1) {
    const listed: Listed[] = [];
    try {
      for (const creation of disk.list().flatMap((name) => creationOf(name) ?? []))
        listed.push(openListed(disk, identity, creation));
      return listed;
    } catch (thrown) {
      for (const { file } of listed) file?.close();
      const isGone = thrown instanceof DiskFailure && thrown.code === "ENOENT";
      if (!isGone || look === LOOKS_MAX) throw thrown;
    }
  }
}

function openListed(disk: Disk, identity: Identity, creation: number): Listed {
  const clusterId = identity.founding === null ? "" : clusterIdOf(identity.founding);
  const name = segmentName(creation);
  const file = disk.open(name, false);
  const head = readSegmentHead(file);
  if (typeof head !== "string") {
    const seed = batchSeed(clusterId, identity.incarnation, creation);
    return { name, file: new SegmentFile(disk, head, seed, file, false), reason: "", blank: false };
  }
  const blank = file.readSync(0, file.size()).every((byte) => byte === 0);
  file.close();
  return { name, file: null, reason: blank ? ZEROS : head, blank };
}

/** One line of `raft verify`. */
export interface FileReport {
  readonly file: string;
  /** good: all of it verifies. torn: ends in a batch that was never acknowledged; a start cuts
   *  it. in use: a running node writes to it, so it was not read. */
  readonly verdict: "good" | "torn" | "prepared" | "replaced" | "in use" | "damaged";
  readonly entries: number;
  readonly firstIndex: number | null;
  readonly lastIndex: number | null;
  /** What is damaged or torn, with its place in the file; null when nothing is. */
  readonly reason: string | null;
  readonly offset: number | null;
}

export interface DirectoryReport {
  readonly identity: Identity | null;
  /** Why the identity cannot be used; null when it can, or is not there. */
  readonly problem: IdentityProblem["problem"] | null;
  readonly files: readonly FileReport[];
  /** False: exit code 7. */
  readonly ok: boolean;
}

/** Reads and verifies everything in a directory; `isRunning`: only the identity and the segments
 *  that its node no longer writes to, all but the newest. Throws DiskFailure when it cannot be
 *  read. */
export function verifyDirectory(directory: string, isRunning = false): DirectoryReport {
  const disk = openRealDisk(directory, false);
  return isRunning ? verifyRunning(disk) : verifyDisk(disk);
}

/** The same of a running node, through an open disk. */
export function verifyRunning(disk: Disk): DirectoryReport {
  // Where a node replaces its identity between the read and the look at the file, it looks like a
  // copy.
  const first = readIdentity(disk);
  const read = first?.ok === false ? readIdentity(disk) : first;
  if (read?.ok === false) {
    const { problem, reason } = read;
    const files = [report("identity", "damaged", reason, 0)];
    return { identity: null, problem, files, ok: false };
  }
  const identity = read?.identity ?? null;
  const files = identity === null ? [] : verifySegments(disk, identity, true);
  return {
    identity,
    problem: null,
    files,
    ok: files.every((file) => file.verdict !== "damaged"),
  };
}

/** The same through an open disk, of a node that does not run. */
export function verifyDisk(disk: Disk, limits: LogLimits = LOG_LIMITS): DirectoryReport {
  const read = readIdentity(disk);
  const identity = read === null ? null : read.ok ? read.identity : read.found;
  const files: FileReport[] = [];
  if (read !== null && !read.ok) files.push(report("identity", "damaged", read.reason, 0));
  else if (read !== null) files.push(report("identity", "good"));
  const logs = disk.list().filter((name) => creationOf(name) !== null);
  if (logs.length > 0 || disk.exists(HARD_STATE_FILE)) {
    files.push(verifyHardState(disk));
  }
  if (identity !== null) {
    files.push(...verifySegments(disk, identity));
    addStartDamage(files, disk, identity, limits);
  } else
    for (const name of logs)
      files.push(
        report(name, "damaged", "whose log this is cannot be told without the identity", 0),
      );
  const problem = read?.ok === false ? read.problem : null;
  return { identity, problem, files, ok: files.every((file) => file.verdict !== "damaged") };
}

function verifyHardState(disk: Disk): FileReport {
  const slots = readableSlots(disk);
  if (slots === 0) return report(HARD_STATE_FILE, "damaged", "neither slot can be read", 0);
  return report(HARD_STATE_FILE, "good", slots === 2 ? null : ONE_SLOT);
}

/** What no file alone shows and a start refuses: a segment that others need and is missing, a head
 *  that was good once. */
function addStartDamage(
  files: FileReport[],
  disk: Disk,
  identity: Identity,
  limits: LogLimits,
): void {
  const { founding, incarnation, member } = identity;
  if (founding === null || !member) return;
  const damage = startDamage({ disk, clusterId: clusterIdOf(founding), incarnation, limits });
  if (damage === null) return;
  const at = files.findIndex(({ file }) => file === damage.file);
  if (files[at]?.verdict === "damaged") return;
  const damaged = report(damage.file, "damaged", damage.message, damage.offset);
  if (at >= 0) files[at] = damaged;
  else files.push(damaged);
}

/** Looks for the log as a start does, short of replaying it; null when it would be found. */
function startDamage(options: Parameters<typeof surveySegments>[0]): StorageDamage | null {
  try {
    const survey = surveySegments(options);
    const { last } = settleLast(survey, []);
    for (const segment of reachedSegments(survey, last)) segment.close();
    survey.blank?.file.close();
    return null;
  } catch (thrown) {
    if (thrown instanceof StorageDamage) return thrown;
    throw thrown;
  }
}

function report(
  file: string,
  verdict: FileReport["verdict"],
  reason: string | null = null,
  offset: number | null = null,
): FileReport {
  return { file, verdict, entries: 0, firstIndex: null, lastIndex: null, reason, offset };
}

/** Newest first, because a segment says from where on the older ones no longer count. The one that
 *  a running node writes to is the newest with a head: once the next one has a head, all of a
 *  segment is written. */
function verifySegments(disk: Disk, identity: Identity, isRunning = false): readonly FileReport[] {
  const reports: FileReport[] = [];
  let next: SegmentFile | null = null;
  for (const listed of [...segmentsOf(disk, identity)].reverse()) {
    const { name, file } = listed;
    if (file === null) {
      reports.unshift(headlessReport(listed, next === null, reports.length === 0, isRunning));
      continue;
    }
    if (next === null && isRunning) {
      reports.unshift(report(name, "in use"));
      next = file;
    } else if (next !== null && file.firstIndex >= next.firstIndex) {
      reports.unshift(report(name, "replaced"));
    } else {
      if (next !== null) file.endBefore(next.firstIndex, next.head.chainBefore);
      const verified = verifySegment(file);
      reports.unshift(verified);
      if (verified.verdict !== "torn" || verified.entries > 0 || next !== null) next = file;
    }
    file.close();
  }
  return reports;
}

/** A file without a head. `isNewest`: nothing newer has one, so it may still be on its way.
 *  `isLast`: nothing newer is there. */
function headlessReport(
  { name, reason, blank }: Listed,
  isNewest: boolean,
  isLast: boolean,
  isRunning: boolean,
): FileReport {
  // A start removes what was never begun, and a running node names the next file when all before it
  // have heads. Of a stopped one, `addStartDamage` says what its start would miss.
  if (isRunning) return isLast ? report(name, "in use") : report(name, "damaged", reason, 0);
  if (blank) return report(name, "prepared");
  return report(name, isNewest ? "torn" : "damaged", reason, 0);
}

function verifySegment(segment: SegmentFile): FileReport {
  const size = segment.opened().size();
  const range = { file: segment.name, firstIndex: segment.firstIndex, lastIndex: null, entries: 0 };
  try {
    const scan = segment.scan();
    const lastIndex = Math.min(scan.lastIndex, segment.untilIndex - 1);
    const found = { ...range, lastIndex, entries: lastIndex - segment.firstIndex + 1 };
    const hole = scan.holes[0];
    if (hole !== undefined) {
      const reason = `entries ${hole.from} to ${hole.to} are damaged: ${hole.reason}`;
      return { ...found, verdict: "damaged", reason, offset: hole.offset };
    }
    if (size < segment.head.segmentBytes) {
      return { ...found, verdict: "damaged", reason: "the file was cut", offset: size };
    }
    if (scan.torn === null) return { ...found, verdict: "good", reason: null, offset: null };
    return {
      ...found,
      verdict: "torn",
      reason: "an unfinished batch, never acknowledged",
      offset: scan.torn.offset,
    };
  } catch (thrown) {
    const known = thrown instanceof StorageDamage;
    const reason = known ? thrown.message : toDiskError(thrown, segment.name).message;
    return { ...range, verdict: "damaged", reason, offset: known ? thrown.offset : 0 };
  }
}
