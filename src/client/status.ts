/** One view of the cluster from what each reachable node says of itself.
 *
 *  One row per member of the newest committed configuration, always; a member that does not answer
 *  is shown as it was last known by the leader, or by whoever heard it last. Then strangers that
 *  wait outside. Before founding: one row per founder. Pure. */

import { userAndHost } from "../base/hosts.ts";
import type { MonotonicMs, NodeId } from "../base/types.ts";
import { majorityOf } from "../raft/membership.ts";
import type { NodeReport, PeerReport } from "../transport/requests.ts";
import type { ClusterKey } from "../transport/types.ts";
import { disagreementText, foundersSaid } from "./founders.ts";
import type { ClusterStatus, StatusRow } from "./types.ts";

/** A node's report and what this client measured of it. */
export interface Heard {
  readonly report: NodeReport;
  readonly rttMs: number | null;
  /** Between its heartbeats, when it leads; null: it was asked through another node. */
  readonly heartbeatMs: number | null;
}

/** Whoever the leader heard so lately will answer; so many of the default are 400 ms. */
const ALIVE_HEARTBEATS = 8;
/** Heard within this time: there, if only as others see it. */
const CONTACT_MS = 2_000;
/** Whoever waits outside says little: a keep-alive, and some patience. */
const STRANGER_MS = 10_000;

/** Merges what was heard; `heard` is not empty. */
export function mergeStatus(heard: readonly Heard[], key: ClusterKey): ClusterStatus {
  const reports = heard.map(({ report }) => report).toSorted((a, b) => a.id - b.id);
  const leader = leaderOf(reports);
  const configuration = newestConfiguration(reports);
  const members = configuration?.members ?? [];
  const said = configuration === null ? foundersSaid(reports) : [];
  const founders = said[0]?.founders ?? [];
  const known = new Set([...members.map(({ id }) => id), ...founders]);
  // Also a node under a member's id with other data: wiped, or another seat.
  const isMember = ({ id, incarnation }: NodeReport): boolean =>
    members.some((one) => one.id === id && one.incarnation === incarnation);
  const strangers = heard.filter(
    ({ report }) => !founders.includes(report.id) && !isMember(report),
  );
  const context: Context = { heard, leader, reports };
  const rows = [
    ...members.map(({ id, incarnation, role }) => memberRow(id, incarnation, role, context)),
    ...founders.map((id) => founderRow(id, context)),
    ...strangers.map((one) => reachableRow(one, "none", context)),
    ...unheardStrangers(known, heard, leader).map(strangerRow),
  ];
  const voting = rows.filter(({ member }) => member === "voter");
  const reachable = voting.filter(
    ({ role, mute }) => role !== "unreachable" && mute === null,
  ).length;
  const renewed = voting.filter(
    ({ id, role }) => role === "unreachable" && strangers.some(({ report }) => report.id === id),
  );
  const isLost = leader === null && voting.length - renewed.length < majorityOf(voting.length);
  const canLose = leader === null ? 0 : Math.max(0, reachable - majorityOf(voting.length));
  return {
    cluster: key.cluster,
    auth: key.auth,
    founded: configuration !== null,
    leader: leader?.id ?? null,
    leaderSinceMs: leader?.leaderSinceMs ?? null,
    term: Math.max(0, ...reports.map(({ term }) => term)),
    healthy: leader !== null && reachable === voting.length,
    voters: voting.length,
    reachableVoters: reachable,
    canLose,
    waitingFor: founders.filter((id) =>
      rows.some((row) => row.id === id && row.role === "unheard"),
    ),
    disagreement: disagreementText(said),
    aliveMs: aliveMs(heard),
    lost: isLost ? renewed.map(({ id }) => id) : [],
    rows,
    reports,
    peersOfLeader: leader?.peers ?? [],
  };
}

function aliveMs(heard: readonly Heard[]): number {
  return ALIVE_HEARTBEATS * Math.max(0, ...heard.map(({ heartbeatMs }) => heartbeatMs ?? 0));
}

interface Context {
  readonly heard: readonly Heard[];
  readonly reports: readonly NodeReport[];
  readonly leader: NodeReport | null;
}

