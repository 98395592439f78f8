/** What a stopped node's disk holds at some indexes, read without starting the node: each record is
 *  verified on the way. */
import { inspect } from "../../src/storage/inspect.ts";
import { clusterIdOf } from "../../src/storage/founding.ts";
import { LOG_LIMITS } from "../../src/storage/limits.ts";
import { ReadMemory } from "../../src/storage/read-memory.ts";
import { openRealDisk } from "../../src/storage/real-disk.ts";
import { payloadAt } from "../../src/storage/record.ts";
import type { SegmentFile } from "../../src/storage/segment-file.ts";
import { reachedSegments, settleLast, surveySegments } from "../../src/storage/survey.ts";

/** The bytes of those entries, one for one; null for what is not there whole. Throws StorageDamage
 *  when the log cannot be found at all. */
export function heldEntries(
  directory: string,
  indexes: readonly number[],
): readonly (Uint8Array | null)[] {
  const identity = inspect(directory)?.identity ?? null;
  if (identity === null || identity.founding === null) return indexes.map(() => null);
  const disk = openRealDisk(directory, false);
  const clusterId = clusterIdOf(identity.founding);
  const { incarnation } = identity;
  const survey = surveySegments({ disk, clusterId, incarnation, limits: LOG_LIMITS });
  const { last } = settleLast(survey, []);
  const segments = reachedSegments(survey, last);
  try {
    return indexes.map((index) => entryIn(segments, index));
  } finally {
    for (const segment of segments) segment.close();
    survey.blank?.file.close();
  }
}

function entryIn(segments: readonly SegmentFile[], index: number): Uint8Array | null {
  const segment = segments.findLast(({ firstIndex }) => firstIndex <= index);
  if (segment === undefined || index >= segment.untilIndex) return null;
  const found = segment.read(index, 0, new ReadMemory());
  return found === null ? null : payloadAt(found.bytes, 0, index);
}
