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
  /** A prepared segment that can be used as it is, with the highest number of all. */
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
  const [first] = blanks.filter((creation) => creation > usedMax);
  if (first !== undefined && first > usedMax + 1) {
    throw new StorageDamage(
      "the file is missing, one that was prepared later is there",
      segmentName(usedMax + 1),
      0,
    );
  }
  const blank = first === undefined ? null : openBlank(disk, first);
  return { segments, torn, bad, blank, usedMax };
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

/** The last segment whose first batch is good. One behind it with a head and nothing else was being
 *  begun when the node died; what it was to replace still counts. */
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
    if (begun !== null)
      throw new StorageDamage("no valid batch behind the head", last.name, last.head.headBytes);
    begun = last;
    survey.torn.push(last.name);
    survey.segments.pop();
    last.close();
  }
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
      throw (
        survey.bad.get(previous) ??
        new StorageDamage(`the file is missing, ${next.name} needs it`, name, 0)
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
