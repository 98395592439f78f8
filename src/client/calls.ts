/** Requests and their answers over a wire that loses, doubles and reorders (engine B of the
 *  transport).
 *
 *      call ──route known──> copy sent ──answer──> done
 *       │ ^                    │ └──refused──> waits (full jitter) or follows a redirect ──┐
 *       │ └──time to resend────┘                                                          │
 *       └──no route: nodes are asked who leads <──────────────────────────────────────────┘
 *
 *  Every copy bears its own request id, so that the ledger knows the fate of each; nodes tell of a
 *  new leader unasked, under number 0. Time, dice and the wire are given; answers are callbacks. */

import type { MonotonicMs, NodeId } from "../base/types.ts";
import type { Clock } from "../transport/clock.ts";
import type { Dice } from "../transport/dice.ts";
import { decodeResponse, encodeRequest } from "../transport/request-codec.ts";
import type { NodeReport, RefusalCode, Request, Response } from "../transport/requests.ts";
import { UNASKED_BYTES } from "../transport/intake.ts";
import type { Connection, Frame } from "../transport/types.ts";
import type { Call, CallOptions, CallResult } from "./call.ts";
import type { Finder, NodeConnection } from "./finder.ts";
import { Ledger, REFUSALS, type Refusal } from "./outcomes.ts";
import { Pace } from "./pace.ts";
import { jitter, type ClientWire } from "./world.ts";

/** No new copy leaves so shortly before the deadline when all earlier ones were refused. */
const LAST_COPY_MS = 50;
/** If the leader cannot be met for so long, another node is asked to pass the request on. */
const MEET_LEADER_MS = 300;
/** Unanswered copies to the leader before another node is asked to pass it on. */
const UNANSWERED_MAX = 3;
/** Nodes are asked who leads no more often than this. */
const PROBE_EVERY_MS = 10;
/** Nodes are asked what they know, for the sake of error messages, this often while there is no
 *  leader. */
const ASK_STATUS_MS = 500;
/** Nodes forget who was silent for a minute. */
const KEEP_MET_MS = 20_000;
/** While a large request is on its way, a node that was not heard for so long is taken for gone. */
const HEARD_MS = 1_000;
/** Doublings of the pause between questions for the leader: 80 ms, so that a hand-over is noticed
 *  soon. */
const WAYLESS_MAX = 2;
/** Whoever says so takes no entries now, and another node may already lead. */
const LEADS_NOT: ReadonlySet<RefusalCode> = new Set([
  "not leader",
  "no leader",
  "not founded",
  "not member",
  "transferring",
  "stopping",
]);

interface Copy {
  readonly call: Call;
  readonly sentMs: MonotonicMs;
  readonly to: NodeConnection;
}

export interface CallsOptions {
  readonly clock: Clock;
  readonly dice: Dice;
  readonly wire: ClientWire;
  readonly finder: () => Finder;
}

export class Calls {
  readonly #clock: Clock;
  readonly #pace: Pace;
  readonly #wire: ClientWire;
  readonly #finder: () => Finder;
  /** In the order of the calls: those of one session are redelivered in the order of their
   *  sequences. */
  readonly #calls = new Set<Call>();
  readonly #copies = new Map<number, Copy>();
  /** Questions of our own: who leads, what do you know. */
  readonly #probes = new Map<number, NodeConnection>();
  /** The last report of each node, kept for error messages. */
  readonly #reports = new Map<NodeId, NodeReport>();
  #nextId = 1;
  #probedMs: MonotonicMs = -Infinity;
  #askedStatusMs: MonotonicMs = -Infinity;
  #cancelKeepMet: () => void = nothing;
  /** One timer for all calls: at the first time that any of them waits for, or before it. */
  #wakeMs: MonotonicMs = Infinity;
  #cancelWake: () => void = nothing;

  constructor(options: CallsOptions) {
    this.#clock = options.clock;
    this.#pace = new Pace(jitter(options.dice));
    this.#wire = options.wire;
    this.#finder = options.finder;
    this.#keepMet();
  }

  get count(): number {
    return this.#calls.size;
  }

