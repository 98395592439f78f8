/** A LAN of directed links between hosts: every datagram crosses one, and may be lost, doubled,
 *  late, damaged, cut short or too much for the link. Datagrams are the sealed bytes that the
 *  production code made. */

import { type Address, addressText } from "../base/hosts.ts";
import type { Random } from "../base/random.ts";
import type { MonotonicMs } from "../base/types.ts";
import type { Lan, LanOptions } from "../discovery/multicast-socket.ts";
import type { UdpSocket } from "../transport/types.ts";
import type { OpenUdpResult, UdpSocketOptions } from "../transport/udp-socket.ts";
import type { Life } from "./life.ts";
import type { Schedule } from "./schedule.ts";

/** How a link treats its datagrams; probabilities are 0 to 1, each on its own. */
export interface LinkQuality {
  readonly delayMinMs: number;
  readonly delayMaxMs: number;
  readonly loss: number;
  /** A copy arrives as well, on its own delay. */
  readonly duplicate: number;
  /** A copy arrives as well, up to this much later. */
  readonly lateDuplicate: number;
  readonly lateMaxMs: number;
  /** It is held back long enough for others to overtake it. */
  readonly reorder: number;
  /** A byte is changed. */
  readonly damage: number;
  /** The end is cut off. */
  readonly truncate: number;
  /** Larger ones are lost. */
  readonly datagramBytesMax: number;
  /** What does not fit into a queue of 50 ms at this rate is lost. */
  readonly bytesPerMs: number;
}

export const CALM: LinkQuality = {
  delayMinMs: 0.05,
  delayMaxMs: 0.3,
  loss: 0,
  duplicate: 0,
  lateDuplicate: 0,
  lateMaxMs: 0,
  reorder: 0,
  damage: 0,
  truncate: 0,
  datagramBytesMax: 65_507,
  bytesPerMs: Infinity,
};

/** What the network did to datagrams, by kind. */
export type NetworkFault =
  | "lost"
  | "doubled"
  | "doubled late"
  | "held back"
  | "damaged"
  | "cut short"
  | "too large"
  | "queue full"
  | "partitioned";

export interface NetworkWatcher {
  /** A socket was closed: whoever waits for that goes on. */
  readonly onClose: () => void;
  /** `link`: the hosts of a directed link, "from>to". */
  readonly onFault: (fault: NetworkFault, link: string) => void;
  /** A datagram is about to be taken in at `to`. */
  readonly onArrival: (from: Address, to: Address, datagram: Uint8Array) => void;
}

const QUEUE_MS = 50;
const REORDER_MS = 20;
const FIRST_FREE_PORT = 40_000;

interface Receiver {
  readonly life: Life;
  readonly address: Address;
  readonly key: string;
  readonly take: (datagram: Uint8Array, from: Address) => void;
  /** Bytes that wait for a paused process. */
  waitingBytes: number;
}

interface Voice {
  readonly life: Life;
  readonly host: string;
  readonly port: number;
  readonly receiver: Receiver;
}

export class Network {
  /** What holds for a link without a quality of its own. */
  quality: LinkQuality = CALM;
  /** The receive buffer of every socket; larger bursts while a process is paused are lost. */
  receiveBufferBytes = 1_048_576;
  /** Sees every unicast that is sent; the bytes are its sender's and must be copied to be kept. */
  recorder: ((from: Address, to: Address, datagram: Uint8Array) => void) | null = null;
  readonly #schedule: Schedule;
  readonly #random: Random;
  readonly #watcher: NetworkWatcher;
  readonly #receivers = new Map<string, Receiver>();
  readonly #voices = new Set<Voice>();
  /** Directed links, "from>to" by host. */
  readonly #qualities = new Map<string, LinkQuality>();
  readonly #cuts = new Set<string>();
  readonly #busyUntilMs = new Map<string, MonotonicMs>();
  #nextPort = FIRST_FREE_PORT;

  constructor(schedule: Schedule, random: Random, watcher: NetworkWatcher) {
    this.#schedule = schedule;
    this.#random = random;
    this.#watcher = watcher;
  }

  // ------------------------------------------------------------------------------------------
  // Links.

