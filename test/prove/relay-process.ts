/** The relay's own process (relay.ts): sockets, and what happens to each datagram. Ends with the
 *  process that started it. */
import { createSocket, type Socket } from "node:dgram";
import { type Random, seededRandom } from "../../src/base/random.ts";
import type { Address } from "../../src/base/hosts.ts";
import {
  type LinkFaults,
  type LinkName,
  NO_COUNTS,
  NO_FAULTS,
  type RelayAnswer,
  type RelayCounters,
  type RelayedNode,
  type RelayOrder,
} from "./relay.ts";

const BUFFER_BYTES = 4 * 1_048_576;
/** What waits for bandwidth, in seconds of it; more is dropped, as in a switch. */
const QUEUE_S = 0.1;
const DAMAGED_BYTES_MAX = 4;

const counters: RelayCounters = { ...NO_COUNTS };

/** One direction of one pair. */
class Link {
  faults: LinkFaults = NO_FAULTS;
  readonly #random: Random;
  readonly #out: Socket;
  readonly #to: Address;
  /** When the link has sent everything that it has taken, ms. */
  #freeAtMs = 0;

  constructor(random: Random, out: Socket, to: Address) {
    this.#random = random;
    this.#out = out;
    this.#to = to;
  }

  take(datagram: Buffer): void {
    const { faults } = this;
    counters.taken += 1;
    if (faults.isCut) return void (counters.cut += 1);
    if (this.#happens(faults.lossPercent)) return void (counters.lost += 1);
    const changed = this.#change(datagram);
    if (this.#happens(faults.duplicatePercent)) {
      counters.duplicated += 1;
      this.#sendAfter(changed, faults.delayMs + faults.duplicateAfterMs);
    }
    let delayMs = faults.delayMs + this.#random() * faults.jitterMs;
    if (this.#happens(faults.reorderPercent)) {
      counters.reordered += 1;
      delayMs += 1 + this.#random() * Math.max(0, faults.reorderMs - 1);
    }
    if (faults.bytesPerSecond > 0) {
      const nowMs = performance.now();
      this.#freeAtMs = Math.max(nowMs, this.#freeAtMs);
      if (this.#freeAtMs - nowMs > QUEUE_S * 1_000) return void (counters.overflowed += 1);
      this.#freeAtMs += (datagram.length / faults.bytesPerSecond) * 1_000;
      delayMs += this.#freeAtMs - nowMs;
    }
    this.#sendAfter(changed, delayMs);
  }

  #happens(percent: number): boolean {
    return percent > 0 && this.#random() * 100 < percent;
  }

  #change(datagram: Buffer): Buffer {
    const { faults } = this;
    if (datagram.length === 0) return datagram;
    if (this.#happens(faults.damagePercent)) {
      counters.damaged += 1;
      const damaged = Buffer.from(datagram);
      const places = 1 + Math.floor(this.#random() * DAMAGED_BYTES_MAX);
      for (let place = 0; place < places; place++) {
        const at = Math.floor(this.#random() * damaged.length);
        damaged[at] = (damaged[at] ?? 0) ^ (1 + Math.floor(this.#random() * 255));
      }
      return damaged;
    }
    if (this.#happens(faults.truncatePercent)) {
      counters.truncated += 1;
      return datagram.subarray(0, Math.floor(this.#random() * datagram.length));
    }
    return datagram;
  }

  #sendAfter(datagram: Buffer, delayMs: number): void {
    if (delayMs <= 0) this.#send(datagram);
    else setTimeout(() => this.#send(datagram), delayMs);
  }

  #send(datagram: Buffer): void {
    counters.passed += 1;
    // A node that is down answers with an ICMP error: what it missed is lost, as on a network.
    this.#out.send(datagram, this.#to.port, this.#to.host, () => {});
  }
}

const links = new Map<LinkName, Link>();

async function open(nodes: readonly RelayedNode[], seed: number): Promise<void> {
  const sockets = new Map<LinkName, Socket>();
  for (const from of nodes) {
    for (const to of nodes) if (from !== to) sockets.set(`${from.id}>${to.id}`, await openSocket());
  }
  for (const [at, from] of nodes.entries()) {
    for (const [place, to] of nodes.entries()) {
      const near = sockets.get(`${from.id}>${to.id}`);
      const far = sockets.get(`${to.id}>${from.id}`);
      if (near === undefined || far === undefined) continue;
      const link = new Link(seededRandom(seed * 1_000 + at * 32 + place), far, to.address);
      links.set(`${from.id}>${to.id}`, link);
      near.on("message", (datagram, sender) => {
        if (sender.port === from.address.port && sender.address === from.address.host)
          link.take(datagram);
        else counters.strays += 1;
      });
    }
  }
  const ports = [...sockets].map(([name, socket]) => [name, socket.address().port] as const);
  answer({ type: "opened", ports });
}

function openSocket(): Promise<Socket> {
  const socket = createSocket("udp4");
  // An error of a datagram that found nobody is not the socket's.
  socket.on("error", () => {});
  return new Promise((resolve) => {
    socket.bind({ address: "127.0.0.1", port: 0, exclusive: true }, () => {
      socket.setRecvBufferSize(BUFFER_BYTES);
      socket.setSendBufferSize(BUFFER_BYTES);
      resolve(socket);
    });
  });
}

function answer(message: RelayAnswer): void {
  process.send?.(message);
}

process.on("message", (order: RelayOrder) => {
  if (order.type === "open") void open(order.nodes, order.seed);
  else if (order.type === "count") answer({ type: "counters", number: order.number, counters });
  else {
    for (const name of order.links) {
      const link = links.get(name);
      if (link !== undefined) link.faults = order.faults;
    }
    answer({ type: "set" });
  }
});
process.on("disconnect", () => process.exit(0));
