/** One process that was met: its queue, its batches, its round trips and its chunk streams. */

import type { Address } from "../base/hosts.ts";
import type { BootId, ClusterId, MonotonicMs } from "../base/types.ts";
import { ChunkSender } from "./chunk-sender.ts";
import { ChunkReceiver } from "./chunks.ts";
import { FRAME_BYTES_MAX, type WireFrame, encodeFrame } from "./codec.ts";
import { takeWireMemory } from "./wire-memory.ts";
import { HEADER_BYTES, TAG_BYTES } from "./datagram.ts";
import { type Intake, UNASKED_BYTES } from "./intake.ts";
import { type Wire, pack, packBody, packedBytesMax } from "./messagepack.ts";
import type { Session } from "./session.ts";
import type { Connection, Frame, NodeHello, Remote } from "./types.ts";

/** Frames wait only until the turn's flush; past these bounds the oldest raft frames go first. */
const QUEUED_BYTES_MAX = 4 * 1_048_576;
const QUEUED_FRAMES_MAX = 16_384;
/** [timeUs, echoUs, ...]: an array head of 3 and two integers of 5 bytes. */
const BODY_HEAD_BYTES = 13;
/** Requests and answers of so many bytes leave before their turn ends, so that the other side works
 *  on them meanwhile: what it gains with many sessions stands in src/client/README.md. */
const EARLY_BYTES = 16_384;
/** A chunk's fields around its bytes: an array head, a code, 9 + 5 + 3 + 5 for its numbers, 3 for
 *  the length. */
const CHUNK_HEAD_BYTES = 27;
/** An append's fields before its records: an array head, two codes, seven numbers of 9, the length
 *  of the bytes. */
const APPEND_HEAD_BYTES = 74;
/** A kernel counts up to 2.3 times a small datagram's bytes, and acknowledgements need room too. */
const WINDOW_SHARE = 4;
const WINDOW_BYTES_MIN = 16_384;
/** What so many senders send before they are answered finds room in a receive buffer. */
const UNASKED_SHARE = 16;
const UNASKED_BYTES_MIN = 1_024;
/** The bounds of retry times that adapt to measured round trips. */
const RETRY_MIN_MS = 5;
const RETRY_MAX_MS = 250;
const RETRY_UNKNOWN_MS = 100;
/** A round trip longer than this is a clock that was stopped. */
const RTT_US_MAX = 60_000_000;
const INTRODUCTION_MIN_MS = 50;
const INTRODUCTION_MAX_MS = 1_000;

type OutFrame = readonly Wire[];

export interface FlushOptions {
  /** This node's cluster; null: none. */
  readonly clusterId: ClusterId | null;
  readonly introduction: () => Extract<WireFrame, { type: "introduction" }>["introduction"];
  readonly datagramBytesMax: (address: Address) => number;
  readonly transmit: (datagram: Uint8Array, address: Address) => void;
  readonly drop: (reason: string, count?: number) => void;
}

/** How its large frames come and go. */
export interface PeerChunks {
  readonly intake: Intake;
  /** It owes an acknowledgement, and nothing of it has arrived just now. */
  readonly onOwes: (peer: Peer) => void;
  /** This side is a client: a node lets its streams in, one after another. */
  readonly takesTurns: boolean;
}

export class Peer implements Connection {
  remote: Remote;
  rttMs: number | null = null;
  lastHeardMs: MonotonicMs;
  readonly bootId: BootId;
  /** It claims this node's own id: nothing of it is handed on. */
  readonly double: boolean;
  closed = false;
  /** The session to send on; the others are still heard. */
  current: Session;
  readonly sessions: Session[];
  receiveWindowBytes: number;
  /** The highest sequence of the other's introductions. */
  introductionSeen = 0;
  /** A new address that was asked and has not answered. */
  asked: {
    readonly address: Address;
    readonly challenge: Uint8Array;
    readonly atMs: MonotonicMs;
  } | null = null;
  readonly receiver: ChunkReceiver;
  readonly sender: ChunkSender;
  readonly #takesTurns: boolean;
  #introduction = 1;
  #introductionDueMs: MonotonicMs;
  #introductionBackoffMs = INTRODUCTION_MIN_MS;
  #queue: OutFrame[] = [];
  #queueSizes: number[] = [];
  #queuedBytes = 0;
  #rttVarianceMs = 0;
  #remoteTimeUs: number | null = null;
  #remoteTimeAtMs: MonotonicMs = 0;

