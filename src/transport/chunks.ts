/** Engine C: one frame larger than a datagram, cut into parts, each acknowledged by itself, handed
 *  on whole.
 *
 *  The sender keeps at most a window of bytes in flight (what the peer's kernel buffer holds). A
 *  part is sent again when one sent clearly later has arrived (as in RACK, RFC 8985), or after a
 *  retry time; while nothing at all comes back, few parts are sent, ever more rarely. The receiver
 *  keeps a bounded number of bytes and forgets what stalls. */

import type { MonotonicMs } from "../base/types.ts";
import { FRAME_BYTES_MAX, type LinkFrame } from "./codec.ts";

/** Unfinished bytes of one connection, in each direction. */
export const STREAM_BYTES_MAX = 8 * 1_048_576;
/** A stream of which nothing was heard for so long is forgotten. */
export const STALLED_MS = 10_000;
const STREAMS_MAX = 16;
/** Finished streams that are still acknowledged when a late part comes. */
const FINISHED_MAX = 64;
/** A part is taken for lost when one sent later than it by this share of the round trip has
 *  arrived. */
const REORDER_SHARE = 0.25;
const REORDER_MIN_MS = 0.5;
/** The ceiling of the retry time, however long nothing comes back. */
const RETRY_MAX_MS = 250;
const PROBE_PARTS = 8;
/** An acknowledgement's base that says "the whole stream", when its size is no longer known. */
const ALL_PARTS = 0xffff_ffff;

type Chunk = Extract<LinkFrame, { type: "chunk" }>;
type ChunkAck = Extract<LinkFrame, { type: "chunkAck" }>;

const UNSENT = 0;
const IN_FLIGHT = 1;
const ARRIVED = 2;

interface Outgoing {
  readonly stream: number;
  readonly bytes: Uint8Array;
  /** The same text: the same frame; a repeat is not sent beside it. null: never the same. */
  readonly sameAs: string | null;
  readonly partBytes: number;
  readonly parts: number;
  readonly fate: Uint8Array;
  readonly sentAtMs: Float64Array;
  arrived: number;
  /** No part below is unsent. */
  nextUnsent: number;
  /** The first part that has not arrived. */
  base: number;
  heardMs: MonotonicMs;
}

/** The sending side of one connection. */
export class ChunkSender {
  readonly #streams = new Map<number, Outgoing>();
  #nextStream = 1;
  #queuedBytes = 0;
  #inFlightBytes = 0;
  /** What may be in flight now: at most the peer's window, less while nothing comes back. */
  #allowedBytes = Number.MAX_SAFE_INTEGER;
  /** Retry times that passed since something came back. */
  #silentRetries = 0;
  #timeoutMs: MonotonicMs = Number.POSITIVE_INFINITY;

  get busy(): boolean {
    return this.#streams.size > 0;
  }

  /** When `pump` has something to send again. */
  nextDeadlineMs(): MonotonicMs {
    return this.#timeoutMs;
  }

