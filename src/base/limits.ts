/** Limits that several folders keep to: what one of them lets in, the others must let through. */

import type { NodeId } from "./types.ts";

/** The largest node id; the smallest is 1. */
export const NODE_ID_MAX = 999;

/** Members of a cluster, learners included, and so its founders too. */
export const MEMBERS_MAX = 16;

/** The largest entry, bytes. */
export const ENTRY_BYTES_MAX = 1_048_576;

/** Entries in one append request, and so in one record. */
export const ENTRIES_PER_RECORD_MAX = 16_384;

/** The array of payloads of one record, bytes: one entry of the largest size, or many small. */
export const PAYLOADS_BYTES_MAX = ENTRY_BYTES_MAX + 65_536;

/** For values that came from a wire or a disk. */
export function isNodeId(value: unknown): value is NodeId {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= NODE_ID_MAX;
}
