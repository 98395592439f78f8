/** The wire of one process: meets others, opens what comes in, batches and seals what goes out.
 *
 *  Pure: time is an argument, datagrams leave through `transmit`. Every turn of its owner ends with `flush`,
 *  which also repeats what is due; `tick` repeats greetings and forgets who fell silent. */

import type { BootId, ClusterId, MonotonicMs, NodeId } from "../base/types.ts";
import { type WireFrame, decodeBody, decodeLargeFrame } from "./codec.ts";
import { type Header, kinds, readHeader } from "./datagram.ts";
import { type Introduction, sameHello } from "./hello.ts";
import { Meeting, introductionOf } from "./meeting.ts";
import { type FlushOptions, Peer, isMemberFrame } from "./peer.ts";
import type { Session } from "./session.ts";
import type { Address, Connection, Endpoint, EndpointOptions, Frame, NodeHello, Remote, WireCounters } from "./types.ts";

/** Clients that a node hears at once; the longest silent one goes first. */
export const CLIENTS_MAX = 4_096;
/** Members are at most 16; the others are strangers, founders of other clusters, earlier boots. */
export const NODES_MAX = 64;
/** Who was silent for so long is forgotten and has to meet again. */
export const IDLE_MS = 60_000;
/** A session that another one of the same peer replaced. */
const SPARE_SESSION_MS = 10_000;
/** Heard within this time: nothing replaces it. */
const LIVE_MS = 2_000;
/** Heard within this time: it need not be greeted. Several heartbeats. */
const GREETED_MS = 500;
const SWEEP_MS = 1_000;
const ADDRESS_ASK_MS = 50;
/** Bytes of unfinished large frames of all connections. */
const REASSEMBLY_BYTES_MAX = 64 * 1_048_576;

export function createEndpoint(options: EndpointOptions): Endpoint {
  return new DatagramEndpoint(options);
}

class DatagramEndpoint implements Endpoint {
  readonly counters: WireCounters = { datagramsIn: 0, datagramsOut: 0, bytesIn: 0, bytesOut: 0, dropped: {} };
  readonly #options: EndpointOptions;
  readonly #meeting: Meeting;
  readonly #flushOptions: FlushOptions & { clusterId: ClusterId | null };
  readonly #selfId: NodeId | 0;
  readonly #peers = new Map<BootId, Peer>();
  readonly #nodes = new Map<NodeId, Peer>();
  readonly #peerOf = new Map<number, { readonly peer: Peer; readonly session: Session }>();
  /** Peers with something to flush, and those with something to repeat later. */
  readonly #dirty = new Set<Peer>();
  readonly #timed = new Set<Peer>();
  readonly #counts = { node: 0, client: 0 };
  readonly #reassembly = { bytes: 0, bytesMax: REASSEMBLY_BYTES_MAX };
  #nowMs: MonotonicMs = 0;
  #sweepMs: MonotonicMs = 0;