  /** Takes a packed frame; the bytes are not copied and must not change. False: refused, the queue
   *  is full. */
  add(bytes: Uint8Array, sameAs: string | null, partBytes: number, nowMs: MonotonicMs): boolean {
    for (const other of this.#streams.values()) {
      if (sameAs !== null && other.sameAs === sameAs && other.bytes.length === bytes.length)
        return true;
    }
    if (this.#streams.size >= STREAMS_MAX || this.#queuedBytes + bytes.length > STREAM_BYTES_MAX)
      return false;
    const parts = Math.ceil(bytes.length / partBytes);
    const stream = this.#nextStream++;
    this.#streams.set(stream, {
      stream,
      bytes,
      sameAs,
      partBytes,
      parts,
      fate: new Uint8Array(parts),
      sentAtMs: new Float64Array(parts),
      arrived: 0,
      nextUnsent: 0,
      base: 0,
      heardMs: nowMs,
    });
    this.#queuedBytes += bytes.length;
    return true;
  }

  /** Gives the parts that may leave now to `emit`. `retryMs`: after so long without an
   *  acknowledgement a part counts as lost. Returns how many streams were given up. */
  pump(
    nowMs: MonotonicMs,
    retryMs: number,
    windowBytes: number,
    emit: (chunk: Chunk) => void,
  ): number {
    const givenUp = this.#forgetStalled(nowMs);
    if (nowMs >= this.#timeoutMs) this.#handleTimeouts(nowMs, retryMs, windowBytes);
    const patienceMs = this.#patienceMs(retryMs);
    this.#allowedBytes = Math.min(this.#allowedBytes, windowBytes);
    for (const stream of this.#streams.values()) {
      while (stream.nextUnsent < stream.parts) {
        const part = stream.nextUnsent;
        if (stream.fate[part] === UNSENT) {
          const bytes = partOf(stream, part);
          if (this.#inFlightBytes > 0 && this.#inFlightBytes + bytes.length > this.#allowedBytes)
            return givenUp;
          this.#inFlightBytes += bytes.length;
          stream.fate[part] = IN_FLIGHT;
          stream.sentAtMs[part] = nowMs;
          this.#timeoutMs = Math.min(this.#timeoutMs, nowMs + patienceMs);
          emit({
            type: "chunk",
            stream: stream.stream,
            totalBytes: stream.bytes.length,
            partBytes: stream.partBytes,
            part,
            bytes,
          });
        }
        stream.nextUnsent++;
      }
    }
    return givenUp;
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
      if (stream.fate[part] === IN_FLIGHT) this.#inFlightBytes -= partLength(stream, part);
      this.#allowedBytes += partLength(stream, part);
      // Acknowledged faster than the network can: it was an earlier copy that arrived.
      if (nowMs - stream.sentAtMs[part]! >= rttMs / 2)
        newestMs = Math.max(newestMs, stream.sentAtMs[part]!);
      stream.fate[part] = ARRIVED;
      arrived++;
    }
    stream.heardMs = nowMs;
    if (arrived === 0) return;
    stream.arrived += arrived;
    this.#silentRetries = 0;
    if (stream.arrived === stream.parts) return this.#remove(stream);
    while (stream.fate[stream.base] === ARRIVED) stream.base++;
    const reorderMs = Math.max(REORDER_MIN_MS, rttMs * REORDER_SHARE);
    this.#markLost(stream, (part) => stream.sentAtMs[part]! + reorderMs < newestMs);
  }

  #handleTimeouts(nowMs: MonotonicMs, retryMs: number, windowBytes: number): void {
    let lost = 0;
    const patienceMs = this.#patienceMs(retryMs);
    for (const stream of this.#streams.values()) {
      lost += this.#markLost(stream, (part) => stream.sentAtMs[part]! + patienceMs <= nowMs);
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
    this.#timeoutMs = this.#oldestInFlightMs() + patienceMs;
  }

  #patienceMs(retryMs: number): number {
    return Math.min(RETRY_MAX_MS, retryMs * 2 ** Math.max(0, this.#silentRetries - 1));
  }

  /** Parts in flight that are `lost` may be sent again. */
  #markLost(stream: Outgoing, isLost: (part: number) => boolean): number {
    let lost = 0;
    for (let part = stream.parts - 1; part >= stream.base; part--) {
      if (stream.fate[part] !== IN_FLIGHT || !isLost(part)) continue;
      stream.fate[part] = UNSENT;
      this.#inFlightBytes -= partLength(stream, part);
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
    for (let part = stream.base; part < stream.parts; part++) {
      if (stream.fate[part] === IN_FLIGHT) this.#inFlightBytes -= partLength(stream, part);
    }
    this.#streams.delete(stream.stream);
    this.#queuedBytes -= stream.bytes.length;
    if (!this.busy) this.#timeoutMs = Number.POSITIVE_INFINITY;
  }
}

interface Incoming {
  readonly bytes: Uint8Array;
  readonly partBytes: number;
  readonly parts: number;
  readonly have: Uint8Array;
  arrived: number;
  base: number;
  /** One past the highest part that has arrived. */
  end: number;
  heardMs: MonotonicMs;
}

/** Bytes under reassembly in the whole endpoint: one number that its receivers share. */
export interface ReassemblyBudget {
  bytes: number;
  readonly bytesMax: number;
}

/** The receiving side of one connection. */
export class ChunkReceiver {
  readonly #streams = new Map<number, Incoming>();
  readonly #finished = new Set<number>();
  readonly #toAcknowledge = new Set<number>();
  readonly #budget: ReassemblyBudget;
  #heldBytes = 0;
  #highestFinished = 0;

  constructor(budget: ReassemblyBudget) {
    this.#budget = budget;
  }

  get owesAcks(): boolean {
    return this.#toAcknowledge.size > 0;
  }

  /** The whole frame once its last part is here, null before that, or the reason why the part was
   *  dropped. */
  accept(chunk: Chunk, nowMs: MonotonicMs): Uint8Array | null | string {
    if (this.#isFinished(chunk.stream)) {
      this.#toAcknowledge.add(chunk.stream);
      return null;
    }
    const stream = this.#streams.get(chunk.stream) ?? this.#begin(chunk, nowMs);
    if (typeof stream === "string") return stream;
    const at = chunk.part * stream.partBytes;
    if (
      chunk.totalBytes !== stream.bytes.length ||
      chunk.partBytes !== stream.partBytes ||
      chunk.part >= stream.parts ||
      chunk.bytes.length !== Math.min(stream.partBytes, stream.bytes.length - at)
    ) {
      return "chunk: does not fit its stream";
    }
    this.#toAcknowledge.add(chunk.stream);
    stream.heardMs = nowMs;
    if (hasBit(stream.have, chunk.part)) return null;
    stream.bytes.set(chunk.bytes, at);
    stream.have[chunk.part >> 3]! |= 1 << (chunk.part & 7);
    stream.end = Math.max(stream.end, chunk.part + 1);
    while (stream.base < stream.end && hasBit(stream.have, stream.base)) stream.base++;
    if (++stream.arrived < stream.parts) return null;
    this.#remove(chunk.stream, stream);
    this.#finish(chunk.stream);
    return stream.bytes;
  }

  /** One acknowledgement for each stream heard since the last call. */
  takeAcks(emit: (ack: ChunkAck) => void): void {
    for (const id of this.#toAcknowledge) {
      const stream = this.#streams.get(id);
      if (stream !== undefined)
        emit({ type: "chunkAck", stream: id, base: stream.base, bits: bitsFrom(stream) });
      else if (this.#isFinished(id))
        emit({ type: "chunkAck", stream: id, base: ALL_PARTS, bits: new Uint8Array(0) });
    }
    this.#toAcknowledge.clear();
  }

  /** Returns how many streams were given up. */
  forgetStalled(nowMs: MonotonicMs): number {
    let givenUp = 0;
    for (const [id, stream] of this.#streams) {
      if (nowMs - stream.heardMs < STALLED_MS) continue;
      this.#remove(id, stream);
      givenUp++;
    }
    return givenUp;
  }

  /** Gives the shared budget back when the connection ends. */
  close(): void {
    for (const [id, stream] of this.#streams) this.#remove(id, stream);
  }

  #begin(chunk: Chunk, nowMs: MonotonicMs): Incoming | string {
    const { totalBytes, partBytes } = chunk;
    const parts = Math.ceil(totalBytes / partBytes);
    if (totalBytes > FRAME_BYTES_MAX || parts > totalBytes / 64 + 1)
      return "chunk: parts too small";
    if (this.#streams.size >= STREAMS_MAX || this.#heldBytes + totalBytes > STREAM_BYTES_MAX) {
      return "chunk: too much unfinished";
    }
    if (this.#budget.bytes + totalBytes > this.#budget.bytesMax)
      return "chunk: too much unfinished in all";
    this.#budget.bytes += totalBytes;
    this.#heldBytes += totalBytes;
    const stream: Incoming = {
      bytes: new Uint8Array(totalBytes),
      partBytes,
      parts,
      have: new Uint8Array(Math.ceil(parts / 8)),
      arrived: 0,
      base: 0,
      end: 0,
      heardMs: nowMs,
    };
    this.#streams.set(chunk.stream, stream);
    return stream;
  }

  #remove(id: number, stream: Incoming): void {
    this.#streams.delete(id);
    this.#heldBytes -= stream.bytes.length;
    this.#budget.bytes -= stream.bytes.length;
  }

  /** Streams are numbered upwards, so whatever is far below the newest finished one is finished or
   *  given up. */
  #isFinished(id: number): boolean {
    return (
      this.#finished.has(id) ||
      (id <= this.#highestFinished - FINISHED_MAX && !this.#streams.has(id))
    );
  }

  #finish(id: number): void {
    this.#finished.add(id);
    this.#highestFinished = Math.max(this.#highestFinished, id);
    for (const old of this.#finished)
      if (old <= this.#highestFinished - FINISHED_MAX) this.#finished.delete(old);
  }
}

/** The parts from `base` to the highest that has arrived, one bit each. */
function bitsFrom(stream: Incoming): Uint8Array {
  const bits = new Uint8Array(Math.ceil((stream.end - stream.base) / 8));
  for (let part = stream.base; part < stream.end; part++) {
    if (hasBit(stream.have, part))
      bits[(part - stream.base) >> 3]! |= 1 << ((part - stream.base) & 7);
  }
  return bits;
}

function hasBit(bits: Uint8Array, at: number): boolean {
  return (bits[at >> 3]! & (1 << (at & 7))) !== 0;
}

function partLength(stream: Outgoing, part: number): number {
  return Math.min(stream.partBytes, stream.bytes.length - part * stream.partBytes);
}

function partOf(stream: Outgoing, part: number): Uint8Array {
  const at = part * stream.partBytes;
  return stream.bytes.subarray(at, at + partLength(stream, part));
}
