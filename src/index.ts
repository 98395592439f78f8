/** The public library: a client of a cluster, and the types of what it gives and takes. */

export { RaftClient, type Entry } from "./client/client.ts";
export {
  RaftError,
  type ClientOptions,
  type ClusterStatus,
  type HeardCluster,
  type LeaderAnswer,
  type LogEntry,
  type LogOptions,
  type NobodyAnswers,
  type Receipt,
  type SendOptions,
  type StatusRow,
} from "./client/types.ts";
export { newKey, openKey, parseKeyFile, renderKeyFile } from "./transport/key.ts";
export type { Address, ClusterKey } from "./transport/types.ts";
export type { LogIndex, NodeId, Term, WallMs } from "./base/types.ts";
export type { Configuration, Member } from "./raft/types.ts";
export type { NodeReport, PeerReport } from "./transport/requests.ts";
export { startNode } from "./node/node.ts";
export { DEFAULT_TIMINGS, StartError, type NodeOptions, type RunningNode } from "./node/types.ts";
export type { NodeEnd, NodeEvent, PeerName, SilenceCause } from "./node/events.ts";
