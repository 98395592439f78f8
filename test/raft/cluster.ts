/** A small cluster of cores with an explicit network and explicit disks: a script decides what is delivered,
 *  what becomes durable and what is lost. An oracle watches every step. */

import { createCore } from "../../src/raft/core.ts";
import { memberOf, votersOf } from "../../src/raft/membership.ts";
import type { LogIndex, NodeId, NodeIdentity, Term } from "../../src/base/types.ts";
import type {
  AppendOrder,
  Configuration,
  Core,
  CoreEvent,
  HardState,
  Member,
  MembershipChange,
  RaftLimits,
  RaftMessage,
  RaftTimings,
  Ready,
  RecordOutline,
  TermRun,
  WriteId,
} from "../../src/raft/types.ts";
import { Oracle } from "./oracle.ts";

export interface LogRecord {
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly term: Term;
  readonly payload: string;
  readonly members?: readonly Member[];
}

export interface Envelope {
  readonly from: NodeIdentity;
  readonly to: NodeId;
  readonly message: RaftMessage;
  readonly records: readonly LogRecord[];
}

export interface TestNode {
  readonly id: NodeId;
  identity: NodeIdentity;
  core: Core;
  up: boolean;
  boots: number;
  /** In memory; what a crash leaves of it is `durableLog`. */
  log: LogRecord[];
  durableLog: LogRecord[];
  logWrite: { readonly id: WriteId; readonly log: readonly LogRecord[] } | null;
  hard: HardState;
  hardWrite: { readonly id: WriteId; readonly hardState: HardState } | null;
  /** Writes end by themselves when true. */
  autoDisk: boolean;
  commitIndex: LogIndex;
  reads: Map<number, LogIndex | null>;
  events: CoreEvent[];
  voteFromCommitIndex: LogIndex;
}

export interface ClusterOptions {
  readonly voters: readonly NodeId[];
  readonly learners?: readonly NodeId[];
  /** Nodes that run but are not members. */
  readonly outsiders?: readonly NodeId[];
  readonly seed?: number;
  readonly timings?: RaftTimings;
  readonly limits?: Partial<RaftLimits>;
  /** The term of each entry that a node starts with. */
  readonly logs?: Readonly<Record<number, readonly Term[]>>;
  readonly terms?: Readonly<Record<number, Term>>;
  readonly voteFromCommitIndex?: Readonly<Record<number, LogIndex>>;
  readonly trace?: (line: string) => void;
}

export const TIMINGS: RaftTimings = { heartbeatMs: 50, electionMinMs: 300, electionMaxMs: 600 };
const LIMITS: RaftLimits = {
  inflightBytesMax: 1000,
  appendBytesMax: 400,
  uncommittedBytesMax: 100_000,
  uncommittedEntriesMax: 1000,
};

/** Bytes that each test record is said to have. */
export const RECORD_BYTES = 100;

export class Cluster {
  readonly nodes = new Map<NodeId, TestNode>();
  readonly oracle: Oracle;
  network: Envelope[] = [];
  nowMs = 1000;
  readonly #options: ClusterOptions;
  readonly #founding: Configuration;
  #nextPayload = 1;

