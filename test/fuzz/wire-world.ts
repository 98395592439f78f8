/** What fuzzed datagrams are thrown at: a node and a client, each talking to an honest node all the
 *  while, and an enemy who holds the key, meets both, and seals what it likes. */

import type { Address } from "../../src/base/hosts.ts";
import {
  type Header,
  kinds,
  openDatagram,
  readHeader,
  sealDatagram,
} from "../../src/transport/datagram.ts";
import { createEndpoint } from "../../src/transport/endpoint.ts";
import { decodeIntroduction, encodeIntroduction } from "../../src/transport/hello.ts";
import {
  type ConnectionEnd,
  answerKey,
  clusterTag,
  greetingKey,
  openKey,
} from "../../src/transport/key.ts";
import { introductionOf } from "../../src/transport/meeting.ts";
import { pack, unpack } from "../../src/transport/messagepack.ts";
import { decodeRequest, decodeResponse } from "../../src/transport/request-codec.ts";
import { Session } from "../../src/transport/session.ts";
import type { Connection, Endpoint, Frame, NodeHello } from "../../src/transport/types.ts";
import { CLUSTER_ID, helloOf, hex16 } from "../transport/harness.ts";
import type { Rolls } from "./bytes.ts";
import { strangersHello } from "./frames.ts";

export const KEY = openKey("test");
export const TAG = clusterTag(KEY);
const WINDOW_BYTES = 425_984;

const NODE: Address = { host: "10.0.0.1", port: 7_401 };
const FRIEND: Address = { host: "10.0.0.2", port: 7_402 };
export const CLIENT: Address = { host: "10.0.0.3", port: 50_000 };
const ENEMY: Address = { host: "10.0.0.9", port: 7_409 };

/** One endpoint under test and what came out of it. */
export interface Party {
  readonly endpoint: Endpoint;
  readonly address: Address;
  readonly onFrame: { call: (connection: Connection, frame: Frame) => void };
}

/** An enemy's conversation with one party. */
export interface Hold {
  readonly session: Session;
  readonly party: Party;
  readonly from: Address;
}

interface Flying {
  readonly datagram: Uint8Array;
  readonly from: Address;
  readonly to: Address;
}

export class WireWorld {
  readonly rolls: Rolls;
  readonly node: Party;
  readonly friend: Party;
  readonly client: Party;
  nowMs = 1_000;
  /** Bytes that the parties sent to the enemy's address. */
  bytesToEnemy = 0;
  /** Frames of the enemy that came through, and requests and responses in them that could be
   *  read. */
  delivered = 0;
  decoded = 0;
  /** The last datagram that was sent to the enemy, until it is taken. */
  #toEnemy: Uint8Array | null = null;
  #flying: Flying[] = [];
  /** Datagrams of honest parties, kept to be mutated: to whom, and where from. */
  readonly overheard: Flying[] = [];

  constructor(rolls: Rolls) {
    this.rolls = rolls;
    this.node = this.#open(NODE, helloOf({ id: 1, incarnation: hex16(1), bootId: hex16(1) }));
    this.friend = this.#open(FRIEND, helloOf({ id: 2, incarnation: hex16(2), bootId: hex16(2) }));
    this.client = this.#open(CLIENT, null);
    this.friend.endpoint.greet(NODE, this.nowMs);
    this.client.endpoint.greet(FRIEND, this.nowMs);
    for (let turn = 0; turn < 8; turn++) this.turn(5);
  }

  get parties(): readonly Party[] {
    return [this.node, this.friend, this.client];
  }

  /** Time passes; honest datagrams arrive; everybody's turn ends in a flush. */
  turn(passMs: number): void {
    this.nowMs += passMs;
    for (const { endpoint } of this.parties) {
      if (endpoint.nextDeadlineMs() <= this.nowMs) endpoint.tick(this.nowMs);
      endpoint.flush(this.nowMs);
    }
    const flying = this.#flying;
    this.#flying = [];
    for (const { datagram, from, to } of flying) {
      const party = this.parties.find(({ address }) => address.port === to.port);
      party?.endpoint.receive(datagram, from, this.nowMs);
    }
    for (const { endpoint } of this.parties) endpoint.flush(this.nowMs);
  }

  /** The enemy greets a node as `hello` (null: a client) and has a conversation with it. */
  holdNode(hello: NodeHello | null): Hold {
    const { rolls } = this;
    const bootId = hello?.bootId ?? Buffer.from(rolls.bytes(16)).toString("hex");
    const connection = 1 + (rolls.u32() >>> 1);
    const selfId = hello?.id ?? 0;
    const from = { host: ENEMY.host, port: 10_000 + rolls.below(50_000) };
    const header = headerOf({
      kind: kinds.greeting,
      from: selfId,
      fromConnection: connection,
      bootId,
    });
    const body = pack(encodeIntroduction(introductionOf(hello, WINDOW_BYTES)));
    const greeting = sealDatagram(greetingKey(KEY, bootId), TAG, header, body);
    this.node.endpoint.receive(greeting, from, this.nowMs);
    const answer = this.#toEnemy;
    if (answer === null) throw new Error("a greeting was not answered");
    const answered = readHeader(answer, TAG);
    if (typeof answered === "string") throw new Error(answered);
    const greeter: ConnectionEnd = { bootId, connection, incarnation: hello?.incarnation ?? null };
    const fromConnection = answered.fromConnection;
    const halfEnds = {
      greeter,
      answerer: { bootId: answered.bootId!, connection: fromConnection, incarnation: null },
    };
    const opened = openDatagram(answerKey(KEY, halfEnds), answer, answered);
    const values = opened === null ? "seal" : unpack(opened);
    const introduction = typeof values === "string" ? values : decodeIntroduction(values);
    if (typeof introduction === "string") throw new Error(introduction);
    const incarnation = introduction.hello?.incarnation ?? null;
    const ends = { greeter, answerer: { ...halfEnds.answerer, incarnation } };
    const start = { key: KEY, tag: TAG, ends, introduction, address: NODE, nowMs: this.nowMs };
    const session = new Session({ ...start, greeted: true, selfId });
    const hold = { session, party: this.node, from };
    this.node.endpoint.receive(session.seal(null, pack([0, null])), from, this.nowMs);
    return hold;
  }

