/** InstallSnapshot (§7): here the head of the leader's first segment, which is the whole
 *  snapshot. */

import type { NodeIdentity } from "../base/types.ts";
import { heedLeader } from "./append-entries.ts";
import { reply } from "./state.ts";
import type { CoreState } from "./state.ts";
import type { AppendOrder, InstallSnapshot } from "./types.ts";

/** Begins the log anew behind the snapshot, unless the log already holds the snapshot's last entry:
 *  a late or doubled snapshot is acknowledged and changes nothing. */
export function handleInstallSnapshot(
  state: CoreState,
  from: NodeIdentity,
  snapshot: InstallSnapshot,
): AppendOrder | null {
  const { log, durability } = state;
  const isHeeded = heedLeader(state, from, snapshot);
  const lost = isHeeded ? state.lost : null;
  if (!isHeeded || lost !== null) {
    reply(state, from, {
      type: "appendReply",
      term: state.hard.term,
      round: snapshot.round,
      result: lost === null ? "conflict" : "lost data",
      prevIndex: snapshot.lastIndex,
      matchIndex: lost?.lastIndex ?? 0,
      hintIndex: 0,
      hintTerm: 0,
      durableIndex: durability.durableIndex,
    });
    return null;
  }
  if (state.divergedAt !== null) return null;
  const { lastIndex, lastTerm } = snapshot;
  const isHere = lastIndex <= state.commitIndex || log.termAt(lastIndex) === lastTerm;
  if (!isHere) {
    // Until the head is written the disk still holds the old log, of which only this part is right.
    durability.clip(Math.max(state.commitIndex, state.following.verifiedIndex));
    log.reset(lastIndex, lastTerm);
    state.configurations.reset(snapshot.configuration);
    state.outbox.noop = null;
    const { configuration } = snapshot;
    state.outbox.event({ type: "configuration", configuration, reason: "committed" });
    state.commitIndex = lastIndex;
  }
  state.following.verifiedIndex = Math.max(state.following.verifiedIndex, lastIndex);
  if (isHere) state.following.ackDue = true;
  return isHere ? null : { truncateFrom: null, appendFrom: null, install: true };
}
