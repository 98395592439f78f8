/** What a node needs of the world: time, dice, a disk and a network. The real one is in
 *  system-world.ts; a simulation brings its own, and everything above is the same code. */

import type { Address } from "../base/hosts.ts";
import type { DiscoveryWorld } from "../discovery/discovery.ts";
import type { LogLimits } from "../storage/limits.ts";
import type { acquireLock, LockHolder } from "../storage/lock.ts";
import type { Disk } from "../storage/types.ts";
import type { Clock } from "../transport/clock.ts";
import type { OpenUdpResult, UdpSocketOptions } from "../transport/udp-socket.ts";

/** Where data directories are. */
export interface DataGround {
  /** Throws DiskFailure where the directory cannot be written. */
  readonly lock: (
    path: string,
    holder: Omit<LockHolder, "pid" | "machineBootId">,
  ) => ReturnType<typeof acquireLock>;
  /** Makes the directory when missing. */
  readonly openDisk: (path: string) => Disk;
  readonly isNetworkDisk: (path: string) => boolean;
  readonly limits: LogLimits;
  /** Why synced bytes may not survive a power cut here; null where they do. */
  readonly syncProblem: string | null;
}

export interface NodeWorld {
  readonly clock: Clock;
  /** Discovery's dice are the node's too. */
  readonly discovery: DiscoveryWorld;
  /** "ana@lab-07" */
  readonly userHost: string;
  /** This machine's addresses, the most useful first. */
  readonly ownHosts: (loopbackOnly: boolean) => readonly string[];
  /** How large a sealed datagram to an address may be, given what was typed. */
  readonly datagramSizes: (mtuBytes: number | null) => (address: Address) => number;
  readonly openUdpSocket: (options: UdpSocketOptions) => Promise<OpenUdpResult>;
  readonly data: DataGround;
}
