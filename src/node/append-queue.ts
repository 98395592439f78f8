/** What a leader does with the appends of clients (§8, thesis §6.3): each request enters the log
 *  once, those of one client in the order of their sequences, and is answered only when its fate is
 *  known.
 *
 *      offered ──next in order──> appended ──committed at its (term, index)──> "appended"
 *        │                           ├──another term committed there─────────> "overwritten"
 *        │                           └──leadership lost, still open after a second──> "unknown"
 *        ├──already in the log───────^
 *        ├──later in order, or --if-last not decided──> held ──its turn──> appended
 *        │                                                ├──a round confirmed──> "if last"
 *        │                                                └──time over──> "expected" / "busy"
 *        └──anything else──> refused at once
 *
 *  Pure: time is an argument, the log is behind AppendHost. The work is per record, never per
 *  entry. */

import { assert } from "../base/assert.ts";
import { nasty } from "../base/buggify.ts";
import type { LogIndex, MonotonicMs, NodeId, Term, WallMs } from "../base/types.ts";
import type { RecordHead, SessionRow } from "../storage/types.ts";
import { type Held, HeldRequests } from "./held-requests.ts";
import type { AppendRequest, LeaderHint, RefusalCode, Response } from "../transport/requests.ts";

/** Records whose requesters wait for an answer. */
export const WAITERS_MAX = 262_144;
/** Copies of one request that are answered; older copies go without (one answer settles the
 *  request). */
const REQUESTERS_PER_RECORD_MAX = 8;
/** How long a former leader keeps asking itself what became of its records. */
const ORPHAN_MS = 1_000;
/** Records looked through, backwards, for the place of an old duplicate. */
const SEARCH_RECORDS_MAX = 4_096;

/** What became of handing a request to the core and the log. */
export type HostAppend =
  | {
      readonly ok: true;
      readonly firstIndex: LogIndex;
      readonly term: Term;
      readonly timeMs: WallMs;
    }
  | { readonly ok: false; readonly reason: "not leader" | "busy" | "transferring" };

/** The log and the core, as far as this queue asks. */
export interface AppendHost {
  readonly commitIndex: LogIndex;
  readonly forgottenAt: LogIndex;
  /** The last user entry in the log, committed or not; 0 if none. */
  readonly lastUserIndex: LogIndex;
  /** False while the disk is full. */
  readonly acceptsEntries: boolean;
  lastUserIndexAt(index: LogIndex): LogIndex;
  session(clientId: string): SessionRow | undefined;
  termAt(index: LogIndex): Term | undefined;
  /** The head of the record that contains `index`. */
  recordAt(index: LogIndex): RecordHead | undefined;
  /** Whether the payloads of that record from `offset` on are those of the request. */
  holds(head: RecordHead, offset: number, request: AppendRequest): boolean;
  /** Voters whose durable log holds `index`. */
  holdersOf(index: LogIndex): readonly NodeId[];
  leaderHint(): LeaderHint | null;
  /** Proposes to the core and appends the record. `request.payloads` is copied: if that was done,
   *  its memory is used again. */
  append(request: AppendRequest): HostAppend;
  /** Asks the members, in a round sent from now on, whether this node still leads. `done` is called
   *  once: everything that was acknowledged before is at or below `index`; null: nobody knows. */
  readIndex(done: (index: LogIndex | null, nowMs: MonotonicMs) => void): void;
}

export interface Answer<Requester> {
  readonly requester: Requester;
  readonly response: Response;
}

/** A record in the log that is not known to be committed. */
interface Waiter<Requester> {
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly term: Term;
  readonly timeMs: WallMs;
  readonly requesters: {
    readonly requester: Requester;
    readonly offset: number;
    readonly count: number;
    readonly duplicate: boolean;
  }[];
}

type Decision =
  | { readonly type: "append" }
  | { readonly type: "duplicate"; readonly lastSequence: number }
  | { readonly type: "hold" }
  | {
      readonly type: "refuse";
      readonly code: RefusalCode;
      readonly text: string;
      readonly number: number | null;
    };

const APPEND: Decision = { type: "append" };
const HOLD: Decision = { type: "hold" };

