/** What the tests of the command line share: a machine that is not this one, moments, a
 *  narrator's ear. */

import { Hints } from "../../src/cli/hints.ts";
import { createNarrator } from "../../src/cli/narrate.ts";
import type { Machine } from "../../src/cli/places.ts";
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