/** Whoever says that it leads, in the highest term that anybody is in. */
function leaderOf(reports: readonly NodeReport[]): NodeReport | null {
  const leaders = reports.filter(({ role, state }) => role === "leader" && state === "member");
  const best = leaders.toSorted((a, b) => b.term - a.term)[0];
  if (best === undefined) return null;
  const deposed = reports.some(({ term, leader }) => term > best.term && leader !== null);
  return deposed ? null : best;
}

/** The configuration with the highest index that its reporter knows committed; else the oldest
 *  known. */
function newestConfiguration(reports: readonly NodeReport[]): NodeReport["configuration"] {
  const founded = reports.filter(({ state }) => state === "member");
  const all = founded.flatMap(({ configuration, commitIndex }) =>
    configuration === null
      ? []
      : [{ configuration, committed: configuration.index <= commitIndex }],
  );
  const committed = all
    .filter((one) => one.committed)
    .toSorted((a, b) => b.configuration.index - a.configuration.index);
  return (
    (committed[0] ?? all.toSorted((a, b) => a.configuration.index - b.configuration.index)[0])
      ?.configuration ?? null
  );
}

function memberRow(
  id: NodeId,
  incarnation: string,
  member: "voter" | "learner",
  context: Context,
): StatusRow {
  const own = context.heard.find(
    ({ report }) => report.id === id && report.incarnation === incarnation,
  );
  if (own !== undefined) return reachableRow(own, member, context);
  return unreachableRow(id, member, context);
}

function reachableRow(
  { report, rttMs }: Heard,
  member: StatusRow["member"],
  { leader }: Context,
): StatusRow {
  const seen = leader?.peers.find(
    ({ id, incarnation }) => id === report.id && incarnation === report.incarnation,
  );
  const leads = leader?.id === report.id;
  const isRemoved = member === "none" && report.state === "member" && report.role !== "leader";
  const role = isRemoved ? "outside" : report.state === "member" ? report.role : report.state;
  const founded = report.state === "member";
  return {
    id: report.id,
    member,
    role,
    term: founded ? report.term : null,
    lastIndex: founded ? report.lastIndex : null,
    commitIndex: founded ? report.commitIndex : null,
    lag:
      leads || leader === null || !founded
        ? null
        : Math.max(0, leader.commitIndex - report.commitIndex),
    lastContactMs: leads ? null : (seen?.lastContactMs ?? null),
    lastHeardWallMs: seen?.lastHeardWallMs ?? null,
    stopped: false,
    rttMs: leads ? null : (seen?.rttMs ?? rttMs),
    fsyncMs: report.syncMs,
    address: report.address,
    host: hostOf(report.userHost),
    uptimeMs: report.uptimeMs,
    version: report.version,
    firstIndex: founded ? report.firstIndex : null,
    mute: report.mute,
    lostData: report.lostData,
    networkDisk: report.networkDisk,
    dataDir: report.dataDir,
  };
}

/** As the leader knows it, or whoever heard from it last. */
function unreachableRow(
  id: NodeId,
  member: StatusRow["member"],
  { reports, leader }: Context,
): StatusRow {
  const seen = lastSeen(id, leader === null ? reports : [leader]) ?? lastSeen(id, reports);
  // 0: this leader has never heard from it.
  const lastIndex = seen?.matchIndex || null;
  return {
    ...emptyRow(id, member, "unreachable"),
    term: seen?.term ?? null,
    lastIndex,
    commitIndex: lastIndex,
    lag: leader === null || lastIndex === null ? null : Math.max(0, leader.commitIndex - lastIndex),
    lastContactMs: seen?.lastContactMs ?? null,
    lastHeardWallMs: seen?.lastHeardWallMs ?? null,
    stopped: seen?.stopped ?? false,
    dataDir: seen?.dataDir ?? null,
    address: seen?.address ?? null,
    host: hostOf(seen?.userHost ?? null),
  };
}

