/** Frames given to live members, in two worlds.
 *
 *  *Honest but bad*: frames are lost, doubled, delivered again long after, in any order. Nothing
 *  may be thrown at all, and what two members know committed is the same.
 *
 *  *Lying*: beside the honest ones come frames with adversarial values, sealed by somebody who
 *  holds the key and was met as a member, which no promise covers. A member may then find that the
 *  cluster contradicts itself and stop with a broken invariant, each of which is listed here. It
 *  may not fail in any other way. */

import { InvariantError } from "../../src/base/assert.ts";
import type { Wire } from "../../src/transport/messagepack.ts";
import { encodeMembers, encodePayloads, encodeRecord } from "../../src/storage/record.ts";
import { RECORD_KIND } from "../../src/storage/types.ts";
import { encodeFrame } from "../../src/transport/codec.ts";
import type { Frame } from "../../src/transport/types.ts";
import { Rolls, mutate } from "./bytes.ts";
import { CONFIGURATION, raftMessages } from "./frames.ts";
import { EDGES } from "./hostile-pack.ts";
import { MemberWorld, type Sent } from "./member-world.ts";

/** After so many steps a world is left for a new one. */
const STEPS_MAX = 3_000;

/** What a member finds out about liars: two leaders in a term, a follower that holds what nobody
 *  wrote, a leader that contradicts what it said before. */
const ALARMS: readonly RegExp[] = [
  /^nodes \d+ and \d+ both lead in term \d+/,
  /^node \d+ acknowledges \d+, the log ends at \d+$/,
  /^record \d+\.\.\d+ of term \d+ is here in another length$/,
  /^truncation at \d+, which this leader verified$/,
];

export class MemberFuzz {
  readonly seed: number;
  readonly lying: boolean;
  readonly failures: string[] = [];
  readonly counts = { worlds: 0, frames: 0, hostile: 0, acknowledged: 0, alarms: 0 };
  /** The first words of each alarm, and how often it was raised. */
  readonly alarms = new Map<string, number>();
  readonly #rolls: Rolls;
  #world: MemberWorld;
  #steps = 0;

  constructor(seed: number, lying: boolean) {
    this.seed = seed;
    this.lying = lying;
    this.#rolls = new Rolls(seed);
    this.#world = new MemberWorld(this.#rolls);
  }

  /** One step; false after a failure, which is noted. */
  next(): boolean {
    const number = this.#steps++;
    try {
      this.#step();
      if (this.#steps % STEPS_MAX === 0) this.#leave();
    } catch (error) {
      this.#judge(error);
    }
    if (this.failures.length === 0) return true;
    const world = this.lying ? "lying" : "honest";
    this.failures.push(`seed ${this.seed}, step ${number}, ${world}`);
    return false;
  }

  #step(): void {
    const rolls = this.#rolls;
    const world = this.#world;
    const choice = rolls.below(16);
    if (choice < 2) world.append();
    if (choice === 2 && world.history.length > 0) this.#deliver(rolls.pick(world.history));
    if (choice === 3 && this.lying && world.history.length > 0) {
      this.counts.hostile++;
      const sent = rolls.pick(world.history);
      this.#deliver(rolls.oneIn(3) ? invent(rolls, world, sent) : lie(rolls, sent));
    }
    if (choice < 12) {
      const at = rolls.oneIn(6) ? rolls.below(world.flying.length) : 0;
      const [sent] = world.flying.splice(at, 1);
      // Now and then nothing arrives at anybody for a while, so that elections happen.
      const isLost = rolls.oneIn(12) || (world.nowMs % 9_000 < 900 && sent?.from === 1);
      if (sent !== undefined && !isLost) this.#deliver(sent);
    } else {
      world.turn(rolls.below(20));
      if (world.flying.length > 300) world.flying.splice(0, 200);
    }
    if (this.#steps % 64 !== 0 || this.lying) return;
    const disagreement = world.disagreement();
    if (disagreement !== null) this.failures.push(disagreement);
  }

  #deliver(sent: Sent): void {
    this.counts.frames++;
    this.#world.deliver(sent);
  }

  #judge(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    const isAlarm = this.lying && error instanceof InvariantError;
    if (!isAlarm) {
      this.failures.push(`${String(error)} ${error instanceof Error ? error.stack : ""}`);
      return;
    }
    this.counts.alarms++;
    const words = text.replace(/\d+/g, "N");
    this.alarms.set(words, (this.alarms.get(words) ?? 0) + 1);
    if (!ALARMS.some((alarm) => alarm.test(text)))
      this.failures.push(`an alarm that is not listed: ${text} ${error.stack ?? ""}`);
    this.#leave();
  }

  #leave(): void {
    this.counts.worlds++;
    this.counts.acknowledged += this.#world.acknowledged;
    this.#world = new MemberWorld(this.#rolls);
  }
}