  /** What nodes said of themselves while this client looked for a leader. */
  get reports(): readonly NodeReport[] {
    return [...this.#reports.values()];
  }

  start(options: CallOptions): Call {
    const nowMs = this.#clock.monotonicMs();
    const call: Call = {
      options,
      body: encodeRequest(options.request),
      ledger: new Ledger(),
      deadlineMs: options.deadlineMs,
      unanswered: 0,
      refusals: 0,
      wayless: 0,
      lastCopy: 0,
      lastSentMs: nowMs,
      travels: false,
      lastRefusal: null,
      followedTerm: 0,
      resting: false,
      done: false,
      attemptMs: Infinity,
    };
    this.#calls.add(call);
    this.#wakeBy(call.deadlineMs);
    this.#attempt(call, nowMs);
    return call;
  }

  /** Ends a call without a result. */
  cancel(call: Call): void {
    call.done = true;
    for (const copy of call.ledger.open) this.#copies.delete(copy);
    this.#calls.delete(call);
  }

  /** Ends every call as if its time were over. */
  close(): void {
    this.#cancelKeepMet();
    const nowMs = this.#clock.monotonicMs();
    for (const call of this.#calls) {
      this.cancel(call);
      call.options.onResult(this.expire(call), nowMs);
    }
    this.#cancelWake();
  }

  /** What is known of the call's copies now. */
  expire(call: Call): CallResult {
    const { ledger, lastRefusal } = call;
    return {
      type: "timeout",
      verdict: ledger.verdict,
      lastRefusal,
      lastTo: ledger.lastTo,
      copies: ledger.copies,
    };
  }

  setDeadline(call: Call, deadlineMs: MonotonicMs): void {
    call.deadlineMs = deadlineMs;
    this.#wakeBy(deadlineMs);
  }

  /** What it waited for has happened: a call that rests after a refusal goes at once. */
  nudge(call: Call): void {
    if (call.resting && !call.done) this.#attempt(call);
  }

  /** A node was met or another leader is believed: whoever waits for that goes on, in order. */
  routesChanged(): void {
    const { leader } = this.#finder();
    let silent = false;
    for (const call of this.#calls) {
      const { lastTo } = call.ledger;
      const moved =
        call.options.target === "leader" && leader !== null && leader.term > call.followedTerm;
      const isNew = moved || this.#hasEnded(call);
      // The silence of the one before says nothing about this one.
      if (isNew) call.unanswered = 0;
      if (isNew || lastTo === null) this.#attempt(call);
      silent ||= call.unanswered > 1;
    }
    // Whoever was met just now may know who leads instead.
    if (silent) this.#probe(this.#clock.monotonicMs());
  }

  /** The process that got the last copy has ended: another one of that node is met. */
  #hasEnded(call: Call): boolean {
    const to = this.#copies.get(call.lastCopy)?.to;
    const met = to === undefined ? undefined : this.#finder().connection(to.remote.identity.id);
    return met !== undefined && met.remote.identity.bootId !== to?.remote.identity.bootId;
  }

  /** A response, from whichever node. */
  takeFrame(from: Connection, frame: Frame, nowMs: MonotonicMs): void {
    if (from.remote.kind !== "node") return;
    if (frame.type === "bye")
      return this.#handleBye(from.remote.identity.bootId, frame.reason, nowMs);
    if (frame.type !== "response") return;
    const response = decodeResponse(frame.body);
    if (typeof response === "string") return;
    this.#learn(response, nowMs);
    const copy = this.#copies.get(frame.requestId);
    if (copy === undefined) return void this.#probes.delete(frame.requestId);
    const { call } = copy;
    call.unanswered = 0;
    if (response.type === "refused") {
      this.#copies.delete(frame.requestId);
      return this.#refused(copy, frame.requestId, response, nowMs);
    }
    if (call.options.holdMs === undefined)
      this.#pace.measured(call.options.request, nowMs - copy.sentMs);
    this.cancel(call);
    call.options.onResult({ type: "answered", response, from: copy.to }, nowMs);
  }

