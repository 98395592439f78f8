/** One core and a script that plays everybody else: for rules about single messages. */

import { createCore } from "../../src/raft/core.ts";
import type { LogIndex, NodeId, NodeIdentity, Term } from "../../src/base/types.ts";
import type {
  AppendOrder,
  Configuration,
  Core,
  CoreEvent,
  CoreOptions,
  HardState,
  Member,
  OutgoingMessage,
  RaftMessage,
  RecordOutline,
  SendOrder,
  TermRun,
  Vote,
} from "../../src/raft/types.ts";
import { TIMINGS } from "./test-node.ts";

export interface SoloOptions extends Partial<Omit<CoreOptions, "self" | "hardState">> {
  readonly id?: NodeId;
  readonly voters?: readonly NodeId[];
  readonly learners?: readonly NodeId[];
  /** The term of each entry. */
  readonly log?: readonly Term[];
  readonly term?: Term;
  readonly votedFor?: Vote | null;
}

export function identityOf(id: NodeId, incarnation = `i${id}`, bootId = `b${id}`): NodeIdentity {
  return { id, incarnation, bootId };
}

export function membersOf(
  voters: readonly NodeId[],
  learners: readonly NodeId[] = [],
): readonly Member[] {
  return [...voters, ...learners]
    .sort((a, b) => a - b)
    .map((id) => ({
      id,
      incarnation: `i${id}`,
      role: learners.includes(id) ? "learner" : "voter",
    }));
}

/** Term runs of a log given as one term per entry behind `baseIndex`. */
export function runsOf(terms: readonly Term[], baseIndex: LogIndex = 0): readonly TermRun[] {
  return terms.flatMap((term, at) =>
    at > 0 && terms[at - 1] === term ? [] : [{ firstIndex: baseIndex + at + 1, term }],
  );
}

/** Records of one entry each, from `firstIndex` on. */
export function recordsOf(firstIndex: LogIndex, terms: readonly Term[]): readonly RecordOutline[] {
  return terms.map((term, at) => ({
    firstIndex: firstIndex + at,
    lastIndex: firstIndex + at,
    term,
  }));
}

export class Solo {
  readonly core: Core;
  nowMs = 1000;
  /** When false the script ends the writes. */
  autoDisk = true;
  messages: OutgoingMessage[] = [];
  sends: SendOrder[] = [];
  events: CoreEvent[] = [];
  reads = new Map<number, LogIndex | null>();
  hardWrites: { readonly writeId: number; readonly hardState: HardState }[] = [];
  snapshotsTo: NodeId[] = [];
  order: AppendOrder | null = null;

  constructor(options: SoloOptions = {}) {
    const id = options.id ?? 1;
    const log = options.log ?? [];
    const baseIndex = options.baseIndex ?? 0;
    const founding: Configuration = {
      index: 0,
      members: membersOf(options.voters ?? [1, 2, 3], options.learners),
    };
    this.core = createCore({
      self: identityOf(id),
      hardState: {
        term: options.term ?? log.at(-1) ?? options.baseTerm ?? 0,
        votedFor: options.votedFor ?? null,
      },
      baseIndex,
      baseTerm: options.baseTerm ?? 0,
      runs: options.runs ?? runsOf(log, baseIndex),
      lastIndex: options.lastIndex ?? baseIndex + log.length,
      configurations: options.configurations ?? [founding],
      commitIndex: options.commitIndex ?? baseIndex,
      voteFromCommitIndex: options.voteFromCommitIndex ?? 0,
      membersKnown: options.membersKnown ?? true,
      timings: options.timings ?? TIMINGS,
      limits: options.limits ?? {
        inflightBytesMax: 1000,
        appendBytesMax: 400,
        uncommittedBytesMax: 10_000,
        uncommittedEntriesMax: 100,
      },
      seed: options.seed ?? 7,
      nowMs: this.nowMs,
    });
  }

  /** Gives a message in and returns what goes out. */
  step(
    from: NodeId | NodeIdentity,
    message: RaftMessage,
    chainDiffersAt: LogIndex | null = null,
  ): readonly RaftMessage[] {
    const identity = typeof from === "number" ? identityOf(from) : from;
    this.order = this.core.step(identity, message, this.nowMs, chainDiffersAt);
    return this.settle();
  }

  pass(durationMs: number): readonly RaftMessage[] {
    this.nowMs += durationMs;
    this.core.tick(this.nowMs);
    return this.settle();
  }

  /** Takes what is ready, and with `autoDisk` ends every write. Returns the messages that went
   *  out. */
  settle(): readonly RaftMessage[] {
    const out: OutgoingMessage[] = [];
    for (;;) {
      const ready = this.core.takeReady();
      out.push(...ready.messages);
      this.sends.push(...ready.sends);
      this.events.push(...ready.events);
      this.snapshotsTo.push(...ready.snapshots.map((snapshot) => snapshot.to));
      for (const read of ready.reads) this.reads.set(read.readId, read.index);
      if (ready.hardState !== null) this.hardWrites.push(ready.hardState);
      if (!this.autoDisk) break;
      const hardWrite = this.hardWrites.pop();
      if (hardWrite !== undefined) this.core.hardStateDone(hardWrite.writeId, this.nowMs);
      const isLogBehind = this.core.durableIndex < this.core.lastIndex;
      if (isLogBehind) this.core.writeDone(this.core.writeStarted(), this.nowMs);
      if (hardWrite === undefined && !isLogBehind) break;
    }
    this.messages.push(...out);
    return out.map((outgoing) => outgoing.message);
  }

