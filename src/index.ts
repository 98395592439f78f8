/** The public library: a client of a cluster, a node in this process, and the types of what they
 *  give and take. */

import { version } from "../package.json";
import { DISCOVERY_PORT } from "./base/hosts.ts";
import { startNode as start } from "./node/node.ts";
import { DEFAULT_TIMINGS, type NodeOptions, type RunningNode } from "./node/types.ts";
import { systemDice } from "./transport/dice.ts";
import { newKey as makeKey } from "./transport/key.ts";
import type { ClusterKey } from "./transport/types.ts";

export { RaftClient } from "./client/client.ts";
export type { Entry, Session } from "./client/session.ts";
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
export { openKey, parseKeyFile, renderKeyFile } from "./transport/key.ts";
export type { ClusterKey } from "./transport/types.ts";
export type { Address } from "./base/hosts.ts";
export type { LogIndex, NodeId, Term, WallMs } from "./base/types.ts";
export type { Configuration, Member } from "./raft/types.ts";
export type { NodeReport, PeerReport } from "./transport/requests.ts";
export { DEFAULT_TIMINGS, StartError, type NodeOptions, type RunningNode } from "./node/types.ts";
export type { NodeEnd, NodeEvent, PeerName, SilenceCause } from "./node/events.ts";

/** A fresh secret for a cluster of that name; `renderKeyFile` makes a file of it. */
export function newKey(cluster: string): ClusterKey {
  return makeKey(cluster, systemDice);
}

/** Id, key and directory must be given; the rest is as `raft up` has it without flags, and
 *  silent. */
export type StartOptions = Pick<NodeOptions, "id" | "key" | "dataDir"> & Partial<NodeOptions>;

/** Starts a node in this process. Throws StartError when the directory, the port or the id cannot
 *  be had.
 *
 *  The directory is locked and read without a pause, and whatever else runs in this process stands
 *  still meanwhile, another node of it too: while its log is read; for 0.3 s where somebody holds
 *  it; for at most 6 s where a program that was looking at it has been suspended. `raft up` gives
 *  each node a process of its own. */
export function startNode(options: StartOptions): Promise<RunningNode> {
  return start({ ...DEFAULTS, ...options });
}

const DEFAULTS = {
  founders: [1, 2, 3],
  foundersTyped: false,
  dataDirTyped: null,
  peers: [],
  listen: null,
  port: null,
  http: null,
  loopbackOnly: false,
  mtuBytes: null,
  timings: DEFAULT_TIMINGS,
  multicastPort: DISCOVERY_PORT,
  verbose: false,
  executable: "raft",
  version,
  onEvent: () => undefined,
} as const satisfies Partial<NodeOptions>;
