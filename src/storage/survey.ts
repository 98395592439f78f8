/** Which files make up the log: reads the heads, finds the last segment that was really begun, and
 *  follows the numbers back from it. */

import type { ClusterId, Incarnation } from "../base/types.ts";
import { batchSeed, findBatchHead } from "./batch.ts";
import { StorageDamage } from "./disk-error.ts";
import type { LogLimits } from "./limits.ts";
import type { PreparedSegment } from "./preparer.ts";
import { readSegmentHead, SegmentFile } from "./segment-file.ts";
import { creationOf, segmentName } from "./segment-head.ts";
import type { SegmentHead } from "./segment-head.ts";
import type { Scan } from "./segment-scan.ts";
import type { Disk } from "./types.ts";

/** Why a segment that should be there is damaged. */
export const ZEROS = "all of it reads as zeros";

interface SurveyOptions {
  readonly disk: Disk;
  readonly clusterId: ClusterId;
  readonly incarnation: Incarnation;
  readonly limits: LogLimits;
}

/** The segments found in a directory. */
export interface Survey {
  /** With a valid head, by creation. */
  readonly segments: SegmentFile[];
  /** Used, but the write that began them never finished. */
  readonly torn: string[];
  /** Heads that were good once: these stop the node if they belong to the log. */
  readonly bad: Map<number, StorageDamage>;
  /** Full of zeros. */
  readonly blanks: readonly number[];
  /** The one of them that can be used as it is, being newer than all that were used. */
  readonly blank: PreparedSegment | null;
  /** The highest number of those that were used. */
  readonly usedMax: number;
}

/** Reads every head. Throws StorageDamage, or DiskError. */
export function surveySegments(options: SurveyOptions): Survey {
  const { disk, clusterId } = options;
  const segments: SegmentFile[] = [];
  const torn: string[] = [];
  const bad = new Map<number, StorageDamage>();
  const blanks: number[] = [];
  let usedMax = 0;
  for (const creation of disk.list().flatMap((name) => creationOf(name) ?? [])) {
    const name = segmentName(creation);
    const file = disk.open(name, false);
    const head = readSegmentHead(file);
    const seed = batchSeed(clusterId, options.incarnation, creation);
    const use =
      typeof head === "string"
        ? headlessUse(
            file.readSync(0, file.size()),
            seed,
            options.limits.segmentBytesMin,
            head,
            name,
          )
        : checkHead(head, clusterId, creation, name);
    if (typeof head !== "string" && use === "good")
      segments.push(new SegmentFile(disk, head, seed, file, false));
    else file.close();
    if (use === "blank") blanks.push(creation);
    else usedMax = Math.max(usedMax, creation);
    if (use === "torn") torn.push(name);
    if (use instanceof StorageDamage) bad.set(creation, use);
  }
  const first = blanks.find((creation) => creation > usedMax);
  const blank = first === undefined ? null : openBlank(disk, first);
  return { segments, torn, bad, blanks, blank, usedMax };
}

function openBlank(disk: Disk, creation: number): PreparedSegment {
  disk.syncDirectory();
  const file = disk.open(segmentName(creation), false);
  return { creation, bytes: file.size(), file };
}

function checkHead(
  head: SegmentHead,
  clusterId: ClusterId,
  creation: number,
  name: string,
): "good" | StorageDamage {
  if (head.clusterId !== clusterId)
    return new StorageDamage("a segment of another cluster", name, 32);
  if (head.creation !== creation)
    return new StorageDamage(`a segment that was created as ${head.creation}`, name, 24);
  return "good";
}

/** A file without a valid head is a prepared one, or one whose first write was cut off. Anything
 *  valid behind that first write says that it was not: then the head itself is damaged. */
function headlessUse(
  bytes: Uint8Array,
  seed: number,
  bytesMin: number,
  reason: string,
  name: string,
): "blank" | "torn" | StorageDamage {
  if (bytes.length < bytesMin) return new StorageDamage("the file was cut", name, bytes.length);
  if (reason.startsWith("segment format")) return new StorageDamage(reason, name, 8);
  const at = findBatchHead(bytes, 0, seed);
  if (at >= 0) return new StorageDamage(`${reason}, but batches follow at offset ${at}`, name, 0);
  return bytes.every((byte) => byte === 0) ? "blank" : "torn";
}