/** A frame of this cluster with some of its numbers, or its records' bytes, changed. */
function lie(rolls: Rolls, sent: Sent): Sent {
  const fields = [...sent.fields];
  const times = 1 + rolls.below(3);
  for (let i = 0; i < times; i++) {
    const at = 1 + rolls.below(fields.length - 1);
    fields[at] = lieAbout(rolls, fields[at]!);
  }
  const isMisdirected = rolls.oneIn(8);
  const to = isMisdirected ? 1 + (sent.to % 3) : sent.to;
  const from = to === sent.from ? 1 + (sent.from % 3) : sent.from;
  return { from, to, fields };
}

/** A frame that nobody of this cluster ever said: messages of every type, records that chain and
 *  hold what no leader writes, heads of segments. */
function invent(rolls: Rolls, world: MemberWorld, { from, to }: Sent): Sent {
  const { core, log } = world.part(to).member;
  const term = rolls.pick([core.term, core.term + 1, core.term + rolls.below(4), ...EDGES]);
  const at = { term, round: rolls.pick([1, 7, 1_000, ...EDGES]) };
  const frame = (made: Frame): Sent => ({ from, to, fields: encodeFrame(made) });
  switch (rolls.below(5)) {
    case 0: {
      const message = rolls.pick(raftMessages(rolls));
      return frame({ type: "raft", message: { ...message, ...at }, bytes: rolls.bytes(9) });
    }
    case 1: {
      const head = log.snapshotHead().slice();
      if (rolls.oneIn(2)) mutate(rolls, head, 0, head.length);
      const lastIndex = rolls.pick([0, log.lastIndex, log.lastIndex + 9, ...EDGES]);
      const message = { ...at, lastIndex, lastTerm: term, configuration: CONFIGURATION };
      const bytes = rolls.oneIn(4) ? rolls.bytes(rolls.below(300)) : head;
      return frame({ type: "raft", message: { type: "installSnapshot", ...message }, bytes });
    }
    case 2:
      return frame({ type: "heal", firstIndex: rolls.pick(EDGES), bytes: rolls.bytes(100) });
    case 3:
      return frame({ type: "needRecords", from: rolls.pick(EDGES), to: rolls.pick(EDGES) });
    default: {
      const bytes = inventRecord(
        rolls,
        log.lastIndex + 1,
        log.lastChain,
        rolls.oneIn(2) ? term : core.term,
      );
      const prevIndex = log.lastIndex;
      const prevTerm = core.termAt(prevIndex) ?? 0;
      const commitIndex = rolls.pick([0, prevIndex, prevIndex + 1, ...EDGES]);
      const message = { ...at, prevIndex, prevTerm, commitIndex, records: [] };
      const raft = { type: "append" as const, ...message };
      return frame({ type: "raft", message: raft, prevChain: log.lastChain, bytes });
    }
  }
}

function inventRecord(rolls: Rolls, firstIndex: number, chain: number, term: number): Uint8Array {
  const kind = rolls.pick([RECORD_KIND.user, RECORD_KIND.noop, RECORD_KIND.configuration]);
  const { members } = CONFIGURATION;
  const names = rolls.pick([[], members.slice(1), members, [...members, ...members]]);
  const payloads = rolls.oneIn(3)
    ? [encodeMembers(names), new Uint8Array(3)]
    : [encodeMembers(names)];
  const fields = { firstIndex, term, kind, timeMs: rolls.pick(EDGES), clientId: "c1".repeat(16) };
  const firstSequence = rolls.pick(EDGES);
  const packed = rolls.oneIn(8) ? encodePayloads([]) : encodePayloads(payloads);
  return encodeRecord({ ...fields, firstSequence }, packed, chain);
}

function lieAbout(rolls: Rolls, value: Wire): Wire {
  if (typeof value === "boolean") return !value;
  if (value instanceof Uint8Array) return rolls.bytes(rolls.below(200));
  if (typeof value !== "number") return value;
  switch (rolls.below(4)) {
    case 0:
      return rolls.pick(EDGES);
    case 1:
      return Math.max(0, value - 1 - rolls.below(5));
    case 2:
      return value + 1 + rolls.below(5);
    default:
      return rolls.below(8);
  }
}
