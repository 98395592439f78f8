/** Puts to etcd over gRPC, which is HTTP/2: the frames are written here, since a general HTTP/2
 *  client needs several times the CPU for each request, and would be what is measured.
 *
 *      +-----------------+ - - -
 *      | length 24       |          a frame: 9 bytes, then the payload
 *      | type 8, flags 8 |          a put:    HEADERS, DATA with END_STREAM
 *      | stream 31       |          its answer: HEADERS, DATA (the response), HEADERS with END_STREAM
 *      +-----------------+ - - -
 *
 *  An answer that fails has no DATA, so the header blocks of answers need not be understood. What
 *  was put is counted and read back afterwards (`etcd.ts`). */
import type { Socket } from "node:net";
import { keyOf } from "./etcd.ts";
import { type Answers, connectTo, Inbox, Outbox, type Puts } from "./wire.ts";

const frames = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
} as const;
const END_STREAM = 1;
const END_HEADERS = 4;
const ACKNOWLEDGEMENT = 1;
const FRAME_BYTES = 9;

const settings = { headerTableSize: 1, concurrentStreamsMax: 3, initialWindowSize: 4 } as const;
const WINDOW_BYTES = 65_535;
/** The largest payload that every server takes. */
const FRAME_BYTES_MAX = 16_384;
/** What the server may send before it hears of a larger window; said again at the half. */
const OUR_WINDOW_BYTES = 0x3fff_ffff;

/** A put that waits for its turn, which the connection's windows may hold back. */
interface Waiting {
  slot: number;
  key: string;
  value: Uint8Array;
}

/** A put of which a part is still to be sent: only the oldest one has begun and goes on. */
interface Begun {
  readonly stream: number;
  readonly bytes: Buffer;
  at: number;
  /** What the server still takes on its stream. */
  window: number;
}

/** Opens a connection to the member that listens on `port`. */
export async function openEtcdPuts(port: number, answers: Answers): Promise<Puts> {
  return new EtcdPuts(await connectTo(port), port, answers);
}

class EtcdPuts implements Puts {
  readonly #socket: Socket;
  readonly #answers: Answers;
  readonly #outbox = new Outbox();
  readonly #inbox = new Inbox();
  readonly #firstHeaders: Uint8Array;
  /** Which slot waits for which stream. */
  readonly #slots = new Map<number, number>();
  /** Streams whose response has arrived. */
  readonly #answered = new Set<number>();
  readonly #waiting: Waiting[] = [];
  /** A put that is larger than a frame, or than what the windows took. */
  #begun: Begun | null = null;
  #nextStream = 1;
  /** What the server still takes, in bytes of DATA: on the connection, and on a new stream. */
  #window = WINDOW_BYTES;
  #streamWindow = WINDOW_BYTES;
  #streamsMax = Infinity;
  /** Bytes of DATA that arrived since the server heard of our window. */
  #unsaid = 0;