/** The last segment whose first batch is good. The one behind it, without a batch or a head, was
 *  being begun when the node died; what it was to replace still counts. */
export function settleLast(
  survey: Survey,
  notes: string[],
): { readonly last: SegmentFile; readonly scan: Scan } {
  let begun: SegmentFile | null = null;
  for (;;) {
    const last = survey.segments.at(-1);
    const newer = [...survey.bad].findLast(([creation]) => creation > (last?.head.creation ?? 0));
    if (newer !== undefined) throw newer[1];
    if (last === undefined) throw new StorageDamage("no segment with a valid head", ".", 0);
    const size = last.opened().size();
    if (size < last.head.segmentBytes) throw new StorageDamage("the file was cut", last.name, size);
    const scan = last.scan();
    if (scan.lastBatch !== null || scan.holes.length > 0) {
      checkBehind(survey, last.head.creation);
      // All but an installed snapshot was begun after everything before it was durable.
      if (begun !== null && begun.head.previous !== 0 && scan.lastIndex < begun.firstIndex - 1) {
        const durable = begun.firstIndex - 1;
        const reason = `entries up to ${durable} were durable, found ${scan.lastIndex}`;
        throw new StorageDamage(reason, last.name, scan.endOffset);
      }
      for (const name of survey.torn)
        notes.push(`${name}: its first write was cut off, nothing in it was acknowledged`);
      return { last, scan };
    }
    if (notBegun(survey, last.head.creation).length > 0)
      throw new StorageDamage("no valid batch behind the head", last.name, last.head.headBytes);
    begun = last;
    survey.torn.push(last.name);
    survey.segments.pop();
    last.close();
  }
}

/** Prepared or torn, and newer than `creation`; sorted. */
function notBegun({ blanks, torn }: Survey, creation: number): readonly number[] {
  const all = [...blanks, ...torn.flatMap((name) => creationOf(name) ?? [])];
  return all.filter((newer) => newer > creation).sort((a, b) => a - b);
}

/** A segment gets its name only after the first write to the one before it was synced. So behind
 *  the last one that was begun there is one file at most, the next by its number, prepared or cut
 *  off; where there are more, the first of them was lost. Throws StorageDamage. */
export function checkBehind(survey: Survey, last: number): void {
  const [first, second] = notBegun(survey, last);
  if (first === undefined || (first === last + 1 && second === undefined)) return;
  const what = whatIsLost(first, last, survey.blanks);
  throw new StorageDamage(`${what}, a later one is there`, segmentName(last + 1), 0);
}

/** Of the segment behind `last`; `first`: the first file there. */
function whatIsLost(first: number, last: number, blanks: readonly number[]): string {
  if (first > last + 1) return "the file is missing";
  if (blanks.includes(first)) return ZEROS;
  return "its head is missing";
}

/** The log is what the last segment reaches through the numbers of the ones before. From its first
 *  index on a segment replaces what the one before holds. Whatever is not reached was replaced or
 *  given up. */
export function reachedSegments(survey: Survey, last: SegmentFile): SegmentFile[] {
  const reached = [last];
  for (let next = last; next.firstIndex > last.head.logStart;) {
    const { previous } = next.head;
    const segment = survey.segments.find((candidate) => candidate.head.creation === previous);
    const name = segmentName(previous);
    if (segment === undefined) {
      const what = survey.blanks.includes(previous) ? ZEROS : "the file is missing";
      throw (
        survey.bad.get(previous) ?? new StorageDamage(`${what}, ${next.name} needs it`, name, 0)
      );
    }
    segment.endBefore(next.firstIndex, next.head.chainBefore);
    // A file that was cut has a hole up to where the next one begins; all else is looked at when it
    // is read.
    if (segment.opened().size() < segment.head.segmentBytes) segment.scan();
    reached.unshift(segment);
    next = segment;
  }
  for (const segment of survey.segments) if (segment !== last) segment.close();
  return reached;
}
