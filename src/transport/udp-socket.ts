/** The data socket: node:dgram with the workarounds that Bun and Linux need. One of two files that
 *  open sockets.
 *
 *  - A dead process on this machine answers with an ICMP error, which fails the *next* send of this
 *    socket, to whatever peer that goes. Such a datagram is sent again from the callback.
 *  - No `reuseAddr`: with it a second socket could take this one's datagrams.
 *  - The kernel cuts a wish for a larger buffer to its own limit (net.core.rmem_max), and
 *    SO_RCVBUFFORCE, which needs root, is not offered here: so what it gave is read back. Windows
 *    come from that figure, which counts the kernel's bookkeeping too: about twice the payload of
 *    small datagrams.
 *  - An address is a literal already: asking the resolver for every datagram would cost as much as
 *    sending it, and it would leave after the turn only.
 *  - A full device or no memory: nothing is sent for a moment. The engines send again. */

import { type Socket, type SocketOptions, createSocket } from "node:dgram";
import { type Address, isIpv4 } from "../base/hosts.ts";
import { systemClock } from "./clock.ts";
import { giveBackWireMemory } from "./wire-memory.ts";
import type { UdpSocket } from "./types.ts";

/** Asked of the kernel in each direction. */
const BUFFER_BYTES_WANTED = 4 * 1_048_576;
/** A kernel that does not say is taken to have given this. */
const BUFFER_BYTES_UNKNOWN = 65_536;
/** Each resend can meet one more ICMP error of one more dead peer. */
const RESENDS_MAX = 3;
const PAUSE_MS = 2;
/** Errors of an earlier datagram to somebody else. */
const OF_ANOTHER = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EHOSTDOWN",
]);
const NO_ROOM = new Set(["EAGAIN", "EWOULDBLOCK", "ENOBUFS", "ENOMEM"]);

export interface UdpSocketOptions {
  /** IPv4 literal of an interface of this machine, or 0.0.0.0. */
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  /** Called once for each datagram; the bytes are the callee's. */
  readonly onDatagram: (datagram: Uint8Array, from: Address) => void;
  /** The socket itself failed, after it was opened. */
  readonly onError: (error: Error) => void;
  /** A datagram could not be sent; `code` says why (EMSGSIZE, EPERM of a firewall, ...). Default:
   *  nothing. */
  readonly onUnsent?: (code: string) => void;
}

export type OpenUdpResult =
  | { readonly ok: true; readonly socket: UdpSocket }
  /** code: EADDRINUSE, EADDRNOTAVAIL, EACCES or another of the system's. */
  | { readonly ok: false; readonly code: string; readonly reason: string };

/** Opens the socket, or says why not: a port in use is a value, not an exception. */
export function openUdpSocket(options: UdpSocketOptions): Promise<OpenUdpResult> {
  const { host, port, onDatagram, onError } = options;
  const socket = createSocket({ type: "udp4", lookup: literalOnly });
  return new Promise((resolve) => {
    let opened = false;
    socket.on("error", (error) => {
      if (opened) return isOfAnother(error) ? undefined : onError(error);
      resolve({
        ok: false,
        code: codeOf(error),
        reason: `cannot listen on ${host}:${port}: ${codeOf(error)}`,
      });
      socket.close();
    });
    socket.on("message", (datagram, from) =>
      onDatagram(datagram, { host: from.address, port: from.port }),
    );
    socket.bind({ address: host, port, exclusive: true }, () => {
      opened = true;
      resolve({ ok: true, socket: new DgramSocket(socket, options.onUnsent ?? (() => {})) });
    });
  });
}

const literalOnly: NonNullable<SocketOptions["lookup"]> = (host, _options, done) => {
  if (isIpv4(host)) done(null, host, 4);
  else done(Object.assign(new Error(`not an IPv4 address: ${host}`), { code: "ENOTFOUND" }), "", 4);
};

class DgramSocket implements UdpSocket {
  readonly address: Address;
  readonly receiveBufferBytes: number;
  readonly #socket: Socket;
  readonly #onUnsent: (code: string) => void;
  #paused = false;
  #closed = false;

  constructor(socket: Socket, onUnsent: (code: string) => void) {
    const bound = socket.address();
    this.address = { host: bound.address, port: bound.port };
    this.#socket = socket;
    this.#onUnsent = onUnsent;
    this.receiveBufferBytes = askForBuffers(socket);
  }

  send(datagram: Uint8Array, to: Address): void {
    this.#trySend(datagram, to, RESENDS_MAX);
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }

  #trySend(datagram: Uint8Array, to: Address, resends: number): void {
    if (this.#closed) return giveBackWireMemory(datagram);
    if (this.#paused) return this.#dropped("paused", datagram);
    try {
      this.#socket.send(datagram, to.port, to.host, (error) => {
        if (error === null || error === undefined) giveBackWireMemory(datagram);
        else this.#handleFailure(error, datagram, to, resends);
      });
    } catch (error) {
      this.#handleFailure(error, datagram, to, 0);
    }
  }

  #handleFailure(error: unknown, datagram: Uint8Array, to: Address, resends: number): void {
    if (isOfAnother(error) && resends > 0) return this.#trySend(datagram, to, resends - 1);
    const code = codeOf(error);
    if (NO_ROOM.has(code) && !this.#paused) {
      this.#paused = true;
      systemClock.after(PAUSE_MS, () => {
        this.#paused = false;
      });
    }
    this.#dropped(code, datagram);
  }

  #dropped(code: string, datagram: Uint8Array): void {
    giveBackWireMemory(datagram);
    this.#onUnsent(code);
  }
}

/** Returns the receive buffer that the kernel really gave, bytes. */
function askForBuffers(socket: Socket): number {
  try {
    socket.setRecvBufferSize(BUFFER_BYTES_WANTED);
    socket.setSendBufferSize(BUFFER_BYTES_WANTED);
  } catch {
    // A refusal leaves the stock sizes, which are read back below.
  }
  try {
    return socket.getRecvBufferSize();
  } catch {
    return BUFFER_BYTES_UNKNOWN;
  }
}

function isOfAnother(error: unknown): boolean {
  return OF_ANOTHER.has(codeOf(error));
}

function codeOf(error: unknown): string {
  const code =
    typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : "EUNKNOWN";
}
