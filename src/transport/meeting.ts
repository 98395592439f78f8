/** How two processes meet: greeting, answer, and the first datagram under keys that both boot ids
 *  are mixed into.
 *
 *      greeter                                              answerer
 *         | greeting: my boot id, connection a                 |   key of the greeter's boot
 *         | --------------------------------------------->     |   here only a candidate
 *         |                answer: my boot id, connection b    |   key of both boots, a, b
 *   met   | <---------------------------------------------     |
 *         | first datagram of the connection                   |   the connection's own keys
 *         | --------------------------------------------->     |   met
 *
 *  A recorded greeting can only make a candidate, and a recorded answer or datagram opens under no
 *  later key. */

import { type Address, addressText } from "../base/hosts.ts";
import type { BootId, Incarnation, MonotonicMs, NodeId } from "../base/types.ts";
import { type Header, WIRE_VERSION, kinds, openDatagram, sealDatagram } from "./datagram.ts";
import { type Dice, randomId } from "./dice.ts";
import { type Introduction, decodeIntroduction, encodeIntroduction } from "./hello.ts";
import {
  type ConnectionEnd,
  type ConnectionEnds,
  answerKey,
  clusterTag,
  greetingKey,
} from "./key.ts";
import { pack, unpack } from "./messagepack.ts";
import { Session } from "./session.ts";
import type { EndpointOptions, NodeHello } from "./types.ts";

const GREETINGS_MAX = 256;
const TRIES_MAX = 10;
const RETRY_MIN_MS = 50;
const RETRY_MAX_MS = 1_000;
const CANDIDATES_MAX = 1_024;
const CANDIDATE_MS = 5_000;

export interface MeetingOptions {
  readonly endpoint: EndpointOptions;
  /** What to say now. */
  readonly introduction: () => Introduction;
  readonly transmit: (datagram: Uint8Array, address: Address) => void;
  readonly drop: (reason: string) => void;
  /** An answer was opened: the answerer is met. */
  readonly onAnswered: (session: Session, nowMs: MonotonicMs) => void;
  /** True if an established session has this connection id. */
  readonly isTaken: (connection: number) => boolean;
}

interface Greeting {
  readonly address: Address;
  readonly connection: number;
  tries: number;
  backoffMs: number;
  nextMs: MonotonicMs;
}

interface Candidate {
  readonly session: Session;
  readonly ends: ConnectionEnds;
  readonly madeMs: MonotonicMs;
  answers: number;
}

export class Meeting {
  readonly bootId: BootId;
  readonly tag: Uint8Array;
  readonly #options: MeetingOptions;
  readonly #selfId: NodeId | 0;
  readonly #incarnation: Incarnation | null;
  readonly #greetings = new Map<string, Greeting>();
  readonly #greetingOf = new Map<number, Greeting>();
  readonly #candidates = new Map<number, Candidate>();
  readonly #candidateOf = new Map<string, Candidate>();
  readonly #greetingKey: Uint8Array;
  #greetingCounter = 0;

  constructor(options: MeetingOptions) {
    const { self, dice, key } = options.endpoint;
    this.#options = options;
    this.bootId = self.kind === "node" ? self.identity.bootId : randomId(dice);
    this.#selfId = self.kind === "node" ? self.identity.id : 0;
    this.#incarnation = self.kind === "node" ? self.identity.incarnation : null;
    this.tag = clusterTag(key);
    this.#greetingKey = greetingKey(key, this.bootId);
  }

