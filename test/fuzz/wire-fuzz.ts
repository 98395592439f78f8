/** Millions of hostile datagrams against the endpoint of a node and of a client, and against the
 *  decoder of the discovery port. One seed, one run.
 *
 *  They come in rounds of one kind. After each round the honest turn passes, and what must hold is
 *  looked at: nothing was thrown, every altered datagram was counted as dropped exactly once, the
 *  tables keep to their limits, the honest conversations go on. */

import { createCipheriv, createHash } from "node:crypto";
import { decodeDiscovery, encodeBeacon, encodeQuery } from "../../src/discovery/beacon.ts";
import { decodeBody, encodeFrame } from "../../src/transport/codec.ts";
import { WIRE_VERSION, kinds, sealDatagram } from "../../src/transport/datagram.ts";
import { encodeIntroduction } from "../../src/transport/hello.ts";
import { greetingKey } from "../../src/transport/key.ts";
import { introductionOf } from "../../src/transport/meeting.ts";
import { type Wire, pack } from "../../src/transport/messagepack.ts";
import { CLIENTS_MAX, NODES_MAX } from "../../src/transport/roster.ts";
import { hex16 } from "../transport/harness.ts";
import { Rolls, mutate, splice } from "./bytes.ts";
import { beacons, frames, strangersHello } from "./frames.ts";
import { disfigure, hostileValue, packHostile } from "./hostile-pack.ts";
import { type Hold, KEY, SCOPES, TAG, WireWorld, headerOf } from "./wire-world.ts";

export const ROUND = 64;

/** A round's kind, and how often it comes. */
const KINDS = {
  /** Random bytes, half of them behind a header that passes the cheap checks. */
  random: 4,
  /** Overheard datagrams with some bytes changed. */
  mutated: 6,
  truncated: 2,
  spliced: 2,
  /** Overheard datagrams once more, as they were. */
  replayed: 1,
  /** Greetings that open, with introductions that are disfigured. */
  greetings: 1,
  /** Bodies that open: valid frames with bytes changed. */
  "sealed, mutated": 8,
  /** Bodies that open: valid frames with fields replaced. */
  "sealed, disfigured": 4,
  /** Bodies that open: arbitrary MessagePack. */
  "sealed, made up": 2,
  /** Frames that come in parts, with all of that inside. */
  "sealed, in parts": 1,
  /** On the discovery port: random, mutated, and sealed with the published key. */
  discovery: 4,
} as const;
export type FuzzKind = keyof typeof KINDS;

const ORDER = (Object.keys(KINDS) as FuzzKind[]).flatMap((kind) =>
  Array.from({ length: KINDS[kind] }, () => kind),
);
/** Kinds whose datagrams must each be dropped, and counted once. */
const ALTERED: ReadonlySet<FuzzKind> = new Set(["random", "mutated", "truncated", "spliced"]);

/** One in so many goes to the client. */
const CLIENT_SHARE = 5;
/** Bytes sent at once for each byte that came in: questions for an address are the worst. */
const ANSWER_BYTES_MAX = 16;
const PUBLISHED_KEY = createHash("sha256").update("raft discovery 1").digest();

export class WireFuzz {
  readonly seed: number;
  readonly rolls: Rolls;
  readonly world: WireWorld;
  /** Datagrams so far, by kind. */
  readonly counts = new Map<FuzzKind, number>();
  readonly failures: string[] = [];
  /** Of the sealed ones, about how many bodies were read to the end (one in 256 is looked at). */
  opened = 0;
  /** The longest round of ROUND datagrams and one turn. */
  slowestMs = 0;
  readonly #frames: Uint8Array[];
  readonly #fields: (readonly Wire[])[];
  readonly #discovery: Uint8Array[];
  readonly #scratch = new Uint8Array(65_507);
  #holds: Hold[] = [];
  #rounds = 0;

