/** The sockets of discovery: the other one of two files that open sockets.
 *
 *  - One listening socket on the discovery port, shared by all nodes of a machine (`reuseAddr`),
 *    a member of the group on every interface. Each of them gets every multicast and broadcast
 *    datagram; a unicast datagram to that port reaches only one of them.
 *  - One sending socket per interface, bound to its address, because a socket has one outgoing
 *    interface. Answers come back to it by unicast.
 *  - One more for unicast questions, bound to no interface: the kernel chooses.
 *
 *  Only IPv4 literals that were enumerated are passed to the kernel (a name joins the wrong
 *  interface silently). Snooping switches without a querier forget a group after some 260 s, so
 *  it is left and joined again. A dead process's ICMP error fails the next send to anybody: that
 *  datagram is sent again. */

import { type Socket, createSocket } from "node:dgram";
import { networkInterfaces } from "node:os";
import { type Address, isLoopback } from "../base/hosts.ts";
import type { MonotonicMs } from "../base/types.ts";

export const GROUP = "239.255.82.70";
/** The kernel takes at most this many memberships a socket. */
export const INTERFACES_MAX = 20;
const TTL = 1;
export const SCAN_MS = 5_000;
export const REJOIN_MS = 120_000;
const RESENDS_MAX = 3;
const OF_ANOTHER = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EHOSTDOWN",
]);

export interface LanOptions {
  readonly loopbackOnly: boolean;
  /** 7400 unless tests choose another. */
  readonly port: number;
  /** `answer` sends to the datagram's source from the socket at which it arrived. Loopback-only
   *  sockets hand on only what comes from this machine. */
  readonly onDatagram: (
    datagram: Uint8Array,
    from: Address,
    answer: (reply: Uint8Array) => void,
  ) => void;
  readonly now: () => MonotonicMs;
  readonly after: (delayMs: number, run: () => void) => () => void;
}

/** Sends and hears on every interface. Sending never throws; a refused send is lost like any
 *  datagram. */
export interface Lan {
  /** Addresses of the interfaces in use now; loopback last. */
  interfaces(): readonly string[];
  /** `sent` when the kernel took it. */
  multicast(address: string, datagram: Uint8Array, sent: () => void): void;
  /** False on an interface that has no broadcast address. */
  broadcast(address: string, datagram: Uint8Array): boolean;
  unicast(datagram: Uint8Array, to: Address): void;
  /** Why the discovery port cannot be heard, as a sentence; null when it can. */
  readonly problem: string | null;
  close(): Promise<void>;
}

/** Opens what can be opened. A discovery port that is taken by another program is a `problem`,
 *  not an error: asking still works. */
export async function openLan(options: LanOptions): Promise<Lan> {
  const lan = new InterfaceSockets(options);
  await lan.open();
  return lan;
}

interface Interface {
  readonly address: string;
  readonly broadcast: string | null;
}

/** IPv4 interfaces of this machine, the network's before loopback. */
function enumerate(loopbackOnly: boolean): readonly Interface[] {
  const found: Interface[] = [];
  const loopback: Interface[] = [];
  for (const entry of Object.values(networkInterfaces()).flatMap((list) => list ?? [])) {
    if (entry.family !== "IPv4") continue;
    if (entry.internal) loopback.push({ address: entry.address, broadcast: null });
    else if (!loopbackOnly)
      found.push({ address: entry.address, broadcast: broadcastOf(entry.address, entry.netmask) });
  }
  const own = loopback.filter(({ address }) => isLoopback(address));
  return [...found.slice(0, INTERFACES_MAX - 1), ...own.slice(0, 1)];
}

/** The directed broadcast address, or null where a network of one or two hosts has none. */
export function broadcastOf(address: string, netmask: string): string | null {
  const host = address.split(".").map(Number);
  const mask = netmask.split(".").map(Number);
  if (netmask === "255.255.255.255" || netmask === "255.255.255.254") return null;
  return host.map((part, at) => part | (~(mask[at] ?? 255) & 255)).join(".");
}

class InterfaceSockets implements Lan {
  readonly #options: LanOptions;
  readonly #senders = new Map<
    string,
    { readonly socket: Socket; readonly broadcast: string | null }
  >();
  readonly #joined = new Set<string>();
  #listener: Socket | null = null;
  #asker: Socket | null = null;
  #cancelScan: () => void = () => {};
  #joinedMs: MonotonicMs = 0;
  #closed = false;
  problem: string | null = null;

