/** What one client holds for its callers, counted over all of its sessions: entries that wait and
 *  entries that are under way, until their call is answered. */

import type { Submission } from "./send-queue.ts";

/** Further calls are refused, and safe to repeat. */
const HELD_ENTRIES_MAX = 100_000;
/** 64 MiB of entries, and at most 10 bytes around each. */
const HELD_BYTES_MAX = 65 << 20;

export class Room {
  #entries = 0;
  #bytes = 0;

  get entries(): number {
    return this.#entries;
  }

  /** False when there is no room; otherwise it is counted until it leaves. */
  enter({ payloads, bytes }: Submission): boolean {
    const entries = this.#entries + payloads.length;
    if (entries > HELD_ENTRIES_MAX || this.#bytes + bytes > HELD_BYTES_MAX) return false;
    this.#entries = entries;
    this.#bytes += bytes;
    return true;
  }

  leave({ payloads, bytes }: Submission): void {
    this.#entries -= payloads.length;
    this.#bytes -= bytes;
  }
}
