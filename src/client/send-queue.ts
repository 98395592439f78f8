/** Calls whose entries have not left yet, in order: merged into batches, each with its own
 *  deadline. */

import { ENTRY_BYTES_MAX, ENTRIES_PER_RECORD_MAX, PAYLOADS_BYTES_MAX } from "../base/limits.ts";
import type { LogIndex, MonotonicMs } from "../base/types.ts";
import { payloadBytes } from "../storage/record.ts";
import type { Clock } from "../transport/clock.ts";
import { RaftError, type Receipt } from "./types.ts";

/** What one merged request holds at most; a larger call goes alone. */
const MERGED_ENTRIES_MAX = 1_000;
const MERGED_BYTES_MAX = 256 << 10;
/** The front of the list that was taken is cut off beyond this. */
const TAKEN_MAX = 4_096;

/** The entries of one call. */
export interface Submission {
  readonly payloads: readonly Uint8Array[];
  /** Of the payloads' array. */
  readonly bytes: number;
  /** Not null: a request of its own, under this name, as its caller wrote it. */
  readonly name: string | null;
  /** Not null: a request of its own, compared with the last entry. */
  readonly ifLast: LogIndex | null;
  readonly startedMs: MonotonicMs;
  /** Moved to now when the caller gives up. */
  deadlineMs: MonotonicMs;
  readonly resolve: (receipt: Receipt) => void;
  readonly reject: (error: RaftError) => void;
  settled: boolean;
}

export class SendQueue {
  readonly #clock: Clock;
  readonly #onExpired: (submission: Submission) => void;
  #list: Submission[] = [];
  /** Those before it were taken. */
  #from = 0;
  #cancelTimer: () => void = () => undefined;
  #timerMs: MonotonicMs = Infinity;

  /** `onExpired`: its time was over before it left. */
  constructor(clock: Clock, onExpired: (submission: Submission) => void) {
    this.#clock = clock;
    this.#onExpired = onExpired;
  }

  get first(): Submission | undefined {
    return this.#list[this.#from];
  }

  push(submission: Submission): void {
    this.#list.push(submission);
    this.#arm(submission.deadlineMs);
  }

  /** The calls of the next request: as many as fit together, or one that goes alone. */
  takeBatch(): Submission[] {
    const batch: Submission[] = [];
    let entries = 0;
    let bytes = 0;
    for (let next = this.first; next !== undefined; next = this.first) {
      entries += next.payloads.length;
      bytes += next.bytes;
      const fits = entries <= MERGED_ENTRIES_MAX && bytes <= MERGED_BYTES_MAX && !isAlone(next);
      if (batch.length > 0 && !fits) break;
      batch.push(next);
      this.#from++;
      if (isAlone(next)) break;
    }
    if (this.#from === this.#list.length) {
      this.#list.length = 0;
      this.#from = 0;
    } else if (this.#from > TAKEN_MAX) this.#replace(this.#waiting());
    return batch;
  }

  /** To the head of the queue. */
  putBack(submissions: readonly Submission[]): void {
    if (submissions.length === 0) return;
    this.#replace([...submissions, ...this.#waiting()]);
    for (const { deadlineMs } of submissions) this.#arm(deadlineMs);
  }

  /** Gives back those whose time is over. */
  expire(): void {
    this.#cancelTimer();
    this.#timerMs = Infinity;
    const nowMs = this.#clock.monotonicMs();
    const waiting = this.#waiting();
    this.#replace(waiting.filter(({ deadlineMs }) => deadlineMs > nowMs));
    for (const submission of waiting) {
      if (submission.deadlineMs > nowMs) this.#arm(submission.deadlineMs);
      else this.#onExpired(submission);
    }
  }

  /** Everybody's time is over. */
  close(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const submission of this.#waiting()) submission.deadlineMs = nowMs;
    this.expire();
  }

  #waiting(): Submission[] {
    return this.#list.slice(this.#from);
  }

  #replace(list: Submission[]): void {
    this.#list = list;
    this.#from = 0;
  }

  #arm(deadlineMs: MonotonicMs): void {
    if (deadlineMs >= this.#timerMs) return;
    this.#cancelTimer();
    this.#timerMs = deadlineMs;
    const delayMs = Math.max(0, deadlineMs - this.#clock.monotonicMs());
    this.#cancelTimer = this.#clock.after(delayMs, () => this.expire());
  }
}

/** A request of its own: under a name, or compared with the last entry. */
export function isAlone({ name, ifLast }: Submission): boolean {
  return name !== null || ifLast !== null;
}

/** Bytes of the payloads' array; throws for what no record can hold. */
export function checkEntries(payloads: readonly Uint8Array[]): number {
  let largest = 0;
  let bytes = 5;
  for (const { length } of payloads) {
    if (length > largest) largest = length;
    bytes += payloadBytes(length);
  }
  if (payloads.length === 0) throw new RaftError("nothing to send", 8);
  if (largest > ENTRY_BYTES_MAX)
    throw new RaftError(
      `not added: an entry of ${largest} bytes, at most ${ENTRY_BYTES_MAX} are taken`,
      8,
    );
  if (payloads.length > ENTRIES_PER_RECORD_MAX || bytes > PAYLOADS_BYTES_MAX) {
    throw new RaftError(
      `not added: ${payloads.length} entries of ${bytes} bytes in all are too many at once: at most ${ENTRIES_PER_RECORD_MAX} entries, and ${PAYLOADS_BYTES_MAX} bytes. Send them in several calls`,
      8,
    );
  }
  return bytes;
}
