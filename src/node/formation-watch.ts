/** Turns what the formation sees into events for people: each once when it begins, the waiting
 *  again as it lasts. Pure: it compares the view with what was said before. */

import { isLoopback } from "../base/hosts.ts";
import type { MonotonicMs, NodeId, WallMs } from "../base/types.ts";
import type { DiscoveryReport } from "../discovery/types.ts";
import type { NodeHello } from "../transport/types.ts";
import type { NodeEvent, PeerName, SilenceCause } from "./events.ts";
import type { FormationObstacle, FormationView } from "./formation-view.ts";
import { Repeat } from "./repeat.ts";

export interface FormationSurroundings {
  readonly self: NodeId;
  readonly cluster: string;
  readonly ownHost: string;
  readonly ownKeyTag: number;
  readonly founders: readonly NodeId[];
  readonly nameOf: (hello: NodeHello) => PeerName;
  readonly foundedMs: WallMs | null;
  readonly entries: number | null;
  readonly discovery: DiscoveryReport;
}

export class FormationWatch {
  readonly #said = new Set<string>();
  readonly #met = new Set<NodeId>();
  readonly #waiting = new Repeat();

  look(
    view: FormationView,
    met: readonly NodeHello[],
    around: FormationSurroundings,
    nowMs: MonotonicMs,
  ): NodeEvent[] {
    const events: NodeEvent[] = [];
    const waits = view.standing === "waiting" || view.standing === "signed";
    if (waits) {
      for (const hello of met) {
        if (this.#met.has(hello.id) || !view.founders.includes(hello.id)) continue;
        this.#met.add(hello.id);
        const waitingFor = view.founders.filter((id) => id !== around.self && !this.#met.has(id));
        events.push({ type: "met", peer: around.nameOf(hello), waitingFor });
      }
    }
    if (waits && view.waitingFor.length > 0) this.#wait(view, around, nowMs, events);
    else this.#waiting.end();
    for (const obstacle of view.obstacles) {
      const event = eventOf(obstacle, around);
      if (event !== null) this.#once(JSON.stringify(event), event, events);
    }
    return events;
  }

  #wait(
    view: FormationView,
    around: FormationSurroundings,
    nowMs: MonotonicMs,
    events: NodeEvent[],
  ): void {
    this.#waiting.begin(nowMs);
    this.#once(
      "waiting",
      { type: "waiting", for: view.waitingFor, single: view.waitingFor.length === 1 },
      events,
    );
    const seconds = this.#waiting.due(nowMs);
    if (seconds === null) return;
    events.push({ type: "silence", ids: view.waitingFor, seconds, causes: causesOf(view, around) });
  }

  #once(key: string, event: NodeEvent, events: NodeEvent[]): void {
    if (this.#said.has(key)) return;
    this.#said.add(key);
    events.push(event);
  }
}

function eventOf(obstacle: FormationObstacle, around: FormationSurroundings): NodeEvent | null {
  const names = (hellos: readonly NodeHello[]): PeerName[] => hellos.map(around.nameOf);
  const first = (hellos: readonly NodeHello[]): PeerName =>
    names(hellos)[0] ?? { id: 0, userHost: null, address: null };
  switch (obstacle.type) {
    case "other founders":
      return {
        type: "silence",
        ids: [obstacle.peer.id],
        seconds: 0,
        causes: [
          {
            type: "other size",
            peer: around.nameOf(obstacle.peer),
            theirs: obstacle.theirs,
            ours: around.founders,
          },
        ],
      };
    case "two foundings":
      return { type: "two foundings", peers: names(obstacle.peers) };
    case "fenced":
      return { type: "fenced", foundedMs: obstacle.members[0]?.foundedMs ?? null };
    case "older cluster":
      return {
        type: "older cluster",
        peer: first(obstacle.members),
        foundedMs: obstacle.members[0]?.foundedMs ?? null,
        entries: obstacle.members[0]?.lastIndex ?? null,
        otherMembers: obstacle.otherMembers,
        selfIsOlder: false,
      };
    case "new founders":
      return {
        type: "older cluster",
        peer: first(obstacle.peers),
        foundedMs: around.foundedMs,
        entries: around.entries,
        otherMembers: obstacle.otherMembers,
        selfIsOlder: true,
      };
    case "not a member":
      return { type: "waits outside", members: obstacle.members };
    case "not a founder":
      return { type: "not a founder", founders: obstacle.founders };
    case "doubled":
    case "not between them":
    case "heard by a peer only":
    case "heard but not met":
      return null;
  }
}

/** Why a founder is not met, as far as was measured; the most telling cause first. */
function causesOf(view: FormationView, around: FormationSurroundings): SilenceCause[] {
  const causes: SilenceCause[] = [];
  for (const obstacle of view.obstacles) {
    if (obstacle.type === "heard by a peer only") {
      causes.push({ type: "not between them", hears: obstacle.peer.id, unheard: obstacle.unheard });
    }
    if (obstacle.type === "other founders") {
      causes.push({
        type: "other size",
        peer: around.nameOf(obstacle.peer),
        theirs: obstacle.theirs,
        ours: around.founders,
      });
    }
  }
  for (const { beacon, address } of around.discovery.heard) {
    if (beacon.cluster === around.cluster && beacon.keyTag !== around.ownKeyTag) {
      causes.push({ type: "other key", host: address.host });
    }
    if (beacon.cluster !== around.cluster && view.waitingFor.includes(beacon.id)) {
      const { cluster, userHost } = beacon;
      // One node is heard once for each of its addresses.
      const isTold = causes.some(
        (cause) => cause.type === "other cluster" && cause.cluster === cluster,
      );
      if (isTold) continue;
      causes.push({ type: "other cluster", host: address.host, cluster, userHost });
    }
  }
  const deaf = around.discovery.deaf[0];
  if (deaf !== undefined) {
    causes.push({
      type: "own multicast unheard",
      interface: deaf,
      tryHost: tryHost(around.discovery),
    });
  }
  if (causes.length === 0) causes.push({ type: "unknown", ownHost: around.ownHost });
  return causes;
}

/** A machine that is not this one, heard in spite of everything. */
function tryHost({ heard, interfaces }: DiscoveryReport): string | null {
  const elsewhere = heard.find(
    ({ address }) => !isLoopback(address.host) && !interfaces.includes(address.host),
  );
  return elsewhere?.address.host ?? null;
}
