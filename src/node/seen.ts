/** What each peer was last known to hold: shown to people when it is silent. */

import type { Incarnation, LogIndex, NodeId, NodeIdentity, Term } from "../base/types.ts";
import type { RaftMessage } from "../raft/types.ts";
import { lastIndexIn } from "./door.ts";

/** What a data directory was last known to hold. */
export interface Seen {
  readonly incarnation: Incarnation;
  term: Term;
  lastIndex: LogIndex;
}

/** Takes from a message what its sender holds. */
export function noteSeen(
  lastSeen: Map<NodeId, Seen>,
  { id, incarnation }: NodeIdentity,
  message: RaftMessage,
): void {
  const before = lastSeen.get(id);
  const seen =
    before?.incarnation === incarnation ? before : { incarnation, term: 0, lastIndex: 0 };
  // A pre-vote names the term that its sender would campaign in, not one that it is in.
  if (message.type !== "preVote") seen.term = Math.max(seen.term, message.term);
  seen.lastIndex = Math.max(seen.lastIndex, lastIndexIn(message));
  lastSeen.set(id, seen);
}