  constructor(options: ClusterOptions) {
    this.#options = options;
    const learners = options.learners ?? [];
    const members = [...options.voters, ...learners]
      .sort((a, b) => a - b)
      .map((id): Member => ({
        id,
        incarnation: `i${id}`,
        role: learners.includes(id) ? "learner" : "voter",
      }));
    this.#founding = { index: 0, members };
    this.oracle = new Oracle();
    for (const id of [...members.map((m) => m.id), ...(options.outsiders ?? [])]) {
      this.nodes.set(id, this.#createNode(id));
    }
  }

  node(id: NodeId): TestNode {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  core(id: NodeId): Core {
    return this.node(id).core;
  }

  /** The term of each entry in a node's memory. */
  terms(id: NodeId): readonly Term[] {
    return this.node(id).log.flatMap((r) =>
      Array<Term>(r.lastIndex - r.firstIndex + 1).fill(r.term),
    );
  }

  // -- what a script does -----------------------------------------------------------------------

  /** Lets time pass without calling anybody. */
  pass(durationMs: number): void {
    this.nowMs += durationMs;
  }

  tick(id: NodeId): void {
    const node = this.node(id);
    if (!node.up) return;
    node.core.tick(this.nowMs);
    this.pump(node);
  }

  /** Lets time pass until the node's next deadline and ticks it. */
  tickNext(id: NodeId): void {
    this.nowMs = Math.max(this.nowMs, this.core(id).nextDeadlineMs());
    this.tick(id);
  }

  /** Lets the node find that its election timeout has passed. */
  timeout(id: NodeId): void {
    const node = this.node(id);
    this.nowMs += TIMINGS.electionMaxMs;
    this.tick(node.id);
  }

  /** Runs everybody and delivers everything for a while. */
  run(durationMs: number, lost: (envelope: Envelope) => boolean = () => false): void {
    const endMs = this.nowMs + durationMs;
    for (;;) {
      this.deliverAll(lost);
      const nextMs = Math.min(...this.#running().map((node) => node.core.nextDeadlineMs()));
      if (nextMs > endMs) break;
      this.nowMs = Math.max(nextMs, this.nowMs);
      for (const node of this.#running()) {
        if (node.core.nextDeadlineMs() <= this.nowMs) this.tick(node.id);
      }
    }
    this.nowMs = endMs;
  }

  /** Makes `id` leader by its own election timeout; everything is delivered. */
  elect(id: NodeId): void {
    this.timeout(id);
    this.deliverAll();
    if (this.core(id).role !== "leader") throw new Error(`node ${id} was not elected`);
  }

  propose(id: NodeId, entries = 1): LogIndex | null {
    const node = this.node(id);
    const result = node.core.propose(entries, RECORD_BYTES);
    if (!result.ok) return null;
    const lastIndex = result.firstIndex + entries - 1;
    const payload = `p${this.#nextPayload++}`;
    node.log.push({ firstIndex: result.firstIndex, lastIndex, term: result.term, payload });
    this.pump(node);
    return result.firstIndex;
  }

  change(id: NodeId, change: MembershipChange, expected?: LogIndex): string | null {
    const node = this.node(id);
    const result = node.core.proposeConfiguration(
      change,
      expected ?? node.core.configuration.index,
    );
    if (!result.ok) return result.reason;
    const { index, members } = result.configuration;
    const payload = `c${this.#nextPayload++}`;
    node.log.push({ firstIndex: index, lastIndex: index, term: result.term, payload, members });
    this.pump(node);
    return null;
  }

  read(id: NodeId, readId: number): boolean {
    const node = this.node(id);
    const { ok } = node.core.readIndex(readId, this.nowMs);
    this.pump(node);
    return ok;
  }

  transfer(id: NodeId, to: NodeId | null): string {
    const node = this.node(id);
    const result = node.core.transferLeadership(to, this.nowMs);
    this.pump(node);
    return result.reason;
  }

  /** Delivers the oldest message that matches; false when there is none. */
  deliverOne(matches: (envelope: Envelope) => boolean = () => true): boolean {
    const at = this.network.findIndex(matches);
    if (at < 0) return false;
    const [envelope] = this.network.splice(at, 1);
    if (envelope !== undefined) this.deliver(envelope);
    return true;
  }

  /** Delivers in order until nothing is under way; `lost` ones vanish. */
  deliverAll(lost: (envelope: Envelope) => boolean = () => false): void {
    for (let i = 0; i < 100_000 && this.network.length > 0; i++) {
      const envelope = this.network.shift();
      if (envelope !== undefined && !lost(envelope)) this.deliver(envelope);
    }
    if (this.network.length > 0) throw new Error("messages without end");
  }

  drop(matches: (envelope: Envelope) => boolean = () => true): readonly Envelope[] {
    const dropped = this.network.filter(matches);
    this.network = this.network.filter((envelope) => !matches(envelope));
    return dropped;
  }

  deliver(envelope: Envelope): void {
    const node = this.node(envelope.to);
    if (!node.up) return;
    this.#trace(`${envelope.from.id}->${envelope.to} ${renderMessage(envelope.message)}`);
    const order = node.core.step(envelope.from, envelope.message, this.nowMs);
    if (order !== null) this.#obey(node, order, envelope);
    this.pump(node);
  }

  /** Ends the log write under way, and begins the next. */
  finishLogWrite(id: NodeId): void {
    const node = this.node(id);
    const write = node.logWrite;
    if (write === null) return;
    node.durableLog = [...write.log];
    node.logWrite = null;
    this.#trace(`${id} log durable through ${node.durableLog.at(-1)?.lastIndex ?? 0}`);
    node.core.writeDone(write.id, this.nowMs);
    this.pump(node);
  }

  finishHardWrite(id: NodeId): void {
    const node = this.node(id);
    const write = node.hardWrite;
    if (write === null) return;
    node.hard = write.hardState;
    node.hardWrite = null;
    const { term, votedFor } = write.hardState;
    this.#trace(`${id} durable: term ${term}, vote ${votedFor?.id ?? "-"}`);
    node.core.hardStateDone(write.id, this.nowMs);
    this.pump(node);
  }

  /** Loses what is not durable. A write under way may have reached the disk. */
  crash(
    id: NodeId,
    reached: { readonly log: boolean; readonly hard: boolean } = { log: false, hard: false },
  ): void {
    const node = this.node(id);
    if (!node.up) return;
    node.up = false;
    if (reached.log && node.logWrite !== null) node.durableLog = [...node.logWrite.log];
    if (reached.hard && node.hardWrite !== null) node.hard = node.hardWrite.hardState;
    node.logWrite = null;
    node.hardWrite = null;
    this.#trace(`${id} crashed`);
  }

  restart(id: NodeId): void {
    const node = this.node(id);
    if (node.up) this.crash(id);
    node.boots += 1;
    node.identity = { ...node.identity, bootId: `b${id}.${node.boots}` };
    node.log = [...node.durableLog];
    const lastTerm = node.log.at(-1)?.term ?? 0;
    if (lastTerm > node.hard.term) node.hard = { term: lastTerm, votedFor: null };
    node.commitIndex = 0;
    node.core = this.#createCore(node);
    node.up = true;
    this.#trace(`${id} restarted`);
    for (const other of this.#running()) {
      if (other.id !== id) other.core.peerBooted(node.identity, this.nowMs);
    }
  }

  /** The data directory is gone: nothing is left but the id, under a new or the same incarnation. */
  wipe(id: NodeId, incarnation: string): void {
    const node = this.node(id);
    this.crash(id);
    node.durableLog = [];
    node.hard = { term: 0, votedFor: null };
    node.identity = { ...node.identity, incarnation };
    this.restart(id);
  }

  // -- the node's loop --------------------------------------------------------------------------

  /** What a node does after every call: take what is ready until nothing is. */
  pump(node: TestNode): void {
    for (let i = 0; i < 1000; i++) {
      const ready = node.core.takeReady();
      this.#handleReady(node, ready);
      const isDone =
        ready.sends.length === 0 &&
        ready.noop === null &&
        ready.hardState === null &&
        !this.#startLogWrite(node);
      if (isDone) {
        this.oracle.watch(node);
        return;
      }
      if (!node.autoDisk) continue;
      if (node.hardWrite !== null) this.#autoFinishHard(node);
      if (node.logWrite !== null) this.#autoFinishLog(node);
    }
    throw new Error(`node ${node.id} is never done`);
  }

  #handleReady(node: TestNode, ready: Ready): void {
    if (ready.noop !== null) {
      const { index, term } = ready.noop;
      node.log.push({ firstIndex: index, lastIndex: index, term, payload: `noop ${term}` });
    }
    for (const event of ready.events) {
      node.events.push(event);
      this.#trace(`${node.id} ${renderEvent(event)}`);
      if (event.type === "role" && event.role === "leader") this.oracle.elected(node, event.term);
    }
    if (ready.hardState !== null) {
      if (node.hardWrite !== null) throw new Error("two hard state writes at once");
      node.hardWrite = { id: ready.hardState.writeId, hardState: ready.hardState.hardState };
    }
    if (ready.committed !== null) {
      this.#trace(`${node.id} commit ${ready.committed}`);
      node.commitIndex = ready.committed;
      this.oracle.committed(node, this.nodes);
    }
    for (const read of ready.reads) {
      node.reads.set(read.readId, read.index);
      this.#trace(
        `${node.id} read ${read.readId} ${read.index === null ? "failed" : `at ${read.index}`}`,
      );
    }
    for (const { to, message } of ready.messages) {
      this.network.push({ from: node.identity, to, message, records: [] });
    }
    for (const order of ready.sends) {
      if (node.core.term !== order.term) continue;
      const records = readRecords(node.log, order.fromIndex, order.bytesMax);
      const first = records[0]?.firstIndex ?? order.fromIndex;
      const prevIndex = first - 1;
      const message: RaftMessage = {
        type: "append",
        term: order.term,
        round: order.round,
        prevIndex,
        prevTerm: node.core.termAt(prevIndex) ?? -1,
        commitIndex: order.commitIndex,
        records: records.map(outlineOf),
      };
      this.network.push({ from: node.identity, to: order.to, message, records });
      const lastIndex = records.at(-1)?.lastIndex ?? prevIndex;
      const bytes = records.length * RECORD_BYTES;
      node.core.sent(order.to, order.term, prevIndex, lastIndex, bytes, this.nowMs);
    }
  }

  #obey(node: TestNode, order: AppendOrder, envelope: Envelope): void {
    const { truncateFrom, appendFrom } = order;
    if (truncateFrom !== null) {
      this.#trace(`${node.id} truncates from ${truncateFrom}`);
      node.log = node.log.filter((record) => record.lastIndex < truncateFrom);
    }
    if (appendFrom === null) return;
    const records = envelope.records.filter((record) => record.firstIndex >= appendFrom);
    node.log.push(...records);
    this.#trace(`${node.id} appends ${appendFrom}..${records.at(-1)?.lastIndex}`);
  }