export class AppendQueue<Requester> {
  readonly #host: AppendHost;
  /** Sorted by index; those before #waitersFrom have been answered. */
  #waiters: Waiter<Requester>[] = [];
  #waitersFrom = 0;
  readonly #held = new HeldRequests<Requester>();
  /** Set while this node does not lead but still has waiters. */
  #orphansUntilMs: MonotonicMs = Infinity;
  #answers: Answer<Requester>[] = [];

  constructor(host: AppendHost) {
    this.#host = host;
  }

  /** Takes one request of a client; call only on the leader. The answer comes through takeAnswers,
   *  once. */
  offer(request: AppendRequest, requester: Requester, nowMs: MonotonicMs): void {
    if (this.#orphansUntilMs < Infinity) this.#leadAgain();
    if (this.#take(request, requester, nowMs)) this.#releaseHeld(request.clientId, nowMs);
  }

  /** Everything up to `commitIndex` is committed here, whoever leads. */
  committed(commitIndex: LogIndex, nowMs: MonotonicMs): void {
    while (this.#waitersFrom < this.#waiters.length) {
      const waiter = this.#waiters[this.#waitersFrom]!;
      if (commitIndex < waiter.firstIndex) break;
      const term = this.#host.termAt(waiter.firstIndex);
      if (term === waiter.term && commitIndex < waiter.lastIndex) break;
      this.#waitersFrom++;
      if (term === waiter.term) this.#appended(waiter);
      else this.#refuseAll(waiter, term === undefined ? "unknown" : "overwritten");
    }
    this.#compact();
    // What waits for the fate of an uncommitted entry may be decided now.
    if (this.#held.count > 0) {
      for (const clientId of this.#held.comparing()) this.#releaseHeld(clientId, nowMs);
    }
  }

  /** This node no longer leads. What was held was never appended; what was appended may still
   *  commit. */
  leadershipLost(nowMs: MonotonicMs): void {
    for (const { requester } of this.#held.takeAll()) this.#refuse(requester, "not leader", "");
    if (this.#waiters.length > this.#waitersFrom) this.#orphansUntilMs = nowMs + ORPHAN_MS;
  }

  /** Call at nextDeadlineMs. */
  tick(nowMs: MonotonicMs): void {
    if (nowMs >= this.#held.nextDeadlineMs) {
      for (const held of this.#held.takeExpired(nowMs)) this.#refuseHeld(held);
    }
    if (nowMs < this.#orphansUntilMs) return;
    this.#orphansUntilMs = Infinity;
    for (const waiter of this.#waiters.slice(this.#waitersFrom)) this.#refuseAll(waiter, "unknown");
    this.#waiters = [];
    this.#waitersFrom = 0;
  }

  nextDeadlineMs(): MonotonicMs {
    return Math.min(this.#held.nextDeadlineMs, this.#orphansUntilMs);
  }

  /** The answers since the last call, in the order in which they became known. */
  takeAnswers(): readonly Answer<Requester>[] {
    if (this.#answers.length === 0) return [];
    const answers = this.#answers;
    this.#answers = [];
    return answers;
  }

  /** Of the requests that wait for their turn. */
  get heldBytes(): number {
    return this.#held.bytes;
  }

  /** Requests that wait for their turn, and records that wait for commitment. */
  get sizes(): { readonly held: number; readonly waiting: number } {
    return { held: this.#held.count, waiting: this.#waiters.length - this.#waitersFrom };
  }

  /** True when the request entered the log now. */
  #take(
    request: AppendRequest,
    requester: Requester,
    nowMs: MonotonicMs,
    readIndex: LogIndex | null = null,
  ): boolean {
    const decision = this.#decide(request, readIndex);
    switch (decision.type) {
      case "append":
        return this.#append(request, requester);
      case "duplicate":
        this.#duplicate(request, requester, decision.lastSequence);
        return false;
      case "hold":
        this.#hold(request, requester, nowMs);
        return false;
      case "refuse":
        this.#refuse(requester, decision.code, decision.text, decision.number);
        return false;
    }
  }

  /** What is compared with the last entry asks at once for the round that a refusal needs. */
  #hold(request: AppendRequest, requester: Requester, nowMs: MonotonicMs): void {
    const held = this.#held.add(request, requester, nowMs);
    if (held === null) this.#refuseHeld({ request, requester });
    else if (request.ifLast !== null)
      this.#host.readIndex((index, thenMs) => this.#confirmed(held, index, thenMs));
  }

  #confirmed(held: Held<Requester>, index: LogIndex | null, nowMs: MonotonicMs): void {
    if (!this.#held.has(held)) return;
    held.readIndex = index;
    if (index === null) {
      this.#held.remove(held);
      this.#refuse(held.requester, "busy", "nobody confirmed the leader in time");
    }
    this.#releaseHeld(held.request.clientId, nowMs);
  }

  /** The rules of a session, in the order that matters: a duplicate is recognised before anything
   *  refuses it. `readIndex`: see Held. */
  #decide(request: AppendRequest, readIndex: LogIndex | null): Decision {
    const host = this.#host;
    const row = host.session(request.clientId);
    const last = row?.lastSequence ?? 0;
    const first = request.firstSequence;
    if (first + request.count - 1 <= last) return { type: "duplicate", lastSequence: last };
    if (first <= last)
      return refuse(
        "bad request",
        `that request id was used for fewer entries, at index ${row?.lastIndex ?? 0} the last of them. Choose another id`,
      );
    if (row === undefined && request.bornAt < host.forgottenAt) {
      // Nobody can be born later than what this leader knows to be committed.
      if (host.commitIndex < host.forgottenAt) return refuse("busy", "");
      return refuse("forgotten", "this session was forgotten: look in the log");
    }
    if (first > last + 1) return HOLD;
    if (!host.acceptsEntries) return refuse("disk full", "the leader's disk is full");
    if (this.sizes.waiting >= WAITERS_MAX || nasty("busy append")) return refuse("busy", "");
    return request.ifLast === null ? APPEND : this.#decideIfLast(request.ifLast, readIndex);
  }

  /** Compares with the last user entry in the log, but refuses only on a committed one, and only
   *  after a round: a leader that was deposed unawares does not know of what came since. */
  #decideIfLast(ifLast: LogIndex, readIndex: LogIndex | null): Decision {
    const host = this.#host;
    const last = host.lastUserIndex;
    if (last === ifLast) return APPEND;
    if (readIndex === null || readIndex > host.commitIndex) return HOLD;
    const committed = host.lastUserIndexAt(host.commitIndex);
    // After a restart the log tells of entries that nobody has said to be committed.
    const isKnown = committed <= host.commitIndex;
    if (!isKnown || (committed <= ifLast && committed !== last)) return HOLD;
    return { type: "refuse", code: "if last", text: "", number: committed };
  }

  #append(request: AppendRequest, requester: Requester): boolean {
    const done = this.#host.append(request);
    if (!done.ok) {
      this.#refuse(requester, done.reason, "");
      return false;
    }
    const { firstIndex, term, timeMs } = done;
    const previous = this.#waiters.at(-1);
    assert(
      previous === undefined || previous.lastIndex < firstIndex,
      () => `appended at ${firstIndex} behind ${previous?.lastIndex}`,
    );
    const requesters = [{ requester, offset: 0, count: request.count, duplicate: false }];
    this.#waiters.push({
      firstIndex,
      lastIndex: firstIndex + request.count - 1,
      term,
      timeMs,
      requesters,
    });
    return true;
  }

  /** Answers with the place of the original: at once if it is committed, else when it is. */
  #duplicate(request: AppendRequest, requester: Requester, lastSequence: number): void {
    const head = this.#find(request);
    if (head === undefined) {
      return this.#refuse(
        requester,
        "forgotten",
        "it is in the log already; where is no longer known: look in the log",
        lastSequence,
      );
    }
    const offset = request.firstSequence - head.firstSequence;
    // A name that a person chose may have been used for something else.
    if (!this.#host.holds(head, offset, request)) {
      const index = head.firstIndex + offset;
      const text = `that request id was used for other text, at index ${index}. Choose another id`;
      return this.#refuse(requester, "bad request", text, index);
    }
    if (head.lastIndex <= this.#host.commitIndex) {
      const requesters = [{ requester, offset, count: request.count, duplicate: true }];
      return this.#appended({ ...head, requesters });
    }
    const waiter = this.#waiterFor(head);
    if (waiter.requesters.length >= REQUESTERS_PER_RECORD_MAX) waiter.requesters.shift();
    waiter.requesters.push({ requester, offset, count: request.count, duplicate: true });
  }

  /** The record that holds all of the request's sequences, looked for from the client's last one
   *  backwards. */
  #find(request: AppendRequest): RecordHead | undefined {
    let index = this.#host.session(request.clientId)?.lastIndex ?? 0;
    for (let searched = 0; index > 0 && searched < SEARCH_RECORDS_MAX; searched++) {
      const head = this.#host.recordAt(index);
      if (head === undefined) return undefined;
      if (head.clientId === request.clientId && head.firstSequence <= request.firstSequence) {
        const held = request.firstSequence + request.count <= head.firstSequence + head.count;
        return held ? head : undefined;
      }
      index = head.firstIndex - 1;
    }
    return undefined;
  }

  /** The waiter of a record that is in the log: this leader's own, or one inherited from an earlier
   *  term. */
  #waiterFor(head: RecordHead): Waiter<Requester> {
    let low = this.#waitersFrom;
    let high = this.#waiters.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#waiters[middle]!.firstIndex < head.firstIndex) low = middle + 1;
      else high = middle;
    }
    const found = this.#waiters[low];
    if (found?.firstIndex === head.firstIndex && found.term === head.term) return found;
    const { firstIndex, lastIndex, term, timeMs } = head;
    const waiter: Waiter<Requester> = { firstIndex, lastIndex, term, timeMs, requesters: [] };
    this.#waiters.splice(low, 0, waiter);
    return waiter;
  }

  /** What that client has held follows as far as it can, in order. */
  #releaseHeld(clientId: string, nowMs: MonotonicMs): void {
    for (;;) {
      const next = this.#held.first(clientId);
      if (next === undefined) return;
      const { request, requester, readIndex } = next;
      if (this.#decide(request, readIndex).type === "hold") return;
      this.#held.remove(next);
      this.#take(request, requester, nowMs, readIndex);
    }
  }

  #refuseHeld({ request, requester }: Pick<Held<Requester>, "request" | "requester">): void {
    const expected = (this.#host.session(request.clientId)?.lastSequence ?? 0) + 1;
    if (request.firstSequence > expected) this.#refuse(requester, "expected", "", expected);
    else this.#refuse(requester, "busy", "an earlier entry is not decided yet");
  }

  #appended(record: Waiter<Requester>): void {
    const { firstIndex, lastIndex, term, timeMs, requesters } = record;
    const holders = this.#host.holdersOf(lastIndex);
    const commitIndex = this.#host.commitIndex;
    for (const { requester, offset, count, duplicate } of requesters) {
      const index = firstIndex + offset;
      this.#answers.push({
        requester,
        response: { type: "appended", index, count, term, timeMs, duplicate, holders, commitIndex },
      });
    }
  }

  #refuseAll(waiter: Waiter<Requester>, code: "overwritten" | "unknown"): void {
    for (const { requester } of waiter.requesters) this.#refuse(requester, code, "");
  }

  /** Leading again before the fate of the last leadership's records was known: those still in the
   *  log may commit now; of those that were truncated nothing more will be heard here. */
  #leadAgain(): void {
    this.#orphansUntilMs = Infinity;
    const open = this.#waiters.slice(this.#waitersFrom);
    this.#waiters = [];
    this.#waitersFrom = 0;
    for (const waiter of open) {
      if (this.#host.termAt(waiter.firstIndex) === waiter.term) this.#waiters.push(waiter);
      else this.#refuseAll(waiter, "unknown");
    }
  }

  #refuse(
    requester: Requester,
    code: RefusalCode,
    text: string,
    number: number | null = null,
  ): void {
    const leader = this.#host.leaderHint();
    this.#answers.push({ requester, response: { type: "refused", code, text, leader, number } });
  }

  /** Drops the answered front once it is the larger part: constant work per record. */
  #compact(): void {
    if (
      this.#waitersFrom < this.#waiters.length &&
      this.#waitersFrom < Math.max(1_024, this.#waiters.length / 2)
    )
      return;
    this.#waiters = this.#waiters.slice(this.#waitersFrom);
    this.#waitersFrom = 0;
  }
}

function refuse(code: RefusalCode, text: string): Decision {
  return { type: "refuse", code, text, number: null };
}
