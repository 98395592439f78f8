/** A member whose disk no longer holds what it acknowledged: replaced by an older copy of itself,
 *  or one that loses what it wrote. Its acknowledgements and its vote stood for entries that may be
 *  nowhere else now, so it is no longer counted, and told so.
 *
 *      leader                                      member
 *        | heartbeat, round r ----------------------> |
 *        | <----- durableIndex below matchIndex, r -- |
 *        | lostData, matchIndex, r -----------------> |  its own disk says the same: mute
 *        | append, of this leader or a later one ---> |
 *        | <-------------- "lost data", matchIndex -- |
 *
 *  Every answer of that kind is answered so, to the very process that gave it. */

import type { LogIndex, NodeIdentity } from "../base/types.ts";
import { heedLeader } from "./append-entries.ts";
import { becomeSilent } from "./progress.ts";
import type { Progress } from "./progress.ts";
import { reply } from "./state.ts";
import type { CoreState } from "./state.ts";
import type { LostData } from "./types.ts";

/** What a reply says of the disk that it comes from. */
interface DurableReply {
  readonly round: number;
  readonly durableIndex: LogIndex;
}

/** The leader counts this peer no longer: it had acknowledged up to `acknowledgedIndex`. */
export function noteLostData(
  state: CoreState,
  peer: Progress,
  acknowledgedIndex: LogIndex,
  durableIndex: LogIndex,
): void {
  becomeSilent(peer, "lost data");
  peer.lostIndex = acknowledgedIndex;
  const matchIndex = acknowledgedIndex;
  state.outbox.event({ type: "lostData", peer: peer.id, matchIndex, durableIndex });
}

/** Whether this answer shows a loss. Only one made after the one that raised matchIndex can: an
 *  older answer was overtaken by it. A snapshot replaces a log, so less may be durable until its
 *  head is written. */
export function showsLoss(
  peer: Progress,
  acknowledgedIndex: LogIndex,
  answer: DurableReply,
): boolean {
  if (peer.state === "snapshot") return false;
  return answer.durableIndex < acknowledgedIndex && answer.round > peer.matchRound;
}

/** The leader tells the process that answered what its member had acknowledged. */
export function tellLostData(
  state: CoreState,
  peer: Progress,
  from: NodeIdentity,
  answer: DurableReply,
): void {
  if (!showsLoss(peer, peer.lostIndex, answer)) return;
  const { term } = state.hard;
  reply(state, from, {
    type: "lostData",
    term,
    round: answer.round,
    matchIndex: peer.lostIndex,
  });
}

/** The member looks for itself before it believes it. Within a term the durable log of an honest
 *  member never falls below what it acknowledged to that term's leader, for nothing of it conflicts
 *  with that leader's log: so a late or doubled message finds the entries here and changes nothing.
 *  Two things look like a loss and are none: a snapshot on its way to the disk replaces the log,
 *  and damage that recovery found keeps this node from voting by a rule of its own. */
export function handleLostData(state: CoreState, from: NodeIdentity, message: LostData): void {
  if (!heedLeader(state, from, message) || state.lost !== null) return;
  const { matchIndex } = message;
  const durableIndex = Math.max(state.durability.durableIndex, state.log.baseIndex);
  const isKnownDamage = !state.membersKnown || state.voteFromCommitIndex >= matchIndex;
  if (durableIndex >= matchIndex || isKnownDamage) return;
  state.lost = { firstIndex: durableIndex + 1, lastIndex: matchIndex };
  state.outbox.event({ type: "lostData", peer: state.self.id, matchIndex, durableIndex });
}
