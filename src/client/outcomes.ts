/** What can be said of a request at any moment, from the fates of its copies.
 *
 *  A copy is one frame handed to the wire. Whether it was lost is never known, so a copy is open
 *  until a refusal of that very copy came back; a copy that another node hands on is open until the
 *  refusal of that one came back through it. "Safe to send again" is said only when no copy is
 *  open. */

import type { LogIndex } from "../base/types.ts";
import type { RefusalCode, Response } from "../transport/requests.ts";

/** safe: none of its copies is in the log or can enter it any more (exit code 4); unknown: 5. */
export type Verdict = "safe" | "unknown";

export type Refusal = Extract<Response, { type: "refused" }>;

/** after: repeat this copy, as the situation may change; stop: repeating would change nothing. */
export const REFUSALS: Readonly<Record<RefusalCode, "after" | "stop">> = {
  "not leader": "after",
  "no leader": "after",
  "not founded": "after",
  "not member": "after",
  busy: "after",
  transferring: "after",
  expected: "after",
  "disk full": "after",
  overwritten: "after",
  unknown: "after",
  stopping: "after",
  damaged: "after",
  forgotten: "stop",
  "if last": "stop",
  "too large": "stop",
  "configuration changed": "stop",
  outdated: "stop",
  forbidden: "stop",
  trimmed: "stop",
  "bad request": "stop",
};

/** The copies of one request. */
export class Ledger {
  /** Hardly ever more than one. */
  #open: number[] = [];
  /** Whatever became of them, none can enter the log any more. */
  #settled = false;
  #sent = 0;
  #lastTo: number | null = null;

  /** A copy leaves for node `to`. */
  sent(copy: number, to: number): void {
    this.#open.push(copy);
    this.#sent++;
    this.#lastTo = to;
  }

  /** That copy was answered with a refusal. "unknown" leaves it open: it may be in the log. */
  refused(copy: number, refusal: Refusal, ifLast: LogIndex | null = null): void {
    if (refusal.code === "unknown") return;
    // The last committed user entry is behind `ifLast` for ever, for every copy.
    if (refusal.code === "if last" && ifLast !== null && (refusal.number ?? 0) > ifLast)
      this.#settled = true;
    this.#open = this.#open.filter((other) => other !== copy);
  }

  get verdict(): Verdict {
    return this.#settled || this.#open.length === 0 ? "safe" : "unknown";
  }

  /** Copies that were not refused: they may still be answered. */
  get open(): readonly number[] {
    return this.#open;
  }

  /** Copies sent so far. */
  get copies(): number {
    return this.#sent;
  }

  /** The node that the last copy was sent to. */
  get lastTo(): number | null {
    return this.#lastTo;
  }
}
