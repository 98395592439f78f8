/** Entries on their way into the log, each once and in the order of the calls.
 *
 *  A session is (client id, sequences from 1, bornAt). Calls of one turn, and whatever gathers
 *  while WINDOW requests are under way, become one request and so one record. A request that ends
 *  without an answer leaves a hole in its session: the session takes nothing new, what provably
 *  never entered the log moves to a fresh one, the rest ends by itself. Pure but for the
 *  callbacks. */

import type { LogIndex, MonotonicMs } from "../base/types.ts";
import { encodePayloads } from "../storage/record.ts";
import type { Clock } from "../transport/clock.ts";
import type { Dice } from "../transport/dice.ts";
import type { AppendRequest, Response } from "../transport/requests.ts";
import type { ClusterKey } from "../transport/types.ts";
import type { Births } from "./births.ts";
import type { Call, CallOptions, CallResult } from "./call.ts";
import type { Calls } from "./calls.ts";
import { notAdded, sendFailure } from "./failures.ts";
import type { Finder } from "./finder.ts";
import { REFUSALS, type Refusal, type Verdict } from "./outcomes.ts";
import { newClientId, parseRequestId, renderRequestId, type RequestId } from "./request-id.ts";
import type { Room } from "./room.ts";
import { checkEntries, isAlone, SendQueue, type Submission } from "./send-queue.ts";
import type { Turn } from "./turn.ts";
import type { RaftError, Receipt, SendOptions } from "./types.ts";

/** Requests of one session under way at once, in the order of their sequences. */
const WINDOW = 4;
/** Requests that are sessions of their own, at once. */
const ALONE_MAX = 1_000;

/** A session; as a RequestId it is the name of its next request, so it is copied before it moves
 *  on. */
interface Session extends RequestId {
  firstSequence: number;
  /** Requests under way. */
  flights: number;
  /** Something in it ended without an answer: it takes nothing new. */
  broken: boolean;
}

/** One request under way, and whose entries are in it. */
class Flight implements CallOptions {
  readonly target = "leader";
  readonly request: AppendRequest;
  readonly deadlineMs: MonotonicMs;
  /** null: a request of its own, with --request-id or --if-last. */
  readonly session: Session | null;
  /** As its caller wrote it; null: it has none. */
  readonly name: string | null;
  submissions: Submission[];
  call: Call | null = null;
  readonly #ended: Ended;

  constructor(
    request: AppendRequest,
    session: Session | null,
    submissions: Submission[],
    ended: Ended,
  ) {
    this.request = request;
    this.session = session;
    this.name = submissions[0]?.name ?? null;
    this.submissions = submissions;
    this.deadlineMs = firstDeadlineMs(submissions);
    this.#ended = ended;
  }

  stopIf(_: Refusal, verdict: Verdict): boolean {
    return this.session?.broken === true && verdict === "safe";
  }

  onResult(result: CallResult, nowMs: MonotonicMs): MonotonicMs | void {
    return this.#ended(this, result, nowMs);
  }
}

type Ended = (flight: Flight, result: CallResult, nowMs: MonotonicMs) => MonotonicMs | void;

export interface SenderOptions {
  readonly clock: Clock;
  readonly dice: Dice;
  readonly calls: Calls;
  readonly births: Births;
  readonly turn: Turn;
  /** Of all senders of the client. */
  readonly room: Room;
  readonly finder: () => Finder;
  readonly key: ClusterKey;
}

