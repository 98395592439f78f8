/** What was heard, how often strangers are answered, and whether this machine hears itself.
 *  Pure: tables with limits; time is an argument. */

import { outerAddress } from "../base/hosts.ts";
import type { MonotonicMs } from "../base/types.ts";
import type { Hint } from "./types.ts";

export const HEARD_MAX = 256;
/** A voice that was not heard for so long is not reported any more. */
export const HEARD_MS_MAX = 120_000;

/** The latest beacon of each process of each cluster. The one heard longest ago makes room. */
export class HeardTable {
  readonly #hints = new Map<string, Hint>();

  /** BYE removes what was heard of that process. */
  add(hint: Hint): void {
    const { cluster, keyTag, id, bootId } = hint.beacon;
    const key = `${cluster} ${keyTag} ${id} ${bootId}`;
    const before = this.#hints.get(key);
    this.#hints.delete(key);
    if (hint.beacon.bye) return;
    const known = before === undefined ? [] : [before.address];
    this.#hints.set(key, { ...hint, address: outerAddress(hint.address, known) });
    const oldest = this.#hints.keys().next();
    if (this.#hints.size > HEARD_MAX && !oldest.done) this.#hints.delete(oldest.value);
  }

  list(nowMs: MonotonicMs): readonly Hint[] {
    for (const [key, hint] of this.#hints) {
      if (nowMs - hint.heardMs > HEARD_MS_MAX) this.#hints.delete(key);
    }
    return [...this.#hints.values()];
  }
}

/** So many at once, and so many a second for ever. */
export class Allowance {
  readonly #burst: number;
  readonly #perSecond: number;
  #left: number;
  #atMs: MonotonicMs;

  constructor(burst: number, perSecond: number, nowMs: MonotonicMs) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#left = burst;
    this.#atMs = nowMs;
  }

  /** True, and counted, while there is one left. */
  take(nowMs: MonotonicMs): boolean {
    const elapsedMs = Math.max(0, nowMs - this.#atMs);
    this.#left = Math.min(this.#burst, this.#left + (elapsedMs * this.#perSecond) / 1_000);
    this.#atMs = nowMs;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}

/** Answers to one host: bursts of a whole lab that starts at once, then this many a second. */
const HOST_BURST = 64;
const HOST_PER_SECOND = 64;
/** All answers together: a forged source must not make a node an amplifier. */
const TOTAL_BURST = 512;
const TOTAL_PER_SECOND = 512;
const HOSTS_MAX = 256;

/** Says how often a question is answered: per asking host, and altogether. */
export class AnswerLimit {
  readonly #hosts = new Map<string, Allowance>();
  readonly #total: Allowance;

  constructor(nowMs: MonotonicMs) {
    this.#total = new Allowance(TOTAL_BURST, TOTAL_PER_SECOND, nowMs);
  }

  /** True, and counted, when a question from this host may be answered now. */
  allows(host: string, nowMs: MonotonicMs): boolean {
    const known = this.#hosts.get(host);
    const allowance = known ?? new Allowance(HOST_BURST, HOST_PER_SECOND, nowMs);
    this.#hosts.delete(host);
    this.#hosts.set(host, allowance);
    const oldest = this.#hosts.keys().next();
    if (this.#hosts.size > HOSTS_MAX && !oldest.done) this.#hosts.delete(oldest.value);
    return allowance.take(nowMs) && this.#total.take(nowMs);
  }
}

/** One lost datagram proves nothing. */
const TRIES_MIN = 2;
/** The own voice comes back within this time or not at all; tries closer together count as one. */
const ECHO_MS = 250;

/** Whether the own multicast comes back, per interface. */
export class SelfHearing {
  readonly #unheard = new Map<string, { tries: number; lastMs: MonotonicMs }>();

  sent(address: string, nowMs: MonotonicMs): void {
    const before = this.#unheard.get(address);
    if (before !== undefined && nowMs - before.lastMs < ECHO_MS) return;
    this.#unheard.set(address, { tries: (before?.tries ?? 0) + 1, lastMs: nowMs });
  }

  heard(address: string): void {
    this.#unheard.delete(address);
  }

  /** Which of these interfaces have stayed silent for at least two tries. */
  deaf(addresses: readonly string[], nowMs: MonotonicMs): readonly string[] {
    return addresses.filter((address) => {
      const silent = this.#unheard.get(address);
      if (silent === undefined) return false;
      const finished = nowMs - silent.lastMs >= ECHO_MS ? silent.tries : silent.tries - 1;
      return finished >= TRIES_MIN;
    });
  }

  /** Interfaces that are gone are forgotten. */
  keep(addresses: readonly string[]): void {
    for (const address of this.#unheard.keys()) {
      if (!addresses.includes(address)) this.#unheard.delete(address);
    }
  }
}
