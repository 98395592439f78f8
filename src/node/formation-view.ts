/** What a person is told about a formation: for whom it waits, and everything that stands in its
 *  way. Pure; the node turns each obstacle into an event. */

import type { NodeId } from "../base/types.ts";
import type { NodeHello } from "../transport/types.ts";
import { namedIncarnation, sameIds, sameRecord } from "./formation-record.ts";
import type { Formation } from "./formation.ts";

/** waiting: a founder without a record. signed: holds a record, not yet a member. outside:
 *  neither a founder nor a member. */
export type FormationStanding = "waiting" | "signed" | "member" | "outside";

/** Something that a person can do something about. Hellos carry the names. */
export type FormationObstacle =
  /** A founder was told to found with others (`--size`, `--voters`). */
  | {
      readonly type: "other founders";
      readonly peer: NodeHello;
      readonly theirs: readonly NodeId[];
    }
  /** Two peers that this node has met do not hear each other. */
  | { readonly type: "not between them"; readonly a: NodeHello; readonly b: NodeHello }
  /** `peer` has met `unheard`, this node has not. */
  | { readonly type: "heard by a peer only"; readonly peer: NodeHello; readonly unheard: NodeId }
  /** One hello came in, but nothing proves yet that this node's datagrams arrive there. */
  | { readonly type: "heard but not met"; readonly peer: NodeHello }
  /** Two live processes claim one id: founded with neither. `copied`: of one data directory. */
  | {
      readonly type: "doubled";
      readonly id: NodeId;
      readonly processes: readonly NodeHello[];
      readonly copied: boolean;
    }
  /** Records that differ. All who hold another one than this node: those who are no members of it
   *  hold no entry (somebody was wiped while the cluster was founded), and those who are. */
  | {
      readonly type: "two foundings";
      readonly peers: readonly NodeHello[];
      readonly members: readonly NodeHello[];
      readonly selfIsMember: boolean;
    }
  /** This node's id is in the record of a living cluster under another incarnation. */
  | { readonly type: "fenced"; readonly members: readonly NodeHello[] }
  /** Members of an earlier founding, too few of them to go on, while this node is new.
   *  `otherMembers` are not here. `lost`: those who are here without their data, where too few are
   *  left to go on without it; else empty. */
  | {
      readonly type: "older cluster";
      readonly members: readonly NodeHello[];
      readonly otherMembers: readonly NodeId[];
      readonly lost: readonly NodeId[];
    }
  /** The same, seen from the member: these founders are new. */
  | {
      readonly type: "new founders";
      readonly peers: readonly NodeHello[];
      readonly otherMembers: readonly NodeId[];
      readonly lost: readonly NodeId[];
    }
  /** A living cluster that does not name this node's id: it waits to be admitted. */
  | { readonly type: "not a member"; readonly members: readonly NodeId[] }
  /** Nothing founded is heard, and this id is not among the founders. */
  | { readonly type: "not a founder"; readonly founders: readonly NodeId[] };

export interface FormationView {
  readonly standing: FormationStanding;
  /** The record's founders, or those this node was told to found with; sorted. */
  readonly founders: readonly NodeId[];
  /** Founders met now, this node not included; sorted. */
  readonly met: readonly NodeId[];
  /** waiting: founders not met. signed: founders not yet seen holding the record. Otherwise
   *  empty. */
  readonly waitingFor: readonly NodeId[];
  readonly obstacles: readonly FormationObstacle[];
}

/** Called by Formation.view. */
export function viewFormation(formation: Formation): FormationView {
  const { id, record } = formation;
  const founders = record?.founders.map((founder) => founder.id) ?? formation.founders;
  const others = founders.filter((founder) => founder !== id);
  const met = others.filter((founder) => formation.metAs(founder).length > 0);
  const standing = standingOf(formation);
  const waitingFor =
    standing === "waiting"
      ? others.filter((founder) => !met.includes(founder))
      : standing === "signed"
        ? others.filter((founder) => !formation.signers.has(founder))
        : [];
  const hellos = [...formation.processes.values()]
    .filter((process) => process.met)
    .map(({ hello }) => hello);
  const obstacles: FormationObstacle[] = [
    ...doubled(hellos),
    ...(standing === "member"
      ? newFounders(formation, hellos)
      : strangers(formation, standing, hellos)),
  ];
  if (standing === "waiting") obstacles.push(...unmet(formation, hellos, others));
  return { standing, founders, met, waitingFor, obstacles };
}

function standingOf(formation: Formation): FormationStanding {
  if (formation.member) return "member";
  if (formation.record !== null) {
    const named = namedIncarnation(formation.record, formation.id) === formation.incarnation;
    return named ? "signed" : "outside";
  }
  return formation.founders.includes(formation.id) ? "waiting" : "outside";
}

function doubled(hellos: readonly NodeHello[]): FormationObstacle[] {
  const ids = [...new Set(hellos.map(({ id }) => id))].sort((a, b) => a - b);
  return ids.flatMap((id): FormationObstacle[] => {
    const processes = hellos.filter((hello) => hello.id === id);
    if (processes.length < 2) return [];
    const copied = new Set(processes.map(({ incarnation }) => incarnation)).size < processes.length;
    return [{ type: "doubled", id, processes, copied }];
  });
}

