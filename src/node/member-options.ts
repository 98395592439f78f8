/** What a member is given by its process. */

import type { LogIndex, NodeId, NodeIdentity } from "../base/types.ts";
import type { CoreEvent, HardState, RaftMessage, RaftTimings } from "../raft/types.ts";
import type { Recovered } from "../storage/types.ts";
import type { Clock } from "../transport/clock.ts";
import type { LeaderHint } from "../transport/requests.ts";
import type { Connection, Endpoint } from "../transport/types.ts";

export interface MemberOptions {
  readonly self: NodeIdentity;
  readonly recovered: Recovered;
  readonly writeHardState: (hardState: HardState, done: () => void) => void;
  readonly endpoint: Endpoint;
  readonly clock: Clock;
  readonly timings: RaftTimings;
  readonly seed: number;
  /** The live connection to that very (id, incarnation), or undefined. */
  readonly connectionTo: (id: NodeId, incarnation: string) => Connection | undefined;
  /** What others may have in flight to this node. */
  readonly receiveWindowBytes: number;
  readonly datagramBytesMax: (connection: Connection) => number;
  readonly leaderHint: () => LeaderHint | null;
  /** Asks the leader for a read index on behalf of a read here. */
  readonly askReadIndex: (done: (index: LogIndex | null) => void) => boolean;
  readonly onCoreEvent: (event: CoreEvent) => void;
  readonly onNote: (text: string) => void;
  readonly onHealed: (from: LogIndex, to: LogIndex, by: NodeId) => void;
  /** A message was taken in; `bytes` came with it. */
  readonly onTrace: ((from: NodeId, message: RaftMessage, bytes?: Uint8Array) => void) | null;
  /** Asks the loop for another turn. */
  readonly wake: () => void;
}
