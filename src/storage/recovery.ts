/** Finds the log again after a stop of any kind. A batch at the end that does not verify and has
 *  nothing valid behind it is torn: never acknowledged, cut, reported. Everything else that does
 *  not verify is damage. */

import type { ClusterId, Incarnation, LogIndex, MonotonicMs } from "../base/types.ts";
import { BATCH_HEAD_BYTES, batchSeed, encodeBatchHead } from "./batch.ts";
import { Derived, termInRuns } from "./derived.ts";
import { DamageNote } from "./damage-note.ts";
import { StorageDamage } from "./disk-error.ts";
import { DiskLog } from "./log-store.ts";
import type { LogLimits } from "./limits.ts";
import { fillNow, nameNow } from "./preparer.ts";
import type { PreparedSegment } from "./preparer.ts";
import { membersAt } from "./record.ts";
import { creationOf, encodeSegmentHead, segmentName } from "./segment-head.ts";
import type { SegmentHead } from "./segment-head.ts";
import { SegmentFile } from "./segment-file.ts";
import { toldFrom } from "./segment-list.ts";
import type { Scan } from "./segment-scan.ts";
import { reachedSegments, settleLast, surveySegments } from "./survey.ts";
import type { Survey } from "./survey.ts";
import { RECORD_KIND } from "./types.ts";
import type { Disk, DiskError } from "./types.ts";

export interface LogOptions {
  readonly disk: Disk;
  readonly clusterId: ClusterId;
  readonly incarnation: Incarnation;
  readonly limits: LogLimits;
  readonly nowMs: MonotonicMs;
  readonly clock: (() => MonotonicMs) | null;
  readonly onFatal: (error: DiskError) => void;
}

export interface RecoveredLog {
  readonly log: DiskLog;
  /** The last index ever held, when damage was found, by this start or an earlier one; else 0. */
  readonly voteFromCommitIndex: LogIndex;
  readonly notes: readonly string[];
}

/** The segment that a directory begins with: it gets its name after all of it is durable. */
const FIRST_CREATION = 1;

/** Opens the log of a directory. Throws StorageDamage, or DiskError. */
export function recoverLog(options: LogOptions): RecoveredLog {
  const notes: string[] = [];
  const survey = surveySegments(options);
  const { last, scan } = settleLast(survey, notes);
  const segments = reachedSegments(survey, last);
  const replay = replayDerived(segments, last, scan, options.limits.sessionsMax);
  const holes = segments.flatMap((segment) => segment.holes);
  for (const note of scan.notes) notes.push(`${last.name}: ${note}`);
  if (scan.torn !== null) {
    const { bytes, offset } = scan.torn;
    notes.push(
      `cut 1 torn batch (${bytes} bytes) at offset ${offset} of ${last.name}: never acknowledged`,
    );
  }
  for (const hole of holes)
    notes.push(`damage: entries ${hole.from} to ${hole.to} (${hole.reason})`);
  const end = { lastIndex: scan.lastIndex, lastChain: scan.lastChain };
  // A seal says that what is before it was synced. One that begins a segment may be in the page
  // cache only, and the head with it: the sync of both may have failed. The first segment of all is
  // finished elsewhere.
  const unproven = scan.lastBatch?.head.first === true && last.head.creation !== FIRST_CREATION;
  const sealed = scan.lastBatch?.head.length === 0 && !unproven;
  const asIs = sealed && scan.torn === null && last.holes.length === 0 && scan.notes.length === 0;
  const begun = survey.torn.some((name) => (creationOf(name) ?? 0) > last.head.creation);
  const start =
    asIs && !begun
      ? {
          segments,
          nextBatch: (scan.lastBatch?.head.number ?? 0) + 1,
          prepared: survey.blank,
          sealed: true,
        }
      : beginAnew(options, survey, segments, scan, replay);
  removeRest(options.disk, start.segments, start.prepared);
  const used = Math.max(...start.segments.map((segment) => segment.head.creation));
  const nextCreation = Math.max(used, start.prepared?.creation ?? 0) + 1;
  const note = DamageNote.begin(options.disk, holes.length > 0, scan.lastIndex);
  // Read before the log may forget it.
  const voteFromCommitIndex = note.index;
  const log = new DiskLog({ ...options, ...start, ...replay, ...end, note, nextCreation });
  return { log, voteFromCommitIndex, notes };
}

