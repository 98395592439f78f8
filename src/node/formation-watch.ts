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
  readonly ownAuth: "open" | "key";
  readonly founders: readonly NodeId[];
  readonly nameOf: (hello: NodeHello) => PeerName;
  readonly foundedMs: WallMs | null;
  readonly entries: number | null;
  readonly discovery: DiscoveryReport;
}

/** What stands in the way is said after it has lasted so long. */
const PATIENCE_MS = 2_000;

export class FormationWatch {
  readonly #said = new Set<string>();
  readonly #met = new Set<NodeId>();
  readonly #waiting = new Repeat();
  /** Since when each obstacle stands without a break. */
  readonly #sinceMs = new Map<string, MonotonicMs>();

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
    this.#sayObstacles(view, around, nowMs, events);
    return events;
  }

  /** What a person has to settle is said when it has lasted: hellos that arrive one by one show for
   *  a moment what is not so. */
  #sayObstacles(
    view: FormationView,
    around: FormationSurroundings,
    nowMs: MonotonicMs,
    events: NodeEvent[],
  ): void {
    const told = view.obstacles.flatMap((obstacle) => eventOf(obstacle, around) ?? []);
    const standing = new Map(told.map((event) => [keyOf(event), event]));
    for (const key of this.#sinceMs.keys()) if (!standing.has(key)) this.#sinceMs.delete(key);
    for (const [key, event] of standing) {
      const sinceMs = this.#sinceMs.get(key) ?? nowMs;
      this.#sinceMs.set(key, sinceMs);
      if (isPatient(event) && nowMs - sinceMs < PATIENCE_MS) continue;
      this.#once(key, event, events);
    }
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

/** Being fenced or outside is said with a patience of its own, see Founding. */
function isPatient({ type }: NodeEvent): boolean {
  return type !== "fenced" && type !== "waits outside";
}

/** What makes an obstacle another one; how many entries somebody holds does not. */
function keyOf(event: NodeEvent): string {
  return JSON.stringify(event.type === "older cluster" ? { ...event, entries: null } : event);
}

/** A cluster of this name and key is heard on the network, so nothing is founded here. */
function hearsCluster({ discovery, cluster, ownKeyTag }: FormationSurroundings): boolean {
  return discovery.heard.some(
    ({ beacon }) =>
      beacon.cluster === cluster && beacon.keyTag === ownKeyTag && beacon.clusterId !== null,
  );
}

function eventOf(obstacle: FormationObstacle, around: FormationSurroundings): NodeEvent | null {
  const names = (hellos: readonly NodeHello[]): PeerName[] => hellos.map(around.nameOf);
  const first = (hellos: readonly NodeHello[]): PeerName =>
    names(hellos)[0] ?? { id: 0, userHost: null, address: null, dataDir: null };
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
      return {
        type: "two foundings",
        peers: names(obstacle.peers),
        members: names(obstacle.members),
        selfIsMember: obstacle.selfIsMember,
      };
    case "fenced":
      return { type: "fenced", foundedMs: obstacle.members[0]?.foundedMs ?? null };
    case "older cluster":
      return {
        type: "older cluster",
        peer: first(obstacle.members),
        foundedMs: obstacle.members[0]?.foundedMs ?? null,
        entries: obstacle.members[0]?.lastIndex ?? null,
        otherMembers: obstacle.otherMembers,
        lost: obstacle.lost,
        selfIsOlder: false,
      };
    case "new founders":
      return {
        type: "older cluster",
        peer: first(obstacle.peers),
        foundedMs: around.foundedMs,
        entries: around.entries,
        otherMembers: obstacle.otherMembers,
        lost: obstacle.lost,
        selfIsOlder: true,
      };
    case "not a member":
      return { type: "waits outside", members: obstacle.members };
    case "not a founder":
      return hearsCluster(around) ? null : { type: "not a founder", founders: obstacle.founders };
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
      const bothKeyed = beacon.auth === around.ownAuth;
      const keyed = bothKeyed ? "both" : beacon.auth === "key" ? "theirs" : "ours";
      // One node is heard once for each of its addresses.
      if (!causes.some((cause) => cause.type === "other key" && cause.keyed === keyed))
        causes.push({ type: "other key", host: address.host, keyed });
    }
    if (beacon.cluster !== around.cluster && view.waitingFor.includes(beacon.id)) {
      const { cluster, userHost } = beacon;
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
  for (const text of around.discovery.problems) causes.push({ type: "problem", text });
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
