/** Engine C, the sending side: one frame larger than a datagram, cut into parts, each acknowledged
 *  by itself.
 *
 *  At most a window of bytes is in flight (what the peer's kernel buffer holds), and of each stream
 *  what its acknowledgements allow, for others send to the same buffer. A part is sent again when
 *  one sent clearly later has arrived (as in RACK, RFC 8985), or after a retry time; while nothing
 *  at all comes back, few parts are sent, ever more rarely. A stream that has to wait asks with one
 *  part now and then, and those behind it wait with it. So do those behind the first few: the other
 *  side keeps no more unfinished. */

import type { MonotonicMs } from "../base/types.ts";
import {
  FINISHED_MAX,
  hasBit,
  STALLED_MS,
  STREAM_BYTES_MAX,
  STREAMS_MAX,
  type Chunk,
  type ChunkAck,
} from "./chunks.ts";
import { giveBackWireMemory } from "./wire-memory.ts";

/** A part is taken for lost when one sent later than it by this share of the round trip has
 *  arrived, or when one sent later has arrived and it has not within the round trip and this
 *  share. */
const REORDER_SHARE = 0.25;
const REORDER_MIN_MS = 0.5;
/** A part that was lost goes out so often at once: on a bad network the last parts of a stream
 *  would cost a retry time each. */
const COPIES_OF_LOST = 2;
/** The ceiling of the retry time, however long nothing comes back. */
const RETRY_MAX_MS = 250;
const PROBE_PARTS = 8;
/** What is in flight at first, and at least however much is lost: two parts or these bytes. */
const START_BYTES = 524_288;
const LEAST_BYTES = 32_768;
/** What a loss leaves of what may be in flight, once a round trip. */
const SHARE_AFTER_LOSS = 0.7;
/** What the first retry of a stream sends. */
const TAIL_PARTS = 2;
/** A stream that was told to wait asks again after this: the answer may be lost that says go. */
const ASK_AGAIN_MS = 250;

const UNSENT = 0;
const IN_FLIGHT = 1;
const ARRIVED = 2;

interface Outgoing {
  readonly stream: number;
  readonly bytes: Uint8Array;
  /** The same text: the same frame; a repeat is not sent beside it. null: never the same. */
  readonly sameAs: string | null;
  /** Nobody waits for it: few of its parts leave at once. */
  readonly isPatient: boolean;
  readonly partBytes: number;
  readonly parts: number;
  readonly fate: Uint8Array;
  readonly sentAtMs: Float64Array;
  /** Which sending of this connection it was, counted from 1. */
  readonly sending: Float64Array;
  /** Parts that were taken for lost before. */
  readonly repeated: Uint8Array;
  /** The last sending of a part that has arrived. */
  newest: number;
  arrived: number;
  /** No part below is unsent. */
  nextUnsent: number;
  /** The first part that has not arrived. */
  base: number;
  heardMs: MonotonicMs;
  /** What may be in flight of it, and what is. */
  windowBytes: number;
  inFlightBytes: number;
  /** Told to wait: when it asks again. */
  waitsUntilMs: MonotonicMs;
}

/** The sending side of one connection. */
export class ChunkSender {
  readonly #unaskedBytes: number;
  readonly #streams = new Map<number, Outgoing>();
  #nextStream = 1;
  #queuedBytes = 0;
  #inFlightBytes = 0;
  /** What may be in flight now: at most the peer's window, less after losses, for others send to
   *  the same buffer, and less while nothing comes back. */
  #allowedBytes = START_BYTES;
  /** Up to here it grows by what arrives, beyond by a part in a round trip. */
  #slowFromBytes = Number.MAX_SAFE_INTEGER;
  #lostMs: MonotonicMs = Number.NEGATIVE_INFINITY;
  /** Retry times that passed since something came back. */
  #silentRetries = 0;
  #timeoutMs: MonotonicMs = Number.POSITIVE_INFINITY;
  /** When parts that others have overtaken are taken for lost. */
  #overtakenMs: MonotonicMs = Number.POSITIVE_INFINITY;
  /** When the stream asks again that was told to wait. */
  #askAgainMs: MonotonicMs = Number.POSITIVE_INFINITY;
  #hasPatient = false;
  #sendings = 0;
  #rttMs = 0;

  /** `unaskedBytes`: what may be in flight of a stream that was not answered yet. */
  constructor(unaskedBytes = Number.POSITIVE_INFINITY) {
    this.#unaskedBytes = unaskedBytes;
  }

  get busy(): boolean {
    return this.#streams.size > 0;
  }

