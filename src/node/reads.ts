/** Linearizable reads and long polls (thesis §6.4).
 *
 *      asked ──linearizable──> index known ──commitIndex >= index──> answered
 *        └──────stale─────────────────────────────────────────────────^
 *      answered empty and willing to wait ──something committed or time over──> answered
 *
 *  At the leader the index comes from a ReadIndex round sent after the read arrived; elsewhere this
 *  node asks the leader for one. Nothing at or below an index is shown before it is committed
 *  here. */

import { nasty } from "../base/buggify.ts";
import type { LogIndex, MonotonicMs } from "../base/types.ts";
import type { Core } from "../raft/types.ts";
import { readHead } from "../storage/record.ts";
import type { LogStore } from "../storage/types.ts";
import type { LeaderHint, ReadRequest, RefusalCode, Response } from "../transport/requests.ts";

/** Reads waiting at once; more are refused as "busy". */
const READS_MAX = 10_000;
/** One answer; longer ranges are asked for again. */
const ANSWER_BYTES_MAX = 1 << 20;
/** A long poll is held no longer, whatever was asked. */
const WAIT_MS_MAX = 30_000;
/** A read that waits for its index is given up after this and asked again by the client. */
const INDEX_WAIT_MS = 2_000;

/** Where an answer goes; opaque here. */
export type Answer = (response: Response) => void;

interface Waiting {
  readonly answer: Answer;
  /** null: the asker wants the read index itself. */
  readonly request: ReadRequest | null;
  /** Unknown until the round (or the leader) has answered. */
  index: LogIndex | null;
  readonly giveUpMs: MonotonicMs;
  /** When a long poll answers empty. */
  readonly pollUntilMs: MonotonicMs;
}

export interface ReadsOptions {
  readonly core: Core;
  readonly log: LogStore;
  /** Asks the leader for a read index; false when it cannot be reached. */
  readonly askLeader: (readId: number) => boolean;
  readonly leaderHint: () => LeaderHint | null;
  /** Since this node last heard from a leader, ms; 0 on the leader; null: never. */
  readonly staleMs: (nowMs: MonotonicMs) => number | null;
}

export class Reads {
  readonly #options: ReadsOptions;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;

  constructor(options: ReadsOptions) {
    this.#options = options;
  }

  /** Takes a read, or (request null) another node's wish for a read index. Answers now or later,
   *  once. */
  offer(request: ReadRequest | null, answer: Answer, nowMs: MonotonicMs): void {
    if (this.#waiting.size >= READS_MAX || nasty("busy read"))
      return answer(this.#refusal("busy", "too many reads wait here"));
    const { core, askLeader } = this.#options;
    const id = this.#nextId++;
    const waiting: Waiting = {
      answer,
      request,
      index: request?.consistency === "stale" ? core.commitIndex : null,
      giveUpMs: nowMs + INDEX_WAIT_MS,
      pollUntilMs: nowMs + Math.min(request?.waitMs ?? 0, WAIT_MS_MAX),
    };
    if (waiting.index === null) {
      const asked =
        core.role === "leader" ? core.readIndex(id, nowMs).ok : request !== null && askLeader(id);
      if (!asked)
        return answer(this.#refusal(core.leader === null ? "no leader" : "not leader", ""));
    }
    this.#waiting.set(id, waiting);
    if (waiting.index !== null) this.#settle(id, waiting, nowMs);
  }

  /** The round or the leader has answered; null: it could not. */
  indexKnown(id: number, index: LogIndex | null, nowMs: MonotonicMs): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined || waiting.index !== null) return;
    if (index === null)
      return this.#finish(id, waiting, this.#refusal("no leader", "the leader changed"));
    waiting.index = index;
    this.#settle(id, waiting, nowMs);
  }

  /** Call when commitIndex rose and at nextDeadlineMs. */
  sweep(nowMs: MonotonicMs): void {
    for (const [id, waiting] of this.#waiting) {
      if (waiting.index !== null) this.#settle(id, waiting, nowMs);
      else if (nowMs >= Math.max(waiting.giveUpMs, waiting.pollUntilMs)) {
        this.#finish(
          id,
          waiting,
          this.#refusal("no leader", "no majority confirmed the leader in time"),
        );
      }
    }
  }

  nextDeadlineMs(): MonotonicMs {
    let deadlineMs = Infinity;
    const { commitIndex } = this.#options.core;
    for (const { index, giveUpMs, pollUntilMs } of this.#waiting.values()) {
      const behind = index === null || index > commitIndex;
      deadlineMs = Math.min(deadlineMs, behind ? Math.max(giveUpMs, pollUntilMs) : pollUntilMs);
    }
    return deadlineMs;
  }

  #settle(id: number, waiting: Waiting, nowMs: MonotonicMs): void {
    const { core, log } = this.#options;
    const index = waiting.index ?? Infinity;
    if (core.commitIndex < index) {
      if (nowMs < Math.max(waiting.giveUpMs, waiting.pollUntilMs)) return;
      return this.#finish(
        id,
        waiting,
        this.#refusal("busy", "this node is behind and did not catch up in time"),
      );
    }
    if (waiting.request === null) {
      return this.#finish(id, waiting, { type: "readIndex", index, term: core.term });
    }
    const from = firstWanted(waiting.request, core.commitIndex, log.baseIndex);
    if (from > core.commitIndex && nowMs < waiting.pollUntilMs) return;
    this.#finish(id, waiting, this.#records(waiting.request, from, nowMs));
  }

  #finish(id: number, waiting: Waiting, response: Response): void {
    this.#waiting.delete(id);
    waiting.answer(response);
  }

  #records(request: ReadRequest, from: LogIndex, nowMs: MonotonicMs): Response {
    const { core, log, staleMs } = this.#options;
    const commitIndex = core.commitIndex;
    if (from <= log.baseIndex) {
      return { ...this.#refusal("trimmed", ""), number: log.baseIndex + 1 };
    }
    const empty = from > commitIndex;
    const read = empty ? null : log.read(from, Math.min(request.bytesMax, ANSWER_BYTES_MAX));
    if (!empty && read === null) {
      return this.#refusal("damaged", `entry ${from} is damaged here and waits to be healed`);
    }
    const whole =
      read === null
        ? { bytes: new Uint8Array(0), lastIndex: from - 1 }
        : upTo(read.bytes, commitIndex, from);
    return {
      type: "records",
      bytes: whole.bytes,
      firstIndex: read?.firstIndex ?? from,
      lastIndex: whole.lastIndex,
      prevChain: read?.prevChain ?? 0,
      commitIndex,
      staleMs: staleMs(nowMs),
    };
  }

  #refusal(code: RefusalCode, text: string): Extract<Response, { type: "refused" }> {
    return { type: "refused", code, text, leader: this.#options.leaderHint(), number: null };
  }
}

function firstWanted(request: ReadRequest, commitIndex: LogIndex, baseIndex: LogIndex): LogIndex {
  if (request.last === null) return request.from;
  return Math.max(baseIndex + 1, commitIndex - request.last + 1);
}

/** The leading records that are committed as a whole. */
function upTo(
  bytes: Uint8Array,
  commitIndex: LogIndex,
  from: LogIndex,
): { readonly bytes: Uint8Array; readonly lastIndex: LogIndex } {
  let offset = 0;
  let lastIndex = from - 1;
  while (offset < bytes.length) {
    const head = readHead(bytes, offset);
    if (typeof head === "string" || head.lastIndex > commitIndex) break;
    lastIndex = head.lastIndex;
    offset += head.bytes;
  }
  return { bytes: bytes.subarray(0, offset), lastIndex };
}
