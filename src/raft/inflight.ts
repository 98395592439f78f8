/** What was sent to one peer and is not acknowledged, and what became of it: a scoreboard as of
 *  selective acknowledgement (RFC 6675), kept by the round of each sending (RFC 8985).
 *
 *                     a reply to a later sending came       sent()
 *      travelling ------------------------------> due ---------------> travelling, in a new round
 *          | refused for a gap before it: the peer keeps it for later
 *          +-------------------------------------> held ---+ the gap is closed and it is not there
 *          | the peer's log agrees up to its end           +---> due
 *          +-------------------------------------> verified
 *
 *  Rounds rise with every sending, so each reply tells which sendings came before it, however
 *  datagrams are overtaken. What is wrongly taken for lost is sent once more and does no harm. */

import type { LogIndex } from "../base/types.ts";

/** Ranges before the head are dropped in bulk. */
const HEAD_MAX = 1024;

interface Range {
  readonly firstIndex: LogIndex;
  lastIndex: LogIndex;
  bytes: number;
  round: number;
  fate: "travelling" | "due" | "held" | "verified" | "acknowledged";
}

export class Inflight {
  /** In log order, from #head on. */
  #ranges: Range[] = [];
  #head = 0;
  #bytes = 0;
  /** By round, the oldest first. */
  readonly #travelling = new Map<number, Range>();
  #due: Range[] = [];

  /** Of all that is not acknowledged, wherever it is. */
  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#head === this.#ranges.length;
  }

  /** Sent for the first time. */
  push(firstIndex: LogIndex, lastIndex: LogIndex, bytes: number, round: number): void {
    const range: Range = { firstIndex, lastIndex, bytes, round, fate: "travelling" };
    this.#ranges.push(range);
    this.#travelling.set(round, range);
    this.#bytes += bytes;
  }

  /** Sent in an earlier state: the peer has it, up to `lastIndex`, and has not synced it yet, as it
   *  said in its reply to `round`. */
  pushVerified(firstIndex: LogIndex, lastIndex: LogIndex, round: number): void {
    this.#ranges.push({ firstIndex, lastIndex, bytes: 0, round, fate: "verified" });
  }

  /** What must be sent again next, or null. */
  nextDue(): { readonly firstIndex: LogIndex; readonly bytes: number } | null {
    while (this.#due.length > 0 && this.#due[0]?.fate !== "due") this.#due.shift();
    return this.#due[0] ?? null;
  }

  /** The range that was due next was sent again up to `lastIndex`; the rest of it, if any, stays
   *  due. */
  sentAgain(firstIndex: LogIndex, lastIndex: LogIndex, bytes: number, round: number): void {
    const range = this.#due[0];
    if (range?.fate !== "due" || range.firstIndex !== firstIndex) return;
    this.#bytes -= range.bytes;
    if (lastIndex < range.lastIndex) {
      const restBytes = Math.max(0, range.bytes - bytes);
      const rest: Range = { ...range, firstIndex: lastIndex + 1, bytes: restBytes };
      this.#bytes += restBytes;
      this.#ranges.splice(this.#ranges.indexOf(range, this.#head) + 1, 0, rest);
      range.lastIndex = lastIndex;
      this.#due[0] = rest;
    } else {
      this.#due.shift();
    }
    range.bytes = bytes;
    this.#bytes += bytes;
    range.round = round;
    range.fate = "travelling";
    this.#travelling.set(round, range);
  }

  /** A reply: the peer had heard `round`, and its log agreed up to `verifiedIndex`. `isHeld`: it
   *  refused the append of that very round, for there is a gap before it. */
  heard(round: number, verifiedIndex: LogIndex, isHeld: boolean): void {
    for (const [sentRound, range] of this.#travelling) {
      if (sentRound > round) break;
      if (range.lastIndex <= verifiedIndex) {
        this.#travelling.delete(sentRound);
        range.fate = "verified";
        range.round = round;
      } else if (sentRound < round) {
        this.#makeDue(range);
      } else if (isHeld) {
        this.#travelling.delete(sentRound);
        range.fate = "held";
      }
    }
    // Were it still held there, it would have been taken when the gap before it closed. And where
    // there is a gap now, nothing behind it is in the log, whatever an older reply said: that one
    // came from the process before this one.
    const next = this.#rangeAt(verifiedIndex + 1);
    const isGone = ({ fate, round: known }: Range): boolean =>
      known < round && (fate === "held" || (isHeld && fate === "verified"));
    if (next === undefined || !isGone(next)) return;
    for (const range of this.#ranges.slice(this.#head)) {
      if (range.lastIndex > verifiedIndex && isGone(range)) this.#makeDue(range);
    }
  }

  /** Bytes of the first range that is not known to have arrived; null: all have. */
  get firstUnknownBytes(): number | null {
    return this.#firstUnknown()?.bytes ?? null;
  }

  /** Nothing was heard in time: the first range that is not known to have arrived is due. */
  retryFirst(): void {
    const range = this.#firstUnknown();
    if (range !== undefined && range.fate !== "due") this.#makeDue(range);
  }

  /** Drops every range that ends at or below `index`. */
  dropThrough(index: LogIndex): void {
    for (let range = this.#ranges[this.#head]; range !== undefined && range.lastIndex <= index;) {
      this.#bytes -= range.bytes;
      if (range.fate === "travelling") this.#travelling.delete(range.round);
      range.fate = "acknowledged";
      this.#head += 1;
      range = this.#ranges[this.#head];
    }
    if (this.isEmpty) this.clear();
    else if (this.#head > HEAD_MAX) {
      this.#ranges = this.#ranges.slice(this.#head);
      this.#head = 0;
    }
  }

  clear(): void {
    this.#ranges.length = 0;
    this.#head = 0;
    this.#bytes = 0;
    this.#travelling.clear();
    this.#due.length = 0;
  }

  #firstUnknown(): Range | undefined {
    for (let at = this.#head; at < this.#ranges.length; at++) {
      const range = this.#ranges[at];
      if (range?.fate !== "verified") return range;
    }
    return undefined;
  }

  #makeDue(range: Range): void {
    if (range.fate === "travelling") this.#travelling.delete(range.round);
    range.fate = "due";
    this.#due.push(range);
  }

  /** The range that holds `index`, by halving. */
  #rangeAt(index: LogIndex): Range | undefined {
    let low = this.#head;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#ranges[middle]?.lastIndex ?? 0) < index) low = middle + 1;
      else high = middle;
    }
    const range = this.#ranges[low];
    return range !== undefined && range.firstIndex <= index ? range : undefined;
  }
}