  /** More of patient streams may leave. */
  get hasPatient(): boolean {
    return this.#hasPatient;
  }

  /** When `pump` has something to send again. */
  nextDeadlineMs(): MonotonicMs {
    return Math.min(this.#timeoutMs, this.#overtakenMs, this.#askAgainMs);
  }

  /** Whether a frame of that name has not arrived whole, as far as is known. */
  has(sameAs: string): boolean {
    for (const stream of this.#streams.values()) if (stream.sameAs === sameAs) return true;
    return false;
  }

  /** Takes a packed frame; the bytes are not copied, must not change, and are given back in the
   *  end. False: refused, the queue is full. */
  add(
    bytes: Uint8Array,
    sameAs: string | null,
    partBytes: number,
    nowMs: MonotonicMs,
    isPatient = false,
  ): boolean {
    for (const other of this.#streams.values()) {
      if (sameAs === null || other.sameAs !== sameAs || other.bytes.length !== bytes.length)
        continue;
      giveBackWireMemory(bytes);
      return true;
    }
    if (this.#queuedBytes + bytes.length > STREAM_BYTES_MAX) {
      giveBackWireMemory(bytes);
      return false;
    }
    const parts = Math.ceil(bytes.length / partBytes);
    const stream = this.#nextStream++;
    this.#streams.set(stream, {
      stream,
      bytes,
      sameAs,
      isPatient,
      partBytes,
      parts,
      fate: new Uint8Array(parts),
      sentAtMs: new Float64Array(parts),
      sending: new Float64Array(parts),
      repeated: new Uint8Array(parts),
      newest: 0,
      arrived: 0,
      nextUnsent: 0,
      base: 0,
      heardMs: nowMs,
      windowBytes: this.#unaskedBytes,
      inFlightBytes: 0,
      waitsUntilMs: Number.NEGATIVE_INFINITY,
    });
    this.#queuedBytes += bytes.length;
    return true;
  }