  constructor(socket: Socket, port: number, answers: Answers) {
    this.#socket = socket;
    this.#answers = answers;
    this.#firstHeaders = firstHeaders(`127.0.0.1:${port}`);
    this.#outbox.claim(PREFACE.length).into.set(PREFACE);
    this.#frame(frames.settings, 0, 0, settingsPayload());
    this.#sayWindow(OUR_WINDOW_BYTES - WINDOW_BYTES);
    socket.on("data", (chunk: Buffer) => this.#hear(chunk));
    socket.on("error", (error) => answers.failed(error.message));
    this.flush();
  }

  put(slot: number, number: number, value: Uint8Array): void {
    const key = keyOf(number);
    if (this.#waiting.length > 0 || !this.#maySend()) this.#waiting.push({ slot, key, value });
    else this.#send(slot, key, value);
  }

  flush(): void {
    if (this.#outbox.length > 0) this.#socket.write(this.#outbox.take());
  }

  close(): void {
    this.#socket.removeAllListeners("data");
    this.#socket.destroy();
  }

  #maySend(): boolean {
    return this.#begun === null && this.#window > 0 && this.#slots.size < this.#streamsMax;
  }

  #send(slot: number, key: string, value: Uint8Array): void {
    const stream = this.#nextStream;
    this.#nextStream += 2;
    this.#slots.set(stream, slot);
    const headers = stream === 1 ? this.#firstHeaders : LATER_HEADERS;
    this.#frame(frames.headers, END_HEADERS, stream, headers);
    const length = putBytes(key, value);
    if (length <= Math.min(FRAME_BYTES_MAX, this.#window, this.#streamWindow)) {
      this.#window -= length;
      const { into, at } = this.#outbox.claim(FRAME_BYTES + length);
      writeFrame(into, at, frames.data, END_STREAM, stream, length);
      writePut(into, at + FRAME_BYTES, length, key, value);
      return;
    }
    const bytes = Buffer.allocUnsafe(length);
    writePut(bytes, 0, length, key, value);
    this.#begun = { stream, bytes, at: 0, window: this.#streamWindow };
    this.#goOn();
  }

  /** Sends of the put that has begun what the windows take. */
  #goOn(): void {
    const begun = this.#begun;
    if (begun === null) return;
    const { stream, bytes } = begun;
    while (begun.at < bytes.length) {
      const left = bytes.length - begun.at;
      const length = Math.min(left, FRAME_BYTES_MAX, this.#window, begun.window);
      if (length <= 0) return;
      const flags = length === left ? END_STREAM : 0;
      this.#frame(frames.data, flags, stream, bytes.subarray(begun.at, begun.at + length));
      begun.at += length;
      begun.window -= length;
      this.#window -= length;
    }
    this.#begun = null;
  }

  #sendWaiting(): void {
    this.#goOn();
    let sent = 0;
    for (const { slot, key, value } of this.#waiting) {
      if (!this.#maySend()) break;
      this.#send(slot, key, value);
      sent++;
    }
    this.#waiting.splice(0, sent);
  }

  #hear(chunk: Buffer): void {
    const bytes = this.#inbox.add(chunk);
    let at = 0;
    while (bytes.length - at >= FRAME_BYTES) {
      const length = bytes.readUIntBE(at, 3);
      const end = at + FRAME_BYTES + length;
      if (end > bytes.length) break;
      const stream = bytes.readUInt32BE(at + 5) & 0x7fff_ffff;
      const payload = bytes.subarray(at + FRAME_BYTES, end);
      this.#handleFrame(bytes[at + 3]!, bytes[at + 4]!, stream, payload);
      at = end;
    }
    this.#inbox.drop(at);
    this.#sendWaiting();
    this.flush();
  }

  #handleFrame(type: number, flags: number, stream: number, payload: Buffer): void {
    if (type === frames.data) this.#handleData(stream, payload.length);
    if ((type === frames.data || type === frames.headers) && (flags & END_STREAM) !== 0) {
      this.#handleEnd(stream, payload);
    } else if (type === frames.settings && (flags & ACKNOWLEDGEMENT) === 0) {
      this.#handleSettings(payload);
    } else if (type === frames.ping && (flags & ACKNOWLEDGEMENT) === 0) {
      this.#frame(frames.ping, ACKNOWLEDGEMENT, 0, payload);
    } else if (type === frames.windowUpdate) {
      if (stream === 0) this.#window += payload.readUInt32BE(0);
      else if (stream === this.#begun?.stream) this.#begun.window += payload.readUInt32BE(0);
    } else if (type === frames.reset || type === frames.goAway) {
      this.#answers.failed(`the server closed (${type}): ${payload.toString("latin1")}`);
    }
  }

  #handleData(stream: number, length: number): void {
    this.#answered.add(stream);
    this.#unsaid += length;
    if (this.#unsaid < OUR_WINDOW_BYTES / 2) return;
    this.#sayWindow(this.#unsaid);
    this.#unsaid = 0;
  }

  #handleEnd(stream: number, payload: Buffer): void {
    const slot = this.#slots.get(stream);
    if (slot === undefined) return;
    this.#slots.delete(stream);
    if (this.#answered.delete(stream)) this.#answers.acknowledged(slot, 0);
    else this.#answers.failed(`a put was refused: ${payload.toString("latin1")}`);
  }

  #handleSettings(payload: Buffer): void {
    for (let at = 0; at + 6 <= payload.length; at += 6) {
      const value = payload.readUInt32BE(at + 2);
      const setting = payload.readUInt16BE(at);
      if (setting === settings.concurrentStreamsMax) this.#streamsMax = value;
      if (setting !== settings.initialWindowSize) continue;
      if (this.#begun !== null) this.#begun.window += value - this.#streamWindow;
      this.#streamWindow = value;
    }
    this.#frame(frames.settings, ACKNOWLEDGEMENT, 0, NOTHING);
  }

  #sayWindow(more: number): void {
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(more);
    this.#frame(frames.windowUpdate, 0, 0, payload);
  }

