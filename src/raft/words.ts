/** Pieces of the sentences in which the core gives its reasons. */

import type { LogIndex, NodeId } from "../base/types.ts";

/** "node 2", "nodes 2 and 3", "nodes 2, 3 and 4". */
export function renderNodes(ids: readonly NodeId[]): string {
  const last = ids[ids.length - 1];
  if (last === undefined) return "no node";
  if (ids.length === 1) return `node ${last}`;
  return `nodes ${ids.slice(0, -1).join(", ")} and ${last}`;
}

/** "340 ms". */
export function renderMs(durationMs: number): string {
  return `${Math.round(durationMs)} ms`;
}

/** "entry 4", "entries 4 to 5". */
export function renderRange(range: {
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
}): string {
  const { firstIndex, lastIndex } = range;
  return firstIndex === lastIndex ? `entry ${firstIndex}` : `entries ${firstIndex} to ${lastIndex}`;
}
