/** Addresses worth a HELLO: typed, remembered, heard. Hints only; a node is believed after it was
 *  met. */

import type { Address } from "../base/hosts.ts";
import type { MonotonicMs } from "../base/types.ts";
import { GREET_AGAIN_MS } from "./limits.ts";

/** More addresses than any cluster has; the one added longest ago makes room. */
const CONTACTS_MAX = 256;

export class Contacts {
  readonly #greetedMs = new Map<string, { readonly address: Address; greetedMs: MonotonicMs }>();

  /** Returns true when the address is new. */
  add(address: Address): boolean {
    const key = keyOf(address);
    if (this.#greetedMs.has(key)) return false;
    this.#greetedMs.set(key, { address, greetedMs: -Infinity });
    const oldest = this.#greetedMs.keys().next();
    if (this.#greetedMs.size > CONTACTS_MAX && !oldest.done) this.#greetedMs.delete(oldest.value);
    return true;
  }

  /** Those to greet now: never, or not for a while, and nobody is met there. */
  due(isMet: (address: Address) => boolean, nowMs: MonotonicMs): Address[] {
    const due: Address[] = [];
    for (const contact of this.#greetedMs.values()) {
      if (nowMs - contact.greetedMs < GREET_AGAIN_MS || isMet(contact.address)) continue;
      contact.greetedMs = nowMs;
      due.push(contact.address);
    }
    return due;
  }
}

function keyOf({ host, port }: Address): string {
  return `${host}:${port}`;
}