  /** Gives the parts that may leave now to `emit`, at most `patientParts` of patient streams.
   *  `retryMs`: after so long without an acknowledgement a part counts as lost. Returns how many
   *  streams were given up. */
  pump(
    nowMs: MonotonicMs,
    retryMs: number,
    windowBytes: number,
    emit: (chunk: Chunk) => void,
    patientParts = 0,
  ): number {
    const givenUp = this.#forgetStalled(nowMs);
    if (nowMs >= this.#overtakenMs) this.#markOvertaken(nowMs);
    if (nowMs >= this.#timeoutMs) this.#handleTimeouts(nowMs, retryMs, windowBytes);
    const patienceMs = this.#patienceMs(retryMs);
    this.#allowedBytes = Math.min(this.#allowedBytes, windowBytes);
    const copies: Chunk[] = [];
    this.#emitUnsent(nowMs, patienceMs, emit, copies, patientParts);
    // Behind everything else, so that what takes the first copy does not take the second.
    for (let copy = 1; copy < COPIES_OF_LOST; copy++) for (const chunk of copies) emit(chunk);
    return givenUp;
  }

  #emitUnsent(
    nowMs: MonotonicMs,
    patienceMs: number,
    emit: (chunk: Chunk) => void,
    copies: Chunk[],
    patientParts: number,
  ): void {
    this.#askAgainMs = Number.POSITIVE_INFINITY;
    this.#hasPatient = false;
    let unfinished = 0;
    let patient = 0;
    let first: Outgoing | null = null;
    for (const stream of this.#streams.values()) {
      first ??= stream;
      if (++unfinished > STREAMS_MAX || stream.stream - first.stream >= FINISHED_MAX) return;
      if (nowMs < stream.waitsUntilMs) {
        this.#askAgainMs = stream.waitsUntilMs;
        return;
      }
      while (stream.nextUnsent < stream.parts) {
        const part = stream.nextUnsent;
        if (stream.fate[part] === UNSENT) {
          const bytes = partOf(stream, part);
          if (!fits(bytes, this.#inFlightBytes, this.#allowedBytes)) return;
          if (!fits(bytes, stream.inFlightBytes, stream.windowBytes)) return;
          // Those behind it wait with it: a follower needs old records before new ones.
          if (stream.isPatient && patient++ === patientParts) {
            this.#hasPatient = true;
            return;
          }
          this.#setFate(stream, part, IN_FLIGHT);
          stream.sentAtMs[part] = nowMs;
          stream.sending[part] = ++this.#sendings;
          this.#timeoutMs = Math.min(this.#timeoutMs, nowMs + patienceMs);
          const { stream: id, partBytes } = stream;
          const totalBytes = stream.bytes.length;
          const chunk = { type: "chunk", stream: id, totalBytes, partBytes, part, bytes } as const;
          emit(chunk);
          if (stream.repeated[part] === 1) copies.push(chunk);
        }
        stream.nextUnsent++;
      }
    }
  }

  handleAck(ack: ChunkAck, nowMs: MonotonicMs, rttMs: number): void {
    const stream = this.#streams.get(ack.stream);
    if (stream === undefined) return;
    let arrived = 0;
    let newestMs = 0;
    const bitsEnd = Math.min(stream.parts, ack.base + ack.bits.length * 8);
    for (let part = stream.base; part < bitsEnd; part++) {
      if (part >= ack.base && !hasBit(ack.bits, part - ack.base)) continue;
      if (stream.fate[part] === ARRIVED) continue;
      this.#grow(partLength(stream, part), stream.partBytes);
      // Acknowledged faster than the network can: it was an earlier copy that arrived.
      if (nowMs - stream.sentAtMs[part]! >= rttMs / 2) {
        newestMs = Math.max(newestMs, stream.sentAtMs[part]!);
        stream.newest = Math.max(stream.newest, stream.sending[part]!);
      }
      this.#setFate(stream, part, ARRIVED);
      arrived++;
    }
    stream.heardMs = nowMs;
    stream.waitsUntilMs = Number.NEGATIVE_INFINITY;
    if (ack.windowBytes > 0) stream.windowBytes = ack.windowBytes;
    else if (stream.arrived + arrived === 0) this.#wait(stream, nowMs);
    if (arrived === 0) return;
    stream.arrived += arrived;
    this.#silentRetries = 0;
    if (stream.arrived === stream.parts) return this.#remove(stream);
    while (stream.fate[stream.base] === ARRIVED) stream.base++;
    this.#rttMs = rttMs;
    const reorderMs = this.#reorderMs();
    const lost = this.#markLost(stream, (part) => stream.sentAtMs[part]! + reorderMs < newestMs);
    if (lost > 0) this.#shrink(stream.partBytes, nowMs);
    this.#awaitOvertaken(stream);
  }

  /** It is heard and has to wait; what was sent of it was not kept. */
  #wait(stream: Outgoing, nowMs: MonotonicMs): void {
    for (let part = 0; part < stream.nextUnsent; part++) this.#setFate(stream, part, UNSENT);
    stream.nextUnsent = 0;
    // One part is enough to ask with.
    stream.windowBytes = 1;
    stream.waitsUntilMs = nowMs + ASK_AGAIN_MS;
    this.#askAgainMs = stream.waitsUntilMs;
    this.#silentRetries = 0;
  }

  /** Notes a part's fate, and with it what is in flight. */
  #setFate(stream: Outgoing, part: number, fate: number): void {
    const before = stream.fate[part] === IN_FLIGHT ? 1 : 0;
    const bytes = ((fate === IN_FLIGHT ? 1 : 0) - before) * partLength(stream, part);
    stream.fate[part] = fate;
    stream.inFlightBytes += bytes;
    this.#inFlightBytes += bytes;
  }

  #grow(bytes: number, partBytes: number): void {
    const isSlow = this.#allowedBytes >= this.#slowFromBytes;
    this.#allowedBytes += isSlow ? (bytes * partBytes) / this.#allowedBytes : bytes;
  }

  /** Many that send to one buffer find their shares of it, as in TCP. */
  #shrink(partBytes: number, nowMs: MonotonicMs): void {
    if (nowMs < this.#lostMs + this.#rttMs) return;
    this.#lostMs = nowMs;
    const least = Math.max(LEAST_BYTES, 2 * partBytes);
    this.#allowedBytes = Math.max(least, this.#allowedBytes * SHARE_AFTER_LOSS);
    this.#slowFromBytes = this.#allowedBytes;
  }

  #reorderMs(): number {
    return Math.max(REORDER_MIN_MS, this.#rttMs * REORDER_SHARE);
  }