// ---------------------------------------------------------------------------------------------
// What is derived.

interface Replay {
  readonly derived: Derived;
  readonly derivedKnown: boolean;
}

/** From the last head that carries derived values: that is the last segment's, unless damage was
 *  being waited out. */
function replayDerived(
  segments: readonly SegmentFile[],
  last: SegmentFile,
  lastScan: Scan,
  sessionsMax: number,
): Replay {
  const from = segments.findLastIndex((segment) => segment.head.derived !== null);
  const head = segments[from]?.head.derived;
  if (head === undefined || head === null)
    throw new StorageDamage("no head says what lies before it", last.name, 68);
  const derived = new Derived(head, sessionsMax);
  const earlier = segments.slice(0, from).flatMap((segment) => segment.head.derived ?? []);
  const base = segments[0]?.firstIndex ?? 1;
  const runs = [...earlier.flatMap((entry) => entry.runs), ...head.runs].filter(
    (run) => run.firstIndex >= base,
  );
  derived.runs.splice(0, derived.runs.length, ...runs);
  const all = [...earlier.flatMap((entry) => entry.configurations), ...head.configurations];
  const configurations = all.filter(
    (entry, at) => all.findIndex((other) => other.index === entry.index) === at,
  );
  const inForce = configurations.findLastIndex((entry) => entry.index < base);
  derived.configurations.splice(
    0,
    derived.configurations.length,
    ...configurations.slice(Math.max(0, inForce)),
  );
  let derivedKnown = true;
  for (const segment of segments.slice(from)) {
    const scan = segment === last ? lastScan : segment.scan();
    if (scan.holes.length > 0) derivedKnown = false;
    for (const { head: record, offset } of scan.records) {
      const isConfiguration = record.kind === RECORD_KIND.configuration;
      const members = isConfiguration
        ? membersAt(segment.opened().readSync(offset, record.bytes), 0)
        : null;
      if (isConfiguration && members === null) {
        throw new StorageDamage("a configuration that cannot be read", segment.name, offset);
      }
      derived.advance(record, members);
    }
    if (segment !== last) segment.close();
  }
  checkHeads(segments, derived.runs);
  const first = derived.runs[0]?.firstIndex ?? lastScan.lastIndex + 1;
  if (derivedKnown && first > base)
    throw new StorageDamage(`${CONTRADICTION}: none tells the term of entry ${base}`, last.name, 0);
  return { derived, derivedKnown };
}

/** What only a bug can have written, of this version or an earlier one. The simulator looks for
 *  this text. */
export const CONTRADICTION = "heads contradict each other";

/** Each head names the term of the entry in front of it, and all of them tell where terms begin:
 *  that must agree, or a node would vote by a wrong last term. A head that was written while damage
 *  hid entries names a guess. */
function checkHeads(segments: readonly SegmentFile[], runs: Derived["runs"]): void {
  const baseTerm = segments[0]?.head.termBefore ?? 0;
  for (const { head, name } of segments) {
    const told = termInRuns(runs, head.firstIndex - 1, baseTerm);
    if (head.derived === null || told === head.termBefore) continue;
    const entry = `entry ${head.firstIndex - 1} is of term ${head.termBefore}`;
    const reason = `${CONTRADICTION}: ${entry} by this one, and of term ${told} by those before`;
    throw new StorageDamage(reason, name, 0);
  }
}

// ---------------------------------------------------------------------------------------------
// Going on.

interface Continuation {
  readonly segments: readonly SegmentFile[];
  readonly nextBatch: number;
  readonly prepared: PreparedSegment | null;
  readonly sealed: boolean;
}

/** Begins a new segment with a copy of the last unsealed batch, synced before the node says a word:
 *  what was read may have been in the page cache only. Leaves torn bytes behind in a segment that
 *  nobody reads to its end. */