  finishHardWrite(): readonly RaftMessage[] {
    const write = this.hardWrites.shift();
    if (write === undefined) throw new Error("no hard state write is under way");
    this.core.hardStateDone(write.writeId, this.nowMs);
    return this.settle();
  }

  /** Becomes leader with the votes of `others`, in the term after the current one. */
  lead(others: readonly NodeId[] = [2]): this {
    this.pass(TIMINGS.electionMaxMs);
    for (const id of others) this.answerLast(id, "preVote");
    for (const id of others) this.answerLast(id, "vote");
    if (this.core.role !== "leader") throw new Error(`not elected but ${this.core.role}`);
    return this;
  }

  /** Sends all that is ordered for `to`; the round of each append. */
  sendAllTo(to: NodeId): readonly number[] {
    const rounds: number[] = [];
    while (this.sends.some((send) => send.to === to))
      rounds.push(...this.sendAll().flatMap((send) => (send.to === to ? [send.round] : [])));
    return rounds;
  }

  /** Reports every open order as sent: one record of one entry each. */
  sendAll(bytes = 100): readonly SendOrder[] {
    const orders = this.sends;
    this.sends = [];
    for (const order of orders) {
      const isEmpty = order.fromIndex > this.core.lastIndex;
      const lastIndex = isEmpty ? order.fromIndex - 1 : order.fromIndex;
      this.core.sent(
        order.to,
        order.term,
        order.fromIndex - 1,
        lastIndex,
        isEmpty ? 0 : bytes,
        this.nowMs,
      );
    }
    this.settle();
    return orders;
  }

  /** The follower `id` answers the newest heartbeat: it holds, and knows committed, the first
   *  entry. */
  answerHeartbeat(id: NodeId): readonly RaftMessage[] {
    const round = this.lastRound();
    const { term } = this.core;
    return this.step(id, { type: "heartbeatReply", term, round, durableIndex: 1, commitIndex: 1 });
  }

  /** The follower `id` acknowledges everything up to `matchIndex` under the newest round. */
  ack(
    id: NodeId | NodeIdentity,
    matchIndex: LogIndex,
    extra: Partial<RaftMessage> = {},
  ): readonly RaftMessage[] {
    return this.step(id, {
      type: "appendReply",
      term: this.core.term,
      round: this.lastRound(),
      result: "matched",
      prevIndex: matchIndex,
      matchIndex,
      hintIndex: 0,
      hintTerm: 0,
      durableIndex: matchIndex,
      ...extra,
    } as RaftMessage);
  }

  /** The highest round that went out so far. */
  lastRound(): number {
    const rounds = [
      ...this.messages.map((outgoing) => outgoing.message.round),
      ...this.sends.map((send) => send.round),
    ];
    return Math.max(0, ...rounds);
  }

  lastTo(id: NodeId, type: RaftMessage["type"]): RaftMessage | undefined {
    return this.messages.findLast(({ to, message }) => to === id && message.type === type)?.message;
  }

  answerLast(id: NodeId, type: "preVote" | "vote"): void {
    const request = this.lastTo(id, type);
    if (request === undefined) return;
    const { term, round } = request;
    if (type === "preVote") {
      this.step(id, { type: "preVoteReply", term, round, answer: "granted", askedTerm: term });
    } else {
      this.step(id, { type: "voteReply", term, round, answer: "granted" });
    }
  }
}

export function vote(
  term: Term,
  lastIndex: LogIndex,
  lastTerm: Term,
  ordered = false,
): RaftMessage {
  return { type: "vote", term, round: 1, lastIndex, lastTerm, ordered };
}

export function preVote(term: Term, lastIndex: LogIndex, lastTerm: Term): RaftMessage {
  return { type: "preVote", term, round: 1, lastIndex, lastTerm };
}

export function heartbeat(term: Term, commitIndex: LogIndex, round = 1): RaftMessage {
  return { type: "heartbeat", term, round, commitIndex };
}

export function append(
  term: Term,
  prevIndex: LogIndex,
  prevTerm: Term,
  terms: readonly Term[],
  commitIndex: LogIndex = 0,
  round = 1,
): RaftMessage {
  const records = recordsOf(prevIndex + 1, terms);
  return { type: "append", term, round, prevIndex, prevTerm, commitIndex, records };
}

/** A leader of three whose no-op is committed, with `entries` more that nobody acknowledged. */
export function leading(entries = 0): Solo {
  const solo = new Solo().lead();
  solo.sendAll();
  solo.ack(2, 1);
  for (let i = 0; i < entries; i++) solo.core.propose(1, 100);
  solo.settle();
  return solo;
}

/** The follower `from` finds nothing at `prevIndex`. */
export function conflict(
  solo: Solo,
  from: NodeId,
  round: number,
  prevIndex: LogIndex,
  hintIndex: LogIndex,
  hintTerm: Term,
): void {
  solo.step(from, {
    type: "appendReply",
    term: solo.core.term,
    round,
    result: "conflict",
    prevIndex,
    matchIndex: 0,
    hintIndex,
    hintTerm,
    durableIndex: hintIndex,
  });
}
