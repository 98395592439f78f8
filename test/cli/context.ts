/** What the tests of the command line share: a machine that is not this one, moments, a
 *  narrator's ear, rows of `raft status`. */

import { Hints } from "../../src/cli/hints.ts";
import { createNarrator } from "../../src/cli/narrate.ts";
import type { Machine } from "../../src/cli/places.ts";
import type { ClusterStatus, StatusRow } from "../../src/client/types.ts";
import type { NodeEvent, PeerName } from "../../src/node/events.ts";

/** A moment of 14 November in local time, so that texts are the same in every time zone. */
export function at(hours: number, minutes: number, seconds = 0): number {
  return new Date(2025, 10, 14, hours, minutes, seconds).getTime();
}

export const hints = new Hints("./raft");

export function linuxMachine(changes: Partial<Machine> = {}): Machine {
  return {
    platform: "linux",
    environment: {},
    homeDirectory: () => "/home/ana",
    executableDirectory: null,
    workingDirectory: "/home/ana",
    ...changes,
  };
}

export function peer(
  id: number,
  userHost: string | null = null,
  host: string | null = null,
): PeerName {
  const address = host === null ? null : { host, port: 7400 + id };
  return { id, userHost, address, dataDir: null };
}

/** The nodes of the sessions. */
export const lab = {
  1: peer(1, "ana@lab-07", "10.0.0.7"),
  2: peer(2, "ana@lab-08", "10.0.0.8"),
  3: peer(3, "ana@lab-09", "10.0.0.9"),
} as const;

/** All lines that node `self` prints for these events. */
export function told(
  self: number,
  events: readonly (readonly [number, NodeEvent])[],
  with_ = hints,
): string {
  const narrate = createNarrator(self, "raft", with_);
  return events
    .map(([wallMs, event]) => narrate(event, wallMs))
    .filter((text) => text !== null)
    .join("\n");
}

/** A golden text, line by line. */
export function lines(...texts: readonly string[]): string {
  return texts.join("\n");
}

/** A voter of three that is well. */
export function row(id: number, changes: Partial<StatusRow>): StatusRow {
  return {
    id,
    member: "voter",
    role: "follower",
    term: 1,
    lastIndex: 42,
    commitIndex: 42,
    lag: 0,
    lastContactMs: null,
    lastHeardWallMs: null,
    stopped: false,
    rttMs: null,
    fsyncMs: null,
    address: { host: `10.0.0.${6 + id}`, port: 7400 + id },
    host: `lab-0${6 + id}`,
    uptimeMs: 812_345,
    version: "1.0.0",
    firstIndex: 1,
    mute: null,
    lostData: false,
    networkDisk: false,
    dataDir: null,
    ...changes,
  };
}

/** Three voters that are well, of whom node 2 leads. */
export function status(
  rows: readonly StatusRow[],
  changes: Partial<ClusterStatus> = {},
): ClusterStatus {
  return {
    cluster: "raft",
    auth: "open",
    founded: true,
    leader: 2,
    leaderSinceMs: 7 * 60_000 + 3_000,
    term: 1,
    healthy: true,
    voters: 3,
    reachableVoters: 3,
    canLose: 1,
    waitingFor: [],
    disagreement: null,
    aliveMs: 400,
    lost: [],
    rows,
    reports: [],
    peersOfLeader: [],
    ...changes,
  };
}
