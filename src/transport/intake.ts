/** Which large frames may come in now, over all connections of a kind.
 *
 *  All who send share one receive buffer of the kernel, so what is in flight is the receiver's to
 *  say (as in Homa, SIGCOMM 2018): a stream that was let in is told how much of it may be under
 *  way, and the sum stays within a window. Frames of clients take turns besides: one that finds the
 *  window or the owner's room taken waits, in order of arrival, and its bytes stay with the
 *  sender. */

import type { MonotonicMs } from "../base/types.ts";

/** What a client sends of a frame before it was let in: one part, or these bytes. A frame that is
 *  not larger is never made to wait, for all of it is here. */
export const UNASKED_BYTES = 32_768;
/** Clients' frames that come in, and those that the owner has not finished with, bytes. */
const ROOM_BYTES = 8 * 1_048_576;
/** A stream is let in where so many of its parts find room in the window. */
const PARTS_MIN = 4;
/** A stream that was not heard for so long gives up its turn, and keeps its bytes. */
const SILENT_MS = 500;
/** One that waits asks again more often than this. */
const GONE_MS = 1_500;

/** A stream as the intake sees it. */
export interface Incomer {
  readonly totalBytes: number;
  readonly partBytes: number;
  heardMs: MonotonicMs;
  /** Its turn has come. */
  readonly begin: () => void;
  /** It waited, and its sender fell silent. */
  readonly forget: () => void;
}

export interface IntakeOptions {
  /** What may be in flight to here, over all streams. */
  readonly windowBytes: number;
  /** What unfinished frames may take in memory. */
  readonly bytesMax: number;
  /** Bytes that the owner has taken in and not finished with; null: streams need no turn. */
  readonly heldBytes: (() => number) | null;
}

export class Intake {
  readonly #options: IntakeOptions;
  /** Whether they count: those that fell silent do not. */
  readonly #begun = new Map<Incomer, boolean>();
  /** In order of arrival. */
  readonly #waiting = new Set<Incomer>();
  /** Of all that have begun. */
  #bytes = 0;
  /** Of those that count. */
  #count = 0;
  #countedBytes = 0;
  #shareBytes = 0;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /** Unfinished bytes in memory. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A stream's first part is here. "wait": `begin` is called when its turn has come, which `turn`
   *  finds out. "full": it is not known here. */
  enter(incomer: Incomer, nowMs: MonotonicMs): "begun" | "wait" | "full" {
    const isTold = this.#options.heldBytes === null || incomer.totalBytes <= UNASKED_BYTES;
    if (isTold && !this.#fits(incomer)) return "full";
    if (isTold || (this.#waiting.size === 0 && this.#mayBegin(incomer, nowMs))) {
      this.#begin(incomer);
      return "begun";
    }
    this.#waiting.add(incomer);
    return "wait";
  }

  /** Something of it arrived. */
  heard(incomer: Incomer, nowMs: MonotonicMs): void {
    incomer.heardMs = nowMs;
    if (this.#begun.get(incomer) === false) this.#counts(incomer, true);
  }

  /** Finished or given up. */
  leave(incomer: Incomer): void {
    this.#waiting.delete(incomer);
    const counts = this.#begun.get(incomer);
    if (counts === undefined) return;
    if (counts) this.#counts(incomer, false);
    this.#begun.delete(incomer);
    this.#bytes -= incomer.totalBytes;
  }

  /** What of a stream may be in flight now. */
  windowBytes(incomer: Incomer): number {
    if (!this.#begun.has(incomer)) return 0;
    if (this.#options.heldBytes === null) return this.#options.windowBytes;
    const share = Math.floor(this.#options.windowBytes / Math.max(1, this.#count));
    return Math.max(share, leastBytes(incomer));
  }

  /** Lets in whose turn has come. */
  turn(nowMs: MonotonicMs): void {
    for (const incomer of this.#waiting) {
      if (nowMs - incomer.heardMs >= GONE_MS) {
        this.#waiting.delete(incomer);
        incomer.forget();
      } else if (this.#mayBegin(incomer, nowMs)) {
        this.#waiting.delete(incomer);
        // It counts from now on: the sender has to be told first.
        incomer.heardMs = nowMs;
        this.#begin(incomer);
        incomer.begin();
      } else return;
    }
  }

  #begin(incomer: Incomer): void {
    this.#bytes += incomer.totalBytes;
    this.#begun.set(incomer, false);
    this.#counts(incomer, true);
  }

  #counts(incomer: Incomer, counts: boolean): void {
    const sign = counts ? 1 : -1;
    this.#begun.set(incomer, counts);
    this.#count += sign;
    this.#countedBytes += sign * incomer.totalBytes;
    this.#shareBytes += sign * leastBytes(incomer);
  }

  #fits({ totalBytes }: Incomer): boolean {
    return this.#bytes + totalBytes <= this.#options.bytesMax;
  }

  #mayBegin(incomer: Incomer, nowMs: MonotonicMs): boolean {
    if (!this.#fits(incomer)) return false;
    if (this.#hasRoom(incomer)) return true;
    for (const [other, counts] of this.#begun)
      if (counts && nowMs - other.heardMs >= SILENT_MS) this.#counts(other, false);
    return this.#hasRoom(incomer);
  }

  /** One always has: there are frames that are larger than the window. */
  #hasRoom(incomer: Incomer): boolean {
    const { windowBytes, heldBytes } = this.#options;
    if (this.#count > 0 && this.#shareBytes + leastBytes(incomer) > windowBytes) return false;
    const taken = this.#countedBytes + (heldBytes?.() ?? 0);
    return taken === 0 || taken + incomer.totalBytes <= ROOM_BYTES;
  }
}

function leastBytes({ totalBytes, partBytes }: Incomer): number {
  return Math.min(totalBytes, PARTS_MIN * partBytes);
}
