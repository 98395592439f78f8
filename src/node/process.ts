/** One node's process: sockets, clock and disk around the formation and, once it is one, the
 *  member.
 *
 *      datagram ──> endpoint ──> hello ──> founding ──founded or admitted──> member
 *                           └──> frame ──> member, service
 *      every arrival asks for a turn; a turn ends in one flush and one timer. */

import type { Address } from "../base/hosts.ts";
import { InvariantError } from "../base/assert.ts";
import type { FoundingRecord, MonotonicMs, NodeId, NodeIdentity } from "../base/types.ts";
import { isDiscoveryDatagram } from "../discovery/beacon.ts";
import type { Beacon, Discovery, Hint } from "../discovery/types.ts";
import type { Core, CoreEvent } from "../raft/types.ts";
import type { Clock } from "../transport/clock.ts";
import type { Dice } from "../transport/dice.ts";
import { keyTagOf } from "../transport/key.ts";
import type { NodeReport, Request } from "../transport/requests.ts";
import type { Connection, Endpoint, Frame, NodeHello, UdpSocket } from "../transport/types.ts";
import { Alarm } from "./alarm.ts";
import type { DataDirectory } from "./data-directory.ts";
import { endOf, handOver } from "./ending.ts";
import type { NodeEnd, NodeEvent, PeerName } from "./events.ts";
import { claimOfId } from "./formation-record.ts";
import { Formation } from "./formation.ts";
import { Founding } from "./founding.ts";
import { Herald } from "./herald.ts";
import { KEEP_ALIVE_MS, LOOK_MS } from "./limits.ts";
import { Member } from "./member.ts";
import { MemberWatch } from "./member-watch.ts";
import { Neighbours } from "./neighbours.ts";
import { askReadIndex, Outgoing } from "./outgoing.ts";
import { SelfDescription } from "./self-description.ts";
import { Service } from "./service.ts";
import { coreEventLine, MessageTrace } from "./trace.ts";
import type { NodeOptions, RunningNode } from "./types.ts";

/** What startNode has opened for the process. */
export interface ProcessParts {
  readonly options: NodeOptions;
  readonly clock: Clock;
  readonly dice: Dice;
  readonly self: NodeIdentity;
  readonly userHost: string;
  /** Interfaces' addresses, the most useful first. */
  readonly ownHosts: () => readonly string[];
  readonly directory: DataDirectory;
  readonly socket: UdpSocket;
  readonly receiveWindowBytes: number;
  readonly datagramBytesMax: (address: Address) => number;
  readonly createEndpoint: (process: NodeProcess) => Endpoint;
  readonly openDiscovery: (process: NodeProcess) => Promise<Discovery>;
}

export class NodeProcess implements RunningNode {
  readonly ended: Promise<NodeEnd>;
  readonly #parts: ProcessParts;
  readonly #endpoint: Endpoint;
  readonly #outgoing: Outgoing;
  readonly #service: Service;
  readonly #founding: Founding;
  readonly #describe: SelfDescription;
  readonly #neighbours: Neighbours;
  readonly #messages = new MessageTrace();
  #discovery: Discovery | null = null;
  #herald: Herald | null = null;
  #member: Member | null = null;
  #memberWatch: MemberWatch | null = null;
  #leaderSinceMs: MonotonicMs | null = null;
  #lookAtMs: MonotonicMs = 0;
  #keepAliveAtMs: MonotonicMs = 0;
  readonly #alarm: Alarm;
  #turnAsked = false;
  #stopping = false;
  #over = false;
  #settle: (end: NodeEnd) => void = () => {};