/** What stands between the founders before anybody has signed. */
function unmet(
  formation: Formation,
  hellos: readonly NodeHello[],
  others: readonly NodeId[],
): FormationObstacle[] {
  const found: FormationObstacle[] = [];
  const fresh = hellos.filter((hello) => hello.founding === null && others.includes(hello.id));
  for (const peer of [...formation.processes.values()]) {
    if (!peer.met && others.includes(peer.hello.id))
      found.push({ type: "heard but not met", peer: peer.hello });
  }
  for (const [at, peer] of fresh.entries()) {
    if (!sameIds(peer.founders, formation.founders)) {
      found.push({ type: "other founders", peer, theirs: peer.founders });
      continue;
    }
    for (const other of fresh.slice(at + 1)) {
      const between = hasMet(peer, other.id) && hasMet(other, peer.id);
      if (!between && other.id !== peer.id)
        found.push({ type: "not between them", a: peer, b: other });
    }
    for (const id of others) {
      if (hasMet(peer, id) && formation.metAs(id).length === 0) {
        found.push({ type: "heard by a peer only", peer, unheard: id });
      }
    }
  }
  return found;
}

function hasMet(hello: NodeHello, id: NodeId): boolean {
  return hello.met.some((peer) => peer.id === id);
}

/** Foundings that are not this node's own, seen by one who is not a member. */
function strangers(
  formation: Formation,
  standing: FormationStanding,
  hellos: readonly NodeHello[],
): FormationObstacle[] {
  const foreign = hellos.filter((hello) => isForeign(formation, hello));
  const members = foreign.filter((hello) => hello.member);
  const signed = foreign.filter((hello) => !hello.member);
  const fresh = hellos.filter((hello) => hello.founding === null);
  // Whoever is no founder of that record only watches others sign theirs.
  const rivals = signed.filter(
    ({ founding }) => founding !== null && namedIncarnation(founding, formation.id) !== null,
  );
  const found: FormationObstacle[] = [];
  if (standing === "signed") {
    if (foreign.length > 0)
      found.push({ type: "two foundings", peers: signed, members, selfIsMember: false });
    return found;
  }
  if (rivals.length > 0 && members.length === 0)
    found.push({ type: "two foundings", peers: rivals, members: [], selfIsMember: false });
  const founding = members[0]?.founding ?? null;
  if (founding !== null) {
    const ids = founding.founders.map(({ id }) => id);
    const holders = members.filter(
      (hello) => hello.founding !== null && sameRecord(hello.founding, founding),
    );
    const lives = holders.length * 2 > ids.length;
    if (standing === "outside" || (lives && !ids.includes(formation.id))) {
      found.push({ type: "not a member", members: ids });
    } else if (lives) {
      found.push({ type: "fenced", members: holders });
    } else {
      const holding = new Set(holders.map(({ id }) => id));
      const renewed = new Set([formation.id, ...fresh.map(({ id }) => id)]);
      found.push({ type: "older cluster", members: holders, ...missing(ids, holding, renewed) });
    }
  } else if (standing === "outside") {
    const founders = signed[0]?.founding?.founders.map(({ id }) => id) ?? formation.founders;
    found.push({ type: "not a founder", founders });
  }
  return found;
}

/** Shows another record than this node's own, or one that does not name this very directory; or
 *  was wiped after this node had signed with it. */
function isForeign(formation: Formation, hello: NodeHello): boolean {
  const { id, incarnation, record } = formation;
  if (record === null) {
    return hello.founding !== null && namedIncarnation(hello.founding, id) !== incarnation;
  }
  if (hello.founding !== null) return !sameRecord(hello.founding, record);
  const named = namedIncarnation(record, hello.id);
  if (named === null || named === hello.incarnation) return false;
  return !formation.metAs(hello.id).some((other) => other.hello.incarnation === named);
}

/** Founders of this member's own record that have come back under another incarnation, where too
 *  few of the old ones are here to go on without them. */
function newFounders(formation: Formation, hellos: readonly NodeHello[]): FormationObstacle[] {
  const { record } = formation;
  if (record === null) return [];
  const rivals = hellos.filter(
    ({ founding }) => founding !== null && !sameRecord(founding, record),
  );
  const found: FormationObstacle[] = [];
  if (rivals.length > 0) {
    const members = rivals.filter((hello) => hello.member);
    const peers = rivals.filter((hello) => !hello.member);
    found.push({ type: "two foundings", peers, members, selfIsMember: true });
  }
  const present = new Set([formation.id]);
  for (const { id, incarnation } of hellos) {
    if (namedIncarnation(record, id) === incarnation) present.add(id);
  }
  if (present.size * 2 > record.founders.length) return found;
  const ids = record.founders.map(({ id }) => id);
  const peers = hellos.filter(
    ({ id, founding }) => founding === null && ids.includes(id) && !present.has(id),
  );
  const fresh = new Set(peers.map(({ id }) => id));
  if (peers.length > 0)
    found.push({ type: "new founders", peers, ...missing(ids, present, fresh) });
  return found;
}

/** Who of the founders `ids` is elsewhere, and whose data is lost: those who came back without it,
 *  where all the others are no majority. */
function missing(
  ids: readonly NodeId[],
  holding: ReadonlySet<NodeId>,
  fresh: ReadonlySet<NodeId>,
): { readonly otherMembers: readonly NodeId[]; readonly lost: readonly NodeId[] } {
  const absent = ids.filter((id) => !holding.has(id));
  const otherMembers = absent.filter((id) => !fresh.has(id));
  const isMajority = (ids.length - absent.length + otherMembers.length) * 2 > ids.length;
  return { otherMembers, lost: isMajority ? [] : absent.filter((id) => fresh.has(id)) };
}
