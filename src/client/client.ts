/** A client of one cluster: the public library's face. Promises live here and nowhere below. */

import type { MonotonicMs, NodeId } from "../base/types.ts";
import type { Configuration } from "../raft/types.ts";
import type { LeaderHint, ReadRequest, Request } from "../transport/requests.ts";
import { Births } from "./births.ts";
import type { Answer, CallResult, Target } from "./call.ts";
import { Calls } from "./calls.ts";
import { callFailure, nobodyAnswers, type Circumstances } from "./failures.ts";
import { Finder } from "./finder.ts";
import { heardClusters } from "./heard.ts";
import { Operator } from "./operator.ts";
import { followLog, POLL_MS, readLog, type Records } from "./reader.ts";
import { Room } from "./room.ts";
import { Sender } from "./sender.ts";
import { type Entry, Session } from "./session.ts";
import { isComplete, mergeStatus, type Heard } from "./status.ts";
import {
  RaftError,
  type ClientOptions,
  type ClusterStatus,
  type HeardCluster,
  type LeaderAnswer,
  type LogEntry,
  type LogOptions,
  type Receipt,
  type SendOptions,
} from "./types.ts";
import { Turn } from "./turn.ts";
import { systemWorld } from "./wire.ts";
import type { ClientWire, ClientWorld } from "./world.ts";

const CALL_TIMEOUT_MS = 2_000;
/** How long beacons are collected for `clusters`. */
const LISTEN_MS = 1_500;
/** After the first report, how long status waits for nodes that should answer. */
const STATUS_GRACE_MS = 1_000;
/** A node that does not answer by then is asked for through those that hear it. */
const STATUS_VIA_MS = 150;
/** Heard by another node within this time: worth asking for. */
const STATUS_CONTACT_MS = 1_000;
const STATUS_POLL_MS = 20;
/** One node's word on who leads, and how often all are asked. */
const LEADER_ANSWER_MS = 300;
const LEADER_POLL_MS = 50;
/** Whoever waits asks sooner at first, for a hand-over lasts about 20 ms; the pause doubles. */
const LEADER_POLL_FIRST_MS = 5;
/** Rounds in which nobody names a leader before there is none. */
const LEADERLESS_ROUNDS = 4;

export class RaftClient {
  readonly #options: ClientOptions;
  readonly #world: ClientWorld;
  readonly #wire: ClientWire;
  readonly #finder: Finder;
  readonly #calls: Calls;
  readonly #births: Births;
  readonly #turn: Turn;
  readonly #room = new Room();
  readonly #sessions = new Set<Session>();
  /** The one that `send` uses. */
  readonly #own: Session;
  readonly #operator: Operator;
  #closed = false;

