/** One datagram: a header in clear, a sealed body, a tag; and the window that opens each only once.
 *
 *   0        2  3  4            8     10    12             16           20            28
 *   +--------+--+--+------------+-----+-----+--------------+------------+-------------+ - - - - - +
 *   | "rF"   |v1|k | clusterTag | from| to  |fromConnection|toConnection| counter     | boot id 16|
 *   +--------+--+--+------------+-----+-----+--------------+------------+-------------+ - - - - - +
 *   | AES-256-GCM( body )                                  nonce = fromConnection, counter        |
 *   | tag 16                                               additional data = everything above     |
 *   +---------------------------------------------------------------------------------------------+
 *
 *  The boot id stands only in greetings and answers, whose keys cannot be found without it. */

import { type KeyObject, createCipheriv, createDecipheriv } from "node:crypto";
import { assert } from "../base/assert.ts";
import type { BootId, NodeId } from "../base/types.ts";
import { takeWireMemory } from "./wire-memory.ts";
import { bytesOf, hexOf } from "./key.ts";

/** What this executable speaks; the header's third byte. It changes with the layout of any frame,
 *  greeting or request: what speaks another one is dropped, and counted, before it could be
 *  misread. */
export const WIRE_VERSION = 2;
export const HEADER_BYTES = 28;
export const TAG_BYTES = 16;
const BOOT_ID_BYTES = 16;
const MAGIC_0 = 0x72;
const MAGIC_1 = 0x46;
const CIPHER = "aes-256-gcm";

/** Datagrams that may arrive late and still count; older ones are dropped. */
export const REPLAY_WINDOW = 4_096;

export const kinds = { greeting: 1, answer: 2, peer: 3, member: 4 } as const;

export interface Header {
  readonly kind: number;
  /** 0: a client, or not known yet. */
  readonly from: NodeId;
  readonly to: NodeId;
  readonly fromConnection: number;
  /** 0: not known yet (a greeting). */
  readonly toConnection: number;
  /** Up to 2^53: 2,850 years at 100,000 datagrams a second. Never restarts under a key. */
  readonly counter: number;
  /** Greetings and answers only. */
  readonly bootId: BootId | null;
}

/** A KeyObject costs half as much per datagram as raw bytes. */
export type SealKey = KeyObject | Uint8Array;

/** Makes the datagram in a buffer that nobody else has: the socket owns it until it is sent, and
 *  gives it back then. */
export function sealDatagram(
  key: SealKey,
  tag: Uint8Array,
  header: Header,
  body: Uint8Array,
): Uint8Array {
  const bodyAt = header.bootId === null ? HEADER_BYTES : HEADER_BYTES + BOOT_ID_BYTES;
  const datagram = takeWireMemory(bodyAt + body.length + TAG_BYTES);
  writeHeader(datagram, tag, header);
  const cipher = createCipheriv(CIPHER, key, nonceOf(datagram));
  cipher.setAAD(datagram.subarray(0, bodyAt));
  datagram.set(cipher.update(body), bodyAt);
  cipher.final();
  datagram.set(cipher.getAuthTag(), bodyAt + body.length);
  return datagram;
}

/** The cheap checks, before any crypto: a header, or the reason to drop the datagram. */
export function readHeader(datagram: Uint8Array, tag: Uint8Array): Header | string {
  if (datagram.length < HEADER_BYTES + TAG_BYTES) return "short";
  if (datagram[0] !== MAGIC_0 || datagram[1] !== MAGIC_1) return "not raft";
  if (datagram[2] !== WIRE_VERSION) return "version";
  const kind = datagram[3]!;
  if (kind < kinds.greeting || kind > kinds.member) return "kind";
  for (let i = 0; i < 4; i++) if (datagram[4 + i] !== tag[i]) return "other cluster or key";
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  const high = view.getUint32(20);
  if (high > 0x1f_ffff) return "counter";
  const meeting = kind === kinds.greeting || kind === kinds.answer;
  if (meeting && datagram.length < HEADER_BYTES + BOOT_ID_BYTES + TAG_BYTES) return "short";
  return {
    kind,
    from: view.getUint16(8),
    to: view.getUint16(10),
    fromConnection: view.getUint32(12),
    toConnection: view.getUint32(16),
    counter: high * 2 ** 32 + view.getUint32(24),
    bootId: meeting ? hexOf(datagram.subarray(HEADER_BYTES, HEADER_BYTES + BOOT_ID_BYTES)) : null,
  };
}

/** The body, or null when the seal does not hold. */
export function openDatagram(
  key: SealKey,
  datagram: Uint8Array,
  header: Header,
): Uint8Array | null {
  const bodyAt = header.bootId === null ? HEADER_BYTES : HEADER_BYTES + BOOT_ID_BYTES;
  const tagAt = datagram.length - TAG_BYTES;
  const decipher = createDecipheriv(CIPHER, key, nonceOf(datagram));
  decipher.setAAD(datagram.subarray(0, bodyAt));
  decipher.setAuthTag(datagram.subarray(tagAt));
  const body = decipher.update(datagram.subarray(bodyAt, tagAt));
  try {
    decipher.final();
  } catch {
    return null;
  }
  return body;
}

/** Which counters of one direction of one connection have been seen: a bitmap over the last
 *  REPLAY_WINDOW. */
export class ReplayWindow {
  #highest = 0;
  readonly #seen = new Uint32Array(REPLAY_WINDOW / 32);

  /** Before the seal is opened; nothing is recorded yet, because anybody can write a counter. */
  isFresh(counter: number): boolean {
    if (counter > this.#highest) return true;
    if (counter === 0 || counter + REPLAY_WINDOW <= this.#highest) return false;
    const slot = counter % REPLAY_WINDOW;
    return (this.#seen[slot >>> 5]! & (1 << (slot & 31))) === 0;
  }

  /** After the seal held. */
  record(counter: number): void {
    if (counter - this.#highest >= REPLAY_WINDOW) this.#seen.fill(0);
    else for (let c = this.#highest + 1; c < counter; c++) this.#clear(c % REPLAY_WINDOW);
    if (counter > this.#highest) this.#highest = counter;
    const slot = counter % REPLAY_WINDOW;
    this.#seen[slot >>> 5]! |= 1 << (slot & 31);
  }

  #clear(slot: number): void {
    this.#seen[slot >>> 5]! &= ~(1 << (slot & 31));
  }
}

function writeHeader(datagram: Uint8Array, tag: Uint8Array, header: Header): void {
  assert(
    Number.isSafeInteger(header.counter),
    `the counter ${header.counter} of a connection is spent`,
  );
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  datagram[0] = MAGIC_0;
  datagram[1] = MAGIC_1;
  datagram[2] = WIRE_VERSION;
  datagram[3] = header.kind;
  datagram.set(tag, 4);
  view.setUint16(8, header.from);
  view.setUint16(10, header.to);
  view.setUint32(12, header.fromConnection);
  view.setUint32(16, header.toConnection);
  view.setUint32(20, Math.floor(header.counter / 2 ** 32));
  view.setUint32(24, header.counter % 2 ** 32);
  if (header.bootId !== null) datagram.set(bytesOf(header.bootId), HEADER_BYTES);
}

const nonce = new Uint8Array(12);

/** fromConnection and counter as they stand in the header. The cipher copies it at once. */
function nonceOf(datagram: Uint8Array): Uint8Array {
  for (let i = 0; i < 4; i++) nonce[i] = datagram[12 + i]!;
  for (let i = 0; i < 8; i++) nonce[4 + i] = datagram[20 + i]!;
  return nonce;
}