  cut(from: string, to: string): void {
    this.#cuts.add(`${from}>${to}`);
  }

  mend(from: string, to: string): void {
    this.#cuts.delete(`${from}>${to}`);
  }

  mendAll(): void {
    this.#cuts.clear();
  }

  isCut(from: string, to: string): boolean {
    return this.#cuts.has(`${from}>${to}`);
  }

  setQuality(from: string, to: string, quality: LinkQuality | null): void {
    if (quality === null) this.#qualities.delete(`${from}>${to}`);
    else this.#qualities.set(`${from}>${to}`, quality);
  }

  resetQualities(): void {
    this.#qualities.clear();
  }

  // ------------------------------------------------------------------------------------------
  // Sockets, as production code opens them.

  openUdpSocket(life: Life, host: string, options: UdpSocketOptions): Promise<OpenUdpResult> {
    const port = options.port === 0 ? this.#nextPort++ : options.port;
    const address = { host, port };
    const key = addressText(address);
    if (this.#receivers.get(key)?.life.alive === true) {
      const reason = `cannot listen on ${key}: EADDRINUSE`;
      return Promise.resolve({ ok: false, code: "EADDRINUSE", reason });
    }
    const receiver = { life, address, key, take: options.onDatagram, waitingBytes: 0 };
    this.#receivers.set(key, receiver);
    const socket: UdpSocket = {
      address,
      receiveBufferBytes: this.receiveBufferBytes,
      send: (datagram, to) => this.send(life, address, to, datagram),
      close: () => {
        this.#watcher.onClose();
        this.#receivers.delete(key);
        return Promise.resolve();
      },
    };
    return Promise.resolve({ ok: true, socket });
  }

