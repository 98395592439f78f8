/** The wire of one process: meets others, opens what comes in, batches and seals what goes out.
 *
 *  Pure: time is an argument, datagrams leave through `transmit`. Every turn of its owner ends with
 *  `flush`, which also repeats what is due; `tick` repeats greetings and forgets who fell
 *  silent. */

import type { Address } from "../base/hosts.ts";
import type { ClusterId, MonotonicMs, NodeId, NodeIdentity } from "../base/types.ts";
import { type WireFrame, decodeBody, decodeLargeFrame } from "./codec.ts";
import { type Header, kinds, readHeader } from "./datagram.ts";
import { giveBackWireMemory } from "./wire-memory.ts";
import { type Introduction, sameHello } from "./hello.ts";
import { Intake } from "./intake.ts";
import { Meeting, introductionOf } from "./meeting.ts";
import { type FlushOptions, Peer, bulkWindowBytes, isMemberFrame } from "./peer.ts";
import { LIVE_MS, Roster } from "./roster.ts";
import type { Session } from "./session.ts";
import type {
  Connection,
  Endpoint,
  EndpointOptions,
  Frame,
  NodeHello,
  Remote,
  WireCounters,
} from "./types.ts";

/** Who was silent for so long is forgotten and has to meet again. */
export const IDLE_MS = 60_000;
/** Heard within this time: it need not be greeted. Several heartbeats. */
const GREETED_MS = 500;
const SWEEP_MS = 1_000;
const ADDRESS_ASK_MS = 50;
/** What a turn sends of frames that nobody waits for: of 1,200 bytes it takes a third of a
 *  millisecond. */
const PATIENT_PARTS = 16;
/** Bytes of unfinished large frames of all nodes, and of all clients: they cannot starve nodes. */
const REASSEMBLY_BYTES_MAX = 64 * 1_048_576;

export function createEndpoint(options: EndpointOptions): Endpoint {
  return new DatagramEndpoint(options);
}

class DatagramEndpoint implements Endpoint {
  readonly counters: WireCounters = {
    datagramsIn: 0,
    datagramsOut: 0,
    bytesIn: 0,
    bytesOut: 0,
    dropped: {},
  };
  readonly #options: EndpointOptions;
  readonly #meeting: Meeting;
  readonly #flushOptions: FlushOptions & { clusterId: ClusterId | null };
  readonly #selfId: NodeId | 0;
  readonly #roster = new Roster();
  /** Peers with something to flush, and those with something to repeat later. */
  readonly #dirty = new Set<Peer>();
  readonly #timed = new Set<Peer>();
  /** Those with parts that wait for `flushPatient`. */
  readonly #patient = new Set<Peer>();
  readonly #intakes: Readonly<Record<Remote["kind"], Intake>>;
  #nowMs: MonotonicMs = 0;
  #sweepMs: MonotonicMs = 0;

