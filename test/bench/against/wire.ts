/** What the loads of all peers share: a TCP connection on which many requests are under way, each
 *  known by the slot of the closed loop that waits for it. */
import { connect, type Socket } from "node:net";

/** A connection over which entries are put. Answers come in any order. */
export interface Puts {
  /** Queues the entry of `slot`, which stays as it is until it is acknowledged. What is queued
   *  while an answer is told is sent after all that arrived with that answer were told; anything
   *  else by `flush`. */
  put(slot: number, number: number, entry: Uint8Array): void;
  flush(): void;
  close(): void | Promise<void>;
}

/** Who is told of what comes back. */
export interface Answers {
  /** The entry of `slot` is committed, at that place of the log; 0 where that is not told. */
  acknowledged(slot: number, place: number): void;
  /** The connection cannot go on: nothing of it counts. */
  failed(reason: string): void;
}

const QUEUE_BYTES = 65_536;

/** Bytes to be sent together, in one buffer that grows. */
export class Outbox {
  #bytes: Buffer = Buffer.allocUnsafe(QUEUE_BYTES);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Where `bytes` more may be written; they count as queued. */
  claim(bytes: number): { into: Buffer; at: number } {
    const at = this.#length;
    if (at + bytes > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, at + bytes));
      this.#bytes.copy(larger, 0, 0, at);
      this.#bytes = larger;
    }
    this.#length += bytes;
    return { into: this.#bytes, at };
  }

  /** Everything queued, as bytes of their own: a socket may keep them. */
  take(): Uint8Array {
    const taken = Uint8Array.prototype.slice.call(this.#bytes, 0, this.#length);
    this.#length = 0;
    return taken;
  }
}

/** Bytes that arrived and are not understood yet. */
export class Inbox {
  #bytes: Buffer = Buffer.alloc(0);

  /** The unread rest and what arrived, in one piece. */
  add(chunk: Buffer): Buffer {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    return this.#bytes;
  }

  /** The first `bytes` were understood. */
  drop(bytes: number): void {
    this.#bytes = this.#bytes.subarray(bytes);
  }
}

/** An open TCP connection to a port of this machine, unbuffered. */
export function connectTo(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.removeListener("error", reject);
      resolve(socket);
    });
  });
}

/** Opens a connection to the servers of a side; so many clients share it. */
export type OpenPuts = (answers: Answers, clients: number) => Promise<Puts>;
