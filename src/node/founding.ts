/** Founding, admission and fencing: what the formation decides is made durable, shown and told to
 *  people here. */

import { userAndHost } from "../base/hosts.ts";
import { assert } from "../base/assert.ts";
import type {
  BootId,
  ClusterId,
  FoundingRecord,
  LogIndex,
  MonotonicMs,
  NodeId,
  WallMs,
} from "../base/types.ts";
import type { DiscoveryReport } from "../discovery/types.ts";
import { majorityOf } from "../raft/membership.ts";
import type { Configuration } from "../raft/types.ts";
import type { Clock } from "../transport/clock.ts";
import { keyTagOf } from "../transport/key.ts";
import type { Connection, Endpoint, Frame, NodeHello } from "../transport/types.ts";
import type { DataDirectory } from "./data-directory.ts";
import type { NodeEvent } from "./events.ts";
import { FormationWatch } from "./formation-watch.ts";
import type { Formation, FormationOrder } from "./formation.ts";
import type { Member } from "./member.ts";
import type { Neighbours } from "./neighbours.ts";
import type { NodeOptions } from "./types.ts";

/** Standing outside is said after it has lasted so long. */
const OUTSIDE_PATIENCE_MS = 1_500;

export interface FoundingOptions {
  readonly options: NodeOptions;
  readonly clock: Clock;
  readonly formation: Formation;
  readonly directory: DataDirectory;
  readonly endpoint: Endpoint;
  readonly neighbours: Neighbours;
  readonly incarnation: string;
  readonly member: () => Member | null;
  readonly startMember: (record: FoundingRecord) => void;
  readonly ownHosts: () => readonly string[];
  readonly emit: (event: NodeEvent) => void;
}

