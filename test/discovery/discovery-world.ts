/** Beacons, and discoveries on a discovery port of their own, for tests with real sockets on
 *  loopback. */

import { createSocket } from "node:dgram";
import { systemClock } from "../../src/transport/clock.ts";
import { openDiscovery } from "../../src/discovery/discovery.ts";
import type { Beacon, Discovery, DiscoveryOptions, Hint } from "../../src/discovery/types.ts";

export function bootId(of: number): string {
  return of.toString(16).padStart(32, "0");
}

export function beaconOf(id: number, parts: Partial<Beacon> = {}): Beacon {
  return {
    cluster: "raft",
    auth: "open",
    keyTag: 7,
    clusterId: null,
    wireVersion: 1,
    id,
    bootId: bootId(id),
    userHost: `ana@lab-0${id}`,
    host: null,
    port: 7_400 + id,
    state: { type: "waiting", for: [2, 3] },
    bye: false,
    ...parts,
  };
}

/** A UDP port that nobody has now. */
export function freePort(): Promise<number> {
  const socket = createSocket("udp4");
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.bind({ address: "0.0.0.0", port: 0, exclusive: true }, () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}

export interface Voice {
  readonly discovery: Discovery;
  readonly hints: Hint[];
}

/** A node (with a beacon) or a client (null). */
export async function openVoice(
  multicastPort: number,
  beacon: (() => Beacon) | null,
  parts: Partial<DiscoveryOptions> = {},
): Promise<Voice> {
  const hints: Hint[] = [];
  const discovery = await openDiscovery({
    loopbackOnly: true,
    peers: [],
    remembered: [],
    beacon,
    bootId: beacon?.().bootId ?? null,
    onHint: (hint) => hints.push(hint),
    multicastPort,
    now: () => systemClock.monotonicMs(),
    after: (delayMs, run) => systemClock.after(delayMs, run),
    ...parts,
  });
  return { discovery, hints };
}

/** Waits until `holds`, at most `deadlineMs`; false when it never did. `again` runs before every
 *  look. */
export async function eventually(
  holds: () => boolean,
  again: () => void = () => {},
  deadlineMs = 5_000,
): Promise<boolean> {
  const endMs = performance.now() + deadlineMs;
  for (;;) {
    if (holds()) return true;
    if (performance.now() > endMs) return false;
    again();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