  constructor(parts: ProcessParts) {
    this.#parts = parts;
    const { clock, options, directory, self, socket } = parts;
    this.ended = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#alarm = new Alarm(clock, () => this.wake());
    const formation = new Formation({
      cluster: options.key.cluster,
      id: options.id,
      incarnation: self.incarnation,
      founders: options.founders,
      record: directory.identity.founding,
      member: directory.identity.member,
    });
    const member = (): Member | null => this.#member;
    this.#neighbours = new Neighbours(parts, formation, member, () => this.#endpoint);
    this.#describe = new SelfDescription({
      ...parts,
      address: socket.address,
      formation,
      member,
      memories: this.#neighbours.memories,
      connections: () => this.#endpoint.connections(),
      connectionTo: (id, incarnation) => this.#neighbours.connectionTo(id, incarnation),
      leaderSinceMs: () => this.#leaderSinceMs,
      startedMs: clock.monotonicMs(),
    });
    this.#endpoint = parts.createEndpoint(this);
    this.#founding = new Founding({
      options,
      clock,
      formation,
      directory,
      endpoint: this.#endpoint,
      neighbours: this.#neighbours,
      incarnation: self.incarnation,
      member,
      startMember: (record) => this.#startMember(record),
      ownHosts: parts.ownHosts,
      emit: (event) => this.emit(event),
    });
    this.#outgoing = new Outgoing(this.#endpoint);
    this.#service = this.#createService();
  }

  /** Opens the ears and takes the first turn. Throws StartError when the directory's log cannot be
   *  used. */
  async begin(): Promise<void> {
    const { directory } = this.#parts;
    this.#discovery = await this.#parts.openDiscovery(this);
    this.#herald = new Herald(this.#discovery);
    const typed = await this.#discovery.typedAddresses();
    for (const address of [...typed, ...directory.rememberedAddresses()])
      this.#neighbours.addContact(address);
    const { founding, member } = directory.identity;
    try {
      if (member && founding !== null) this.#startMember(founding);
    } catch (error) {
      await this.#close({ type: "disk", text: String(error) });
      throw error;
    }
    this.#guard(() => this.#founding.start());
    this.wake();
  }

  get address(): Address {
    return this.#neighbours.ownAddress();
  }

  /** The member that runs here; null: none yet. For whoever looks on, such as a simulation. */
  get member(): Member | null {
    return this.#member;
  }

  hello(): NodeHello {
    return this.#describe.hello(this.#now());
  }

  beacon(): Beacon {
    return this.#describe.beacon(this.#stopping || this.#over);
  }

  report(): NodeReport {
    return this.#describe.report(this.#now());
  }

  emit(event: NodeEvent): void {
    this.#parts.options.onEvent(event, this.#parts.clock.wallMs());
  }

  // ------------------------------------------------------------------------------------------
  // Arrivals. Each is taken in at once; what follows from it leaves with the turn.

  /** A datagram of the data socket: discovery's, or sealed. */
  takeDatagram(datagram: Uint8Array, from: Address): void {
    this.#guard(() => {
      if (isDiscoveryDatagram(datagram)) {
        const reply = this.#discovery?.receive(datagram, from) ?? null;
        if (reply !== null) this.#parts.socket.send(reply, from);
      } else this.#endpoint.receive(datagram, from, this.#now());
    });
    this.wake();
  }

  takeHint(hint: Hint): void {
    const { beacon, address } = hint;
    const { key } = this.#parts.options;
    if (this.#over || beacon.bye || beacon.bootId === this.#parts.self.bootId) return;
    if (beacon.cluster !== key.cluster || beacon.keyTag !== keyTagOf(key)) return;
    const known = this.#endpoint.nodeConnection(beacon.id);
    if (known?.remote.kind === "node" && known.remote.identity.bootId === beacon.bootId) return;
    this.#neighbours.addContact(address);
    this.#endpoint.greet(address, this.#now());
    this.wake();
  }

  takeHello(connection: Connection, hello: NodeHello, first: boolean): void {
    const { remote } = connection;
    if (remote.kind !== "node") return;
    const nowMs = this.#now();
    this.#neighbours.remember(hello, remote.address, nowMs);
    this.#founding.heard(connection, hello);
    if (first) {
      this.#member?.core.peerBooted(remote.identity, nowMs);
      this.#endpoint.helloChanged(nowMs);
    }
    this.#member?.setWindow(connection);
    this.#lookAtMs = nowMs;
    this.wake();
  }

  takeFrame(connection: Connection, frame: Frame, nowMs: MonotonicMs): void {
    const { remote } = connection;
    if (frame.type === "request") return this.#service.take(connection, frame, nowMs);
    if (frame.type === "response") {
      return this.#outgoing.answered(connection, frame.requestId, frame.body);
    }
    if (remote.kind !== "node") return;
    if (frame.type === "fence") return this.#founding.takeFence(remote.hello, frame);
    if (frame.type === "bye") {
      this.#neighbours.left(remote.identity);
      this.#founding.lost(remote.identity.bootId);
      return this.#endpoint.drop(connection);
    }
    this.#member?.takeFrame(connection, remote.identity, frame, nowMs);
  }

  /** Another process claims this node's id. */
  takeDouble(hello: NodeHello, address: Address, again: boolean): void {
    const outcome = claimOfId(this.hello(), hello);
    if (outcome === "same" || (again && outcome === "mine") || this.#over) return;
    const { id, userHost, dataDir } = hello;
    const other: PeerName = { id, userHost, address, dataDir };
    const sinceWallMs = this.#parts.clock.wallMs() - hello.uptimeMs;
    const keeps = outcome === "mine";
    const record = hello.founding ?? this.hello().founding;
    const freeId = this.#neighbours.freeId(record);
    this.emit({ type: "id in use", other, sinceWallMs, keeps, freeId, founded: record !== null });
    if (!keeps) void this.#close({ type: "id in use", text: `${hello.userHost} ${address.host}` });
  }

  // ------------------------------------------------------------------------------------------
  // The loop.

  /** Asks for a turn after everything that has already arrived. */
  wake(): void {
    if (this.#turnAsked || this.#over) return;
    this.#turnAsked = true;
    this.#parts.clock.soon(() => {
      this.#turnAsked = false;
      this.#guard(() => this.#turn());
    });
  }

  #turn(): void {
    const nowMs = this.#now();
    this.#endpoint.tick(nowMs);
    this.#outgoing.tick(nowMs);
    this.#member?.turn(nowMs);
    if (nowMs >= this.#lookAtMs) this.#look(nowMs);
    this.#herald?.tick(() => this.#neighbours.somebodyMissing(), nowMs);
    this.#endpoint.flush(nowMs);
    this.#member?.finish(nowMs);
    const nextMs = Math.min(
      this.#endpoint.nextDeadlineMs(),
      this.#outgoing.nextDeadlineMs(),
      this.#member?.nextDeadlineMs() ?? Infinity,
      this.#lookAtMs,
      this.#herald?.nextDeadlineMs() ?? Infinity,
    );
    this.#alarm.by(nextMs, nowMs);
  }

  #look(nowMs: MonotonicMs): void {
    this.#lookAtMs = nowMs + LOOK_MS;
    for (const address of this.#neighbours.toGreet(nowMs)) this.#endpoint.greet(address, nowMs);
    this.#neighbours.refresh(nowMs);
    this.#parts.directory.tick(nowMs);
    if (nowMs >= this.#keepAliveAtMs) {
      this.#keepAliveAtMs = nowMs + KEEP_ALIVE_MS;
      this.#endpoint.helloChanged(nowMs);
    }
    if (this.#discovery !== null) this.#founding.look(this.#discovery.report(), nowMs);
    const events = this.#memberWatch?.look(this.#surroundings(), nowMs, this.#parts.clock.wallMs());
    for (const event of events ?? []) this.emit(event);
  }

  /** A broken invariant of ours ends this node, loudly; it never goes on. */
  #guard(run: () => void): void {
    if (this.#over) return;
    try {
      run();
    } catch (error) {
      void this.#close(endOf(error, this.#parts.options.dataDir));
    }
  }

  // ------------------------------------------------------------------------------------------
  // The member.

  #startMember(record: FoundingRecord): void {
    const { options, clock, dice, self, directory, receiveWindowBytes } = this.#parts;
    const store = directory.openStore(record, (text) => void this.#close({ type: "disk", text }));
    for (const text of store.recovered.notes) this.emit({ type: "note", text });
    this.#memberWatch = new MemberWatch(options.timings.electionMaxMs, this.#now());
    this.#member = new Member({
      self,
      recovered: store.recovered,
      writeHardState: (state, done) => store.writeHardState(state, () => this.#guard(done)),
      endpoint: this.#endpoint,
      clock,
      timings: options.timings,
      seed: dice(4).reduce((seed, byte) => seed * 256 + byte, 0),
      connectionTo: (id, incarnation) => this.#neighbours.connectionTo(id, incarnation),
      receiveWindowBytes,
      datagramBytesMax: (connection) => this.#parts.datagramBytesMax(connection.remote.address),
      leaderHint: () => this.#neighbours.leaderHint(),
      askReadIndex: (done) =>
        askReadIndex(this.#outgoing, this.#neighbours.leaderConnection(), this.#now(), done),
      onCoreEvent: (event) => this.#takeCoreEvent(event),
      onNote: (text) => this.emit({ type: "note", text }),
      onHealed: (from, to, by) => this.emit({ type: "healed", from, to, by }),
      onTrace: options.verbose
        ? (...said) => this.#trace("message", this.#messages.line(options.id, ...said))
        : null,
      wake: () => this.wake(),
    });
    for (const connection of this.#endpoint.connections()) {
      if (connection.remote.kind !== "node") continue;
      this.#member.core.peerBooted(connection.remote.identity, this.#now());
      this.#member.setWindow(connection);
    }
    this.wake();
  }

  #takeCoreEvent(event: CoreEvent): void {
    const nowMs = this.#now();
    if (event.type === "role") {
      this.#leaderSinceMs = event.role === "leader" ? nowMs : null;
      if (event.role === "leader") this.#herald?.leads(nowMs);
      else this.#herald?.leadsNoMore();
    }
    if (event.type === "leader" && this.#member?.core.role !== "leader") {
      this.#leaderSinceMs = event.leader === null ? null : nowMs;
    }
    if (event.type === "leader" && event.leader !== null) this.#service.tellClients();
    if (event.type === "configuration" && event.reason === "committed")
      this.#founding.configurationCommitted();
    if (event.type === "diverged") {
      const selfStops = this.#member?.core.status().mute !== null;
      this.emit({ type: "diverged", peer: event.peer, index: event.index, selfStops });
    }
    if (!this.#stopping) {
      const events = this.#memberWatch?.take(event, this.#surroundings(), nowMs);
      for (const said of events ?? []) this.emit(said);
    }
    if (this.#parts.options.verbose) this.#trace("core", coreEventLine(event));
  }

  #trace(of: "message" | "core", text: string | null): void {
    if (text !== null) this.emit({ type: "trace", of, text });
  }

  #surroundings(): Parameters<MemberWatch["take"]>[1] {
    const member = this.#member;
    if (member === null) throw new InvariantError("a member looks around");
    return {
      self: this.#parts.options.id,
      status: member.core.status(),
      memories: this.#neighbours.memories,
      connectionTo: (id, incarnation) => this.#neighbours.connectionTo(id, incarnation),
      nameOf: (id) => this.#neighbours.nameOf(id),
      isOutside: this.#founding.isOutside,
    };
  }

  #createService(): Service {
    return new Service({
      endpoint: this.#endpoint,
      outgoing: this.#outgoing,
      member: () => this.#member,
      absence: () =>
        this.#describe.beacon(false).state.type === "outside" ? "not member" : "not founded",
      report: () => this.report(),
      leaderHint: () => this.#neighbours.leaderHint(),
      connectionTo: (id) => this.#endpoint.nodeConnection(id),
      metIncarnation: (id) => this.#neighbours.metIncarnation(id),
      mayOperate: (connection) => this.#neighbours.mayOperate(connection.remote.address.host),
      stopping: () => this.#stopping,
      stop: (request) => this.#stopRequested(request),
      bootId: this.#parts.self.bootId,
    });
  }

  #now(): MonotonicMs {
    return this.#parts.clock.monotonicMs();
  }

  // ------------------------------------------------------------------------------------------
  // The end.

  async stop(): Promise<void> {
    if (this.#stopping || this.#over) {
      await this.ended;
      return;
    }
    this.#stopping = true;
    const startedMs = this.#now();
    const core = this.#member?.core ?? null;
    const led = core?.role === "leader";
    const leader = led ? await this.#handOver(core) : (core?.leader ?? null);
    this.emit({
      type: "stopping",
      leader,
      handedOverMs: led && leader !== null ? this.#now() - startedMs : null,
    });
    for (const connection of this.#endpoint.connections()) {
      if (connection.remote.kind === "node")
        this.#endpoint.send(connection, { type: "bye", reason: "stopped" });
    }
    this.#endpoint.flush(this.#now());
    this.#discovery?.announce();
    await this.#close({ type: "stopped" });
  }

  kill(): void {
    void this.#close({ type: "killed" });
  }

  #stopRequested({ by, kill, asLeader }: Extract<Request, { type: "stop" }>): void {
    this.emit({ type: "stopped by", by, kill, asLeader });
    this.#endpoint.flush(this.#now());
    this.#parts.clock.soon(() => (kill ? this.kill() : void this.stop()));
  }

  #handOver(core: Core): Promise<NodeId | null> {
    const hopeless = (): boolean => this.#over || !this.#neighbours.anyMemberHere();
    return handOver(core, this.#parts.clock, () => this.wake(), hopeless);
  }

  async #close(end: NodeEnd): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    this.#alarm.stop();
    await this.#discovery?.close();
    await this.#parts.socket.close();
    this.#member?.log.close();
    if (end.type === "stopped") this.#parts.directory.close();
    else this.#parts.directory.abandon();
    this.#settle(end);
  }
}
