/** Three production members (core, log, codec) in one process, with a network that forgets nothing:
 *  every frame ever sent can be delivered again, late, in any order, or disfigured. */

import type { NodeIdentity } from "../../src/base/types.ts";
import { Member } from "../../src/node/member.ts";
import type { RaftTimings } from "../../src/raft/types.ts";
import { DEFAULT_TIMINGS } from "../../src/node/types.ts";
import { encodePayloads } from "../../src/storage/record.ts";
import { MemoryDisk } from "../../src/storage/memory-disk.ts";
import { type WireFrame, decodeBody, encodeFrame } from "../../src/transport/codec.ts";
import { type Wire, pack } from "../../src/transport/messagepack.ts";
import type { Connection, Endpoint, Frame } from "../../src/transport/types.ts";
import { FOUNDING, create, open } from "../storage/fixture.ts";
import { helloOf } from "../transport/harness.ts";
import type { Rolls } from "./bytes.ts";

/** A frame on its way, as the fields that the codec makes of it. */
export interface Sent {
  readonly from: number;
  readonly to: number;
  readonly fields: readonly Wire[];
}

/** One of the three. */
export interface Part {
  readonly self: NodeIdentity;
  readonly member: Member;
  readonly connections: ReadonlyMap<number, Connection>;
}

const IDS = [1, 2, 3] as const;
const HISTORY_MAX = 400;

export class MemberWorld {
  readonly parts: readonly Part[];
  readonly rolls: Rolls;
  nowMs = 1_000;
  /** Under way, oldest first. */
  flying: Sent[] = [];
  /** What was ever sent, the last few hundred. */
  readonly history: Sent[] = [];
  /** Entries that a client was told are committed: index and payload's first byte are not kept, the
   *  chain at that index is. */
  acknowledged = 0;
  readonly #tasks: (() => void)[] = [];
  readonly #timings: RaftTimings;
  #sequence = 0;

  constructor(rolls: Rolls, timings: RaftTimings = DEFAULT_TIMINGS) {
    this.rolls = rolls;
    this.#timings = timings;
    this.parts = IDS.map((id) => this.#open(id));
  }

  part(id: number): Part {
    return this.parts[id - 1]!;
  }

  /** Time passes, disks finish some of their work, everybody takes a turn. */
  turn(passMs: number): void {
    this.nowMs += passMs;
    const tasks = this.#tasks.splice(0, 1 + this.rolls.below(this.#tasks.length + 1));
    for (const task of tasks) task();
    for (const { member } of this.parts) {
      member.turn(this.nowMs);
      member.finish(this.nowMs);
    }
  }

  /** Hands a frame to whom it is for, through the codec. False: the codec dropped it. */
  deliver({ from, to, fields }: Sent): boolean {
    const body = decodeBody(packWithBody(fields));
    if (typeof body === "string") return false;
    for (const frame of body.frames) {
      if (!isFrame(frame)) continue;
      const part = this.part(to);
      const connection = part.connections.get(from);
      if (connection === undefined) continue;
      part.member.takeFrame(connection, this.part(from).self, frame, this.nowMs);
    }
    return true;
  }

  /** A client's entry, at whoever leads. */
  append(): void {
    const leader = this.parts.find(({ member }) => member.core.role === "leader");
    if (leader === undefined) return;
    const request = {
      type: "append" as const,
      clientId: "c1".repeat(16),
      firstSequence: ++this.#sequence,
      count: 1,
      bornAt: 0,
      ifLast: null,
      payloads: encodePayloads([this.rolls.bytes(this.rolls.below(80))]),
    };
    const answer = (response: { readonly type: string }): void => {
      if (response.type === "appended") this.acknowledged++;
      else this.#sequence = Math.max(0, this.#sequence - 1);
    };
    leader.member.offerAppend(request, answer, this.nowMs);
  }

  /** A sentence when two members hold different entries where both know them committed. */
  disagreement(): string | null {
    for (const [at, one] of this.parts.entries()) {
      for (const other of this.parts.slice(at + 1)) {
        const index = Math.min(one.member.core.commitIndex, other.member.core.commitIndex);
        const a = one.member.log.chainAt(index);
        const b = other.member.log.chainAt(index);
        if (a === undefined || b === undefined || a.lastIndex !== b.lastIndex) continue;
        if (a.chain !== b.chain)
          return `nodes ${one.self.id} and ${other.self.id} differ at committed index ${index}`;
      }
    }
    return null;
  }

  #open(id: number): Part {
    const self = identityOf(id);
    const disk = new MemoryDisk({ schedule: (run) => this.#tasks.push(run) });
    create(disk);
    const store = open(disk);
    const connections = new Map(
      IDS.filter((other) => other !== id).map((other) => [other as number, connectionTo(other)]),
    );
    const endpoint = {
      send: (connection: Connection, frame: Frame) => this.#send(id, connection, frame),
      nodeConnection: (peer: number) => connections.get(peer),
      flush: () => {},
      flushPatient: () => false,
    } as unknown as Endpoint;
    const member = new Member({
      self,
      recovered: store,
      writeHardState: (state, done) => store.hardStates.write(state, done),
      endpoint,
      clock: {
        monotonicMs: () => this.nowMs,
        wallMs: () => this.nowMs,
        after: () => () => {},
        soon: () => {},
      },
      timings: this.#timings,
      seed: this.rolls.u32(),
      connectionTo: (peer, incarnation) =>
        identityOf(peer).incarnation === incarnation ? connections.get(peer) : undefined,
      receiveWindowBytes: 524_288,
      datagramBytesMax: () => 1_200,
      leaderHint: () => null,
      askReadIndex: () => false,
      onCoreEvent: () => {},
      onNote: () => {},
      onHealed: () => {},
      onTrace: null,
      wake: () => {},
    });
    return { self, member, connections };
  }

  #send(from: number, connection: Connection, frame: Frame): void {
    if (connection.remote.kind !== "node") return;
    const fields = ownBytes(encodeFrame(frame));
    const sent = { from, to: connection.remote.identity.id, fields };
    this.flying.push(sent);
    if (this.history.length < HISTORY_MAX) this.history.push(sent);
    else this.history[this.rolls.below(HISTORY_MAX)] = sent;
  }
}

function identityOf(id: number): NodeIdentity {
  const incarnation = FOUNDING.founders[id - 1]?.incarnation ?? "00".repeat(16);
  return { id, incarnation, bootId: `b${id}`.repeat(16) };
}

function connectionTo(id: number): Connection {
  const identity = identityOf(id);
  const address = { host: `10.0.0.${id}`, port: 7_400 + id };
  const remote = { kind: "node" as const, identity, hello: helloOf(identity), address };
  return { remote, rttMs: 1, lastHeardMs: 0 };
}

/** A body with this one frame, in bytes that nobody else has. */
function packWithBody(fields: readonly Wire[]): Uint8Array {
  const frame = pack(fields);
  const body = new Uint8Array(3 + frame.length);
  body.set([0x93, 7, 0xc0]);
  body.set(frame, 3);
  return body;
}

/** Frames alias the log's memory: what is kept is copied. */
function ownBytes(fields: readonly Wire[]): readonly Wire[] {
  return fields.map((field) => (field instanceof Uint8Array ? new Uint8Array(field) : field));
}

function isFrame(frame: WireFrame): frame is Frame {
  return ["raft", "check", "needRecords", "heal", "fence"].includes(frame.type);
}
