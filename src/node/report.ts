/** A node's own view of itself and of the others, as `raft status` and GET /status show it. */

import type { LogIndex, MonotonicMs, NodeId, WallMs } from "../base/types.ts";
import type { Configuration, CoreStatus, Role } from "../raft/types.ts";
import type { NodeReport, PeerReport } from "../transport/requests.ts";
import type { Seen } from "./member.ts";
import type { Connection, NodeHello } from "../transport/types.ts";

/** What this node remembers of a peer after the connection is gone. */
export interface PeerMemory {
  readonly hello: NodeHello;
  readonly address: { readonly host: string; readonly port: number };
  lastHeardMs: MonotonicMs;
  lastHeardWallMs: WallMs;
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
    peers,
  };
}

/** One row per configured member (or founder) other than this node, then the strangers that are
 *  met. */
export function peerReports(
  self: NodeId,
  status: CoreStatus | null,
  founders: readonly NodeId[],
  memories: ReadonlyMap<NodeId, PeerMemory>,
  lastSeen: ReadonlyMap<NodeId, Seen>,
  connectionTo: (id: NodeId) => Connection | undefined,
  nowMs: MonotonicMs,
): PeerReport[] {
  const configured = status?.configuration.members.map(({ id }) => id) ?? founders;
  const ids = [...new Set([...configured, ...memories.keys()])]
    .filter((id) => id !== self)
    .sort((a, b) => a - b);
  return ids.map((id) => {
    const memory = memories.get(id);
    const connection = connectionTo(id);
    const progress = status?.peers.find((peer) => peer.id === id);
    const named = status?.configuration.members.find((member) => member.id === id);
    const seenOfId = lastSeen.get(id);
    const seen =
      named === undefined || named.incarnation === seenOfId?.incarnation ? seenOfId : undefined;
    const lastHeardMs = connection?.lastHeardMs ?? memory?.lastHeardMs ?? null;
    return {
      id,
      incarnation: named?.incarnation ?? memory?.hello.incarnation ?? null,
      userHost: memory?.hello.userHost ?? null,
      address: memory?.address ?? null,
      rttMs: connection?.rttMs ?? null,
      lastContactMs: lastHeardMs === null ? null : Math.max(0, nowMs - lastHeardMs),
      lastHeardWallMs: memory?.lastHeardWallMs ?? null,
      matchIndex:
        seen === undefined && progress === undefined
          ? null
          : Math.max(progress?.matchIndex ?? 0, seen?.lastIndex ?? 0),
      term: seen?.term ?? null,
      member: configured.includes(id),
    };
  });
}