  constructor(
    session: Session,
    remote: Remote,
    double: boolean,
    chunks: PeerChunks,
    nowMs: MonotonicMs,
  ) {
    this.remote = remote;
    this.lastHeardMs = nowMs;
    this.bootId = session.remoteBootId;
    this.double = double;
    this.current = session;
    this.sessions = [session];
    this.receiveWindowBytes = session.introduction.receiveWindowBytes;
    this.receiver = new ChunkReceiver(chunks.intake, () => chunks.onOwes(this));
    this.#takesTurns = chunks.takesTurns;
    const unaskedBytes = Math.min(UNASKED_BYTES, this.#unaskedBytesMax);
    this.sender = new ChunkSender(chunks.takesTurns ? unaskedBytes : Number.POSITIVE_INFINITY);
    // A client has heard everything in the answer, and is often gone before it could acknowledge
    // more.
    this.#introductionDueMs = remote.kind === "node" ? nowMs : Number.POSITIVE_INFINITY;
  }

  /** The hello of a node; null: a client. */
  get hello(): NodeHello | null {
    return this.remote.kind === "node" ? this.remote.hello : null;
  }

  /** The cluster that both belong to, or null. */
  sharedCluster(clusterId: ClusterId | null): ClusterId | null {
    return clusterId !== null && this.hello?.clusterId === clusterId ? clusterId : null;
  }

  /** Queues a frame, or starts a chunk stream. `bytes` in it must not change before the flush. */
  enqueue(frame: WireFrame, nowMs: MonotonicMs, options: FlushOptions, isPatient = false): void {
    const encoded = encodeFrame(frame);
    const bytes = packedBytesMax(encoded);
    const room = this.#bodyBytesMax(options) - BODY_HEAD_BYTES;
    if (bytes <= room) {
      this.#push(encoded, bytes, options);
      const isAsked = frame.type === "request" || frame.type === "response";
      if (isAsked && this.#queuedBytes >= EARLY_BYTES) this.#flushQueue(nowMs, options);
      return;
    }
    if (bytes > FRAME_BYTES_MAX) return options.drop("frame too large to send");
    const partBytesMax = this.#takesTurns ? this.#unaskedBytesMax : Number.POSITIVE_INFINITY;
    const partBytes = Math.min(room - CHUNK_HEAD_BYTES, partBytesMax);
    const packed = pack(encoded, takeWireMemory(bytes));
    const taken = this.sender.add(packed, nameOfLarge(frame), partBytes, nowMs, isPatient);
    if (!taken) options.drop("chunk streams full");
  }

  /** That request is larger than a datagram, and has not arrived whole as far as is known. */
  isSending(requestId: number): boolean {
    return this.sender.has(nameOfRequest(requestId));
  }

  /** Says hello again until it is acknowledged. */
  introduceAgain(nowMs: MonotonicMs): void {
    this.#introduction++;
    this.#introductionDueMs = nowMs;
    this.#introductionBackoffMs = INTRODUCTION_MIN_MS;
  }

  handleIntroductionAck(sequence: number): void {
    if (sequence === this.#introduction) this.#introductionDueMs = Number.POSITIVE_INFINITY;
  }

  /** When flush has something to repeat. Infinity: never, as things stand. */
  nextDeadlineMs(): MonotonicMs {
    return Math.min(this.#introductionDueMs, this.sender.nextDeadlineMs());
  }

  /** Takes the clocks of a datagram that was opened. */
  handleTimes(timeUs: number, echoUs: number | null, nowMs: MonotonicMs): void {
    this.lastHeardMs = nowMs;
    this.#remoteTimeUs = timeUs;
    this.#remoteTimeAtMs = nowMs;
    if (echoUs === null) return;
    const sampleUs = (microseconds(nowMs) - echoUs) >>> 0;
    if (sampleUs > RTT_US_MAX) return;
    const sampleMs = sampleUs / 1_000;
    const deviationMs = Math.abs(sampleMs - (this.rttMs ?? sampleMs));
    this.#rttVarianceMs =
      this.rttMs === null ? sampleMs / 2 : this.#rttVarianceMs * 0.75 + deviationMs * 0.25;
    this.rttMs = this.rttMs === null ? sampleMs : this.rttMs * 0.875 + sampleMs * 0.125;
  }

  /** Seals and transmits what is queued, due and owed; of patient frames so many parts. */
  flush(nowMs: MonotonicMs, options: FlushOptions, patientParts = 0): void {
    if (nowMs >= this.#introductionDueMs) this.#introduce(nowMs, options);
    if (this.receiver.owesAcks) this.receiver.takeAcks((ack) => this.#pushFrame(ack));
    if (this.sender.busy) {
      const windowBytes = bulkWindowBytes(this.receiveWindowBytes);
      const givenUp = this.sender.pump(
        nowMs,
        this.retryMs(),
        windowBytes,
        (chunk) => this.#pushFrame(chunk),
        patientParts,
      );
      if (givenUp > 0) options.drop("chunk stream given up", givenUp);
    }
    if (this.#queue.length > 0) this.#flushQueue(nowMs, options);
  }

  /** One frame at once, to any address, on any session: for proving an address. */
  sendNow(
    session: Session,
    frame: WireFrame,
    address: Address,
    nowMs: MonotonicMs,
    options: FlushOptions,
  ): void {
    options.transmit(
      session.seal(null, pack([...this.#times(nowMs), encodeFrame(frame)])),
      address,
    );
  }

  /** After so long without an answer something small is sent again. */
  retryMs(): number {
    if (this.rttMs === null) return RETRY_UNKNOWN_MS;
    return Math.min(RETRY_MAX_MS, Math.max(RETRY_MIN_MS, this.rttMs + 4 * this.#rttVarianceMs));
  }

  #introduce(nowMs: MonotonicMs, options: FlushOptions): void {
    this.#pushFrame({
      type: "introduction",
      sequence: this.#introduction,
      introduction: options.introduction(),
    });
    this.#introductionDueMs = nowMs + this.#introductionBackoffMs;
    this.#introductionBackoffMs = Math.min(INTRODUCTION_MAX_MS, this.#introductionBackoffMs * 2);
  }

  #flushQueue(nowMs: MonotonicMs, options: FlushOptions): void {
    const queue = this.#queue;
    const sizes = this.#queueSizes;
    this.#queue = [];
    this.#queueSizes = [];
    this.#queuedBytes = 0;
    const bodyBytesMax = this.#bodyBytesMax(options);
    const clusterId = this.sharedCluster(options.clusterId);
    let body: Wire[] = this.#times(nowMs);
    let bodyBytes = BODY_HEAD_BYTES;
    for (let i = 0; i < queue.length; i++) {
      if (bodyBytes + sizes[i]! > bodyBytesMax && body.length > 2) {
        options.transmit(this.current.seal(clusterId, packBody(body)), this.current.address);
        body = this.#times(nowMs);
        bodyBytes = BODY_HEAD_BYTES;
      }
      body.push(queue[i]!);
      bodyBytes += sizes[i]!;
    }
    options.transmit(this.current.seal(clusterId, packBody(body)), this.current.address);
  }

  #times(nowMs: MonotonicMs): Wire[] {
    if (this.#remoteTimeUs === null) return [microseconds(nowMs), null];
    return [
      microseconds(nowMs),
      (this.#remoteTimeUs + microseconds(nowMs - this.#remoteTimeAtMs)) >>> 0,
    ];
  }

  get #unaskedBytesMax(): number {
    return Math.max(UNASKED_BYTES_MIN, Math.floor(this.receiveWindowBytes / UNASKED_SHARE));
  }

  #bodyBytesMax(options: FlushOptions): number {
    return options.datagramBytesMax(this.current.address) - HEADER_BYTES - TAG_BYTES;
  }

  /** The transport's own frames: small, or cut to fit, and never dropped here. */
  #pushFrame(frame: WireFrame): void {
    const bytes = frame.type === "chunk" ? frame.bytes.length + CHUNK_HEAD_BYTES : null;
    const encoded = encodeFrame(frame);
    this.#queue.push(encoded);
    this.#queueSizes.push(bytes ?? packedBytesMax(encoded));
  }

  /** Raft frames may be lost: the core says them again. */
  #push(encoded: OutFrame, bytes: number, options: FlushOptions): void {
    while (
      this.#queue.length >= QUEUED_FRAMES_MAX ||
      this.#queuedBytes + bytes > QUEUED_BYTES_MAX
    ) {
      options.drop("send queue full");
      const oldest = this.#queue.findIndex((other) => other[0] === RAFT_CODE);
      if (oldest < 0) return;
      this.#queue.splice(oldest, 1);
      this.#queuedBytes -= this.#queueSizes.splice(oldest, 1)[0]!;
    }
    this.#queue.push(encoded);
    this.#queueSizes.push(bytes);
    this.#queuedBytes += bytes;
  }
}

/** What may be in flight of large frames to a process with that receive window. */
export function bulkWindowBytes(receiveWindowBytes: number): number {
  return Math.max(WINDOW_BYTES_MIN, Math.floor(receiveWindowBytes / WINDOW_SHARE));
}

/** How many bytes of records fit beside nothing else into one datagram; more go as a chunk
 *  stream. */
export function recordBytesMax(datagramBytesMax: number): number {
  return datagramBytesMax - HEADER_BYTES - TAG_BYTES - BODY_HEAD_BYTES - APPEND_HEAD_BYTES;
}

/** Frames that only nodes of one cluster may say to each other. */
export function isMemberFrame(frame: WireFrame): boolean {
  return (
    frame.type === "raft" ||
    frame.type === "check" ||
    frame.type === "needRecords" ||
    frame.type === "heal"
  );
}

const RAFT_CODE = encodeFrame({
  type: "raft",
  message: { type: "timeoutNow", term: 0, round: 0 },
})[0];

/** Two streams of one name and length are the same frame said again. */
function nameOfLarge(frame: Frame | WireFrame): string | null {
  if (frame.type === "heal") return `heal ${frame.firstIndex}`;
  if (frame.type === "request") return nameOfRequest(frame.requestId);
  if (frame.type !== "raft") return null;
  const { message } = frame;
  if (message.type === "append") return `append ${message.term} ${message.prevIndex}`;
  return message.type === "installSnapshot" ? `head ${message.term} ${message.lastIndex}` : null;
}

function nameOfRequest(requestId: number): string {
  return `request ${requestId}`;
}

function microseconds(ms: number): number {
  return Math.floor((ms * 1_000) % 2 ** 32) >>> 0;
}