export class Founding {
  readonly #options: FoundingOptions;
  readonly #watch = new FormationWatch();
  /** What is said once it has lasted: a node that is about to be admitted, or ended, is not told
   *  first that it stands outside. */
  #outside: { readonly event: NodeEvent; readonly sinceMs: MonotonicMs } | null = null;
  #outsideSaid = "";
  /** The newest configuration that a member of that cluster showed: an older one is late and says
   *  nothing. */
  #shown: { readonly clusterId: ClusterId | null; readonly index: LogIndex } = {
    clusterId: null,
    index: 0,
  };

  constructor(options: FoundingOptions) {
    this.#options = options;
  }

  start(): void {
    this.#obey(this.#options.formation.start());
  }

  /** A met node's hello, first or changed. */
  heard(connection: Connection, hello: NodeHello): void {
    this.#obey(this.#options.formation.heard(hello, true));
    this.#fence(connection, hello);
  }

  lost(bootId: BootId): void {
    this.#obey(this.#options.formation.lost(bootId));
  }

  /** A member's committed configuration. It admits this node when it names this very incarnation
   *  and no other founding is known here; else this node stands outside: wiped, doubled, removed or
   *  never let in. */
  takeFence(hello: NodeHello, fence: Extract<Frame, { type: "fence" }>): void {
    const { options, directory, formation, incarnation } = this.#options;
    const member = this.#options.member();
    const ownClusterId = member === null ? hello.clusterId : directory.clusterId;
    const { clusterId } = fence;
    const { index, members } = fence.configuration;
    if (clusterId !== ownClusterId) return;
    if (clusterId === this.#shown.clusterId && index < this.#shown.index) return;
    if (member !== null && member.core.configuration.index > index) return;
    this.#shown = { clusterId, index };
    const named = members.find(({ id }) => id === options.id);
    if (named?.incarnation === incarnation) {
      this.#isInside();
      const { founding } = hello;
      if (hello.member && founding !== null && formation.admits(founding))
        this.#admit(founding, hello.foundedMs);
      return;
    }
    member?.core.reportLeftOut(index);
    this.#noteOutside(outsideEvent(fence.configuration, options.id, member !== null, hello));
  }

  #isInside(): void {
    this.#outside = null;
    this.#outsideSaid = "";
  }

  /** A node that was removed and let in again hears of it through its log, not by a fence. */
  #noteNamedAgain(): void {
    const configuration = this.#options.member()?.core.configuration;
    if (this.#outside === null || configuration === undefined) return;
    const { options, incarnation } = this.#options;
    const isNamed = configuration.members.some((member) => {
      return member.id === options.id && member.incarnation === incarnation;
    });
    if (isNamed && configuration.index > this.#shown.index) this.#isInside();
  }

  /** True while a committed configuration is known that does not name this node. */
  get isOutside(): boolean {
    return this.#outside !== null;
  }

  /** A configuration was committed: those who wait outside hear of it. */
  configurationCommitted(): void {
    for (const connection of this.#options.endpoint.connections()) {
      if (connection.remote.kind === "node") this.#fence(connection, connection.remote.hello);
    }
  }

  /** Says what stands in the way, as it changes and as it lasts. */
  look(discovery: DiscoveryReport, nowMs: MonotonicMs): void {
    const { options, formation, directory, ownHosts, emit } = this.#options;
    this.#forgetSilent();
    const met = [...formation.processes.values()].flatMap((process) =>
      process.met ? [process.hello] : [],
    );
    const events = this.#watch.look(
      formation.view(),
      met,
      {
        self: options.id,
        cluster: options.key.cluster,
        // Asked for only when somebody has been missing for long: the system is asked for it anew.
        get ownHost() {
          return ownHosts()[0] ?? "127.0.0.1";
        },
        ownKeyTag: keyTagOf(options.key),
        ownAuth: options.key.auth,
        founders: formation.founders,
        nameOf: (hello) => this.#options.neighbours.nameOf(hello.id),
        foundedMs: directory.identity.foundedMs,
        entries: this.#options.member()?.log.lastIndex ?? null,
        discovery,
      },
      nowMs,
    );
    for (const event of events) {
      if (event.type === "fenced" || event.type === "waits outside") this.#noteOutside(event);
      else emit(event);
    }
    this.#noteNamedAgain();
    this.#sayOutside(nowMs);
  }

  /** A process that was killed says no BYE: it is lost when its connection has ended. */
  #forgetSilent(): void {
    const { formation, endpoint } = this.#options;
    const live = new Set(
      endpoint
        .connections()
        .flatMap(({ remote }) => (remote.kind === "node" ? [remote.identity.bootId] : [])),
    );
    for (const bootId of [...formation.processes.keys()]) if (!live.has(bootId)) this.lost(bootId);
  }

  #obey(orders: readonly FormationOrder[]): void {
    const { formation, directory, endpoint, clock, startMember } = this.#options;
    for (const order of orders) {
      if (order.type === "writeRecord") {
        directory.writeFounding(order.record, clock.wallMs());
        this.#obey(formation.recordSynced());
      } else {
        directory.becomeMember(order.record);
        this.#sayFounded(order.record);
        startMember(order.record);
      }
      endpoint.helloChanged(clock.monotonicMs());
    }
  }

  /** `foundedMs`: when the cluster was founded, as the member has it that admits this node. */
  #admit(record: FoundingRecord, foundedMs: WallMs | null): void {
    const { formation, directory, clock, endpoint, startMember, emit } = this.#options;
    directory.writeFounding(record, foundedMs ?? clock.wallMs());
    directory.becomeMember(record);
    formation.admitted(record);
    emit({ type: "admitted", role: "learner" });
    startMember(record);
    endpoint.helloChanged(clock.monotonicMs());
  }

  #sayFounded(record: FoundingRecord): void {
    const { options, directory, emit } = this.#options;
    const founders = record.founders.map(({ id }) => this.#options.neighbours.nameOf(id));
    const users = new Set(founders.map(({ userHost }) => userAndHost(userHost ?? "").user));
    assert(directory.clusterId !== null, "founded with a cluster id");
    emit({
      type: "founded",
      cluster: record.cluster,
      clusterId: directory.clusterId,
      founders,
      self: options.id,
      canLose: founders.length - majorityOf(founders.length),
      mixed: users.size > 1,
    });
  }

  /** Shows the configuration to a node that it does not name, or that does not know yet that it
   *  does. Only a committed one is shown. */
  #fence(connection: Connection, hello: NodeHello): void {
    const { directory, endpoint } = this.#options;
    const core = this.#options.member()?.core;
    if (core === undefined || directory.clusterId === null) return;
    const { configuration, term, commitIndex } = core;
    const named = configuration.members.find((member) => member.id === hello.id);
    const settled = named?.incarnation === hello.incarnation && hello.member;
    if (settled || commitIndex < configuration.index) return;
    endpoint.send(connection, {
      type: "fence",
      clusterId: directory.clusterId,
      term,
      configuration,
    });
  }

  #noteOutside(event: NodeEvent): void {
    if (this.#outside?.event.type === event.type) return;
    this.#outside = { event, sinceMs: this.#options.clock.monotonicMs() };
  }

  #sayOutside(nowMs: MonotonicMs): void {
    if (this.#outside === null || nowMs - this.#outside.sinceMs < OUTSIDE_PATIENCE_MS) return;
    const { event } = this.#outside;
    // Whoever fences is one of too few: that is told as the older cluster.
    const isOlder = this.#options.formation
      .view()
      .obstacles.some(({ type }) => type === "older cluster");
    if (event.type === "fenced" && isOlder) return;
    const key = JSON.stringify(event);
    if (key !== this.#outsideSaid) this.#options.emit(event);
    this.#outsideSaid = key;
  }
}

/** What a node is told that a committed configuration does not name. */
function outsideEvent(
  { index, members }: Configuration,
  self: NodeId,
  wasMember: boolean,
  { foundedMs }: NodeHello,
): NodeEvent {
  const ids = members.map(({ id }) => id);
  if (ids.includes(self)) return { type: "fenced", foundedMs };
  return wasMember
    ? { type: "removed", index, members: ids }
    : { type: "waits outside", members: ids };
}
