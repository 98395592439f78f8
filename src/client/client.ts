/** A client of one cluster: the public library's face. Promises live here and nowhere below. */

import type { MonotonicMs, NodeId } from "../base/types.ts";
import type { Configuration } from "../raft/types.ts";
import type { ReadRequest, Request } from "../transport/requests.ts";
import { Births } from "./births.ts";
import type { Answer, Target } from "./call.ts";
import { Calls } from "./calls.ts";
import { callFailure, type Circumstances } from "./failures.ts";
import { Finder } from "./finder.ts";
import { heardClusters } from "./heard.ts";
import { Inquiry } from "./inquiry.ts";
import { Operator } from "./operator.ts";
import { followLog, POLL_MS, readLog, type Records } from "./reader.ts";
import { Room } from "./room.ts";
import { Sender } from "./sender.ts";
import { type Entry, Session } from "./session.ts";
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
  readonly #inquiry: Inquiry;
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
    this.#births = new Births(clock, calls, () => finder);
    this.#turn = new Turn(clock);
    this.#own = this.session();
    this.#inquiry = new Inquiry({
      clock,
      finder,
      key: options.key,
      ask: (request, target, timeoutMs) => this.#ask(request, target, timeoutMs),
      throwConflict: () => this.#throwConflict(),
      around: (startedMs) => this.#around(startedMs),
    });
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
      onFrame: (connection, frame, nowMs) => parts.calls?.takeFrame(connection, frame, nowMs),
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
    return this.#inquiry.status(this.#timeoutMs(options.timeoutMs));
  }

  /** Who leads, as a hint: the term is the fencing token. Without `wait` a cluster without a leader
   *  is exit code 4. */
  async leader(
    options: { readonly wait?: boolean; readonly timeoutMs?: number } = {},
  ): Promise<LeaderAnswer> {
    return this.#inquiry.leader(options.wait === true, this.#timeoutMs(options.timeoutMs));
  }

  /** Stops the process that leads now; never its successor. */
  stopLeader({
    kill = false,
    timeoutMs,
  }: { readonly kill?: boolean; readonly timeoutMs?: number } = {}): Promise<LeaderAnswer> {
    return this.#operator.stopLeader({ kill, timeoutMs: this.#timeoutMs(timeoutMs) });
  }

  /** Stops the process that runs as node `id` now. */
  stop(
    id: NodeId,
    { kill = false, timeoutMs }: { readonly kill?: boolean; readonly timeoutMs?: number } = {},
  ): Promise<void> {
    return this.#operator.stop(id, { kill, timeoutMs: this.#timeoutMs(timeoutMs) });
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
