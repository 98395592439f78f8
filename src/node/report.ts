/** A node's own view of itself and of the others, as `raft status` and GET /status show it. */

import { outerAddress } from "../base/hosts.ts";
import type { Incarnation, LogIndex, MonotonicMs, NodeId, WallMs } from "../base/types.ts";
import type { CoreStatus } from "../raft/status.ts";
import type { Configuration, Role } from "../raft/types.ts";
import type { NodeReport, PeerReport } from "../transport/requests.ts";
import type { Connection, NodeHello } from "../transport/types.ts";
import type { Seen } from "./seen.ts";

/** What this node remembers of a peer after the connection is gone. */
export interface PeerMemory {
  readonly hello: NodeHello;
  readonly address: { readonly host: string; readonly port: number };
  lastHeardMs: MonotonicMs;
  lastHeardWallMs: WallMs;
  /** It said goodbye and was not met again since. */
  stopped: boolean;
}

export type ReportBasis = Omit<
  NodeReport,
  | "role"
  | "term"
  | "votedFor"
  | "leader"
  | "firstIndex"
  | "lastIndex"
  | "commitIndex"
  | "configuration"
  | "mute"
  | "lostData"
  | "peers"
>;

/** Before a node is a member it has no term, no log and no configuration. */
export function reportOf(
  basis: ReportBasis,
  status: CoreStatus | null,
  firstIndex: LogIndex,
  peers: readonly PeerReport[],
): NodeReport {
  const role: Role = status?.role ?? "follower";
  const configuration: Configuration | null = status?.configuration ?? null;
  return {
    ...basis,
    role,
    term: status?.term ?? 0,
    votedFor: status?.votedFor?.id ?? null,
    leader: status?.leader ?? null,
    firstIndex,
    lastIndex: status?.lastIndex ?? 0,
    commitIndex: status?.commitIndex ?? 0,
    configuration,
    mute: status?.mute ?? null,
    lostData: status?.lostData ?? false,
    peers,
  };
}

/** Whom a node knows of, for its report. */
export interface Acquaintance {
  readonly memories: ReadonlyMap<NodeId, PeerMemory>;
  readonly lastSeen: ReadonlyMap<NodeId, Seen>;
  readonly connections: readonly Connection[];
  /** The connection that counts for that id, or for that very directory of it. */
  readonly connectionTo: (id: NodeId, incarnation: Incarnation | null) => Connection | undefined;
}

/** One row per configured member (or founder) other than this node and per stranger, by id; under
 *  one id the member first. What another process under a member's id does is the stranger's. */
export function peerReports(
  self: NodeId,
  status: CoreStatus | null,
  founders: readonly NodeId[],
  known: Acquaintance,
  nowMs: MonotonicMs,
): PeerReport[] {
  const { memories, lastSeen, connectionTo } = known;
  const configured = status?.configuration.members.map(({ id }) => id) ?? founders;
  const ids = [...new Set([...configured, ...memories.keys()])].filter((id) => id !== self);
  const rows = ids.map((id): PeerReport => {
    const named = status?.configuration.members.find((member) => member.id === id);
    const isOther = (of: { readonly incarnation: Incarnation } | undefined): boolean =>
      named !== undefined && named.incarnation !== of?.incarnation;
    const remembered = memories.get(id);
    const memory = isOther(remembered?.hello) ? undefined : remembered;
    const connection = connectionTo(id, named?.incarnation ?? null);
    const progress = status?.peers.find((peer) => peer.id === id);
    const seen = isOther(lastSeen.get(id)) ? undefined : lastSeen.get(id);
    const lastHeardMs = connection?.lastHeardMs ?? memory?.lastHeardMs ?? null;
    return {
      id,
      incarnation: named?.incarnation ?? memory?.hello.incarnation ?? null,
      userHost: memory?.hello.userHost ?? null,
      address: memory === undefined ? null : outerAddress(memory.address, memory.hello.addresses),
      rttMs: connection?.rttMs ?? null,
      lastContactMs: lastHeardMs === null ? null : Math.max(0, nowMs - lastHeardMs),
      lastHeardWallMs: memory?.lastHeardWallMs ?? null,
      stopped: connection === undefined && memory?.stopped === true,
      dataDir: memory?.hello.dataDir ?? null,
      matchIndex:
        seen === undefined && progress === undefined
          ? null
          : Math.max(progress?.matchIndex ?? 0, seen?.lastIndex ?? 0),
      term: seen?.term ?? null,
      member: configured.includes(id),
    };
  });
  return [...rows, ...impostors(status, known, nowMs)].sort((a, b) => a.id - b.id);
}

/** Processes under a member's id with other data: wiped, or another seat. */
function impostors(
  status: CoreStatus | null,
  { connections }: Acquaintance,
  nowMs: MonotonicMs,
): PeerReport[] {
  const members = status?.configuration.members ?? [];
  return connections.flatMap(({ remote, rttMs, lastHeardMs }) => {
    if (remote.kind !== "node") return [];
    const { id, incarnation } = remote.identity;
    const named = members.find((member) => member.id === id);
    if (named === undefined || named.incarnation === incarnation) return [];
    return [
      {
        id,
        incarnation,
        userHost: remote.hello.userHost,
        address: outerAddress(remote.address, remote.hello.addresses),
        rttMs,
        lastContactMs: Math.max(0, nowMs - lastHeardMs),
        lastHeardWallMs: null,
        stopped: false,
        dataDir: remote.hello.dataDir,
        matchIndex: null,
        term: null,
        member: false,
      },
    ];
  });
}
