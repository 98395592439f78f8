/** Starting a node from a program or from `raft up`. */

import type { Address } from "../base/hosts.ts";
import type { NodeId } from "../base/types.ts";
import type { RaftTimings } from "../raft/types.ts";
import type { NodeReport } from "../transport/requests.ts";
import type { ClusterKey } from "../transport/types.ts";
import type { NodeEnd, NodeEventListener } from "./events.ts";

export interface NodeOptions {
  /** 1 to 999. */
  readonly id: NodeId;
  /** Founders: ids; sorted. `--size 3` is [1, 2, 3]. Used at founding only. */
  readonly founders: readonly NodeId[];
  /** True when the user typed --size or --voters (a later difference is then one sentence). */
  readonly foundersTyped: boolean;
  readonly key: ClusterKey;
  /** HOST, HOST:PORT or ID=HOST:PORT. */
  readonly peers: readonly string[];
  readonly dataDir: string;
  /** What a person types after --data-dir to mean that directory; null: it is the usual place. */
  readonly dataDirTyped: string | null;
  /** Address to bind; null: all interfaces (0.0.0.0). */
  readonly listen: string | null;
  /** null: 7400 + id, or any free one when that is taken. */
  readonly port: number | null;
  readonly http: Address | null;
  /** Loopback only: beacons, data and datagram size. */
  readonly loopbackOnly: boolean;
  /** Datagram bytes towards other machines; null: 1,200. */
  readonly mtuBytes: number | null;
  readonly timings: RaftTimings;
  readonly multicastPort: number;
  readonly verbose: boolean;
  /** "./raft", for hints in reports. */
  readonly executable: string;
  readonly version: string;
  readonly onEvent: NodeEventListener;
}

/** Where the node's data is, as others are told; null: in the usual place. */
export function toldDirectory({ dataDir, dataDirTyped }: NodeOptions): string | null {
  return dataDirTyped === null ? null : dataDir;
}

export interface RunningNode {
  readonly address: Address;
  /** Hands over if it leads, says BYE, syncs, releases the directory. */
  stop(): Promise<void>;
  /** Ends at once, as a crash would: nothing is handed over, nothing said. */
  kill(): void;
  report(): NodeReport;
  /** Settles when the node has ended, for whatever reason. */
  readonly ended: Promise<NodeEnd>;
}

/** Why a node could not start; the executable maps `exitCode`. */
export class StartError extends Error {
  override readonly name = "StartError";
  readonly exitCode: 2 | 7 | 8;
  constructor(message: string, exitCode: 2 | 7 | 8) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** The interval of the elections is narrow, for two that campaign at once are sorted out in the
 *  pre-vote, and begins above the silence of a leader on a busy machine (README.md). */
export const DEFAULT_TIMINGS: RaftTimings = {
  heartbeatMs: 50,
  electionMinMs: 250,
  electionMaxMs: 400,
};