  /** A process that was told to stop is gone, and its answer may be lost. */
  #handleBye(bootId: string, reason: string, nowMs: MonotonicMs): void {
    for (const call of this.#calls) {
      const { request, target } = call.options;
      const from = typeof target === "number" ? this.#finder().connection(target) : undefined;
      if (request.type !== "stop" || request.bootId !== bootId || from === undefined) continue;
      this.cancel(call);
      const response = { type: "done", text: reason, configuration: null } as const;
      call.options.onResult({ type: "answered", response, from }, nowMs);
    }
  }

  #refused(copy: Copy, id: number, refusal: Refusal, nowMs: MonotonicMs): void {
    const { call, to } = copy;
    const { request } = call.options;
    call.ledger.refused(id, refusal, request.type === "append" ? request.ifLast : null);
    call.lastRefusal = refusal;
    if (LEADS_NOT.has(refusal.code)) this.#finder().deniesLeading(to.remote.identity.id, nowMs);
    this.#finder().heardLeader(refusal.leader, nowMs);
    if (call.done) return;
    const { verdict } = call.ledger;
    if (REFUSALS[refusal.code] === "stop" || call.options.stopIf?.(refusal, verdict) === true) {
      this.cancel(call);
      call.options.onResult({ type: "refused", refusal, verdict, from: to }, nowMs);
      return;
    }
    // A refusal of an older copy says nothing about the one that is under way.
    if (id !== call.lastCopy) return;
    const leader = this.#finder().leader;
    if (leader !== null && leader.term > call.followedTerm && leader.id !== to.remote.identity.id) {
      return this.#attempt(call, nowMs);
    }
    this.#rest(call, nowMs, this.#pace.restMs(call.refusals++));
  }

  /** Sends a copy if there is a way, else asks for one. */
  #attempt(call: Call, nowMs: MonotonicMs = this.#clock.monotonicMs()): void {
    if (call.done) return;
    // Of two clusters under one name neither is asked, not for what is under way either.
    const isOne = this.#finder().conflict() === null;
    const route = isOne ? this.#route(call, nowMs) : null;
    if (route === null) {
      this.#finder().look(nowMs);
      this.#probe(nowMs);
      return this.#rest(call, nowMs, this.#pace.restMs(Math.min(call.wayless++, WAYLESS_MAX)));
    }
    // A last copy that cannot be answered in time would only turn "safe to send again" into
    // "unknown".
    const { ledger, options, body } = call;
    const answerMs = Math.min(
      LAST_COPY_MS,
      this.#pace.answerMs(call.options.request) ?? LAST_COPY_MS,
    );
    if (ledger.copies > 0 && ledger.verdict === "safe" && call.deadlineMs - nowMs < answerMs)
      return this.#rest(call, nowMs, answerMs);
    const { to, hops } = route;
    if (this.#stillTravels(call, to, nowMs))
      return this.#arm(call, nowMs + this.#resendMs(call, to));
    const requestId = this.#nextId++;
    call.followedTerm = Math.max(call.followedTerm, this.#finder().leader?.term ?? 0);
    ledger.sent(requestId, to.remote.identity.id);
    call.lastCopy = requestId;
    call.lastSentMs = nowMs;
    call.unanswered++;
    call.wayless = 0;
    this.#copies.set(requestId, { call, sentMs: nowMs, to });
    this.#wire.send(to, { type: "request", requestId, hops, body: call.body });
    call.travels = body.length > UNASKED_BYTES && this.#wire.isSending(to, requestId);
    if (call.unanswered > 1) this.#suspect(to, nowMs);
    this.#arm(call, nowMs + this.#resendMs(call, to) + (options.holdMs ?? 0));
  }

  /** Whether to wait instead of sending a copy: the last one waits for its turn, or came in since
   *  this was asked last, and the time for its answer begins then. */
  #stillTravels(call: Call, to: NodeConnection, nowMs: MonotonicMs): boolean {
    const before = call.travels;
    const isOpen = this.#copies.get(call.lastCopy)?.to === to && nowMs - to.lastHeardMs < HEARD_MS;
    call.travels = isOpen && this.#wire.isSending(to, call.lastCopy);
    return isOpen && (call.travels || before);
  }

  #resendMs({ options, body, unanswered }: Call, { rttMs }: NodeConnection): number {
    return this.#pace.resendMs(options.request, body.length, unanswered, rttMs);
  }

  #route(
    call: Call,
    nowMs: MonotonicMs,
  ): { readonly to: NodeConnection; readonly hops: number } | null {
    const finder = this.#finder();
    const { target } = call.options;
    if (typeof target === "number") {
      const to = finder.connection(target);
      return to === undefined ? null : { to, hops: 0 };
    }
    if (target === "any") {
      const nodes = finder.nodes();
      const to = nodes[(call.refusals + call.unanswered) % Math.max(1, nodes.length)];
      return to === undefined ? null : { to, hops: 0 };
    }
    const { leader } = finder;
    if (leader === null) return null;
    const direct = finder.connection(leader.id);
    const silent = call.unanswered >= UNANSWERED_MAX && call.unanswered % 2 === 1;
    if (direct !== undefined && !silent) return { to: direct, hops: 0 };
    if (leader.address !== null) finder.greet(leader.address);
    const others = finder.nodes().filter(({ remote }) => remote.identity.id !== leader.id);
    // One that refused does not reach the leader either: the next one may.
    const other = others[(call.unanswered + call.refusals) % Math.max(1, others.length)];
    if (other === undefined) return direct === undefined ? null : { to: direct, hops: 0 };
    const lost =
      silent || leader.address === null || nowMs - finder.leaderSinceMs >= MEET_LEADER_MS;
    return lost ? { to: other, hops: 1 } : null;
  }

  /** A node that does not answer may have been started anew, and may lead no more. */
  #suspect(to: NodeConnection, nowMs: MonotonicMs): void {
    this.#finder().greet(to.remote.address);
    this.#finder().look(nowMs);
    this.#probe(nowMs);
  }

  /** A client talks to the leader, and the others would forget it: then none of them could tell it
   *  of the next one. */
  #keepMet(): void {
    this.#cancelKeepMet = this.#clock.after(KEEP_MET_MS, () => {
      this.#probe(this.#clock.monotonicMs());
      this.#keepMet();
    });
  }

  /** Asks every met node who leads, and now and then what it knows. */
  #probe(nowMs: MonotonicMs): void {
    if (nowMs - this.#probedMs < PROBE_EVERY_MS) return;
    this.#probedMs = nowMs;
    const askStatus = nowMs - this.#askedStatusMs >= ASK_STATUS_MS;
    if (askStatus) this.#askedStatusMs = nowMs;
    for (const node of this.#finder().nodes()) {
      this.#ask(node, { type: "leader" });
      if (askStatus) this.#ask(node, { type: "status", of: null });
    }
  }

  #ask(to: NodeConnection, request: Request): void {
    const requestId = this.#nextId++;
    this.#probes.set(requestId, to);
    // Unanswered questions are forgotten, oldest first.
    if (this.#probes.size > 256) this.#probes.delete(this.#probes.keys().next().value ?? 0);
    this.#wire.send(to, { type: "request", requestId, hops: 0, body: encodeRequest(request) });
  }

  #learn(response: Response, nowMs: MonotonicMs): void {
    const finder = this.#finder();
    if ("commitIndex" in response) finder.heardCommitIndex(response.commitIndex);
    if (response.type === "leader") finder.heardLeader(response.leader, nowMs);
    if (response.type === "status") this.#reports.set(response.report.id, response.report);
  }

  /** Waits after a refusal or for a way. */
  #rest(call: Call, nowMs: MonotonicMs, delayMs: number): void {
    this.#arm(call, nowMs + delayMs);
    call.resting = true;
  }

  #arm(call: Call, attemptMs: MonotonicMs): void {
    call.resting = false;
    call.attemptMs = attemptMs;
    this.#wakeBy(call.attemptMs);
  }

  #wakeBy(ms: MonotonicMs): void {
    if (ms >= this.#wakeMs) return;
    this.#cancelWake();
    this.#wakeMs = ms;
    const delayMs = Math.max(0, ms - this.#clock.monotonicMs());
    this.#cancelWake = this.#clock.after(delayMs, () => this.#wake());
  }

  #wake(): void {
    // A timer may come a fraction early, and stands for its time all the same.
    const nowMs = Math.max(this.#wakeMs, this.#clock.monotonicMs());
    this.#wakeMs = Infinity;
    let nextMs = Infinity;
    for (const call of this.#calls) {
      if (call.deadlineMs <= nowMs) this.#late(call, nowMs);
      if (call.attemptMs <= nowMs) this.#attempt(call, nowMs);
      if (!call.done) nextMs = Math.min(nextMs, call.deadlineMs, call.attemptMs);
    }
    this.#wakeBy(nextMs);
  }

  #late(call: Call, nowMs: MonotonicMs): void {
    const deadlineMs = call.options.onResult(this.expire(call), nowMs);
    if (call.done) return;
    if (typeof deadlineMs === "number") this.setDeadline(call, deadlineMs);
    else this.cancel(call);
  }
}

function nothing(): void {}