  #startLogWrite(node: TestNode): boolean {
    const isDurable =
      node.log.length === node.durableLog.length && node.log.at(-1) === node.durableLog.at(-1);
    if (isDurable || node.logWrite !== null) return false;
    node.logWrite = { id: node.core.writeStarted(), log: [...node.log] };
    return true;
  }

  #autoFinishHard(node: TestNode): void {
    const write = node.hardWrite;
    if (write === null) return;
    node.hard = write.hardState;
    node.hardWrite = null;
    node.core.hardStateDone(write.id, this.nowMs);
  }

  #autoFinishLog(node: TestNode): void {
    const write = node.logWrite;
    if (write === null) return;
    node.durableLog = [...write.log];
    node.logWrite = null;
    node.core.writeDone(write.id, this.nowMs);
  }

  #running(): readonly TestNode[] {
    return [...this.nodes.values()].filter((node) => node.up);
  }

  #trace(line: string): void {
    this.#options.trace?.(line);
  }

  #createNode(id: NodeId): TestNode {
    const terms = this.#options.logs?.[id] ?? [];
    const log = terms.map((term, at): LogRecord => {
      return { firstIndex: at + 1, lastIndex: at + 1, term, payload: `old ${at + 1}.${term}` };
    });
    const term = this.#options.terms?.[id] ?? terms.at(-1) ?? 0;
    const identity: NodeIdentity = { id, incarnation: `i${id}`, bootId: `b${id}.1` };
    const unborn = {
      id,
      identity,
      up: true,
      boots: 1,
      log,
      durableLog: [...log],
      logWrite: null,
      hard: { term, votedFor: null },
      hardWrite: null,
      autoDisk: true,
      commitIndex: 0,
      reads: new Map<number, LogIndex | null>(),
      events: [],
      voteFromCommitIndex: this.#options.voteFromCommitIndex?.[id] ?? 0,
    };
    return { ...unborn, core: this.#createCore(unborn) };
  }

  #createCore(node: Omit<TestNode, "core">): Core {
    const runs: TermRun[] = [];
    for (const record of node.durableLog) {
      if (runs.at(-1)?.term !== record.term)
        runs.push({ firstIndex: record.firstIndex, term: record.term });
    }
    const configurations = node.durableLog.flatMap((record): Configuration[] =>
      record.members === undefined ? [] : [{ index: record.firstIndex, members: record.members }],
    );
    return createCore({
      self: node.identity,
      hardState: node.hard,
      baseIndex: 0,
      baseTerm: 0,
      runs,
      lastIndex: node.durableLog.at(-1)?.lastIndex ?? 0,
      configurations: [this.#founding, ...configurations],
      commitIndex: 0,
      voteFromCommitIndex: node.voteFromCommitIndex,
      timings: this.#options.timings ?? TIMINGS,
      limits: { ...LIMITS, ...this.#options.limits },
      seed: (this.#options.seed ?? 1) * 1000 + node.id * 10 + node.boots,
      nowMs: this.nowMs,
    });
  }
}

/** Whole records from the one that contains `from`, at least one, up to `bytesMax`. */
function readRecords(
  log: readonly LogRecord[],
  from: LogIndex,
  bytesMax: number,
): readonly LogRecord[] {
  const at = log.findIndex((record) => record.lastIndex >= from);
  if (at < 0) return [];
  return log.slice(at, at + Math.max(1, Math.floor(bytesMax / RECORD_BYTES)));
}

/** What the core sees of a record. */
function outlineOf(record: LogRecord): RecordOutline {
  const { firstIndex, lastIndex, term, members } = record;
  return { firstIndex, lastIndex, term, ...(members === undefined ? {} : { members }) };
}

/** The voters of the configuration that a node holds in force. */
export function voterIds(core: Core): readonly NodeId[] {
  return votersOf(core.configuration).map((member) => member.id);
}

export function roleIn(core: Core, id: NodeId): Member["role"] | null {
  return memberOf(core.configuration, id)?.role ?? null;
}

export function renderMessage(m: RaftMessage): string {
  const head = `${m.type} t${m.term} r${m.round}`;
  switch (m.type) {
    case "preVote":
      return `${head} last ${m.lastIndex}/${m.lastTerm}`;
    case "vote":
      return `${head} last ${m.lastIndex}/${m.lastTerm}${m.ordered ? " ordered" : ""}`;
    case "preVoteReply":
    case "voteReply":
      return `${head} ${m.answer}`;
    case "append": {
      const records = m.records.map(
        (r) => `${r.firstIndex}${r.lastIndex > r.firstIndex ? `-${r.lastIndex}` : ""}/${r.term}`,
      );
      return `${head} prev ${m.prevIndex}/${m.prevTerm} [${records.join(" ")}] commit ${m.commitIndex}`;
    }
    case "appendReply":
      if (m.result === "matched") return `${head} matched ${m.matchIndex}`;
      return `${head} ${m.result} at ${m.prevIndex} hint ${m.hintIndex}/${m.hintTerm}`;
    case "heartbeat":
      return `${head} commit ${m.commitIndex}`;
    case "heartbeatReply":
      return `${head} durable ${m.durableIndex} commit ${m.commitIndex}`;
    case "timeoutNow":
      return head;
    case "installSnapshot":
      return `${head} last ${m.lastIndex}/${m.lastTerm}`;
  }
}

function renderEvent(event: CoreEvent): string {
  switch (event.type) {
    case "role": {
      const votes = event.votes.length > 0 ? ` (votes: ${event.votes.join(", ")})` : "";
      return `${event.role} in term ${event.term}: ${event.reason}${votes}`;
    }
    case "leader":
      return `leader ${event.leader ?? "-"} in term ${event.term}`;
    case "configuration": {
      const members = event.configuration.members.map(
        (m) => `${m.id}${m.role === "voter" ? "" : " (learner)"}`,
      );
      return `configuration ${event.configuration.index} ${event.reason}: ${members.join(", ")}`;
    }
    case "transfer":
      return `transfer to ${event.to} ${event.outcome}`;
    case "lostData":
      return `peer ${event.peer} lost data: ${event.durableIndex} of ${event.matchIndex} is left`;
    case "diverged":
      return `diverged from ${event.peer} at ${event.index}`;
  }
}