  /** Parts that were sent before one that has arrived have this long left. */
  #awaitOvertaken(stream: Outgoing): void {
    const patienceMs = this.#rttMs + this.#reorderMs();
    for (let part = stream.base; part < stream.parts; part++) {
      if (stream.fate[part] !== IN_FLIGHT || stream.sending[part]! > stream.newest) continue;
      this.#overtakenMs = Math.min(this.#overtakenMs, stream.sentAtMs[part]! + patienceMs);
    }
  }

  #markOvertaken(nowMs: MonotonicMs): void {
    const patienceMs = this.#rttMs + this.#reorderMs();
    this.#overtakenMs = Number.POSITIVE_INFINITY;
    for (const stream of this.#streams.values()) {
      const lost = this.#markLost(
        stream,
        (part) =>
          stream.sending[part]! < stream.newest && stream.sentAtMs[part]! + patienceMs <= nowMs,
      );
      if (lost > 0) this.#shrink(stream.partBytes, nowMs);
      this.#awaitOvertaken(stream);
    }
  }

  #handleTimeouts(nowMs: MonotonicMs, retryMs: number, windowBytes: number): void {
    let lost = 0;
    const patienceMs = this.#patienceMs(retryMs);
    // An acknowledgement may be all that was lost: the answer to the last parts tells.
    const isFirst = this.#silentRetries === 0;
    for (const stream of this.#streams.values()) {
      const from = isFirst ? lastInFlight(stream) - TAIL_PARTS + 1 : stream.base;
      lost += this.#markLost(
        stream,
        (part) => part >= from && stream.sentAtMs[part]! + patienceMs <= nowMs,
      );
    }
    if (lost > 0 && this.#silentRetries > 0) {
      const probe =
        Math.max(...[...this.#streams.values()].map((stream) => stream.partBytes)) * PROBE_PARTS;
      this.#allowedBytes = Math.max(
        Math.min(probe, windowBytes),
        Math.min(this.#allowedBytes, windowBytes) / 2,
      );
    }
    if (lost > 0) this.#silentRetries++;
    this.#timeoutMs = Math.max(nowMs, this.#oldestInFlightMs()) + patienceMs;
  }

  #patienceMs(retryMs: number): number {
    return Math.min(RETRY_MAX_MS, retryMs * 2 ** Math.max(0, this.#silentRetries - 1));
  }

  /** Parts in flight that are `lost` may be sent again. */
  #markLost(stream: Outgoing, isLost: (part: number) => boolean): number {
    let lost = 0;
    for (let part = stream.parts - 1; part >= stream.base; part--) {
      if (stream.fate[part] !== IN_FLIGHT || !isLost(part)) continue;
      this.#setFate(stream, part, UNSENT);
      stream.repeated[part] = 1;
      stream.nextUnsent = Math.min(stream.nextUnsent, part);
      lost++;
    }
    return lost;
  }

  /** Infinity: nothing is in flight. */
  #oldestInFlightMs(): MonotonicMs {
    let oldest = Number.POSITIVE_INFINITY;
    for (const stream of this.#streams.values()) {
      for (let part = stream.base; part < stream.parts; part++) {
        if (stream.fate[part] === IN_FLIGHT) oldest = Math.min(oldest, stream.sentAtMs[part]!);
      }
    }
    return oldest;
  }

  #forgetStalled(nowMs: MonotonicMs): number {
    let givenUp = 0;
    for (const stream of this.#streams.values()) {
      if (nowMs - stream.heardMs < STALLED_MS) continue;
      this.#remove(stream);
      givenUp++;
    }
    return givenUp;
  }

  #remove(stream: Outgoing): void {
    this.#inFlightBytes -= stream.inFlightBytes;
    this.#streams.delete(stream.stream);
    this.#queuedBytes -= stream.bytes.length;
    // Parts of it were sealed in the flush that emitted them.
    giveBackWireMemory(stream.bytes);
    if (this.busy) return;
    this.#hasPatient = false;
    this.#timeoutMs = Number.POSITIVE_INFINITY;
    this.#overtakenMs = Number.POSITIVE_INFINITY;
    this.#askAgainMs = Number.POSITIVE_INFINITY;
  }
}

/** One part always does. */
function fits(bytes: Uint8Array, inFlightBytes: number, windowBytes: number): boolean {
  return inFlightBytes === 0 || inFlightBytes + bytes.length <= windowBytes;
}

/** The last part that is in flight; -1: none. */
function lastInFlight(stream: Outgoing): number {
  for (let part = stream.parts - 1; part >= stream.base; part--)
    if (stream.fate[part] === IN_FLIGHT) return part;
  return -1;
}

function partLength(stream: Outgoing, part: number): number {
  return Math.min(stream.partBytes, stream.bytes.length - part * stream.partBytes);
}

function partOf(stream: Outgoing, part: number): Uint8Array {
  const at = part * stream.partBytes;
  return stream.bytes.subarray(at, at + partLength(stream, part));
}
