/** Every limit of a running node, with its unit. */

import { nasty } from "../base/buggify.ts";
import type { RaftLimits } from "../raft/types.ts";

export const DEFAULT_LIMITS: RaftLimits = {
  inflightBytesMax: 2 << 20,
  appendBytesMax: 256 << 10,
  uncommittedBytesMax: 64 << 20,
  uncommittedEntriesMax: 1_000_000,
};

/** Old records that a follower is sent in a millisecond while others commit, bytes and datagrams:
 *  the smaller a datagram, the more a byte costs (src/raft/pace.ts; src/node/SPEED.md). */
const CATCH_UP_BYTES_PER_MS = 65_536;
const CATCH_UP_DATAGRAMS_PER_MS = 24;

/** The pace for a peer that is sent datagrams of so many bytes. */
export function catchUpBytesPerMs(datagramBytesMax: number): number {
  if (nasty("slow catch-up")) return 100;
  return Math.min(CATCH_UP_BYTES_PER_MS, CATCH_UP_DATAGRAMS_PER_MS * datagramBytesMax);
}

/** Known or typed addresses are greeted again this often while not connected, so that two stateful
 *  firewalls that drop everything unasked let the pair through to each other. */
export const GREET_AGAIN_MS = 5_000;

/** Firewalls forget a silent pair after 30 s: met nodes hear from us at least this often. */
export const KEEP_ALIVE_MS = 8_000;

/** How often the watches look around; people do not notice less. */
export const LOOK_MS = 100;

/** The leader says who it is this often while it holds a quorum. */
export const ANNOUNCE_MS = 3_000;

/** A handover on stop may take this long; then the node goes without. */
export const HAND_OVER_MS = 1_500;