  constructor(options: EndpointOptions) {
    this.#options = options;
    this.#selfId = options.self.kind === "node" ? options.self.identity.id : 0;
    const introduction = () => this.#introduction();
    const transmit = (datagram: Uint8Array, address: Address) => this.#transmit(datagram, address);
    const drop = (reason: string, count = 1) => this.#drop(reason, count);
    this.#flushOptions = { clusterId: null, introduction, transmit, drop, datagramBytesMax: options.datagramBytesMax };
    this.#meeting = new Meeting({
      endpoint: options,
      introduction,
      transmit,
      drop,
      onAnswered: (session, nowMs) => this.#handleAnswered(session, nowMs),
      isTaken: (connection) => this.#peerOf.has(connection),
    });
  }

  receive(datagram: Uint8Array, from: Address, nowMs: MonotonicMs): void {
    this.#nowMs = nowMs;
    this.counters.datagramsIn++;
    this.counters.bytesIn += datagram.length;
    const header = readHeader(datagram, this.#meeting.tag);
    if (typeof header === "string") return this.#drop(header);
    if (header.kind === kinds.greeting) return this.#meeting.handleGreeting(datagram, header, from, nowMs);
    if (header.kind === kinds.answer) return this.#meeting.handleAnswer(datagram, header, from, nowMs);
    const known = this.#peerOf.get(header.toConnection);
    const session = known?.session ?? this.#meeting.candidate(header.toConnection);
    if (session === undefined) return this.#drop("no such connection");
    const opened = session.open(datagram, header, this.#flushOptions.clusterId);
    if (typeof opened === "string") return this.#drop(opened);
    const body = decodeBody(opened);
    if (typeof body === "string") return this.#drop(body);
    const peer = known?.peer ?? this.#promote(session, nowMs);
    session.heardMs = nowMs;
    peer.handleTimes(body.timeUs, body.echoUs, nowMs);
    if (session !== peer.current) this.#maybeSwitch(peer, session, nowMs);
    if (!sameAddress(from, session.address)) this.#askAddress(peer, session, from, nowMs);
    for (const frame of body.frames) {
      if (peer.closed) return;
      this.#handleFrame(peer, session, header, frame, from, nowMs);
    }
  }

  greet(address: Address, nowMs: MonotonicMs): void {
    this.#nowMs = nowMs;
    for (const peer of this.#nodes.values()) {
      if (sameAddress(peer.current.address, address) && nowMs - peer.lastHeardMs < GREETED_MS) return;
    }
    this.#meeting.greet(address, nowMs);
  }

  helloChanged(nowMs: MonotonicMs): void {
    this.#nowMs = nowMs;
    this.#introduction();
    for (const peer of this.#peers.values()) {
      if (peer.remote.kind !== "node") continue;
      peer.introduceAgain(nowMs);
      this.#timed.add(peer);
    }
  }

  nodeConnection(id: NodeId): Connection | undefined {
    return this.#nodes.get(id);
  }

  connections(): readonly Connection[] {
    return [...this.#peers.values()].filter((peer) => !peer.double);
  }

  send(connection: Connection, frame: Frame): void {
    const peer = this.#peers.get((connection as Peer).bootId);
    if (peer === undefined || peer !== connection) return this.#drop("sent to a connection that ended");
    if (isMemberFrame(frame) && peer.sharedCluster(this.#flushOptions.clusterId) === null) {
      return this.#drop("not sent: other cluster id");
    }
    peer.enqueue(frame, this.#nowMs, this.#flushOptions);
    this.#dirty.add(peer);
  }

  flush(nowMs: MonotonicMs): void {
    this.#nowMs = nowMs;
    for (const peer of this.#timed) if (peer.nextDeadlineMs() <= nowMs) this.#dirty.add(peer);
    for (const peer of this.#dirty) {
      if (peer.closed) continue;
      peer.flush(nowMs, this.#flushOptions);
      if (peer.nextDeadlineMs() < Number.POSITIVE_INFINITY) this.#timed.add(peer);
      else this.#timed.delete(peer);
    }
    this.#dirty.clear();
  }

  tick(nowMs: MonotonicMs): void {
    this.#nowMs = nowMs;
    this.#meeting.tick(nowMs);
    if (nowMs < this.#sweepMs) return;
    this.#sweepMs = nowMs + SWEEP_MS;
    for (const peer of this.#peers.values()) this.#sweep(peer, nowMs);
  }

  nextDeadlineMs(): MonotonicMs {
    let next = this.#meeting.nextDeadlineMs();
    if (this.#peers.size > 0) next = Math.min(next, this.#sweepMs);
    for (const peer of this.#timed) next = Math.min(next, peer.nextDeadlineMs());
    return next;
  }

  drop(connection: Connection): void {
    const peer = this.#peers.get((connection as Peer).bootId);
    if (peer !== undefined && peer === connection) this.#close(peer);
  }

  /** What this process says of itself now; remembers its cluster id for the keys. */
  #introduction(): Introduction {
    const hello = this.#options.hello?.() ?? null;
    this.#flushOptions.clusterId = hello?.clusterId ?? null;
    return introductionOf(hello, this.#options.receiveWindowBytes);
  }

  // --- meeting -----------------------------------------------------------------------------

  /** This side greeted. A live connection to the same process stays; a silent one moves to the new session. */
  #handleAnswered(session: Session, nowMs: MonotonicMs): void {
    if (session.remoteBootId === this.#meeting.bootId) return this.#drop("own greeting");
    const peer = this.#peers.get(session.remoteBootId);
    if (peer === undefined) {
      this.#admit(session, nowMs);
    } else if (nowMs - peer.current.heardMs >= LIVE_MS) {
      this.#attach(peer, session);
      this.#switchTo(peer, session);
      peer.introduceAgain(nowMs);
      this.#timed.add(peer);
    }
  }

  /** This side answered, and the greeter has now proven that it got the answer. */
  #promote(session: Session, nowMs: MonotonicMs): Peer {
    this.#meeting.takeCandidate(session);
    const peer = this.#peers.get(session.remoteBootId);
    if (peer === undefined) return this.#admit(session, nowMs);
    this.#attach(peer, session);
    return peer;
  }

  #admit(session: Session, nowMs: MonotonicMs): Peer {
    const { hello } = session.introduction;
    const remote = remoteOf(session, hello);
    const double = hello !== null && hello.id === this.#selfId;
    const peer = new Peer(session, remote, double, this.#reassembly, nowMs);
    this.#makeRoom(remote.kind);
    this.#peers.set(peer.bootId, peer);
    this.#counts[remote.kind]++;
    this.#attach(peer, session);
    this.#timed.add(peer);
    if (double) {
      // The owner may stop at once on hearing this, and the other must hear of it as well.
      peer.flush(nowMs, this.#flushOptions);
      this.#options.onDouble(hello, session.address);
    } else if (hello !== null) {
      this.#place(peer, hello, nowMs);
      this.#options.onHello(peer, hello, true);
    }
    return peer;
  }

  #attach(peer: Peer, session: Session): void {
    if (!peer.sessions.includes(session)) peer.sessions.push(session);
    this.#peerOf.set(session.localConnection, { peer, session });
  }

  /** Which of several processes with one node id is *the* connection to it: a later boot of the same
   *  directory ends the earlier one; anything else waits until the other has fallen silent. */
  #place(peer: Peer, hello: NodeHello, nowMs: MonotonicMs): void {
    for (const other of this.#peers.values()) {
      const earlier = other.hello;
      if (other === peer || earlier?.id !== hello.id || earlier.incarnation !== hello.incarnation) continue;
      if (earlier.bootCount < hello.bootCount) this.#close(other);
    }
    const placed = this.#nodes.get(hello.id);
    if (placed === undefined || nowMs - placed.lastHeardMs >= LIVE_MS) this.#nodes.set(hello.id, peer);
  }

  #maybeSwitch(peer: Peer, session: Session, nowMs: MonotonicMs): void {
    const silent = nowMs - peer.current.heardMs >= LIVE_MS;
    if (silent || (session.preferred && !peer.current.preferred)) this.#switchTo(peer, session);
  }

  #switchTo(peer: Peer, session: Session): void {
    peer.current = session;
    peer.remote = { ...peer.remote, address: session.address };
  }

  // --- frames ------------------------------------------------------------------------------

  #handleFrame(peer: Peer, session: Session, header: Header, frame: WireFrame, from: Address, nowMs: MonotonicMs): void {
    switch (frame.type) {
      case "introduction":
        return this.#handleIntroduction(peer, frame.sequence, frame.introduction, nowMs);
      case "introductionAck":
        return peer.handleIntroductionAck(frame.sequence);
      case "chunk": {
        const whole = peer.receiver.accept(frame, nowMs);
        this.#dirty.add(peer);
        if (typeof whole === "string") return this.#drop(whole);
        return whole === null ? undefined : this.#handleLargeFrame(peer, header, whole);
      }
      case "chunkAck":
        peer.sender.handleAck(frame, nowMs, peer.rttMs ?? 0);
        this.#dirty.add(peer);
        return;
      case "addressAsk":
        return peer.sendNow(session, { type: "addressAnswer", challenge: frame.challenge }, from, nowMs, this.#flushOptions);
      case "addressAnswer":
        return this.#handleAddressAnswer(peer, session, frame.challenge, from);
      default:
        return this.#deliver(peer, header, frame);
    }
  }

  #deliver(peer: Peer, header: Header, frame: Frame): void {
    if (peer.double) return this.#drop("from my own id");
    if (isMemberFrame(frame) && header.kind !== kinds.member) return this.#drop("raft frame without a common cluster id");
    if (peer.remote.kind === "client" && frame.type !== "request" && frame.type !== "bye") {
      return this.#drop("not a client's frame");
    }
    this.#options.onFrame(peer, frame);
  }

  #handleLargeFrame(peer: Peer, header: Header, whole: Uint8Array): void {
    const frame = decodeLargeFrame(whole);
    if (typeof frame === "string") return this.#drop(frame);
    switch (frame.type) {
      case "raft":
      case "check":
      case "request":
      case "response":
      case "fence":
      case "needRecords":
      case "heal":
      case "bye":
        return this.#deliver(peer, header, frame);
      default:
        return this.#drop("chunk: not a frame for chunks");
    }
  }

  #handleIntroduction(peer: Peer, sequence: number, introduction: Introduction, nowMs: MonotonicMs): void {
    const { hello } = introduction;
    const before = peer.hello;
    if (hello?.id !== before?.id || hello?.incarnation !== before?.incarnation || hello?.bootId !== before?.bootId) {
      return this.#drop("introduction: names another");
    }
    peer.enqueue({ type: "introductionAck", sequence }, nowMs, this.#flushOptions);
    this.#dirty.add(peer);
    if (sequence <= peer.introductionSeen) return;
    peer.introductionSeen = sequence;
    peer.receiveWindowBytes = introduction.receiveWindowBytes;
    if (hello === null || before === null || peer.remote.kind !== "node") return;
    peer.remote = { ...peer.remote, hello };
    if (!peer.double && !sameHello(hello, before)) this.#options.onHello(peer, hello, false);
  }

  /** A session's datagram came from elsewhere: whoever is there must answer before anything is sent there. */
  #askAddress(peer: Peer, session: Session, from: Address, nowMs: MonotonicMs): void {
    if (peer.asked !== null && nowMs - peer.asked.atMs < ADDRESS_ASK_MS) return;
    const challenge = this.#options.dice(8);
    peer.asked = { address: from, challenge, atMs: nowMs };
    peer.sendNow(session, { type: "addressAsk", challenge }, from, nowMs, this.#flushOptions);
  }

  #handleAddressAnswer(peer: Peer, session: Session, challenge: Uint8Array, from: Address): void {
    const { asked } = peer;
    if (asked === null || !sameAddress(asked.address, from)) return this.#drop("address answer unasked");
    if (!asked.challenge.every((byte, i) => byte === challenge[i])) return this.#drop("address answer unasked");
    peer.asked = null;
    session.address = from;
    if (session === peer.current) this.#switchTo(peer, session);
  }

  // --- housekeeping ------------------------------------------------------------------------

  #sweep(peer: Peer, nowMs: MonotonicMs): void {
    if (nowMs - peer.lastHeardMs >= IDLE_MS) return this.#close(peer);
    const stalled = peer.receiver.forgetStalled(nowMs);
    if (stalled > 0) this.#drop("chunk stream stalled", stalled);
    for (const session of [...peer.sessions]) {
      if (session === peer.current || nowMs - session.heardMs < SPARE_SESSION_MS) continue;
      peer.sessions.splice(peer.sessions.indexOf(session), 1);
      this.#peerOf.delete(session.localConnection);
    }
    const id = peer.hello?.id;
    const placed = id === undefined || peer.double ? peer : this.#nodes.get(id);
    if (id === undefined || placed === peer) return;
    const silent = placed === undefined || nowMs - placed.lastHeardMs >= LIVE_MS;
    if (silent && peer.lastHeardMs > (placed?.lastHeardMs ?? 0)) this.#nodes.set(id, peer);
  }

  /** The longest silent of a kind leaves when there are too many. */
  #makeRoom(kind: Remote["kind"]): void {
    if (this.#counts[kind] < (kind === "client" ? CLIENTS_MAX : NODES_MAX)) return;
    const alike = [...this.#peers.values()].filter((peer) => peer.remote.kind === kind);
    this.#close(alike.reduce((a, b) => (a.lastHeardMs <= b.lastHeardMs ? a : b)));
    this.#drop(kind === "client" ? "too many clients" : "too many nodes");
  }

  #close(peer: Peer): void {
    peer.closed = true;
    peer.receiver.close();
    for (const session of peer.sessions) this.#peerOf.delete(session.localConnection);
    this.#peers.delete(peer.bootId);
    this.#counts[peer.remote.kind]--;
    this.#dirty.delete(peer);
    this.#timed.delete(peer);
    const id = peer.hello?.id;
    if (id === undefined || this.#nodes.get(id) !== peer) return;
    this.#nodes.delete(id);
    for (const other of this.#peers.values()) if (other.hello?.id === id && !other.double) this.#nodes.set(id, other);
  }

  #transmit(datagram: Uint8Array, address: Address): void {
    this.counters.datagramsOut++;
    this.counters.bytesOut += datagram.length;
    this.#options.transmit(datagram, address);
  }

  #drop(reason: string, count = 1): void {
    this.counters.dropped[reason] = (this.counters.dropped[reason] ?? 0) + count;
  }
}

function remoteOf(session: Session, hello: NodeHello | null): Remote {
  const { address } = session;
  if (hello === null) return { kind: "client", connection: session.localConnection, address };
  const identity = { id: hello.id, incarnation: hello.incarnation, bootId: hello.bootId };
  return { kind: "node", identity, hello, address };
}

function sameAddress(a: Address, b: Address): boolean {
  return a.port === b.port && a.host === b.host;
}
