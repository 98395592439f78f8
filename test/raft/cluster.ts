/** A small cluster of cores with an explicit network and explicit disks: a script decides what is
 *  delivered, what becomes durable and what is lost. An oracle watches every step. */

import type { LogIndex, NodeId, Term } from "../../src/base/types.ts";
import type {
  AppendOrder,
  Configuration,
  Core,
  Member,
  MembershipChange,
  RaftMessage,
  Ready,
} from "../../src/raft/types.ts";
import { Oracle } from "./oracle.ts";
import { renderEvent, renderMessage } from "./render.ts";
import {
  createNodeCore,
  createTestNode,
  outlineOf,
  readRecords,
  RECORD_BYTES,
  TIMINGS,
} from "./test-node.ts";
import type { ClusterOptions, Envelope, TestNode } from "./test-node.ts";

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
      this.nodes.set(id, createTestNode(id, options, this.#founding, this.nowMs));
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
    node.core = createNodeCore(node, this.#options, this.#founding, this.nowMs);
    node.up = true;
    this.#trace(`${id} restarted`);
    for (const other of this.#running()) {
      if (other.id !== id) other.core.peerBooted(node.identity, this.nowMs);
    }
  }

  /** The data directory is gone: nothing is left but the id, under a new or the same
   *  incarnation. */
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
}