  #frame(type: number, flags: number, stream: number, payload: Uint8Array): void {
    const { into, at } = this.#outbox.claim(FRAME_BYTES + payload.length);
    writeFrame(into, at, type, flags, stream, payload.length);
    into.set(payload, at + FRAME_BYTES);
  }
}

const NOTHING = new Uint8Array(0);
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

function writeFrame(
  into: Buffer,
  at: number,
  type: number,
  flags: number,
  stream: number,
  length: number,
): void {
  into.writeUIntBE(length, at, 3);
  into[at + 3] = type;
  into[at + 4] = flags;
  into.writeUInt32BE(stream, at + 5);
}

/** No compression of header blocks towards us, and a window that is never what is waited for. */
function settingsPayload(): Uint8Array {
  const payload = Buffer.alloc(12);
  payload.writeUInt16BE(settings.headerTableSize, 0);
  payload.writeUInt32BE(0, 2);
  payload.writeUInt16BE(settings.initialWindowSize, 6);
  payload.writeUInt32BE(OUR_WINDOW_BYTES, 8);
  return payload;
}

/** The header block of a connection's first put, of which the server remembers four fields (RFC
 *  7541, 6.2.1), and that of all others, which names them: POST, http, the newest entries. */
function firstHeaders(authority: string): Uint8Array {
  const text = (value: string) => [value.length, ...Buffer.from(value)];
  const path = [0x44, ...text("/etcdserverpb.KV/Put")];
  const host = [0x41, ...text(authority)];
  const type = [0x5f, ...text("application/grpc")];
  const trailers = [0x40, ...text("te"), ...text("trailers")];
  return Uint8Array.from([0x83, 0x86, ...path, ...host, ...type, ...trailers]);
}
const LATER_HEADERS = Uint8Array.of(0x83, 0x86, 0x80 + 65, 0x80 + 64, 0x80 + 63, 0x80 + 62);

/** gRPC's five bytes, then `PutRequest { bytes key = 1; bytes value = 2; }`. Keys have fewer than
 *  128 bytes. */
const GRPC_BYTES = 5;

function putBytes(key: string, value: Uint8Array): number {
  return GRPC_BYTES + 2 + key.length + 1 + varintBytes(value.length) + value.length;
}

function writePut(
  into: Buffer,
  from: number,
  length: number,
  key: string,
  value: Uint8Array,
): void {
  let at = from;
  into[at++] = 0;
  at = into.writeUInt32BE(length - GRPC_BYTES, at);
  into[at++] = 0x0a;
  into[at++] = key.length;
  at += into.write(key, at, "latin1");
  into[at++] = 0x12;
  let rest = value.length;
  for (; rest > 0x7f; rest >>>= 7) into[at++] = (rest & 0x7f) | 0x80;
  into[at++] = rest;
  into.set(value, at);
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest > 0x7f; rest >>>= 7) bytes++;
  return bytes;
}