function beginAnew(
  options: LogOptions,
  survey: Survey,
  segments: readonly SegmentFile[],
  scan: Scan,
  replay: Replay,
): Continuation {
  const last = segments.at(-1);
  const batch = scan.lastBatch;
  if (last === undefined || batch === null)
    throw new StorageDamage("no batch to go on from", ".", 0);
  const firstIndex = batch.head.length > 0 ? batch.head.firstIndex : scan.lastIndex + 1;
  const chainBefore = batch.head.length > 0 ? batch.head.chainBefore : scan.lastChain;
  const held = segments.filter((segment) => segment.firstIndex < firstIndex);
  const base = segments[0] ?? last;
  const fields = {
    segmentBytes: 0,
    creation: 0,
    clusterId: options.clusterId,
    firstIndex,
    termBefore: termInRuns(replay.derived.runs, firstIndex - 1, base.head.termBefore),
    chainBefore,
    firstBatch: batch.head.number + 2,
    logStart: base.firstIndex,
    previous: held.at(-1)?.head.creation ?? 0,
    derived: replay.derivedKnown ? replay.derived.headAt(firstIndex, toldFrom(held)) : null,
  };
  const headBytes = encodeSegmentHead(fields).length;
  const least = headBytes + 2 * BATCH_HEAD_BYTES + batch.head.length;
  const prepared = takeSegment(options, survey, least);
  const head = { ...fields, segmentBytes: prepared.bytes, creation: prepared.creation, headBytes };
  const seed = batchSeed(options.clusterId, options.incarnation, prepared.creation);
  const { length } = batch.head;
  const copy = { first: true, length, number: fields.firstBatch, firstIndex, chainBefore };
  prepared.file.writeSync(0, encodeSegmentHead(head));
  prepared.file.writeSync(headBytes, encodeBatchHead(copy, seed));
  if (length > 0) {
    const records = last.opened().readSync(batch.offset + BATCH_HEAD_BYTES, length);
    prepared.file.writeSync(headBytes + BATCH_HEAD_BYTES, records);
  }
  prepared.file.syncNow();
  const file = prepared === survey.blank ? prepared.file : nameNow(options.disk, prepared);
  const segment = new SegmentFile(options.disk, head, seed, file, true);
  segment.scan();
  held.at(-1)?.endBefore(firstIndex, chainBefore);
  for (const old of segments) old.close();
  return {
    segments: [...held, segment],
    nextBatch: fields.firstBatch + 1,
    prepared: null,
    sealed: length === 0,
  };
}

/** The prepared segment if it is large enough: a full disk must not keep a node from recovering.
 *  One that is too small gives its number away, as with the preparer. */
function takeSegment(options: LogOptions, survey: Survey, least: number): PreparedSegment {
  const { disk, limits } = options;
  const { blank } = survey;
  if (blank !== null && blank.bytes >= least) return blank;
  blank?.file.close();
  if (blank !== null) disk.remove(segmentName(blank.creation));
  return fillNow(disk, survey.usedMax + 1, Math.max(least, limits.segmentBytesMin));
}

/** Removes what is replaced, torn, or was being prepared; only once what counts is durable. */
function removeRest(
  disk: Disk,
  segments: readonly SegmentFile[],
  prepared: PreparedSegment | null,
): void {
  const kept = new Set(segments.map((segment) => segment.head.creation));
  if (prepared !== null) kept.add(prepared.creation);
  const rest = disk.list().filter((name) => {
    const creation = creationOf(name);
    return creation === null ? /\.(preparing|healing)$/.test(name) : !kept.has(creation);
  });
  for (const name of rest) disk.remove(name);
  if (rest.length > 0) disk.syncDirectory();
}

/** The first segment of a new directory: no entry yet. Throws DiskError. */
export function createLog(
  options: LogOptions,
  founding: SegmentHead["derived"],
  chainSeed: number,
): void {
  const { disk, clusterId, incarnation } = options;
  const prepared = fillNow(disk, FIRST_CREATION, options.limits.segmentBytesMin);
  const head = encodeSegmentHead({
    segmentBytes: prepared.bytes,
    creation: FIRST_CREATION,
    clusterId,
    firstIndex: 1,
    termBefore: 0,
    chainBefore: chainSeed,
    firstBatch: 1,
    logStart: 1,
    previous: 0,
    derived: founding,
  });
  const seed = batchSeed(clusterId, incarnation, FIRST_CREATION);
  const batch = { first: true, length: 0, number: 1, firstIndex: 1, chainBefore: chainSeed };
  prepared.file.writeSync(0, head);
  prepared.file.writeSync(head.length, encodeBatchHead(batch, seed));
  prepared.file.syncNow();
  nameNow(disk, prepared).close();
}
