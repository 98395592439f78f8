/** How much a member holds in memory, for whoever looks on, such as a simulation. */

import type { LogStore } from "../storage/types.ts";
import type { Endpoint } from "../transport/types.ts";

export interface MemberSizes {
  /** Requests that wait for their turn, and records that wait for commitment. */
  readonly held: number;
  readonly waiting: number;
  /** Records in memory, bytes. */
  readonly tailBytes: number;
  /** Clients remembered. */
  readonly sessions: number;
  readonly connections: number;
  /** Sent by this process so far. */
  readonly datagramsOut: number;
}

export function sizesOf(
  { sizes }: { readonly sizes: Pick<MemberSizes, "held" | "waiting"> },
  log: LogStore,
  endpoint: Endpoint,
): MemberSizes {
  const { datagramsOut } = endpoint.counters;
  const connections = endpoint.connections().length;
  return { ...sizes, ...log.sizes, connections, datagramsOut };
}