  constructor(seed: number) {
    this.seed = seed;
    this.rolls = new Rolls(seed);
    this.world = new WireWorld(this.rolls);
    const all = [...frames(this.rolls), ...frames(this.rolls), ...frames(this.rolls)];
    this.#fields = all.map((frame) => encodeFrame(frame));
    this.#frames = this.#fields.map((fields) => new Uint8Array(pack(fields)));
    this.#discovery = beacons(this.rolls).flatMap((beacon) => {
      const dice = (count: number): Uint8Array => this.rolls.bytes(count);
      const query = { voice: hex16(9), interface: "10.0.0.7", way: "multicast" as const, beacon };
      return [encodeBeacon(beacon, dice), encodeQuery(query, dice)];
    });
    this.#meet();
    if (!this.world.honestWork()) this.failures.push("the honest parties never met");
  }

  get total(): number {
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0);
  }

  /** One round; false after a failure, which is noted with the round that replays it. */
  round(only?: FuzzKind): boolean {
    const kind = only ?? this.rolls.pick(ORDER);
    const number = this.#rounds++;
    try {
      this.#throwRound(kind);
      if (number % 16 === 0) this.#look();
    } catch (error) {
      this.failures.push(`${String(error)}: ${(error as Error).stack ?? ""}`);
    }
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + ROUND);
    if (this.failures.length === 0) return true;
    this.failures.push(`seed ${this.seed}, round ${number}, ${kind}`);
    return false;
  }

  #throwRound(kind: FuzzKind): void {
    if (kind === "discovery") {
      for (let i = 0; i < ROUND; i++) this.#discover();
      return;
    }
    const { world } = this;
    const before = droppedBy(world);
    const startedMs = performance.now();
    for (let i = 0; i < ROUND; i++) this.#throwOne(kind);
    const dropped = droppedBy(world) - before;
    if (ALTERED.has(kind) && dropped !== ROUND)
      this.failures.push(`${ROUND} altered datagrams, ${dropped} counted as dropped`);
    world.turn(this.rolls.below(40));
    this.slowestMs = Math.max(this.slowestMs, performance.now() - startedMs);
    if (this.rolls.oneIn(64)) this.#meet();
  }

  #throwOne(kind: Exclude<FuzzKind, "discovery">): void {
    switch (kind) {
      case "random":
        return this.#receive(this.#random());
      case "mutated":
      case "truncated":
      case "spliced":
      case "replayed":
        return this.#altered(kind);
      case "greetings":
        return this.#receive(this.#greeting());
      case "sealed, mutated":
        return this.#sealed(this.#mutatedBody());
      case "sealed, disfigured":
        return this.#sealed(this.#disfiguredBody());
      case "sealed, made up":
        return this.#sealed(this.#madeUpBody());
      case "sealed, in parts":
        return this.#inParts();
    }
  }

  // --- unsealed ----------------------------------------------------------------------------

  #receive(datagram: Uint8Array): void {
    const { world, rolls } = this;
    const party = rolls.below(CLIENT_SHARE) === 0 ? world.client : world.node;
    party.endpoint.receive(datagram, ANYWHERE, world.nowMs);
  }

  #random(): Uint8Array {
    const { rolls } = this;
    const bytes = rolls.bytes(rolls.below(rolls.oneIn(16) ? 1_200 : 120));
    if (bytes.length < 8 || rolls.oneIn(2)) return bytes;
    bytes.set([0x72, 0x46, WIRE_VERSION, 1 + rolls.below(4)]);
    bytes.set(TAG, 4);
    if (bytes.length > 22) bytes.fill(0, 20, 22);
    return bytes;
  }

  /** Something overheard, altered, to whom it was for. It keeps the address it came from, and often
   *  a counter that was never used, so that it gets as far as the seal. */
  #altered(kind: "mutated" | "truncated" | "spliced" | "replayed"): void {
    const { rolls, world } = this;
    const { datagram, from, to } = rolls.pick(world.overheard);
    const party = world.parties.find(({ address }) => address.port === to.port)!;
    let made: Uint8Array = datagram.slice();
    if (kind === "truncated") made = made.subarray(0, rolls.below(made.length));
    if (kind === "spliced") made = splice(rolls, made, rolls.pick(world.overheard).datagram);
    if (kind === "mutated" || kind === "spliced") {
      const isDeep = made.length > 44 && !rolls.oneIn(4);
      if (isDeep && made[3]! >= kinds.peer) made[22] = 1 + (rolls.u32() & 127);
      mutate(rolls, made, isDeep ? 28 : 0, made.length);
      if (made.length === 0) made = rolls.bytes(3);
    }
    party.endpoint.receive(made, from, world.nowMs);
  }

  // --- sealed ------------------------------------------------------------------------------

  #greeting(): Uint8Array {
    const { rolls } = this;
    const hello = strangersHello(rolls, 1 + rolls.below(9));
    const fields = encodeIntroduction(introductionOf(rolls.oneIn(4) ? null : hello, 425_984));
    const isWhole = rolls.oneIn(8);
    const hostile = isWhole ? (fields as readonly Wire[]) : disfigure(rolls, fields as Wire[]);
    const end = packHostile(this.#scratch, 0, hostile);
    const header = headerOf({
      kind: kinds.greeting,
      from: rolls.oneIn(8) ? rolls.below(65_536) : hello.id,
      fromConnection: rolls.u32(),
      bootId: hello.bootId,
    });
    const body = this.#scratch.subarray(0, end);
    return sealDatagram(greetingKey(KEY, hello.bootId), TAG, header, body);
  }

  #mutatedBody(): Uint8Array {
    const { rolls } = this;
    const body = this.#scratch;
    if (rolls.oneIn(4_096)) return this.#crowdedBody();
    let end = 6;
    const count = 1 + (rolls.u32() & rolls.u32() & 7);
    body.set([0x92 + count, 0xcd, 0x10, 0x01, 0xcc, 0x80]);
    for (let i = 0; i < count; i++) {
      const frame = rolls.pick(this.#frames);
      body.set(frame, end);
      end += frame.length;
    }
    if (!rolls.oneIn(4)) mutate(rolls, body, rolls.oneIn(8) ? 0 : 6, end);
    return body.subarray(0, rolls.oneIn(32) ? rolls.below(end) : end);
  }

  /** One frame, as often as a datagram holds it. */
  #crowdedBody(): Uint8Array {
    const { rolls } = this;
    const frame = rolls.pick(this.#frames);
    const room = rolls.oneIn(2) ? 1_100 : 60_000;
    const count = Math.min(65_000, Math.floor(room / frame.length));
    const body = this.#scratch;
    body.set([0xdc, (count + 2) >>> 8, (count + 2) & 255, 7, 0xc0]);
    for (let i = 0; i < count; i++) body.set(frame, 5 + i * frame.length);
    return body.subarray(0, 5 + count * frame.length);
  }

  #disfiguredBody(): Uint8Array {
    const { rolls } = this;
    const count = 1 + (rolls.u32() & 1);
    const made = Array.from({ length: count }, () => disfigure(rolls, rolls.pick(this.#fields)));
    const times = rolls.oneIn(16) ? [hostileValue(rolls), hostileValue(rolls)] : [7, null];
    const end = packHostile(this.#scratch, 0, [...times, ...made]);
    return this.#scratch.subarray(0, end);
  }

  #madeUpBody(): Uint8Array {
    const { rolls } = this;
    const items = Array.from({ length: rolls.below(20) }, () => hostileValue(rolls));
    const isFrame = rolls.oneIn(2);
    const hostile = isFrame ? [7, null, [1 + rolls.below(14), ...items]] : items;
    const end = packHostile(this.#scratch, 0, hostile);
    return this.#scratch.subarray(0, end);
  }

  #sealed(body: Uint8Array): void {
    const { rolls, world } = this;
    const { session, party, from } = rolls.pick(this.#holds);
    const datagram = session.seal(party === world.node ? rolls.pick(SCOPES) : null, body);
    const isSampled = rolls.oneIn(256);
    const before = isSampled ? droppedBy(world) : 0;
    const sentBefore = world.bytesToEnemy;
    party.endpoint.receive(datagram, rolls.oneIn(64) ? ANYWHERE : from, world.nowMs);
    if (world.bytesToEnemy - sentBefore > ANSWER_BYTES_MAX * (datagram.length + 100))
      this.failures.push(
        `${datagram.length} bytes made more than ${ANSWER_BYTES_MAX} times as many`,
      );
    if (!isSampled) return;
    const refused = typeof decodeBody(body) === "string";
    if (refused && droppedBy(world) === before) this.failures.push("a bad body was not counted");
    this.opened += refused ? 0 : 256;
  }

  /** A hostile frame in two or three parts; sometimes one is missing or does not fit. */
  #inParts(): void {
    const { rolls, world } = this;
    const { session, party, from } = rolls.pick(this.#holds);
    const scope = party === world.node ? rolls.pick(SCOPES) : null;
    const end = packHostile(this.#scratch, 0, disfigure(rolls, rolls.pick(this.#fields)));
    const whole = this.#scratch.slice(0, Math.max(1, end));
    const partBytes = Math.max(64, Math.ceil(whole.length / (1 + rolls.below(3))));
    const stream = rolls.oneIn(64) ? rolls.pick([0, 2 ** 32, 2 ** 53 - 1]) : rolls.below(100_000);
    for (let part = 0; part * partBytes < whole.length; part++) {
      if (rolls.oneIn(16)) continue;
      const bytes = whole.subarray(part * partBytes, (part + 1) * partBytes);
      const totalBytes = rolls.oneIn(32) ? 1 + rolls.below(2_621_440) : whole.length;
      const chunk = { type: "chunk" as const, stream, totalBytes, partBytes, part, bytes };
      const body = pack([7, null, encodeFrame(chunk)]);
      party.endpoint.receive(session.seal(scope, body), from, world.nowMs);
    }
  }

  // --- discovery ---------------------------------------------------------------------------

  #discover(): void {
    const { rolls } = this;
    const valid = rolls.pick(this.#discovery);
    const made = valid.slice();
    switch (rolls.u32() & 3) {
      case 0:
        mutate(rolls, made, 0, made.length);
        break;
      case 1: {
        const random = rolls.bytes(rolls.below(1_100));
        random.set([0x72, 0x42, 1, 1 + rolls.below(2)].slice(0, random.length));
        decodeDiscovery(random);
        return;
      }
      default: {
        const items = Array.from({ length: 12 }, () => hostileValue(rolls));
        const end = packHostile(this.#scratch, 0, items);
        const header = made.subarray(0, 16);
        const cipher = createCipheriv("aes-256-gcm", PUBLISHED_KEY, header.subarray(4));
        cipher.setAAD(header);
        const body = cipher.update(this.#scratch.subarray(0, Math.min(end, 900)));
        cipher.final();
        decodeDiscovery(Buffer.concat([header, body, cipher.getAuthTag()]));
        return;
      }
    }
    if (typeof decodeDiscovery(made) !== "string") this.failures.push("a changed beacon was read");
  }

  // --- what must hold ----------------------------------------------------------------------

  /** New conversations; old ones are forgotten by their owners in time. */
  #meet(): void {
    const { world, rolls } = this;
    const nodes = [0, 1, 2].map(() => world.holdNode(strangersHello(rolls, 3 + rolls.below(7))));
    this.#holds = [...nodes, world.holdNode(null), world.holdClient(), world.holdClient()];
    world.turn(1);
  }

  #look(): void {
    const { world } = this;
    for (const { endpoint } of world.parties) {
      if (endpoint.connections().length > NODES_MAX + CLIENTS_MAX)
        this.failures.push("more connections than there may be");
      if (!Number.isFinite(endpoint.nextDeadlineMs()) && endpoint.nextDeadlineMs() !== Infinity)
        this.failures.push("a deadline that is no time");
      if (Object.keys(endpoint.counters.dropped).length > 80)
        this.failures.push("reasons come from the wire");
    }
    if (!world.honestWork()) this.failures.push("an honest conversation stopped");
  }
}

const ANYWHERE = { host: "10.0.0.9", port: 9 };

function droppedBy(world: WireWorld): number {
  let sum = 0;
  for (const { endpoint } of world.parties) {
    const { dropped } = endpoint.counters;
    for (const reason in dropped) sum += dropped[reason]!;
  }
  return sum;
}