  constructor(options: LanOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    const { port, loopbackOnly } = this.#options;
    const listener = await this.#bind("0.0.0.0", port, true);
    if (typeof listener === "string") {
      this.problem =
        `the discovery port ${port} cannot be opened (${listener}): ` +
        "other nodes' questions are not heard here";
    } else {
      this.#listener = listener;
    }
    const asker = await this.#bind(loopbackOnly ? "127.0.0.1" : "0.0.0.0", 0, false);
    if (typeof asker !== "string") this.#asker = asker;
    await this.#scan();
  }

  interfaces(): readonly string[] {
    return [...this.#senders.keys()].sort((a, b) => Number(isLoopback(a)) - Number(isLoopback(b)));
  }

  multicast(address: string, datagram: Uint8Array, sent: () => void): void {
    const sender = this.#senders.get(address);
    if (sender !== undefined)
      send(sender.socket, datagram, { host: GROUP, port: this.#options.port }, sent);
  }

  broadcast(address: string, datagram: Uint8Array): boolean {
    const sender = this.#senders.get(address);
    if (sender === undefined || sender.broadcast === null) return false;
    send(sender.socket, datagram, { host: sender.broadcast, port: this.#options.port });
    return true;
  }

  unicast(datagram: Uint8Array, to: Address): void {
    if (this.#asker !== null) send(this.#asker, datagram, to);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelScan();
    const senders = [...this.#senders.values()].map(({ socket }) => socket);
    this.#senders.clear();
    const open = [this.#listener, this.#asker, ...senders].filter((socket) => socket !== null);
    await Promise.all(open.map(closed));
  }

  /** Interfaces come and go: cables, Wi-Fi, sleeping laptops. */
  async #scan(): Promise<void> {
    const { loopbackOnly, now, after } = this.#options;
    const found = enumerate(loopbackOnly);
    for (const [address, { socket }] of this.#senders) {
      if (found.some((one) => one.address === address)) continue;
      this.#senders.delete(address);
      void closed(socket);
    }
    this.#join(
      found.map(({ address }) => address),
      now(),
    );
    await Promise.all(
      found.filter(({ address }) => !this.#senders.has(address)).map((one) => this.#addSender(one)),
    );
    if (!this.#closed) this.#cancelScan = after(SCAN_MS, () => void this.#scan());
  }

  #join(addresses: readonly string[], nowMs: MonotonicMs): void {
    const again = nowMs - this.#joinedMs >= REJOIN_MS;
    if (again) this.#joinedMs = nowMs;
    for (const address of this.#joined) {
      if (!again && addresses.includes(address)) continue;
      attempt(() => this.#listener?.dropMembership(GROUP, address));
      this.#joined.delete(address);
    }
    for (const address of addresses) {
      if (this.#joined.has(address)) continue;
      if (attempt(() => this.#listener?.addMembership(GROUP, address))) this.#joined.add(address);
    }
  }

  async #addSender(one: Interface): Promise<void> {
    const socket = await this.#bind(one.address, 0, false);
    if (typeof socket === "string") return;
    const usable = attempt(() => {
      socket.setMulticastTTL(TTL);
      socket.setMulticastLoopback(true);
      socket.setMulticastInterface(one.address);
      if (one.broadcast !== null) socket.setBroadcast(true);
    });
    if (!usable || this.#closed || this.#senders.has(one.address)) return closed(socket);
    this.#senders.set(one.address, { socket, broadcast: one.broadcast });
  }

  /** A bound socket, or the system's code. */
  #bind(address: string, port: number, shared: boolean): Promise<Socket | string> {
    const socket = createSocket({ type: "udp4", reuseAddr: shared });
    return new Promise((resolve) => {
      socket.on("error", (error) => resolve(codeOf(error)));
      socket.on("message", (datagram, from) => {
        if (this.#closed || (this.#options.loopbackOnly && !isLoopback(from.address))) return;
        const source = { host: from.address, port: from.port };
        this.#options.onDatagram(datagram, source, (reply) => send(socket, reply, source));
      });
      if (!attempt(() => socket.bind({ address, port, exclusive: !shared }, () => resolve(socket))))
        resolve("EINVAL");
    });
  }
}

function send(
  socket: Socket,
  datagram: Uint8Array,
  to: Address,
  sent: () => void = () => {},
  resends = RESENDS_MAX,
): void {
  attempt(() =>
    socket.send(datagram, to.port, to.host, (error) => {
      if (error === null || error === undefined) sent();
      else if (resends > 0 && OF_ANOTHER.has(codeOf(error)))
        send(socket, datagram, to, sent, resends - 1);
    }),
  );
}

/** False when the system refuses: interfaces vanish at any moment, and a closed socket throws. */
function attempt(run: () => void): boolean {
  try {
    run();
    return true;
  } catch {
    return false;
  }
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (!attempt(() => socket.close(() => resolve()))) resolve();
  });
}

function codeOf(error: unknown): string {
  const code =
    typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : "EUNKNOWN";
}
