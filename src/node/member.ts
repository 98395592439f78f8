/** One member running: the core, its log and its peers, turned once per turn of the loop.
 *
 *  The order of a turn is the contract (README.md):
 *    1 take in       frames, requests and completions of the disk have arrived; time passes
 *    2 propose       what clients sent becomes records, appended to the log in memory
 *    3 hard state    a changed term or vote starts towards the disk
 *    4 send          what was appended leaves for the followers
 *    5 answer        what committed is told to clients, in the datagrams of the same flush
 *    6 write         everything appended starts towards the disk, unless a write is in flight or
 *                    what is committed already waits for more (gathering.ts)
 *    7 send old      what others have long committed leaves for followers that are behind
 *  Nothing that depends on a write leaves before it: the core holds it back. */

import { nasty } from "../base/buggify.ts";
import { assert } from "../base/assert.ts";
import type { LogIndex, MonotonicMs, NodeId, NodeIdentity } from "../base/types.ts";
import { createCore } from "../raft/core.ts";
import type {
  Core,
  CoreEvent,
  MembershipChange,
  RaftMessage,
  Ready,
  SendOrder,
} from "../raft/types.ts";
import { encodeMembers, encodePayloads, encodeRecord, NO_CLIENT } from "../storage/record.ts";
import { RECORD_KIND, type LogStore, type RecordKind } from "../storage/types.ts";
import type { AppendRequest, LeaderHint, RefusalCode, Response } from "../transport/requests.ts";
import type { Connection, Frame } from "../transport/types.ts";
import { createAppendHost } from "./append-host.ts";
import { AppendQueue } from "./append-queue.ts";
import { ChainCheck } from "./chain-check.ts";
import { ConfigurationQueue } from "./configuration-queue.ts";
import { raftProblem } from "./door.ts";
import { EarlyAppends } from "./early-appends.ts";
import { Entrance } from "./entrance.ts";
import { Gathering } from "./gathering.ts";
import { Healer } from "./healer.ts";
import { catchUpBytesPerMs, DEFAULT_LIMITS } from "./limits.ts";
import type { MemberOptions } from "./member-options.ts";
import { sizesOf, type MemberSizes } from "./member-sizes.ts";
import { OLD_BYTES_A_TURN, OldOrders } from "./old-orders.ts";
import { Reads } from "./reads.ts";
import { fulfilSendOrder } from "./replication.ts";
import { noteSeen, type Seen } from "./seen.ts";
import { assertTermHeld } from "./term-check.ts";

export class Member {
  readonly core: Core;
  readonly log: LogStore;
  readonly reads: Reads;
  readonly #options: MemberOptions;
  readonly #appends: AppendQueue<(response: Response) => void>;
  readonly #entrance: Entrance;
  readonly #configurations = new ConfigurationQueue();
  readonly #healer: Healer;
  readonly #chainCheck: ChainCheck;
  readonly #early = new EarlyAppends();
  readonly #gathering: Gathering;
  readonly #oldOrders = new OldOrders();
  /** What recovery found damaged and the core has not been told to be healed. */
  #damage: "none" | "known members" | "unknown members";
  /** What each peer was last known to hold: shown to people when it is silent. */
  readonly lastSeen = new Map<NodeId, Seen>();
  /** True after this node gave up its leadership because its disk is full, until there is space
   *  again. */
  #yielded = false;
  /** When this node last heard from a leader of its term; null: never in this process. */
  #leaderHeardMs: MonotonicMs | null = null;