  /** The client greets the enemy, who answers as a node. */
  holdClient(): Hold {
    const { rolls, client } = this;
    const from = { host: ENEMY.host, port: 10_000 + rolls.below(50_000) };
    this.#toEnemy = null;
    client.endpoint.greet(from, this.nowMs);
    const greeting: Uint8Array | null = this.#toEnemy;
    if (greeting === null) throw new Error("the client did not greet");
    const header = readHeader(greeting, TAG);
    if (typeof header === "string") throw new Error(header);
    const hello = strangersHello(rolls, 3 + rolls.below(5));
    const answererConnection = 1 + (rolls.u32() >>> 1);
    const ends = {
      greeter: { bootId: header.bootId!, connection: header.fromConnection, incarnation: null },
      answerer: {
        bootId: hello.bootId,
        connection: answererConnection,
        incarnation: hello.incarnation,
      },
    };
    const introduction = introductionOf(hello, WINDOW_BYTES);
    const answer = headerOf({
      kind: kinds.answer,
      from: hello.id,
      fromConnection: answererConnection,
      toConnection: header.fromConnection,
      bootId: hello.bootId,
    });
    const body = pack(encodeIntroduction(introduction));
    const sealed = sealDatagram(answerKey(KEY, ends), TAG, answer, body);
    client.endpoint.receive(sealed, from, this.nowMs);
    const said = introductionOf(null, WINDOW_BYTES);
    const start = {
      key: KEY,
      tag: TAG,
      ends,
      introduction: said,
      address: CLIENT,
      nowMs: this.nowMs,
    };
    const session = new Session({ ...start, greeted: false, selfId: hello.id });
    return { session, party: client, from };
  }

  /** True when a request of the honest node reaches the node and its answer comes back, and the
   *  same for the client at the honest node, within some turns. */
  honestWork(): boolean {
    const question = this.rolls.below(1_000_000);
    const asked = [
      this.#ask(this.friend, this.friend.endpoint.nodeConnection(1), question),
      this.#ask(this.client, this.client.endpoint.nodeConnection(2), question),
    ];
    for (let turn = 0; turn < 6 && !asked.every((answered) => answered()); turn++) this.turn(1);
    return asked.every((answered) => answered());
  }

  #ask(party: Party, connection: Connection | undefined, question: number): () => boolean {
    let done = false;
    if (connection === undefined) return () => false;
    party.onFrame.call = (_, frame) => {
      if (frame.type === "response" && frame.requestId === question) done = true;
    };
    party.endpoint.send(connection, {
      type: "request",
      requestId: question,
      hops: 0,
      body: new Uint8Array(20),
    });
    return () => done;
  }

  #open(address: Address, hello: NodeHello | null): Party {
    const onFrame: Party["onFrame"] = { call: () => {} };
    const endpoint = createEndpoint({
      key: KEY,
      self: hello === null ? { kind: "client" } : { kind: "node", identity: hello },
      hello: hello === null ? null : () => hello,
      dice: (count) => this.rolls.bytes(count),
      datagramBytesMax: () => 1_200,
      receiveWindowBytes: WINDOW_BYTES,
      transmit: (datagram, to) => this.#transmit(datagram, address, to),
      onHello: () => {},
      onFrame: (connection, frame) => {
        const isHonest = connection.remote.address.host !== ENEMY.host;
        if (frame.type === "request" && isHonest) {
          const { requestId, body } = frame;
          endpoint.send(connection, { type: "response", requestId, body: new Uint8Array(body) });
        } else if (isHonest) onFrame.call(connection, frame);
        else this.#takeHostile(frame);
      },
      onDouble: () => {},
    });
    return { endpoint, address, onFrame };
  }

  /** As the node's service and the client's calls do with what comes in. */
  #takeHostile(frame: Frame): void {
    this.delivered++;
    if (frame.type !== "request" && frame.type !== "response") return;
    const { body } = frame;
    const decoded = frame.type === "request" ? decodeRequest(body) : decodeResponse(body);
    if (typeof decoded !== "string") this.decoded++;
  }

  #transmit(datagram: Uint8Array, from: Address, to: Address): void {
    if (to.host === ENEMY.host) {
      this.#toEnemy = datagram;
      this.bytesToEnemy += datagram.length;
      return;
    }
    const flying = { datagram, from, to };
    this.#flying.push(flying);
    if (this.overheard.length < 256) this.overheard.push(flying);
    else this.overheard[this.rolls.below(256)] = flying;
  }
}

export function headerOf(parts: Partial<Header> & Pick<Header, "kind" | "fromConnection">): Header {
  return { from: 0, to: 0, toConnection: 0, counter: 1, bootId: null, ...parts };
}

/** Under which keys the enemy speaks: as a member, or as anybody. */
export const SCOPES: readonly (string | null)[] = [null, CLUSTER_ID];
