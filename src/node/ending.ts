/** How a node ends: leadership is handed over first, and whatever was thrown becomes the reason. */

import { InvariantError } from "../base/assert.ts";
import type { NodeId } from "../base/types.ts";
import type { Core } from "../raft/types.ts";
import { DiskFailure, StorageDamage } from "../storage/disk-error.ts";
import type { Clock } from "../transport/clock.ts";
import type { NodeEnd } from "./events.ts";
import { HAND_OVER_MS } from "./limits.ts";
import { StartError } from "./types.ts";

/** How often a leader that hands over looks whether another leads. */
const LOOK_MS = 5;

/** Orders a transfer and waits for it. The new leader, or null when nobody could take over in time;
 *  `hopeless` ends the waiting. */
export async function handOver(
  core: Core,
  clock: Clock,
  wake: () => void,
  hopeless: () => boolean,
): Promise<NodeId | null> {
  const startedMs = clock.monotonicMs();
  if (core.transferLeadership(null, startedMs).to === null) return null;
  wake();
  while (clock.monotonicMs() - startedMs < HAND_OVER_MS && !hopeless()) {
    if (core.role !== "leader" && core.leader !== null) return core.leader;
    // The one that was under way, or this one, may have gone to a node that died.
    if (core.transferLeadership(null, clock.monotonicMs()).ok) wake();
    await new Promise<void>((resolve) => clock.after(LOOK_MS, resolve));
  }
  return null;
}

/** The end of a node in which `error` was thrown: its disk's, or a bug of ours. */
export function endOf(error: unknown, dataDir: string): NodeEnd {
  if (error instanceof StartError) return { type: "disk", text: error.message };
  if (error instanceof DiskFailure) {
    return { type: "disk", text: diskFailedText(dataDir, error.message) };
  }
  if (error instanceof StorageDamage) {
    const place = `${error.file}, offset ${error.offset}`;
    return { type: "disk", text: `${dataDir} cannot be read on: ${error.message} (${place})` };
  }
  const text = error instanceof InvariantError ? error.message : String(error);
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  return { type: "bug", text: `${text}\n${stack}` };
}

/** Why a node stops whose disk has failed. */
export function diskFailedText(path: string, message: string): string {
  return `the disk of ${path} failed: ${message}; this node stops, nothing acknowledged is lost`;
}
