/** Engine C, the receiving side: one frame larger than a datagram comes in parts, each acknowledged
 *  by itself, and is handed on whole. It keeps a bounded number of bytes and forgets what
 *  stalls. The intake says whose turn it is, and the acknowledgements tell how much may be in
 *  flight. */

import type { MonotonicMs } from "../base/types.ts";
import { FRAME_BYTES_MAX, type LinkFrame } from "./codec.ts";
import { takeWireMemory } from "./wire-memory.ts";
import type { Incomer, Intake } from "./intake.ts";

/** Unfinished bytes of one connection, in each direction. */
export const STREAM_BYTES_MAX = 8 * 1_048_576;
/** A stream of which nothing was heard for so long is forgotten. */
export const STALLED_MS = 10_000;
/** Unfinished streams of one connection, in each direction. */
export const STREAMS_MAX = 16;
/** Finished streams that are still acknowledged when a late part comes. A sender begins no stream
 *  so far above one that is not finished: it would count as finished. */
export const FINISHED_MAX = 64;
/** An acknowledgement's base that says "the whole stream", when its size is no longer known. */
const ALL_PARTS = 0xffff_ffff;

/** One part. */
export type Chunk = Extract<LinkFrame, { type: "chunk" }>;
/** What has arrived of a stream: everything below a base, and a bitmap from there. */
export type ChunkAck = Extract<LinkFrame, { type: "chunkAck" }>;

interface Incoming extends Incomer {
  /** Empty until its turn has come. */
  bytes: Uint8Array;
  readonly parts: number;
  readonly have: Uint8Array;
  arrived: number;
  base: number;
  /** One past the highest part that has arrived. */
  end: number;
}

/** The receiving side of one connection. */
export class ChunkReceiver {
  readonly #streams = new Map<number, Incoming>();
  readonly #finished = new Set<number>();
  readonly #toAcknowledge = new Set<number>();
  /** Shared by all receivers of the endpoint. */
  readonly #intake: Intake;
  readonly #onOwes: () => void;
  #heldBytes = 0;
  #highestFinished = 0;

  /** `onOwes`: a stream that waited may come in, and its sender has to be told. */
  constructor(intake: Intake, onOwes: () => void) {
    this.#intake = intake;
    this.#onOwes = onOwes;
  }

  get owesAcks(): boolean {
    return this.#toAcknowledge.size > 0;
  }

  /** The whole frame once its last part is here, null before that, or the reason why the part was
   *  dropped. Its memory may be given back (wire-memory.ts). */
  accept(chunk: Chunk, nowMs: MonotonicMs): Uint8Array | null | string {
    if (this.#isFinished(chunk.stream)) {
      this.#toAcknowledge.add(chunk.stream);
      return null;
    }
    const stream = this.#streams.get(chunk.stream) ?? this.#begin(chunk, nowMs);
    if (typeof stream === "string") return stream;
    const at = chunk.part * stream.partBytes;
    if (
      chunk.totalBytes !== stream.totalBytes ||
      chunk.partBytes !== stream.partBytes ||
      chunk.part >= stream.parts ||
      chunk.bytes.length !== Math.min(stream.partBytes, stream.totalBytes - at)
    ) {
      return "chunk: does not fit its stream";
    }
    this.#toAcknowledge.add(chunk.stream);
    this.#intake.heard(stream, nowMs);
    if (stream.bytes.length === 0) return "chunk: not its turn";
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
        emit({
          type: "chunkAck",
          stream: id,
          base: stream.base,
          windowBytes: this.#intake.windowBytes(stream),
          bits: bitsFrom(stream),
        });
      else if (this.#isFinished(id))
        emit({ type: "chunkAck", stream: id, base: ALL_PARTS, windowBytes: 0, bits: NO_BITS });
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
    const id = chunk.stream;
    const stream: Incoming = {
      bytes: NO_BITS,
      totalBytes,
      partBytes,
      parts,
      have: new Uint8Array(Math.ceil(parts / 8)),
      arrived: 0,
      base: 0,
      end: 0,
      heardMs: nowMs,
      begin: () => {
        stream.bytes = takeWireMemory(totalBytes);
        this.#toAcknowledge.add(id);
        this.#onOwes();
      },
      forget: () => this.#remove(id, stream),
    };
    const entered = this.#intake.enter(stream, nowMs);
    if (entered === "full") return "chunk: too much unfinished in all";
    if (entered === "begun") stream.bytes = takeWireMemory(totalBytes);
    this.#heldBytes += totalBytes;
    this.#streams.set(id, stream);
    return stream;
  }

  #remove(id: number, stream: Incoming): void {
    this.#streams.delete(id);
    this.#heldBytes -= stream.totalBytes;
    this.#intake.leave(stream);
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

const NO_BITS = new Uint8Array(0);

/** The parts from `base` to the highest that has arrived, one bit each. */
function bitsFrom(stream: Incoming): Uint8Array {
  const bits = new Uint8Array(Math.ceil((stream.end - stream.base) / 8));
  for (let part = stream.base; part < stream.end; part++) {
    if (hasBit(stream.have, part))
      bits[(part - stream.base) >> 3]! |= 1 << ((part - stream.base) & 7);
  }
  return bits;
}

/** Whether part `at` of a bitmap is set. */
export function hasBit(bits: Uint8Array, at: number): boolean {
  return (bits[at >> 3]! & (1 << (at & 7))) !== 0;
}