  private constructor(
    options: ClientOptions,
    world: ClientWorld,
    wire: ClientWire,
    finder: Finder,
    calls: Calls,
  ) {
    this.#options = options;
    this.#world = world;
    this.#wire = wire;
    this.#finder = finder;
    this.#calls = calls;
    const { clock } = world;
    this.#births = new Births(calls, () => finder);
    this.#turn = new Turn(clock);
    this.#own = this.session();
    this.#operator = new Operator({
      ask: (request, target, timeoutMs) => this.#ask(request, target, timeoutMs),
      leader: (timeoutMs) => this.leader({ wait: true, timeoutMs }),
      hello: (id, timeoutMs) => this.#meet(id, timeoutMs),
      clock,
      userHost: options.userHost ?? "a program",
    });
  }

  /** Opens the wire and starts to look for nodes; does not wait for one. `world` is the real one
   *  unless a simulation brings its own. */
  static async connect(
    options: ClientOptions,
    world: ClientWorld = systemWorld,
  ): Promise<RaftClient> {
    const parts: { calls?: Calls; finder?: Finder } = {};
    const wire = await world.openWire(options, {
      onMet: () => parts.finder?.met(),
      onFrame: (connection, frame) => parts.calls?.takeFrame(connection, frame),
      onHint: (hint) => parts.finder?.hinted(hint),
    });
    const { clock, dice } = world;
    const calls: Calls = new Calls({ clock, dice, wire, finder: () => finder });
    const finder: Finder = new Finder(wire, options.key, () => calls.routesChanged());
    Object.assign(parts, { calls, finder });
    finder.look(clock.monotonicMs());
    return new RaftClient(options, world, wire, finder, calls);
  }

  /** Adds entries, as one: all of them or none, with consecutive indexes. */
  send(entries: Entry | readonly Entry[], options?: SendOptions): Promise<Receipt> {
    return this.#own.send(entries, options);
  }

  /** A session beside the client's own: another order of entries over the same socket. What enters
   *  through different sessions is not ordered against each other, and a failure in one touches no
   *  other. The cluster remembers the last 65,536 sessions that sent something. */
  session(): Session {
    const { clock, dice } = this.#world;
    const sender = new Sender({
      clock,
      dice,
      calls: this.#calls,
      births: this.#births,
      turn: this.#turn,
      room: this.#room,
      finder: () => this.#finder,
      key: this.#options.key,
    });
    const session = new Session(sender, {
      check: () => this.#refuseIfUnusable(),
      timeoutMs: this.#options.timeoutMs,
      onClosed: () => this.#sessions.delete(session),
    });
    this.#sessions.add(session);
    return session;
  }

  /** The committed entries as of the call, or the part that is asked for. */
  log(options: LogOptions = {}): AsyncGenerator<LogEntry, unknown> {
    // No generator around the generator: it would cost every entry one more promise.
    return readLog((request) => this.#read(request, options, 0), options);
  }

  /** The committed entries, and then every one as it commits, until `signal` is aborted. */
  async *follow(options: LogOptions = {}): AsyncGenerator<LogEntry, void> {
    let heard = false;
    const ask = async (request: ReadRequest): Promise<Records> => {
      for (;;) {
        try {
          const page = await this.#read(request, options, request.waitMs);
          heard = true;
          return page;
        } catch (error) {
          // Once it ran, no silence ends it: 3 and 4 pass.
          const passes =
            error instanceof RaftError && (error.exitCode === 3 || error.exitCode === 4);
          if (!heard || !passes || this.#closed || options.signal?.aborted === true) throw error;
        }
      }
    };
    try {
      yield* followLog(ask, options);
    } catch (error) {
      if (options.signal?.aborted !== true) throw error;
    }
  }

  /** What all reachable nodes say. Rejects with exit code 3 if none does. */
  async status(options: { readonly timeoutMs?: number } = {}): Promise<ClusterStatus> {
    const startedMs = this.#now();
    const timeoutMs = this.#timeoutMs(options.timeoutMs);
    const heard = new Map<NodeId, Heard>();
    const asked = new Set<string>();
    let firstMs: MonotonicMs | null = null;
    for (;;) {
      this.#finder.look(this.#now());
      for (const node of this.#finder.nodes()) {
        const { id, bootId } = node.remote.identity;
        if (asked.has(bootId)) continue;
        asked.add(bootId);
        this.#ask({ type: "status", of: null }, id, timeoutMs).then(
          (answer) => {
            if (answer.type !== "status") return;
            firstMs ??= this.#now();
            heard.set(id, { report: answer.report, rttMs: node.rttMs });
            for (const { address } of answer.report.peers)
              if (address !== null) this.#finder.greet(address);
          },
          () => undefined,
        );
      }
      const nowMs = this.#now();
      if (firstMs !== null && nowMs - firstMs >= STATUS_VIA_MS) this.#askOthers(heard, asked);
      const late =
        nowMs - startedMs >= timeoutMs || (firstMs !== null && nowMs - firstMs >= STATUS_GRACE_MS);
      if (late || isComplete([...heard.values()])) break;
      await this.#sleep(STATUS_POLL_MS);
    }
    this.#throwConflict();
    if (heard.size === 0) throw nobodyAnswers(this.#around(startedMs));
    return mergeStatus([...heard.values()], this.#options.key);
  }

  /** Asks for nodes that do not answer here through those that hear them: behind a firewall a
   *  client reaches only the node on its own machine. */
  #askOthers(heard: Map<NodeId, Heard>, asked: Set<string>): void {
    for (const { report } of [...heard.values()]) {
      for (const { id, lastContactMs } of report.peers) {
        if (heard.has(id) || lastContactMs === null || lastContactMs > STATUS_CONTACT_MS) continue;
        const question = `${id} through ${report.id}`;
        if (asked.has(question)) continue;
        asked.add(question);
        this.#ask({ type: "status", of: id }, report.id, STATUS_GRACE_MS).then(
          (answer) => {
            if (answer.type !== "status" || answer.report.id !== id || heard.has(id)) return;
            heard.set(id, { report: answer.report, rttMs: null });
          },
          () => undefined,
        );
      }
    }
  }

  /** Who leads, as a hint: the term is the fencing token. Without `wait` a cluster without a leader
   *  is exit code 4. */
  async leader(
    options: { readonly wait?: boolean; readonly timeoutMs?: number } = {},
  ): Promise<LeaderAnswer> {
    const startedMs = this.#now();
    const timeoutMs = this.#timeoutMs(options.timeoutMs);
    let leaderless = 0;
    let pollMs = options.wait === true ? LEADER_POLL_FIRST_MS : LEADER_POLL_MS;
    while (this.#now() - startedMs < timeoutMs) {
      const leftMs = startedMs + timeoutMs - this.#now();
      const hint = await this.#askWhoLeads(leftMs);
      if (hint !== null) {
        const address = hint.address ?? this.#finder.connection(hint.id)?.remote.address ?? null;
        return { id: hint.id, address, term: hint.term };
      }
      this.#throwConflict();
      if (
        options.wait !== true &&
        this.#finder.nodes().length > 0 &&
        ++leaderless >= LEADERLESS_ROUNDS
      ) {
        // What a node knows says why there is none.
        await this.#ask({ type: "status", of: null }, "any", leftMs).catch(() => undefined);
        break;
      }
      await this.#sleep(Math.min(pollMs, leftMs));
      pollMs = Math.min(LEADER_POLL_MS, pollMs * 2);
    }
    const result: CallResult = {
      type: "timeout",
      verdict: "safe",
      lastRefusal: null,
      lastTo: null,
      copies: 0,
    };
    throw callFailure(result, { type: "leader" }, "leader", this.#around(startedMs));
  }

  /** What all met nodes believe: whom two of them name, at once; else the highest term that any
   *  names. */
  async #askWhoLeads(timeoutMs: number): Promise<LeaderHint | null> {
    this.#finder.look(this.#now());
    // Promise.withResolvers is missing in Node 20, where the simulator runs too.
    let resolve = (_leader: LeaderHint | null): void => {};
    const promise = new Promise<LeaderHint | null>((settle) => (resolve = settle));
    const named: LeaderHint[] = [];
    const answers = this.#finder.nodes().map(async ({ remote: { identity } }) => {
      const answer = await this.#ask(
        { type: "leader" },
        identity.id,
        Math.min(timeoutMs, LEADER_ANSWER_MS),
      ).catch(() => null);
      if (answer?.type !== "leader" || answer.leader === null) return;
      const { leader } = answer;
      if (named.some(({ id, term }) => id === leader.id && term === leader.term)) resolve(leader);
      named.push(leader);
    });
    void Promise.all(answers).then(() =>
      resolve(named.toSorted((a, b) => b.term - a.term)[0] ?? null),
    );
    return promise;
  }

  /** Stops the process that leads now; never its successor. */
  stopLeader(
    options: { readonly kill?: boolean; readonly timeoutMs?: number } = {},
  ): Promise<LeaderAnswer> {
    return this.#operator.stopLeader(options.kill === true, this.#timeoutMs(options.timeoutMs));
  }

  /** Stops the process that runs as node `id` now. */
  stop(
    id: NodeId,
    options: { readonly kill?: boolean; readonly timeoutMs?: number } = {},
  ): Promise<void> {
    return this.#operator.stop(id, options.kill === true, this.#timeoutMs(options.timeoutMs));
  }

  /** Hands leadership to a voter (null: the best one); resolves when another node leads. */
  transfer(
    to: NodeId | null = null,
    options: { readonly timeoutMs?: number } = {},
  ): Promise<LeaderAnswer> {
    return this.#operator.transfer(to, this.#timeoutMs(options.timeoutMs));
  }

  /** The configuration in force at the leader. */
  members(options: { readonly timeoutMs?: number } = {}): Promise<Configuration> {
    return this.#operator.members(this.#timeoutMs(options.timeoutMs));
  }

  /** Lets a node in that waits outside: as a learner, and as a voter once it has caught up. */
  addMember(
    id: NodeId,
    options: { readonly learner?: boolean; readonly timeoutMs?: number } = {},
  ): Promise<Configuration> {
    return this.#operator.add(id, options.learner === true, options.timeoutMs);
  }

  promoteMember(id: NodeId, options: { readonly timeoutMs?: number } = {}): Promise<Configuration> {
    return this.#operator.change({ type: "promote", id }, this.#timeoutMs(options.timeoutMs));
  }

  removeMember(id: NodeId, options: { readonly timeoutMs?: number } = {}): Promise<Configuration> {
    return this.#operator.change({ type: "remove", id }, this.#timeoutMs(options.timeoutMs));
  }

  /** Gives a member's place to the process that now runs under its id with other data. */
  replaceMember(id: NodeId, options: { readonly timeoutMs?: number } = {}): Promise<Configuration> {
    return this.#operator.replace(id, options.timeoutMs);
  }

  /** Every cluster that is heard on this network within a second and a half. */
  async clusters(): Promise<readonly HeardCluster[]> {
    this.#wire.query();
    await this.#sleep(LISTEN_MS / 2);
    this.#wire.query();
    await this.#sleep(LISTEN_MS / 2);
    return heardClusters(this.#wire.report().heard, this.#options.key);
  }

  /** Ends everything under way: what waits is rejected as if its time were over. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const session of this.#sessions) session.close();
    this.#calls.close();
    await this.#wire.close();
  }

  async #read(request: ReadRequest, options: LogOptions, holdMs: number): Promise<Records> {
    const target = options.node ?? (options.stale === true ? "any" : "leader");
    const timeoutMs = this.#timeoutMs(options.timeoutMs) + holdMs;
    const answer = await this.#ask(request, target, timeoutMs, {
      holdMs: holdMs === 0 ? 0 : POLL_MS,
      signal: options.signal,
    });
    if (answer.type !== "records")
      throw new RaftError("not understood: a node answered a read with something else", 4);
    return answer;
  }

  #ask(
    request: Request,
    target: Target,
    timeoutMs: number,
    {
      holdMs = 0,
      signal,
    }: { readonly holdMs?: number; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#refuseIfUnusable();
      signal?.throwIfAborted();
      const startedMs = this.#now();
      const call = this.#calls.start({
        request,
        target,
        deadlineMs: startedMs + timeoutMs,
        ...(holdMs > 0 ? { holdMs } : {}),
        onResult: (result) => {
          signal?.removeEventListener("abort", abort);
          if (result.type === "answered") resolve(result.response);
          else reject(callFailure(result, request, target, this.#around(startedMs)));
        },
      });
      const abort = (): void => {
        this.#calls.cancel(call);
        reject(signal?.reason instanceof Error ? signal.reason : new Error("aborted"));
      };
      signal?.addEventListener("abort", abort, { once: true });
    });
  }

  /** The process that runs as node `id`, met within the time. */
  async #meet(id: NodeId, timeoutMs: number): Promise<{ readonly bootId: string }> {
    await this.#ask({ type: "leader" }, id, timeoutMs);
    const identity = this.#finder.connection(id)?.remote.identity;
    if (identity === undefined) throw new RaftError(`node ${id} does not answer`, 3);
    return identity;
  }

  #timeoutMs(given: number | undefined): number {
    return given ?? this.#options.timeoutMs ?? CALL_TIMEOUT_MS;
  }

  #refuseIfUnusable(): void {
    if (this.#closed) throw new RaftError("this client is closed", 4);
    this.#throwConflict();
  }

  #throwConflict(): void {
    const conflict = this.#finder.conflict();
    if (conflict !== null) throw conflict;
  }

  #around(startedMs: MonotonicMs): Circumstances {
    const nowMs = this.#now();
    const { key } = this.#options;
    return {
      key,
      finder: this.#finder,
      reports: this.#calls.reports,
      waitedMs: nowMs - startedMs,
      nowMs,
    };
  }

  #now(): MonotonicMs {
    return this.#world.clock.monotonicMs();
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#world.clock.after(ms, resolve));
  }
}