  constructor(options: MemberOptions) {
    const { recovered, clock } = options;
    this.#options = options;
    this.#gathering = new Gathering(options.receiveWindowBytes);
    this.log = recovered.log;
    const damaged = recovered.log.derivedKnown ? "known members" : "unknown members";
    this.#damage = recovered.voteFromCommitIndex === 0 ? "none" : damaged;
    this.core = createCore({
      self: options.self,
      hardState: recovered.hardState,
      baseIndex: recovered.log.baseIndex,
      baseTerm: recovered.baseTerm,
      runs: recovered.runs,
      lastIndex: recovered.log.lastIndex,
      configurations: recovered.configurations,
      commitIndex: recovered.log.baseIndex,
      voteFromCommitIndex: recovered.voteFromCommitIndex,
      membersKnown: recovered.log.derivedKnown,
      timings: options.timings,
      limits: DEFAULT_LIMITS,
      seed: options.seed,
      nowMs: clock.monotonicMs(),
    });
    this.#appends = new AppendQueue(
      createAppendHost(this.core, this.log, options, () => this.reads),
    );
    this.#entrance = new Entrance({
      pendingBytes: () => Math.max(this.core.uncommittedBytes, this.log.unflushedBytes),
      leaderHint: options.leaderHint,
      offer: (...taken) => this.#appends.offer(...taken),
    });
    this.#healer = new Healer(this.log);
    this.#chainCheck = new ChainCheck(this.core, this.log);
    this.reads = new Reads({
      core: this.core,
      log: this.log,
      leaderHint: options.leaderHint,
      staleMs: (nowMs) => this.staleMs(nowMs),
      askLeader: (readId) =>
        options.askReadIndex((index) => {
          this.reads.indexKnown(readId, index, clock.monotonicMs());
          options.wake();
        }),
    });
  }

  get sizes(): MemberSizes {
    return sizesOf(this.#appends, this.log, this.#options.endpoint);
  }

  /** Clients' requests in memory, from their arrival to their commitment, bytes. */
  get heldBytes(): number {
    return this.#entrance.heldBytes + this.#appends.heldBytes;
  }

  /** Since this node last heard from a leader of its term, ms; 0 while it leads; null: never. */
  staleMs(nowMs: MonotonicMs): number | null {
    if (this.core.role === "leader") return 0;
    return this.#leaderHeardMs === null ? null : nowMs - this.#leaderHeardMs;
  }

  /** What a met node can take at once, and how fast it may catch up. */
  setWindow(connection: Connection): void {
    if (connection.remote.kind !== "node") return;
    const { id, receiveWindowBytes } = connection.remote.hello;
    const bytesPerMs = catchUpBytesPerMs(this.#options.datagramBytesMax(connection));
    this.core.setPeerWindow(id, receiveWindowBytes, bytesPerMs);
  }

  /** A client's entries. Answered once they are committed, or refused. */
  offerAppend(
    request: AppendRequest,
    answer: (response: Response) => void,
    nowMs: MonotonicMs,
  ): void {
    this.#entrance.offer(request, answer, nowMs);
  }

  /** An operator's change of members. Answered once it is committed, or refused. */
  offerConfiguration(
    change: MembershipChange,
    expectedIndex: LogIndex,
    answer: (response: Response) => void,
  ): void {
    const proposed = this.core.proposeConfiguration(change, expectedIndex);
    if (!proposed.ok) {
      const code = CONFIGURATION_REFUSALS[proposed.kind];
      return answer(refused(code, proposed.reason, this.#options.leaderHint()));
    }
    const { index, members } = proposed.configuration;
    this.#appendOwn(RECORD_KIND.configuration, index, proposed.term, encodeMembers(members));
    this.#configurations.wait(proposed.configuration, proposed.term, answer);
  }

  /** A frame of a met node. Requests and responses are not the member's. */
  takeFrame(from: Connection, peer: NodeIdentity, frame: Frame, nowMs: MonotonicMs): void {
    switch (frame.type) {
      case "raft":
        return this.#takeRaft(peer, frame, nowMs);
      case "check": {
        if (this.#chainCheck.differs(frame)) this.core.reportDivergence(peer.id, frame.index);
        return;
      }
      case "needRecords": {
        const supply = this.#healer.supply(frame);
        if (supply !== null) this.#options.endpoint.send(from, supply);
        return;
      }
      case "heal": {
        const healed = this.#healer.take(frame);
        if (healed !== null) this.#options.onHealed(healed.from, healed.to, peer.id);
        return;
      }
      default:
        return;
    }
  }

  /** One turn: see the head of this file. */
  turn(nowMs: MonotonicMs): void {
    if (nowMs >= this.core.nextDeadlineMs()) this.core.tick(nowMs);
    if (nowMs >= this.log.nextDeadlineMs()) this.log.tick(nowMs);
    if (nowMs >= this.#appends.nextDeadlineMs()) this.#appends.tick(nowMs);
    if (nowMs >= this.reads.nextDeadlineMs()) this.reads.sweep(nowMs);
    this.#heal(nowMs);
    this.#maybeYield(nowMs);
    for (let more = true; more;) {
      const ready = this.core.takeReady();
      this.#act(ready, nowMs);
      more = this.#entrance.release(this.core.role === "leader", nowMs) || ready.sends.length > 0;
    }
    this.#answer();
    for (const { to, frame } of this.#chainCheck.due(nowMs)) {
      const connection = this.#connectionTo(to);
      if (connection !== undefined) this.#options.endpoint.send(connection, frame);
    }
  }

  nextDeadlineMs(): MonotonicMs {
    return Math.min(
      this.core.nextDeadlineMs(),
      this.log.nextDeadlineMs(),
      this.reads.nextDeadlineMs(),
      this.#entrance.nextDeadlineMs(),
      this.#appends.nextDeadlineMs(),
      this.#healer.nextDeadlineMs(),
      this.#chainCheck.nextDeadlineMs(),
      this.#gathering.nextDeadlineMs(),
    );
  }

  /** A leader with a full disk lets another one lead; once, so that full disks do not pass it
   *  around. */
  #maybeYield(nowMs: MonotonicMs): void {
    if (this.log.acceptsEntries && !nasty("yield")) this.#yielded = false;
    else if (!this.#yielded && this.core.role === "leader") {
      this.#yielded = this.core.transferLeadership(null, nowMs).ok;
    }
  }

  #takeRaft(peer: NodeIdentity, frame: Extract<Frame, { type: "raft" }>, nowMs: MonotonicMs): void {
    const { message } = frame;
    const problem = raftProblem(frame, this.log);
    if (problem !== null)
      return this.#options.onNote(`dropped ${message.type} of node ${peer.id}: ${problem}`);
    noteSeen(this.lastSeen, peer, message);
    this.#options.onTrace?.(peer.id, message, frame.bytes);
    if (message.type === "append") {
      const outcome = this.#early.takeAppend(peer, frame, message, this.core, this.log, nowMs);
      if (!outcome.ok)
        return this.#options.onNote(`dropped an append of node ${peer.id}: ${outcome.reason}`);
    } else {
      // A snapshot replaces the log, too, unless the log holds its last entry.
      if (message.type === "installSnapshot")
        assertTermHeld(this.core, this.log, message.lastIndex);
      const order = this.core.step(peer, message, nowMs);
      if (order?.install === true && frame.bytes !== undefined)
        this.log.install(new Uint8Array(frame.bytes));
      if (message.type === "heartbeatReply")
        this.#chainCheck.peerCommitted(peer.id, message.commitIndex);
    }
    if (LEADERS_OWN.has(message.type) && message.term === this.core.term)
      this.#leaderHeardMs = nowMs;
  }

  #act(ready: Ready, nowMs: MonotonicMs): void {
    const { endpoint } = this.#options;
    if (ready.hardState !== null) {
      const { writeId, hardState } = ready.hardState;
      this.#options.writeHardState(hardState, () => {
        this.core.hardStateDone(writeId, this.#options.clock.monotonicMs());
        this.#options.wake();
      });
    }
    if (ready.noop !== null) {
      const { index, term } = ready.noop;
      this.#appendOwn(RECORD_KIND.noop, index, term, EMPTY);
    }
    for (const { to, replyTo, message } of ready.messages) {
      const connection =
        replyTo === null ? this.#connectionTo(to) : this.#connectionToProcess(replyTo);
      if (connection !== undefined) endpoint.send(connection, { type: "raft", message });
    }
    for (const order of ready.sends)
      if (!this.#oldOrders.setAside(order)) this.#fulfil(order, nowMs);
    for (const { to, term, round } of ready.snapshots) this.#sendHead(to, term, round);
    for (const event of ready.events) this.#coreEvent(event, nowMs);
    if (ready.committed !== null) this.#committed(ready.committed, nowMs);
    for (const { readId, index } of ready.reads) this.reads.indexKnown(readId, index, nowMs);
  }

  #fulfil(order: SendOrder, nowMs: MonotonicMs): number {
    const { endpoint, datagramBytesMax } = this.#options;
    const connection = this.#connectionTo(order.to);
    const most = connection === undefined ? 0 : datagramBytesMax(connection);
    return fulfilSendOrder(order, this.core, this.log, endpoint, connection, most, nowMs);
  }

  /** The end of a turn, behind the flush: others wait for what that sends, and nobody for this disk
   *  alone, nor for old records. */
  finish(nowMs: MonotonicMs): void {
    if (!this.#gathering.goesOn(this.core, this.log, nowMs)) this.#write();
    if (!this.#oldOrders.isEmpty) {
      this.#sendOld(nowMs);
      this.#options.endpoint.flush(nowMs);
    }
    // Parts of old records, a few a turn; whatever arrived meanwhile goes first.
    if (this.#options.endpoint.flushPatient(nowMs)) this.#options.wake();
    this.log.endTurn();
  }

  /** Starts the next batch unless one is in flight; then everything that waits goes into the one
   *  after. */
  #write(): void {
    this.log.flush(
      () => this.core.writeStarted(),
      (writeId) => {
        this.core.writeDone(writeId, this.#options.clock.monotonicMs());
        this.#options.wake();
      },
    );
  }

  #sendOld(nowMs: MonotonicMs): void {
    let bytes = 0;
    while (!this.#oldOrders.isEmpty) {
      for (const order of this.#oldOrders.take()) bytes += this.#fulfil(order, nowMs);
      if (bytes >= OLD_BYTES_A_TURN) return this.#options.wake();
      this.#act(this.core.takeReady(), nowMs);
      this.#answer();
    }
  }

  #answer(): void {
    for (const { requester, response } of this.#appends.takeAnswers()) requester(response);
  }

  #committed(commitIndex: LogIndex, nowMs: MonotonicMs): void {
    this.log.committed(commitIndex);
    this.#appends.committed(commitIndex, nowMs);
    this.#configurations.committed(commitIndex, (index) => this.core.termAt(index));
    this.reads.sweep(nowMs);
  }

  #coreEvent(event: CoreEvent, nowMs: MonotonicMs): void {
    if (event.type === "role" && event.role !== "leader") {
      this.#appends.leadershipLost(nowMs);
      this.#configurations.leadershipLost();
    }
    this.#options.onCoreEvent(event);
  }

  /** A record that no client sent: a no-op or a configuration. The core has counted it already. */
  #appendOwn(kind: RecordKind, index: LogIndex, term: number, payload: Uint8Array): void {
    assert(index === this.log.lastIndex + 1, `own record at ${index} after ${this.log.lastIndex}`);
    const record = encodeRecord(
      {
        firstIndex: index,
        term,
        kind,
        timeMs: this.#options.clock.wallMs(),
        clientId: NO_CLIENT,
        firstSequence: 0,
      },
      encodePayloads([payload]),
      this.log.lastChain,
    );
    this.log.append(record);
  }

  #sendHead(to: NodeId, term: number, round: number): void {
    const connection = this.#connectionTo(to);
    const lastIndex = this.log.baseIndex;
    const lastTerm = this.core.termAt(lastIndex);
    if (connection === undefined || lastTerm === undefined) return;
    const message: RaftMessage = {
      type: "installSnapshot",
      term,
      round,
      lastIndex,
      lastTerm,
      configuration: this.log.configurations[0] ?? this.core.configuration,
    };
    this.#options.endpoint.send(connection, {
      type: "raft",
      message,
      bytes: this.log.snapshotHead(),
    });
  }

  #heal(nowMs: MonotonicMs): void {
    if (!this.log.derivedKnown && this.#damage !== "unknown members") {
      this.#damage = "unknown members";
      this.core.logHidden();
    }
    if (this.#damage !== "none") this.#noteHealed();
    if (nowMs < this.#healer.nextDeadlineMs()) return;
    const peers = this.core.configuration.members.flatMap(({ id, incarnation }) => {
      const connection = this.#options.connectionTo(id, incarnation);
      return connection === undefined ? [] : [connection];
    });
    const question = this.#healer.ask(peers, nowMs);
    if (question !== null) this.#options.endpoint.send(question.connection, question.frame);
  }

  /** Whole again: nothing is missing, and nothing that was acknowledged was truncated meanwhile. */
  #noteHealed(): void {
    const { damage, derivedKnown, lastIndex, damagedTo, runs, configurations } = this.log;
    const isWhole = damage.length === 0 && lastIndex >= damagedTo;
    if (!derivedKnown || (this.#damage === "known members" && !isWhole)) return;
    this.#damage = isWhole ? "none" : "known members";
    this.core.logHealed(runs, configurations, isWhole);
  }

  /** A member is its (id, incarnation): another process of that id gets nothing that was meant for
   *  it. */
  #connectionTo(id: NodeId): Connection | undefined {
    const named = this.core.configuration.members.find((member) => member.id === id);
    return named === undefined ? undefined : this.#options.connectionTo(id, named.incarnation);
  }

  /** Who asked may not be in this node's configuration (yet): a member that was replaced while this
   *  one was away. */
  #connectionToProcess({ id, bootId }: NodeIdentity): Connection | undefined {
    return this.#options.endpoint.nodeConnection(id, (identity) => identity.bootId === bootId);
  }
}

const EMPTY = new Uint8Array(0);

const CONFIGURATION_REFUSALS = {
  "not leader": "not leader",
  later: "configuration changed",
  never: "bad request",
} as const;

const LEADERS_OWN: ReadonlySet<RaftMessage["type"]> = new Set([
  "append",
  "heartbeat",
  "installSnapshot",
]);

function refused(code: RefusalCode, text: string, leader: LeaderHint | null): Response {
  return { type: "refused", code, text, leader, number: null };
}
