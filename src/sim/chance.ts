/** Chance under one seed: a stream of its own for each concern, so that a change in one leaves the
 *  others as they were; and the fingerprint of a run. */

import { type Random, seededRandom } from "../base/random.ts";
import type { Dice } from "../transport/dice.ts";

/** The stream of a concern: the same (seed, name) gives the same numbers for ever. */
export function stream(seed: number, name: string): Random {
  let hash = 0x811c9dc5 ^ seed;
  for (let at = 0; at < name.length; at++) {
    hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
    hash ^= hash >>> 15;
  }
  return seededRandom(Math.imul(hash ^ (hash >>> 13), 0x5bd1e995) ^ seed);
}

/** Dice for production code, thrown from a stream. */
export function diceOf(random: Random): Dice {
  return (count) => {
    const bytes = new Uint8Array(count);
    for (let at = 0; at < count; at++) bytes[at] = Math.floor(random() * 256);
    return bytes;
  };
}

/** A whole number in [from, to]. */
export function between(random: Random, from: number, to: number): number {
  return from + Math.floor(random() * (to - from + 1));
}

/** The natural logarithm of a positive number, by sums and products alone: runtimes differ in the
 *  last bit of Math.log, and runs of one seed must not. */
export function ln(value: number): number {
  let mantissa = value;
  let exponent = 0;
  for (; mantissa < 0.75; exponent--) mantissa *= 2;
  for (; mantissa >= 1.5; exponent++) mantissa /= 2;
  // ln m = 2 artanh((m - 1) / (m + 1)), of which the argument is 0.2 at most.
  const argument = (mantissa - 1) / (mantissa + 1);
  let sum = 0;
  let power = argument;
  for (let n = 1; n <= 25; n += 2) {
    sum += power / n;
    power *= argument * argument;
  }
  return 2 * sum + exponent * Math.LN2;
}

/** One of a list that is not empty. */
export function pick<T>(random: Random, list: readonly T[]): T {
  const chosen = list[Math.floor(random() * list.length)];
  if (chosen === undefined) throw new Error("nothing to pick from");
  return chosen;
}

/** A hash of everything that happened, in order: equal for equal runs. */
export class Fingerprint {
  #a = 0x9e3779b9 | 0;
  #b = 0x85ebca6b | 0;

  /** Any number; 2^-20 of its unit counts. */
  add(value: number): void {
    const high = Math.floor(value / 4096);
    const low = Math.floor((value - high * 4096) * 1048576);
    this.#a = Math.imul(this.#a ^ low, 0x9e3779b1) ^ (this.#b >>> 15);
    this.#b = Math.imul(this.#b ^ high, 0xc2b2ae35) ^ (this.#a >>> 13);
  }

  /** The last eight bytes: of a sealed datagram they are a function of all the others. */
  addEnd(bytes: Uint8Array): void {
    let value = bytes.length;
    for (let at = Math.max(0, bytes.length - 8); at < bytes.length; at++) {
      value = Math.imul(value, 31) + (bytes[at] ?? 0);
    }
    this.add(value | 0);
  }

  text(): string {
    const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");
    return hex(this.#a) + hex(this.#b);
  }
}