  openLan(life: Life, host: string, options: LanOptions): Promise<Lan> {
    const address = { host, port: this.#nextPort++ };
    const take = (datagram: Uint8Array, from: Address): void =>
      options.onDatagram(datagram, from, (reply) => this.send(life, address, from, reply));
    const key = addressText(address);
    const receiver = { life, address, key, take, waitingBytes: 0 };
    const voice = { life, host, port: options.port, receiver };
    this.#receivers.set(key, receiver);
    this.#voices.add(voice);
    const toAll = (datagram: Uint8Array): void => {
      for (const other of this.#voices) {
        if (other.port !== options.port) continue;
        this.#cross(life, address, other.receiver, datagram);
      }
    };
    return Promise.resolve({
      problem: null,
      interfaces: () => [host],
      multicast: (_interface, datagram, sent) => {
        toAll(datagram);
        sent();
      },
      broadcast: (_interface, datagram) => {
        toAll(datagram);
        return true;
      },
      unicast: (datagram, to) => this.send(life, address, to, datagram),
      close: () => {
        this.#watcher.onClose();
        this.#voices.delete(voice);
        this.#receivers.delete(key);
        return Promise.resolve();
      },
    });
  }

  /** The sockets of a process that ended without closing them. */
  forget(life: Life): void {
    for (const [key, receiver] of this.#receivers) {
      if (receiver.life === life) this.#receivers.delete(key);
    }
    for (const voice of this.#voices) if (voice.life === life) this.#voices.delete(voice);
  }

  /** From a socket to wherever it is addressed: to nobody, when nobody listens there. */
  send(life: Life, from: Address, to: Address, datagram: Uint8Array): void {
    this.recorder?.(from, to, datagram);
    const receiver = this.#receiverAt(to);
    if (receiver !== undefined) this.#cross(life, from, receiver, datagram);
  }

  /** A datagram out of nowhere, said to be from `from`: whoever listens at `to` gets it. */
  inject(from: Address, to: Address, datagram: Uint8Array): void {
    const receiver = this.#receiverAt(to);
    if (receiver !== undefined) this.#arriveAfter(0, from, receiver, datagram.slice());
  }

  /** Where somebody listens on a host, data ports and discovery's. */
  earsOf(host: string): readonly Address[] {
    return [...this.#receivers.values()]
      .map(({ address }) => address)
      .filter((at) => at.host === host);
  }

  #receiverAt(to: Address): Receiver | undefined {
    const receiver = this.#receivers.get(addressText(to));
    if (receiver !== undefined) return receiver;
    // The discovery port of a host: one of those who share it hears a unicast.
    for (const voice of this.#voices) {
      if (voice.host === to.host && voice.port === to.port) return voice.receiver;
    }
    return undefined;
  }

  // ------------------------------------------------------------------------------------------
  // The way across.

  #cross(life: Life, from: Address, to: Receiver, sent: Uint8Array): void {
    if (!life.alive) return;
    if (from.host === to.address.host) return this.#arriveAfter(0.01, from, to, sent.slice());
    const link = `${from.host}>${to.address.host}`;
    if (this.#cuts.size > 0 && this.#cuts.has(link))
      return this.#watcher.onFault("partitioned", link);
    const quality = this.#qualities.get(link) ?? this.quality;
    if (this.#happens(quality.loss, "lost", link)) return;
    if (sent.length > quality.datagramBytesMax) return this.#watcher.onFault("too large", link);
    let delayMs = this.#delay(quality);
    if (quality.bytesPerMs !== Infinity) {
      const queueMs = this.#queue(link, sent.length, quality.bytesPerMs);
      if (queueMs > QUEUE_MS) return this.#watcher.onFault("queue full", link);
      delayMs += queueMs;
    }
    if (this.#happens(quality.duplicate, "doubled", link)) {
      this.#arriveAfter(this.#delay(quality), from, to, sent.slice());
    }
    if (this.#happens(quality.lateDuplicate, "doubled late", link)) {
      this.#arriveAfter(this.#random() * quality.lateMaxMs, from, to, sent.slice());
    }
    if (this.#happens(quality.reorder, "held back", link)) delayMs += this.#random() * REORDER_MS;
    this.#arriveAfter(delayMs, from, to, this.#harmed(sent, quality, link));
  }

  #harmed(sent: Uint8Array, quality: LinkQuality, link: string): Uint8Array {
    // A copy always: the sender may use its buffer again, and two receivers may not share one.
    let datagram = sent.slice();
    if (this.#happens(quality.damage, "damaged", link) && datagram.length > 0) {
      const at = Math.floor(this.#random() * datagram.length);
      datagram[at] = (datagram[at] ?? 0) ^ (1 + Math.floor(this.#random() * 255));
    }
    if (this.#happens(quality.truncate, "cut short", link)) {
      datagram = datagram.slice(0, Math.floor(this.#random() * datagram.length));
    }
    return datagram;
  }

  #arriveAfter(delayMs: number, from: Address, to: Receiver, datagram: Uint8Array): void {
    this.#schedule.at(this.#schedule.nowMs + delayMs, () => {
      // Whoever listens there by now: a process that was started again hears what was meant for the
      // one before it.
      const receiver = this.#receivers.get(to.key);
      if (receiver === undefined) return;
      if (receiver.life.paused) {
        if (receiver.waitingBytes + datagram.length > this.receiveBufferBytes) {
          const link = `${from.host}>${receiver.address.host}`;
          return this.#watcher.onFault("queue full", link);
        }
        receiver.waitingBytes += datagram.length;
      }
      receiver.life.run(() => {
        receiver.waitingBytes = 0;
        this.#watcher.onArrival(from, receiver.address, datagram);
        receiver.take(datagram, from);
      });
    });
  }

  #queue(link: string, bytes: number, bytesPerMs: number): number {
    const { nowMs } = this.#schedule;
    const startMs = Math.max(nowMs, this.#busyUntilMs.get(link) ?? 0);
    const endMs = startMs + bytes / bytesPerMs;
    if (endMs - nowMs <= QUEUE_MS) this.#busyUntilMs.set(link, endMs);
    return endMs - nowMs;
  }

  #delay({ delayMinMs, delayMaxMs }: LinkQuality): number {
    return delayMinMs + this.#random() * (delayMaxMs - delayMinMs);
  }

  #happens(probability: number, fault: NetworkFault, link: string): boolean {
    if (probability === 0 || this.#random() >= probability) return false;
    this.#watcher.onFault(fault, link);
    return true;
  }
}
