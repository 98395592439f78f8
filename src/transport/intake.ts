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
export const UNASKED_BYTES = 131_072;
/** Clients' frames that come in, and those that the owner has not finished with, bytes. */
const ROOM_BYTES = 8 * 1_048_576;
/** A stream is let in where so many of its parts find room in the window. */
const PARTS_MIN = 4;
/** A stream that was not heard for so long gives up its turn, and keeps its bytes; so does one that
 *  takes so much longer than it would at a slow rate. */
const SILENT_MS = 500;
const SLOW_BYTES_PER_MS = 2_000;
/** Whoever has been the first of those that wait for so long is let in, however much the owner
 *  holds: small requests, which need no turn, may keep it full for ever. */
const FIRST_MS = 250;
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

/** One that was let in. */
interface Turn {
  /** In the window and the room; not while its sender is silent, nor once it is late. */
  counts: boolean;
  /** Late from then on. */
  readonly untilMs: MonotonicMs;
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
  readonly #begun = new Map<Incomer, Turn>();
  /** In order of arrival. */
  readonly #waiting = new Set<Incomer>();
  /** Of all that have begun. */
  #bytes = 0;
  /** Of those that count. */
  #countedStreams = 0;
  #countedBytes = 0;
  /** The least that those need of the window. */
  #shareBytes = 0;
  /** When the last one was let in, or began to wait alone. */
  #firstSinceMs: MonotonicMs = 0;

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
    const needsNoTurn = this.#options.heldBytes === null || incomer.totalBytes <= UNASKED_BYTES;
    if (needsNoTurn && !this.#fits(incomer)) return "full";
    if (needsNoTurn || (this.#waiting.size === 0 && this.#mayBegin(incomer, nowMs))) {
      this.#begin(incomer, nowMs);
      return "begun";
    }
    if (this.#waiting.size === 0) this.#firstSinceMs = nowMs;
    this.#waiting.add(incomer);
    return "wait";
  }

  /** Something of it arrived. */
  heard(incomer: Incomer, nowMs: MonotonicMs): void {
    incomer.heardMs = nowMs;
    const turn = this.#begun.get(incomer);
    if (turn !== undefined && nowMs < turn.untilMs) this.#setCounted(incomer, turn, true);
  }

  /** Finished or given up. */
  leave(incomer: Incomer): void {
    this.#waiting.delete(incomer);
    const turn = this.#begun.get(incomer);
    if (turn === undefined) return;
    this.#setCounted(incomer, turn, false);
    this.#begun.delete(incomer);
    this.#bytes -= incomer.totalBytes;
  }

  /** What of a stream may be in flight now. */
  windowBytes(incomer: Incomer): number {
    if (!this.#begun.has(incomer)) return 0;
    if (this.#options.heldBytes === null) return this.#options.windowBytes;
    const share = Math.floor(this.#options.windowBytes / Math.max(1, this.#countedStreams));
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
        this.#begin(incomer, nowMs);
        incomer.begin();
      } else return;
    }
  }

  #begin(incomer: Incomer, nowMs: MonotonicMs): void {
    const untilMs = nowMs + SILENT_MS + incomer.totalBytes / SLOW_BYTES_PER_MS;
    const turn = { counts: false, untilMs };
    this.#firstSinceMs = nowMs;
    this.#bytes += incomer.totalBytes;
    this.#begun.set(incomer, turn);
    this.#setCounted(incomer, turn, true);
  }

  #setCounted(incomer: Incomer, turn: Turn, counts: boolean): void {
    if (turn.counts === counts) return;
    turn.counts = counts;
    const sign = counts ? 1 : -1;
    this.#countedStreams += sign;
    this.#countedBytes += sign * incomer.totalBytes;
    this.#shareBytes += sign * leastBytes(incomer);
  }

  #fits({ totalBytes }: Incomer): boolean {
    return this.#bytes + totalBytes <= this.#options.bytesMax;
  }

  #mayBegin(incomer: Incomer, nowMs: MonotonicMs): boolean {
    if (!this.#fits(incomer)) return false;
    if (this.#hasRoom(incomer, nowMs)) return true;
    for (const [other, turn] of this.#begun) {
      const isSilent = nowMs - other.heardMs >= SILENT_MS;
      if (isSilent || nowMs >= turn.untilMs) this.#setCounted(other, turn, false);
    }
    return this.#hasRoom(incomer, nowMs);
  }

  /** One always has: there are frames that are larger than the window. */
  #hasRoom(incomer: Incomer, nowMs: MonotonicMs): boolean {
    const { windowBytes, heldBytes } = this.#options;
    if (this.#countedStreams > 0 && this.#shareBytes + leastBytes(incomer) > windowBytes)
      return false;
    const taken = this.#countedBytes + (heldBytes?.() ?? 0);
    if (taken === 0 || taken + incomer.totalBytes <= ROOM_BYTES) return true;
    return this.#waiting.has(incomer) && nowMs - this.#firstSinceMs >= FIRST_MS;
  }
}

function leastBytes({ totalBytes, partBytes }: Incomer): number {
  return Math.min(totalBytes, PARTS_MIN * partBytes);
}
