/** This machine as a node's world. */

import { systemDiscoveryWorld } from "../discovery/discovery.ts";
import { LOG_LIMITS } from "../storage/limits.ts";
import { acquireLock } from "../storage/lock.ts";
import { machineBootId, networkDisk, openRealDisk, syncMethod } from "../storage/real-disk.ts";
import { systemClock } from "../transport/clock.ts";
import { datagramSizes, ownHosts, userAtHost } from "../transport/machine.ts";
import { openUdpSocket } from "../transport/udp-socket.ts";
import type { NodeWorld } from "./world.ts";

const NO_FULL_SYNC =
  "F_FULLFSYNC cannot be called here: this disk may lose acknowledged entries when power fails";

export function systemNodeWorld(): NodeWorld {
  return {
    clock: systemClock,
    discovery: systemDiscoveryWorld,
    userHost: userAtHost(),
    ownHosts,
    datagramSizes,
    openUdpSocket,
    data: {
      lock: (path, holder) =>
        acquireLock(path, { ...holder, pid: process.pid, machineBootId: machineBootId() }),
      openDisk: (path) => openRealDisk(path, true),
      isNetworkDisk: (path) => networkDisk(path) !== null,
      limits: LOG_LIMITS,
      syncProblem: syncMethod() === null ? NO_FULL_SYNC : null,
    },
  };
}