function founderRow(id: NodeId, context: Context): StatusRow {
  const own = context.heard.find(({ report }) => report.id === id);
  const seen = lastSeen(id, context.reports);
  if (own !== undefined)
    return {
      ...reachableRow(own, "none", context),
      lastContactMs: seen?.lastContactMs ?? null,
      rttMs: seen?.rttMs ?? null,
    };
  if (seen === null || seen.lastContactMs === null) return emptyRow(id, "none", "unheard");
  return {
    ...unreachableRow(id, "none", context),
    role: seen.lastContactMs < CONTACT_MS ? "waiting" : "unreachable",
  };
}

/** Strangers that only the leader hears, and heard lately; also one under a member's id. */
function unheardStrangers(
  known: ReadonlySet<NodeId>,
  heard: readonly Heard[],
  leader: NodeReport | null,
): readonly PeerReport[] {
  return (leader?.peers ?? []).filter(({ id, incarnation, member, lastContactMs }) => {
    if (member || lastContactMs === null) return false;
    const isHeard = heard.some(
      ({ report }) =>
        report.id === id && (report.incarnation === incarnation || !known.has(report.id)),
    );
    return !isHeard && lastContactMs < (known.has(id) ? STRANGER_MS : CONTACT_MS);
  });
}

function strangerRow(peer: PeerReport): StatusRow {
  return {
    ...emptyRow(peer.id, "none", "outside"),
    dataDir: peer.dataDir,
    lastContactMs: peer.lastContactMs,
    rttMs: peer.rttMs,
    address: peer.address,
    host: hostOf(peer.userHost),
  };
}

/** The report of the member or founder by whoever had contact last. */
function lastSeen(id: NodeId, reports: readonly NodeReport[]): PeerReport | null {
  const contactMs = (peer: PeerReport): MonotonicMs => peer.lastContactMs ?? Infinity;
  const all = reports.flatMap(({ peers }) => peers.filter((peer) => peer.id === id));
  const members = all.filter(({ member }) => member);
  const seen = members.length > 0 ? members : all;
  return seen.toSorted((a, b) => (contactMs(a) < contactMs(b) ? -1 : 1))[0] ?? null;
}

function emptyRow(id: NodeId, member: StatusRow["member"], role: StatusRow["role"]): StatusRow {
  return {
    id,
    member,
    role,
    term: null,
    lastIndex: null,
    commitIndex: null,
    lag: null,
    lastContactMs: null,
    lastHeardWallMs: null,
    stopped: false,
    rttMs: null,
    fsyncMs: null,
    address: null,
    host: null,
    uptimeMs: null,
    version: null,
    firstIndex: null,
    mute: null,
    lostData: false,
    networkDisk: false,
    dataDir: null,
  };
}

function hostOf(userHost: string | null): string | null {
  return userHost === null ? null : userAndHost(userHost).host;
}

/** Whether everybody that is believed to run has answered: nothing more is worth waiting for. */
export function isComplete(heard: readonly Heard[]): boolean {
  const reports = heard.map(({ report }) => report);
  const configuration = newestConfiguration(reports);
  const expected =
    configuration === null
      ? (foundersSaid(reports)[0]?.founders ?? [])
      : configuration.members.map(({ id }) => id);
  const leader = leaderOf(reports);
  if (
    reports.length === 0 ||
    (configuration !== null && leader === null && reports.length < expected.length)
  )
    return false;
  const known = new Set(expected);
  if (unheardStrangers(known, heard, leader).some(({ id }) => known.has(id))) return false;
  return expected.every((id) => {
    if (reports.some((report) => report.id === id)) return true;
    const seen = lastSeen(id, leader === null ? reports : [leader]);
    if (seen === null || seen.lastContactMs === null || seen.stopped) return true;
    return seen.lastContactMs >= (isNew(seen, configuration) ? STRANGER_MS : aliveMs(heard));
  });
}

/** A learner that has acknowledged nothing: the leader knows it from when it waited outside, where
 *  it said little. */
function isNew(seen: PeerReport, configuration: NodeReport["configuration"]): boolean {
  const member = configuration?.members.find(({ id }) => id === seen.id);
  return member?.role === "learner" && (seen.matchIndex ?? 0) === 0;
}