  constructor(options: EndpointOptions) {
    this.#options = options;
    this.#selfId = options.self.kind === "node" ? options.self.identity.id : 0;
    const windowBytes = bulkWindowBytes(options.receiveWindowBytes);
    const common = { windowBytes, bytesMax: REASSEMBLY_BYTES_MAX };
    this.#intakes = {
      node: new Intake({ ...common, heldBytes: null }),
      client: new Intake({ ...common, heldBytes: options.heldBytes ?? (() => 0) }),
    };
    const introduction = () => this.#introduction();
    const transmit = (datagram: Uint8Array, address: Address) => this.#transmit(datagram, address);
    const drop = (reason: string, count = 1) => this.#drop(reason, count);
    this.#flushOptions = {
      clusterId: null,
      introduction,
      transmit,
      drop,
      datagramBytesMax: options.datagramBytesMax,
    };
    this.#meeting = new Meeting({
      endpoint: options,
      introduction,
      transmit,
      drop,
      onAnswered: (session, nowMs) => this.#handleAnswered(session, nowMs),
      isTaken: (connection) => this.#roster.bySession(connection) !== undefined,
    });
  }

  receive(datagram: Uint8Array, from: Address, nowMs: MonotonicMs): void {
    this.#nowMs = nowMs;
    this.counters.datagramsIn++;
    this.counters.bytesIn += datagram.length;
    const header = readHeader(datagram, this.#meeting.tag);
    if (typeof header === "string") return this.#drop(header);
    if (header.kind === kinds.greeting)
      return this.#meeting.handleGreeting(datagram, header, from, nowMs);
    if (header.kind === kinds.answer)
      return this.#meeting.handleAnswer(datagram, header, from, nowMs);
    const known = this.#roster.bySession(header.toConnection);
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
    for (const peer of this.#roster.nodes()) {
      if (sameAddress(peer.current.address, address) && nowMs - peer.lastHeardMs < GREETED_MS)
        return;
    }
    this.#meeting.greet(address, nowMs);
  }

  helloChanged(nowMs: MonotonicMs): void {
    this.#nowMs = nowMs;
    this.#introduction();
    for (const peer of this.#roster.all()) {
      if (peer.remote.kind !== "node") continue;
      peer.introduceAgain(nowMs);
      this.#timed.add(peer);
    }
  }

  nodeConnection(id: NodeId, fits?: (identity: NodeIdentity) => boolean): Connection | undefined {
    return this.#roster.byNode(id, fits);
  }

  connections(): readonly Connection[] {
    return this.#roster.single();
  }

  send(connection: Connection, frame: Frame, isPatient = false): void {
    const peer = this.#ours(connection);
    if (peer === undefined) return this.#drop("sent to a connection that ended");
    if (isMemberFrame(frame) && peer.sharedCluster(this.#flushOptions.clusterId) === null) {
      return this.#drop("not sent: other cluster id");
    }
    peer.enqueue(frame, this.#nowMs, this.#flushOptions, isPatient);
    this.#dirty.add(peer);
  }

  isSending(connection: Connection, requestId: number): boolean {
    return this.#ours(connection)?.isSending(requestId) ?? false;
  }

  flush(nowMs: MonotonicMs): void {
    this.#nowMs = nowMs;
    this.#intakes.client.turn(nowMs);
    for (const peer of this.#timed) if (peer.nextDeadlineMs() <= nowMs) this.#dirty.add(peer);
    const dirty = [...this.#dirty];
    this.#dirty.clear();
    for (const peer of dirty) this.#flushPeer(peer, 0, nowMs);
  }

  flushPatient(nowMs: MonotonicMs): boolean {
    const patient = [...this.#patient];
    this.#patient.clear();
    for (const peer of patient) this.#flushPeer(peer, PATIENT_PARTS, nowMs);
    return this.#patient.size > 0;
  }

  tick(nowMs: MonotonicMs): void {
    this.#nowMs = nowMs;
    this.#meeting.tick(nowMs);
    if (nowMs < this.#sweepMs) return;
    this.#sweepMs = nowMs + SWEEP_MS;
    for (const peer of this.#roster.all()) this.#sweep(peer, nowMs);
  }

  nextDeadlineMs(): MonotonicMs {
    let next = this.#meeting.nextDeadlineMs();
    if (this.#roster.size > 0) next = Math.min(next, this.#sweepMs);
    for (const peer of this.#timed) next = Math.min(next, peer.nextDeadlineMs());
    return next;
  }

  drop(connection: Connection): void {
    const peer = this.#ours(connection);
    if (peer !== undefined) this.#close(peer);
  }

  #flushPeer(peer: Peer, patientParts: number, nowMs: MonotonicMs): void {
    if (peer.closed) return;
    peer.flush(nowMs, this.#flushOptions, patientParts);
    if (peer.sender.hasPatient) this.#patient.add(peer);
    if (peer.nextDeadlineMs() < Number.POSITIVE_INFINITY) this.#timed.add(peer);
    else this.#timed.delete(peer);
  }

  #ours(connection: Connection): Peer | undefined {
    return connection instanceof Peer && !connection.closed ? connection : undefined;
  }

  /** What this process says of itself now; remembers its cluster id for the keys. */
  #introduction(): Introduction {
    const hello = this.#options.hello?.() ?? null;
    this.#flushOptions.clusterId = hello?.clusterId ?? null;
    return introductionOf(hello, this.#options.receiveWindowBytes);
  }

  // --- meeting -----------------------------------------------------------------------------

  /** This side greeted. A live connection to the same process stays; a silent one moves to the new
   *  session. */
  #handleAnswered(session: Session, nowMs: MonotonicMs): void {
    if (session.remoteBootId === this.#meeting.bootId) return this.#drop("own greeting");
    const peer = this.#roster.byBoot(session.remoteBootId);
    if (peer === undefined) {
      this.#admit(session, nowMs);
    } else if (!peer.current.confirmed || nowMs - peer.current.heardMs >= LIVE_MS) {
      this.#roster.attach(peer, session);
      this.#switchTo(peer, session);
      peer.introduceAgain(nowMs);
      this.#timed.add(peer);
    }
  }

  /** This side answered, and the greeter has now proven that it got the answer. */
  #promote(session: Session, nowMs: MonotonicMs): Peer {
    this.#meeting.takeCandidate(session);
    const peer = this.#roster.byBoot(session.remoteBootId);
    if (peer === undefined) return this.#admit(session, nowMs);
    this.#roster.attach(peer, session);
    return peer;
  }

  #admit(session: Session, nowMs: MonotonicMs): Peer {
    const { hello } = session.introduction;
    const remote = remoteOf(session, hello);
    const double = hello !== null && hello.id === this.#selfId;
    const chunks = {
      intake: this.#intakes[remote.kind],
      onOwes: (owing: Peer) => void this.#dirty.add(owing),
      takesTurns: this.#options.self.kind === "client",
    };
    const peer = new Peer(session, remote, double, chunks, nowMs);
    const surplus = this.#roster.surplus(remote.kind);
    if (surplus !== null) {
      this.#close(surplus);
      this.#drop(remote.kind === "client" ? "too many clients" : "too many nodes");
    }
    this.#roster.add(peer);
    this.#timed.add(peer);
    if (double) {
      // The owner may stop at once on hearing this, and the other must hear of it as well.
      peer.flush(nowMs, this.#flushOptions);
      this.#options.onDouble(hello, session.address, false);
    } else if (hello !== null) {
      // A later boot of the same directory ends the earlier one; anything else waits for its
      // silence.
      for (const earlier of this.#roster.earlierBoots(peer, hello)) this.#close(earlier);
      this.#roster.place(peer, hello.id, nowMs);
      this.#options.onHello(peer, hello, true);
    }
    return peer;
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

  #handleFrame(
    peer: Peer,
    session: Session,
    header: Header,
    frame: WireFrame,
    from: Address,
    nowMs: MonotonicMs,
  ): void {
    switch (frame.type) {
      case "introduction":
        return this.#handleIntroduction(peer, frame.sequence, frame.introduction, nowMs);
      case "introductionAck":
        return peer.handleIntroductionAck(frame.sequence);
      case "chunk": {
        const whole = peer.receiver.accept(frame, nowMs);
        this.#dirty.add(peer);
        if (typeof whole === "string") return this.#drop(whole);
        return whole === null ? undefined : this.#handleLargeFrame(peer, header, whole, nowMs);
      }
      case "chunkAck":
        peer.sender.handleAck(frame, nowMs, peer.rttMs ?? 0);
        this.#dirty.add(peer);
        return;
      case "addressAsk":
        return peer.sendNow(
          session,
          { type: "addressAnswer", challenge: frame.challenge },
          from,
          nowMs,
          this.#flushOptions,
        );
      case "addressAnswer":
        return this.#handleAddressAnswer(peer, session, frame.challenge, from);
      default:
        return this.#deliver(peer, header, frame, nowMs);
    }
  }

  #deliver(peer: Peer, header: Header, frame: Frame, nowMs: MonotonicMs): void {
    if (peer.double) return this.#drop("from my own id");
    if (isMemberFrame(frame) && header.kind !== kinds.member)
      return this.#drop("raft frame without a common cluster id");
    if (peer.remote.kind === "client" && frame.type !== "request" && frame.type !== "bye") {
      return this.#drop("not a client's frame");
    }
    this.#options.onFrame(peer, frame, nowMs);
  }

  #handleLargeFrame(peer: Peer, header: Header, whole: Uint8Array, nowMs: MonotonicMs): void {
    const frame = decodeLargeFrame(whole);
    if (typeof frame === "string") return this.#drop(frame);
    switch (frame.type) {
      case "raft":
        this.#deliver(peer, header, frame, nowMs);
        // Who keeps records has copied them; what clients send and get is kept as it is.
        return giveBackWireMemory(whole);
      case "check":
      case "request":
      case "response":
      case "fence":
      case "needRecords":
      case "heal":
      case "bye":
        return this.#deliver(peer, header, frame, nowMs);
      default:
        return this.#drop("chunk: not a frame for chunks");
    }
  }

  #handleIntroduction(
    peer: Peer,
    sequence: number,
    introduction: Introduction,
    nowMs: MonotonicMs,
  ): void {
    const { hello } = introduction;
    const before = peer.hello;
    if (
      hello?.id !== before?.id ||
      hello?.incarnation !== before?.incarnation ||
      hello?.bootId !== before?.bootId
    ) {
      return this.#drop("introduction: names another");
    }
    peer.enqueue({ type: "introductionAck", sequence }, nowMs, this.#flushOptions);
    this.#dirty.add(peer);
    if (sequence <= peer.introductionSeen) return;
    peer.introductionSeen = sequence;
    peer.receiveWindowBytes = introduction.receiveWindowBytes;
    if (hello === null || before === null || peer.remote.kind !== "node") return;
    peer.remote = { ...peer.remote, hello };
    if (sameHello(hello, before)) return;
    if (peer.double) this.#options.onDouble(hello, peer.remote.address, true);
    else this.#options.onHello(peer, hello, false);
  }

  /** A session's datagram came from elsewhere: whoever is there must answer before anything is sent
   *  there. */
  #askAddress(peer: Peer, session: Session, from: Address, nowMs: MonotonicMs): void {
    if (peer.asked !== null && nowMs - peer.asked.atMs < ADDRESS_ASK_MS) return;
    const challenge = this.#options.dice(8);
    peer.asked = { address: from, challenge, atMs: nowMs };
    peer.sendNow(session, { type: "addressAsk", challenge }, from, nowMs, this.#flushOptions);
  }

  #handleAddressAnswer(peer: Peer, session: Session, challenge: Uint8Array, from: Address): void {
    const { asked } = peer;
    if (asked === null || !sameAddress(asked.address, from))
      return this.#drop("address answer unasked");
    if (!asked.challenge.every((byte, i) => byte === challenge[i]))
      return this.#drop("address answer unasked");
    peer.asked = null;
    session.address = from;
    if (session === peer.current) this.#switchTo(peer, session);
  }

  // --- housekeeping ------------------------------------------------------------------------

  #sweep(peer: Peer, nowMs: MonotonicMs): void {
    if (nowMs - peer.lastHeardMs >= IDLE_MS) return this.#close(peer);
    // The other side has forgotten its answer, or this side's proof was lost on the way.
    const answeredMs = peer.current.heardMs;
    if (!peer.current.confirmed && nowMs - answeredMs >= SWEEP_MS)
      this.#meeting.greet(peer.current.address, nowMs);
    const stalled = peer.receiver.forgetStalled(nowMs);
    if (stalled > 0) this.#drop("chunk stream stalled", stalled);
    this.#roster.tidy(peer, nowMs);
  }

  #close(peer: Peer): void {
    this.#roster.remove(peer);
    this.#dirty.delete(peer);
    this.#timed.delete(peer);
    this.#patient.delete(peer);
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