  /** Starts to greet an address, unless it is being greeted. */
  greet(address: Address, nowMs: MonotonicMs): void {
    const name = nameOf(address);
    if (this.#greetings.has(name)) return;
    if (this.#greetings.size >= GREETINGS_MAX)
      return this.#options.drop("too many greetings under way");
    const greeting = {
      address,
      connection: this.#freshConnection(),
      tries: 0,
      backoffMs: RETRY_MIN_MS,
      nextMs: nowMs,
    };
    this.#greetings.set(name, greeting);
    this.#greetingOf.set(greeting.connection, greeting);
    this.#say(greeting, nowMs);
  }

  /** Repeats greetings that are due and forgets what stayed without an answer. */
  tick(nowMs: MonotonicMs): void {
    for (const greeting of this.#greetings.values()) {
      if (nowMs < greeting.nextMs) continue;
      if (greeting.tries < TRIES_MAX) this.#say(greeting, nowMs);
      else this.#endGreeting(greeting);
    }
    for (const candidate of this.#candidates.values()) {
      if (nowMs - candidate.madeMs < CANDIDATE_MS) break;
      this.#forget(candidate);
    }
  }

  nextDeadlineMs(): MonotonicMs {
    let next = Number.POSITIVE_INFINITY;
    for (const greeting of this.#greetings.values()) next = Math.min(next, greeting.nextMs);
    for (const candidate of this.#candidates.values())
      return Math.min(next, candidate.madeMs + CANDIDATE_MS);
    return next;
  }

  /** A session that was answered here and is not met yet. */
  candidate(connection: number): Session | undefined {
    return this.#candidates.get(connection)?.session;
  }

  /** The candidate was met: it is the endpoint's now. */
  takeCandidate(session: Session): void {
    const candidate = this.#candidates.get(session.localConnection);
    if (candidate !== undefined) this.#forget(candidate);
  }

  handleGreeting(datagram: Uint8Array, header: Header, from: Address, nowMs: MonotonicMs): void {
    const bootId = header.bootId!;
    if (bootId === this.bootId) return this.#options.drop("own greeting");
    if (this.#selfId === 0) return this.#options.drop("greeting to a client");
    const known = this.#candidateOf.get(candidateName(bootId, header.fromConnection));
    const opened = openDatagram(greetingKey(this.#options.endpoint.key, bootId), datagram, header);
    if (opened === null) return this.#options.drop("seal");
    if (known !== undefined) {
      known.session.address = from;
      return this.#answer(known);
    }
    if (header.fromConnection === 0) return this.#options.drop("no such connection");
    const introduction = this.#readIntroduction(opened, header);
    if (introduction === null) return;
    const greeter = {
      bootId,
      connection: header.fromConnection,
      incarnation: introduction.hello?.incarnation ?? null,
    };
    const ends = { greeter, answerer: this.#localEnd(this.#freshConnection()) };
    const session = this.#makeSession(false, ends, introduction, from, nowMs);
    const candidate = { session, ends, madeMs: nowMs, answers: 0 };
    this.#remember(candidate);
    this.#answer(candidate);
  }

  handleAnswer(datagram: Uint8Array, header: Header, from: Address, nowMs: MonotonicMs): void {
    const bootId = header.bootId!;
    const greeting = this.#greetingOf.get(header.toConnection);
    if (greeting === undefined) return this.#options.drop("no such connection");
    const answerer: ConnectionEnd = {
      bootId,
      connection: header.fromConnection,
      incarnation: null,
    };
    const ends = { greeter: this.#localEnd(greeting.connection), answerer };
    const opened = openDatagram(answerKey(this.#options.endpoint.key, ends), datagram, header);
    if (opened === null) return this.#options.drop("seal");
    const introduction = this.#readIntroduction(opened, header);
    if (introduction === null) return;
    if (introduction.hello === null) return this.#options.drop("answer without a node");
    this.#endGreeting(greeting);
    const full = {
      ...ends,
      answerer: { ...answerer, incarnation: introduction.hello.incarnation },
    };
    this.#options.onAnswered(this.#makeSession(true, full, introduction, from, nowMs), nowMs);
  }

  #say(greeting: Greeting, nowMs: MonotonicMs): void {
    greeting.tries++;
    greeting.nextMs = nowMs + jittered(greeting.backoffMs, this.#options.endpoint.dice);
    greeting.backoffMs = Math.min(greeting.backoffMs * 2, RETRY_MAX_MS);
    const header: Header = {
      kind: kinds.greeting,
      from: this.#selfId,
      to: 0,
      fromConnection: greeting.connection,
      toConnection: 0,
      counter: ++this.#greetingCounter,
      bootId: this.bootId,
    };
    const body = pack(encodeIntroduction(this.#options.introduction()));
    this.#options.transmit(
      sealDatagram(this.#greetingKey, this.tag, header, body),
      greeting.address,
    );
  }

  /** Sealed under a key of this candidate alone; its counter is the number of answers. */
  #answer(candidate: Candidate): void {
    const { session, ends } = candidate;
    const header: Header = {
      kind: kinds.answer,
      from: this.#selfId,
      to: session.remoteId,
      fromConnection: session.localConnection,
      toConnection: session.remoteConnection,
      counter: ++candidate.answers,
      bootId: this.bootId,
    };
    const body = pack(encodeIntroduction(this.#options.introduction()));
    const key = answerKey(this.#options.endpoint.key, ends);
    this.#options.transmit(sealDatagram(key, this.tag, header, body), session.address);
  }

  #readIntroduction(opened: Uint8Array, header: Header): Introduction | null {
    const values = unpack(opened);
    const introduction = typeof values === "string" ? values : decodeIntroduction(values);
    if (typeof introduction === "string") return this.#refuse(introduction);
    if (!helloFits(introduction.hello, header))
      return this.#refuse("greeting: names another sender");
    return introduction;
  }

  #refuse(reason: string): null {
    this.#options.drop(reason);
    return null;
  }

  #makeSession(
    greeted: boolean,
    ends: ConnectionEnds,
    introduction: Introduction,
    address: Address,
    nowMs: MonotonicMs,
  ): Session {
    const { tag } = this;
    const { key } = this.#options.endpoint;
    return new Session({
      key,
      tag,
      greeted,
      ends,
      selfId: this.#selfId,
      introduction,
      address,
      nowMs,
    });
  }

  #localEnd(connection: number): ConnectionEnd {
    return { bootId: this.bootId, connection, incarnation: this.#incarnation };
  }

  #remember(candidate: Candidate): void {
    if (this.#candidates.size >= CANDIDATES_MAX) {
      for (const oldest of this.#candidates.values()) {
        this.#forget(oldest);
        break;
      }
    }
    this.#candidates.set(candidate.session.localConnection, candidate);
    this.#candidateOf.set(nameOfCandidate(candidate), candidate);
  }

  #forget(candidate: Candidate): void {
    this.#candidates.delete(candidate.session.localConnection);
    this.#candidateOf.delete(nameOfCandidate(candidate));
  }

  #endGreeting(greeting: Greeting): void {
    this.#greetings.delete(nameOf(greeting.address));
    this.#greetingOf.delete(greeting.connection);
  }

  /** Never one that was used by this process for the same peer: 32 random bits, and the keys mix
   *  both sides'. */
  #freshConnection(): number {
    for (;;) {
      const bytes = this.#options.endpoint.dice(4);
      const connection = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
      const taken =
        this.#greetingOf.has(connection) ||
        this.#candidates.has(connection) ||
        this.#options.isTaken(connection);
      if (connection !== 0 && !taken) return connection;
    }
  }
}

/** Half of it is fixed and half drawn, so that two who started together drift apart. */
export function jittered(delayMs: number, dice: Dice): number {
  return (delayMs * (256 + dice(1)[0]!)) / 512;
}

/** What this process says about its versions, around its hello. */
export function introductionOf(hello: NodeHello | null, receiveWindowBytes: number): Introduction {
  return { wireMin: WIRE_VERSION, wireMax: WIRE_VERSION, features: 0, receiveWindowBytes, hello };
}

/** The header and the hello name the same process. */
function helloFits(hello: NodeHello | null, header: Header): boolean {
  if (hello === null) return header.from === 0;
  return hello.id === header.from && hello.bootId === header.bootId;
}

export function nameOf(address: Address): string {
  return addressText(address);
}

function nameOfCandidate(candidate: Candidate): string {
  return candidateName(candidate.session.remoteBootId, candidate.session.remoteConnection);
}

function candidateName(bootId: BootId, connection: number): string {
  return `${bootId}:${connection}`;
}
