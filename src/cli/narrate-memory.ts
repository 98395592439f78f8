/** What the parts of a narration share. */

import type { NodeId, WallMs } from "../base/types.ts";
import type { NodeEvent } from "../node/events.ts";
import type { Hints } from "./hints.ts";

/** The events of these types. */
export type EventOf<Type extends NodeEvent["type"]> = Extract<NodeEvent, { readonly type: Type }>;

/** What a narrator remembers of what it has said. */
export interface Memory {
  readonly self: NodeId;
  readonly cluster: string;
  readonly hints: Hints;
  /** Peers that were named with user@host already. */
  readonly introduced: Set<NodeId>;
  /** The node that led when it was last said. */
  leader: NodeId | null;
  /** Leaders whose silence was told: what follows need not repeat since when. */
  readonly toldSilent: Set<NodeId>;
  ownHost: string;
  /** When the loss of leadership was last told. */
  lostMs: WallMs;
  /** The last event's first line, and when it was told. */
  lastLine: string;
  lastMs: WallMs;
}
