/** A node of `--local` and its parent: events go up the child's stdout as lines of JSON, and the
 *  end of the pipe to its stdin says that the parent has ended, however it ended. */

import type { WallMs } from "../base/types.ts";
import type { NodeEvent } from "../node/events.ts";

/** What a child says of one event. */
export interface ChildEvent {
  readonly event: NodeEvent;
  readonly wallMs: WallMs;
}

/** An event as the child writes it. */
export function eventLine(event: NodeEvent, wallMs: WallMs): string {
  return `${JSON.stringify({ event, wallMs })}\n`;
}

/** The event of a line, or null when it is something else (a runtime's own words). */
export function parseEventLine(line: string): ChildEvent | null {
  if (!line.startsWith('{"event":')) return null;
  try {
    return JSON.parse(line) as ChildEvent;
  } catch {
    return null;
  }
}

/** In the child: calls `stop` when the parent has ended or has closed the pipe. */
export function whenParentEnds(stop: () => void): void {
  process.stdin.on("end", stop);
  process.stdin.on("error", stop);
  process.stdin.resume();
}