export class Sender {
  readonly #options: SenderOptions;
  readonly #queue: SendQueue;
  #session: Session | null = null;
  /** In the order of their requests. Hardly ever more than four. */
  readonly #flights: Flight[] = [];
  /** Of them, those that are sessions of their own. */
  #alone = 0;
  #pumpSoon = false;
  readonly #pumpNow = (): void => {
    this.#pumpSoon = false;
    this.#pump();
  };
  readonly #ended: Ended = (flight, result, nowMs) => this.#result(flight, result, nowMs);

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#queue = new SendQueue(options.clock, (submission) => {
      this.#reject(null, submission, null);
      if (this.#queue.first === undefined) options.births.leave(this.#pumpNow);
    });
  }

  /** Takes one call's entries; one of `resolve` and `reject` is called, once. Throws RaftError for
   *  what can never be added. */
  submit(
    payloads: readonly Uint8Array[],
    options: SendOptions,
    timeoutMs: number,
    resolve: (receipt: Receipt) => void,
    reject: (error: RaftError) => void,
  ): Submission {
    const bytes = checkEntries(payloads);
    const startedMs = this.#options.clock.monotonicMs();
    const submission: Submission = {
      payloads,
      bytes,
      name: options.requestId ?? null,
      ifLast: options.ifLast ?? null,
      startedMs,
      deadlineMs: startedMs + timeoutMs,
      resolve,
      reject,
      settled: false,
    };
    const { room } = this.#options;
    if (!room.enter(submission))
      throw notAdded(`${room.entries} entries wait already`, submission.name);
    this.#queue.push(submission);
    this.#wake();
    return submission;
  }

  /** The caller gives up: as if its time were over. */
  abandon(submission: Submission): void {
    if (submission.settled) return;
    submission.deadlineMs = this.#options.clock.monotonicMs();
    const flight = this.#flights.find(({ submissions }) => submissions.includes(submission));
    if (flight === undefined) this.#queue.expire();
    else if (flight.call !== null)
      this.#options.calls.setDeadline(flight.call, submission.deadlineMs);
  }

  /** Rejects whatever is not answered. */
  close(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const flight of this.#flights) {
      for (const submission of flight.submissions) {
        submission.deadlineMs = nowMs;
        if (flight.call !== null)
          this.#reject(flight, submission, this.#options.calls.expire(flight.call));
      }
      if (flight.call !== null) this.#options.calls.cancel(flight.call);
    }
    this.#flights.length = 0;
    this.#queue.close();
    this.#options.births.leave(this.#pumpNow);
  }

  /** After this turn, so that the calls of one turn become one request. */
  #wake(): void {
    if (this.#pumpSoon) return;
    this.#pumpSoon = true;
    this.#options.turn.after(this.#pumpNow);
  }

  #pump(): void {
    for (let next = this.#queue.first; next !== undefined; next = this.#queue.first) {
      if (isAlone(next) ? this.#alone >= ALONE_MAX : this.#windowIsFull()) return;
      const flight = this.#take(next);
      if (flight === null) return;
      this.#enter(flight);
      flight.call = this.#options.calls.start(flight);
    }
  }

  /** Those left over in a broken session do not hold up the next one. */
  #windowIsFull(): boolean {
    return this.#session !== null && !this.#session.broken && this.#session.flights >= WINDOW;
  }

  /** The next request, which begins with `next`; null: no session can begin now, and the births
   *  will call again. */
  #take(next: Submission): Flight | null {
    const alone = isAlone(next);
    let session: Session | null = null;
    if (next.name === null) session = alone ? this.#newSession() : this.#openSession();
    const id = next.name === null ? session : this.#named(next.name);
    if (id === null) return null;
    const submissions = this.#queue.takeBatch();
    const request = requestOf(id, next.ifLast, submissions);
    if (session !== null) session.firstSequence += request.count;
    return new Flight(request, alone ? null : session, submissions, this.#ended);
  }

  #openSession(): Session | null {
    if (this.#session === null || this.#session.broken) this.#session = this.#newSession();
    return this.#session;
  }

  #newSession(): Session | null {
    const bornAt = this.#options.births.take(this.#pumpNow);
    if (bornAt === null) return null;
    const clientId = newClientId(this.#options.dice);
    return { clientId, bornAt, firstSequence: 1, flights: 0, broken: false };
  }

  /** A name of the user's own is born with the call, so that no late copy of the call enters the
   *  log again when the name was forgotten meanwhile. */
  #named(name: string): RequestId | null {
    const id = parseRequestId(name);
    if (id.bornAt !== 0) return id;
    const bornAt = this.#options.births.take(this.#pumpNow);
    return bornAt === null ? null : { ...id, bornAt };
  }

  #result(flight: Flight, result: CallResult, nowMs: MonotonicMs): MonotonicMs | void {
    switch (result.type) {
      case "answered":
        if (result.response.type === "appended") this.#landed(flight, result.response, nowMs);
        else this.#fail(flight, result);
        return undefined;
      case "refused": {
        // In a session that was forgotten or has a hole, and nothing of this request is open.
        const { code } = result.refusal;
        const isForgotten = code === "forgotten" && result.refusal.number === null;
        const moves = isForgotten || REFUSALS[code] === "after";
        // What was printed stands for copies that this process knows nothing of.
        const { name } = flight;
        const isPrinted = name !== null && parseRequestId(name).bornAt !== 0;
        if (moves && result.verdict === "safe" && !isPrinted) {
          if (isForgotten) this.#options.births.tooOld();
          return this.#dissolve(flight);
        }
        return this.#fail(flight, result);
      }
      case "timeout":
        return this.#late(flight, result, nowMs);
    }
  }

  #landed(
    flight: Flight,
    response: Extract<Response, { type: "appended" }>,
    nowMs: MonotonicMs,
  ): void {
    this.#leave(flight);
    const { term, timeMs, holders } = response;
    // Without a name it is this call's own copy that was there already.
    const duplicate = flight.name !== null && response.duplicate;
    let { index } = response;
    for (const submission of flight.submissions) {
      const count = submission.payloads.length;
      const tookMs = nowMs - submission.startedMs;
      if (!submission.settled) {
        this.#settle(submission);
        submission.resolve({ index, count, term, timeMs, duplicate, holders, tookMs });
      }
      index += count;
    }
    for (const { session, call } of this.#flights) {
      if (session !== null && session === flight.session && call !== null)
        this.#options.calls.nudge(call);
    }
    if (this.#queue.first !== undefined) this.#wake();
  }

  #fail(flight: Flight, result: CallResult): void {
    this.#leave(flight);
    this.#abandonSession(flight);
    for (const submission of flight.submissions) this.#reject(flight, submission, result);
    this.#wake();
  }

  /** Some of its callers have waited long enough. */
  #late(
    flight: Flight,
    result: Extract<CallResult, { type: "timeout" }>,
    nowMs: MonotonicMs,
  ): MonotonicMs | void {
    for (const submission of flight.submissions) {
      if (submission.deadlineMs <= nowMs) this.#reject(flight, submission, result);
    }
    const waiting = flight.submissions.filter(({ settled }) => !settled);
    if (waiting.length > 0 && result.verdict === "unknown") {
      return Math.min(...waiting.map(({ deadlineMs }) => deadlineMs));
    }
    // Those that were told "safe to send again" must not be added by this client any more.
    flight.submissions = waiting;
    return this.#dissolve(flight);
  }

  /** Nothing of it is in the log: whoever still waits goes back to the head of the queue, for a
   *  fresh session. */
  #dissolve(flight: Flight): void {
    this.#leave(flight);
    this.#abandonSession(flight);
    this.#queue.putBack(flight.submissions.filter(({ settled }) => !settled));
    this.#wake();
  }

  /** The later requests of the session can no longer follow; those that never entered move with the
   *  others. */
  #abandonSession({ session }: Flight): void {
    if (session === null || session.broken) return;
    session.broken = true;
    const moving = this.#flights.filter(
      (flight) => flight.session === session && flight.call?.ledger.verdict === "safe",
    );
    for (const flight of moving) {
      if (flight.call !== null) this.#options.calls.cancel(flight.call);
      this.#leave(flight);
    }
    this.#queue.putBack(
      moving.flatMap(({ submissions }) => submissions).filter(({ settled }) => !settled),
    );
  }

  #enter(flight: Flight): void {
    this.#flights.push(flight);
    if (flight.session === null) this.#alone++;
    else flight.session.flights++;
  }

  #leave(flight: Flight): void {
    const at = this.#flights.indexOf(flight);
    if (at < 0) return;
    if (at === 0) this.#flights.shift();
    else this.#flights.splice(at, 1);
    if (flight.session === null) this.#alone--;
    else flight.session.flights--;
  }

  #settle(submission: Submission): void {
    submission.settled = true;
    this.#options.room.leave(submission);
  }

  /** `result` null: it was never sent. */
  #reject(flight: Flight | null, submission: Submission, result: CallResult | null): void {
    if (submission.settled) return;
    this.#settle(submission);
    const { calls, finder, clock, key } = this.#options;
    let requestId = submission.name;
    if (flight !== null && requestId === null) {
      const before = flight.submissions.slice(0, flight.submissions.indexOf(submission));
      const skipped = before.reduce((sum, { payloads }) => sum + payloads.length, 0);
      requestId = renderRequestId({
        ...flight.request,
        firstSequence: flight.request.firstSequence + skipped,
      });
    }
    const nowMs = clock.monotonicMs();
    const waitedMs = nowMs - submission.startedMs;
    submission.reject(
      sendFailure(
        result,
        { name: submission.name, requestId },
        { key, waitedMs, nowMs, finder: finder(), reports: calls.reports },
      ),
    );
  }
}

/** One request for the entries of all these calls. */
function requestOf(
  { clientId, firstSequence, bornAt }: RequestId,
  ifLast: LogIndex | null,
  submissions: readonly Submission[],
): AppendRequest {
  const all = entriesOf(submissions);
  const payloads = encodePayloads(all);
  const count = all.length;
  return { type: "append", clientId, firstSequence, bornAt, count, ifLast, payloads };
}

function entriesOf(submissions: readonly Submission[]): readonly Uint8Array[] {
  const [first] = submissions;
  if (submissions.length === 1 && first !== undefined) return first.payloads;
  const all: Uint8Array[] = [];
  for (const { payloads } of submissions) for (const payload of payloads) all.push(payload);
  return all;
}

function firstDeadlineMs(submissions: readonly Submission[]): MonotonicMs {
  let firstMs = Infinity;
  for (const { deadlineMs } of submissions) firstMs = Math.min(firstMs, deadlineMs);
  return firstMs;
}
