/** Founding records and claims of one id, compared by value. Pure. */

import { assert } from "../base/assert.ts";
import type { FoundingRecord, Incarnation, NodeId } from "../base/types.ts";
import type { NodeHello } from "../transport/types.ts";

/** One founder as the record names it. */
export type Founder = FoundingRecord["founders"][number];

/** Members, and so founders, are at most this many. */
export const FOUNDERS_MAX = 16;

/** The record of a first founding. Every founder makes the same one by itself: it is sorted by
 *  id and holds nothing local. */
export function foundingRecord(cluster: string, founders: readonly Founder[]): FoundingRecord {
  assert(founders.length > 0 && founders.length <= FOUNDERS_MAX, "a record has 1 to 16 founders");
  const sorted = founders
    .map(({ id, incarnation }) => ({ id, incarnation }))
    .sort((a, b) => a.id - b.id);
  assert(new Set(sorted.map(({ id }) => id)).size === sorted.length, "a record names an id once");
  return { cluster, founders: sorted, parent: null };
}

/** True when both are one founding: name, pairs and parent. */
export function sameRecord(a: FoundingRecord, b: FoundingRecord): boolean {
  if (a.cluster !== b.cluster || a.founders.length !== b.founders.length) return false;
  const pairsAgree = a.founders.every((founder, at) => {
    const other = b.founders[at];
    return (
      other !== undefined && other.id === founder.id && other.incarnation === founder.incarnation
    );
  });
  if (!pairsAgree) return false;
  if (a.parent === null || b.parent === null) return a.parent === b.parent;
  return (
    a.parent.clusterId === b.parent.clusterId &&
    a.parent.index === b.parent.index &&
    a.parent.term === b.parent.term &&
    a.parent.chain === b.parent.chain
  );
}

/** The incarnation under which a record names `id`, or null when it does not name it. */
export function namedIncarnation(record: FoundingRecord, id: NodeId): Incarnation | null {
  return record.founders.find((founder) => founder.id === id)?.incarnation ?? null;
}

/** Uptimes that differ by less count as equal: each side compares its own uptime now with the
 *  other's of some time ago, so for processes started together both would believe that they are
 *  the older one. */
const UPTIME_TIE_MS = 2_000;

/** Who keeps an id that two live processes claim. "same": both hellos are one process (an echo). */
export type ClaimOutcome = "mine" | "theirs" | "neither" | "same";

/** What of a hello decides a claim. */
export type Claim = Pick<
  NodeHello,
  "id" | "incarnation" | "bootId" | "founding" | "member" | "founders" | "met" | "uptimeMs"
>;

/** Decides who keeps an id; the other one ends with exit code 8.
 *
 *  Both sides decide alone, each from its own hello and the other's, so the answer is
 *  antisymmetric for one pair of hellos: "mine" here is "theirs" there. Give it only a hello
 *  whose sender is alive now (it echoed this process's boot id).
 *
 *  - One incarnation, two boots: a copied directory. Both stop, because a vote of either is a
 *    vote of both and nobody can say whose log is the older one.
 *  - A member before anybody who is not; then one who has signed a founding record, or has met
 *    all other founders and so may sign at any moment; then a fresh one.
 *  - Of two members of one cluster the one that an operator let in before the one that the founding
 *    record names: only a replacement gives an id another incarnation.
 *  - Equals: the process that has run longer; the larger incarnation breaks the tie. */
export function claimOfId(mine: Claim, theirs: Claim): ClaimOutcome {
  assert(mine.id === theirs.id, "only one id can be claimed twice");
  if (mine.bootId === theirs.bootId) return "same";
  if (mine.incarnation === theirs.incarnation) return "neither";
  const rank = claimRank(mine) - claimRank(theirs);
  if (rank !== 0) return rank > 0 ? "mine" : "theirs";
  if (isReplacement(mine, theirs)) return "mine";
  if (isReplacement(theirs, mine)) return "theirs";
  const longerMs = mine.uptimeMs - theirs.uptimeMs;
  if (Math.abs(longerMs) >= UPTIME_TIE_MS) return longerMs > 0 ? "mine" : "theirs";
  return mine.incarnation > theirs.incarnation ? "mine" : "theirs";
}

/** Both are members of one cluster, and only the other one has been one since its founding. */
function isReplacement(claim: Claim, other: Claim): boolean {
  const { founding } = claim;
  if (!claim.member || !other.member || founding === null || other.founding === null) return false;
  if (!sameRecord(founding, other.founding)) return false;
  const founder = namedIncarnation(founding, claim.id);
  return founder === other.incarnation && founder !== claim.incarnation;
}

function claimRank(claim: Claim): number {
  if (claim.member) return 2;
  const others = claim.founders.filter((id) => id !== claim.id);
  const metAll = others.every((id) => claim.met.some((peer) => peer.id === id));
  return claim.founding !== null || (metAll && claim.founders.includes(claim.id)) ? 1 : 0;
}

/** What a third node thinks of a second process of one incarnation: a restart has a higher boot
 *  counter; a lower or equal one is a copied directory. */
export function isRestart(before: NodeHello, after: NodeHello): boolean {
  return before.incarnation === after.incarnation && after.bootCount > before.bootCount;
}

/** Both lists are sorted. */
export function sameIds(a: readonly NodeId[], b: readonly NodeId[]): boolean {
  return a.length === b.length && a.every((id, at) => id === b[at]);
}
