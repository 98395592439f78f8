/** The head of a segment, which is also the snapshot record: everything that is derived from the
 *  log before it.
 *
 *       0  magic 8            8  version 4        12  head bytes 4 (all of this)
 *      16  segment bytes 8   24  creation 8       32  cluster id 16
 *      48  first index 8     56  term before 8    64  chain before 4    68  derived 4 (1, or 0)
 *      72  first batch 8     80  log start 8      88  last user index 8  96  forgotten at 8
 *     104  runs 4           108  configurations 4    112  sessions 4
 *     116  previous 8 (creation number of the segment before; 0: none)
 *     124  runs: (first index 8, term 8)*
 *          configurations: (index 8, length 4, members)*      the first: in force before these
 *          sessions: (client id 16, last sequence 8, last index 8)*
 *          crc 4 over everything before it
 *
 *  Runs and configurations are those that began in the segment before this one, so a restart reads
 *  all heads and only the records behind the last. A head without derived values (0) is written
 *  while damage hides what would be in it; a restart then replays from an earlier head. */

import type { ClusterId, LogIndex, Term } from "../base/types.ts";
import type { Configuration, TermRun } from "../raft/types.ts";
import { crc32, readHex, readU32, readU64, writeHex, writeU32, writeU64 } from "./bytes.ts";
import { decodeMembers, encodeMembers } from "./record.ts";
import { SESSION_ROW_BYTES, SESSIONS_MAX } from "./sessions.ts";

const MAGIC = "5241465453454731"; // RAFTSEG1
/** The format of segments; another one is refused. */
export const SEGMENT_VERSION = 1;
const FIXED_BYTES = 124;
/** No head is larger. */
export const SEGMENT_HEAD_BYTES_MAX = 4_194_304;

/** What a prefix of the log says. */
export interface DerivedHead {
  readonly lastUserIndex: LogIndex;
  readonly forgottenAt: LogIndex;
  readonly runs: readonly TermRun[];
  /** Never empty: the one in force first, then those that began in the segment before, and in those
   *  in front of it if heads between are not derived. */
  readonly configurations: readonly Configuration[];
  /** Rows of SESSION_ROW_BYTES. */
  readonly sessions: Uint8Array;
}

export interface SegmentHead {
  readonly segmentBytes: number;
  readonly creation: number;
  readonly clusterId: ClusterId;
  readonly firstIndex: LogIndex;
  readonly termBefore: Term;
  readonly chainBefore: number;
  readonly firstBatch: number;
  /** The first index of the retained log when this head was written. */
  readonly logStart: LogIndex;
  /** The creation number of the segment that holds the entries before; 0 for none. The log is what
   *  the last segment reaches by these, so a file that was given up can never come back between
   *  them. */
  readonly previous: number;
  readonly derived: DerivedHead | null;
  /** Length of the head itself. */
  readonly headBytes: number;
}

/** Makes a head's bytes; `headBytes` is computed. */
export function encodeSegmentHead(head: Omit<SegmentHead, "headBytes">): Uint8Array {
  const derived = head.derived;
  const members = (derived?.configurations ?? []).map((entry) => encodeMembers(entry.members));
  const runs = derived?.runs ?? [];
  const sessions = derived?.sessions ?? new Uint8Array(0);
  let size = FIXED_BYTES + runs.length * 16 + sessions.length + 4;
  for (const payload of members) size += 12 + payload.length;
  const bytes = new Uint8Array(size);
  writeHex(bytes, 0, MAGIC);
  writeU32(bytes, 8, SEGMENT_VERSION);
  writeU32(bytes, 12, size);
  writeU64(bytes, 16, head.segmentBytes);
  writeU64(bytes, 24, head.creation);
  writeHex(bytes, 32, head.clusterId);
  writeU64(bytes, 48, head.firstIndex);
  writeU64(bytes, 56, head.termBefore);
  writeU32(bytes, 64, head.chainBefore);
  writeU32(bytes, 68, derived === null ? 0 : 1);
  writeU64(bytes, 72, head.firstBatch);
  writeU64(bytes, 80, head.logStart);
  writeU64(bytes, 88, derived?.lastUserIndex ?? 0);
  writeU64(bytes, 96, derived?.forgottenAt ?? 0);
  writeU32(bytes, 104, runs.length);
  writeU32(bytes, 108, members.length);
  writeU32(bytes, 112, sessions.length / SESSION_ROW_BYTES);
  writeU64(bytes, 116, head.previous);
  let offset = FIXED_BYTES;
  for (const run of runs) {
    writeU64(bytes, offset, run.firstIndex);
    writeU64(bytes, offset + 8, run.term);
    offset += 16;
  }
  for (const [at, payload] of members.entries()) {
    writeU64(bytes, offset, derived?.configurations[at]?.index ?? 0);
    writeU32(bytes, offset + 8, payload.length);
    bytes.set(payload, offset + 12);
    offset += 12 + payload.length;
  }
  bytes.set(sessions, offset);
  writeU32(bytes, size - 4, crc32(bytes.subarray(0, size - 4), 0));
  return bytes;
}

