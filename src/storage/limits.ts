/** The sizes of a log on its disk. */

import { SESSIONS_MAX } from "./sessions.ts";
import { TAIL_BYTES_MAX, TAIL_PAGE_BYTES } from "./tail.ts";

/** The size of a quiet log's segments; a busy log's double up to the larger. */
export const SEGMENT_BYTES_MIN = 4_194_304;
export const SEGMENT_BYTES_MAX = 33_554_432;

/** Sizes, for tests; the defaults are what runs. */
export interface LogLimits {
  readonly segmentBytesMin: number;
  readonly segmentBytesMax: number;
  /** Recent records in memory, and of what pieces it is made. */
  readonly tailBytesMax: number;
  readonly tailPageBytes: number;
  readonly sessionsMax: number;
}

export const LOG_LIMITS: LogLimits = {
  segmentBytesMin: SEGMENT_BYTES_MIN,
  segmentBytesMax: SEGMENT_BYTES_MAX,
  tailBytesMax: TAIL_BYTES_MAX,
  tailPageBytes: TAIL_PAGE_BYTES,
  sessionsMax: SESSIONS_MAX,
};