/** The length that a head's first 16 bytes announce; 0 when they are no head's. */
export function segmentHeadBytes(bytes: Uint8Array): number {
  if (bytes.length < 16 || readHex(bytes, 0, 8) !== MAGIC) return 0;
  const size = readU32(bytes, 12);
  return size < FIXED_BYTES + 4 || size > SEGMENT_HEAD_BYTES_MAX ? 0 : size;
}

/** Reads a head, on disk or from another member; a string is the reason why it is none. */
export function decodeSegmentHead(bytes: Uint8Array): SegmentHead | string {
  const size = segmentHeadBytes(bytes);
  if (size === 0) return "not the head of a segment";
  if (size > bytes.length) return "the head is cut";
  if (readU32(bytes, size - 4) !== crc32(bytes.subarray(0, size - 4), 0))
    return "the head's checksum does not hold";
  if (readU32(bytes, 8) !== SEGMENT_VERSION)
    return `segment format ${readU32(bytes, 8)} is unknown to this version`;
  const head = {
    segmentBytes: readU64(bytes, 16),
    creation: readU64(bytes, 24),
    clusterId: readHex(bytes, 32, 16),
    firstIndex: readU64(bytes, 48),
    termBefore: readU64(bytes, 56),
    chainBefore: readU32(bytes, 64),
    firstBatch: readU64(bytes, 72),
    logStart: readU64(bytes, 80),
    previous: readU64(bytes, 116),
    headBytes: size,
  };
  const numbers = [
    head.segmentBytes,
    head.creation,
    head.firstIndex,
    head.termBefore,
    head.firstBatch,
    head.logStart,
    head.previous,
  ];
  if (!numbers.every(Number.isSafeInteger) || head.firstIndex < 1)
    return "impossible numbers in the head";
  if (readU32(bytes, 68) === 0) return { ...head, derived: null };
  const derived = decodeDerived(bytes, size);
  return typeof derived === "string" ? derived : { ...head, derived };
}

function decodeDerived(bytes: Uint8Array, size: number): DerivedHead | string {
  const runs: TermRun[] = [];
  const configurations: Configuration[] = [];
  const sessionBytes = readU32(bytes, 112) * SESSION_ROW_BYTES;
  const end = size - 4 - sessionBytes;
  let offset = FIXED_BYTES;
  for (let left = readU32(bytes, 104); left > 0; left -= 1) {
    if (offset + 16 > end) return "the head's terms are cut";
    runs.push({ firstIndex: readU64(bytes, offset), term: readU64(bytes, offset + 8) });
    offset += 16;
  }
  for (let left = readU32(bytes, 108); left > 0; left -= 1) {
    if (offset + 12 > end) return "the head's configurations are cut";
    const length = readU32(bytes, offset + 8);
    if (offset + 12 + length > end) return "the head's configurations are cut";
    const members = decodeMembers(bytes.subarray(offset + 12, offset + 12 + length));
    if (members === null) return "a configuration in the head is malformed";
    configurations.push({ index: readU64(bytes, offset), members });
    offset += 12 + length;
  }
  if (offset !== end || sessionBytes > SESSIONS_MAX * SESSION_ROW_BYTES)
    return "the head's lengths do not add up";
  if (configurations.length === 0) return "the head has no configuration";
  const sessions = bytes.slice(end, size - 4);
  return {
    lastUserIndex: readU64(bytes, 88),
    forgottenAt: readU64(bytes, 96),
    runs,
    configurations,
    sessions,
  };
}

/** "0000000003.log": a segment's name by its creation number. */
export function segmentName(creation: number): string {
  return `${String(creation).padStart(10, "0")}.log`;
}

/** The creation number in a segment's name; null for any other file. */
export function creationOf(name: string): number | null {
  return /^\d{10}\.log$/.test(name) ? Number(name.slice(0, 10)) : null;
}
