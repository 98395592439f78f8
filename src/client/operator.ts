/** What an operator asks of a cluster: stop, transfer, members. Each request is bound to what it
 *  was meant for (a boot id, a term, a configuration's index), so a repeated one never hits the
 *  next leader. */

import type { MonotonicMs, NodeId, Term } from "../base/types.ts";
import type { Configuration, MembershipChange } from "../raft/types.ts";
import type { Clock } from "../transport/clock.ts";
import type { NodeReport, Request } from "../transport/requests.ts";
import type { Answer, Target } from "./call.ts";
import { RefusedError } from "./failures.ts";
import { RaftError, type LeaderAnswer } from "./types.ts";

/** A new member gets this long to catch up before it is left a learner. */
const CATCH_UP_MS = 60_000;
const LOOK_EVERY_MS = 50;
/** A hand-over lasts about 20 ms: whoever ordered one is told of it soon. */
const LOOK_FOR_LEADER_MS = 5;
/** How often the order is repeated while nobody has taken over; a copy of one that is under way
 *  changes nothing. */
const ORDER_AGAIN_MS = 250;
/** Each one that the leader takes closes the log for an election timeout. */
const TRANSFER_ORDERS_MAX = 3;
/** A new leader has no entry of its term committed yet, or another change is under way. */
const NOT_READY_MS = 300;
/** A single request of a longer operation. */
const STEP_MS = 2_000;

export interface OperatorOptions {
  readonly ask: (request: Request, target: Target, timeoutMs: number) => Promise<Answer>;
  readonly leader: (timeoutMs: number) => Promise<LeaderAnswer>;
  readonly hello: (id: NodeId, timeoutMs: number) => Promise<{ readonly bootId: string }>;
  readonly clock: Clock;
  /** "ana@lab-07": shown where a node is stopped. */
  readonly userHost: string;
}

interface StopOrder {
  /** At once, as a crash would. */
  readonly kill: boolean;
  readonly timeoutMs: number;
  /** It was meant as the leader: the node says so where it is stopped. */
  readonly asLeader?: boolean;
}

export class Operator {
  readonly #options: OperatorOptions;

  constructor(options: OperatorOptions) {
    this.#options = options;
  }

  async stopLeader(order: StopOrder): Promise<LeaderAnswer> {
    const deadlineMs = this.#now() + order.timeoutMs;
    const leader = await this.#options.leader(order.timeoutMs);
    await this.stop(leader.id, {
      ...order,
      timeoutMs: deadlineMs - this.#now(),
      asLeader: true,
    });
    return leader;
  }

  async stop(id: NodeId, { kill, timeoutMs, asLeader = false }: StopOrder): Promise<void> {
    const deadlineMs = this.#now() + timeoutMs;
    const { bootId } = await this.#options.hello(id, timeoutMs);
    const by = this.#options.userHost;
    try {
      const leftMs = deadlineMs - this.#now();
      await this.#options.ask({ type: "stop", bootId, kill, by, asLeader }, id, leftMs);
    } catch (error) {
      // "outdated": that process has ended already, which is what was asked for.
      if (error instanceof RefusedError && error.refusal.code === "outdated") return;
      throw error;
    }
  }

  /** Ordered again while nobody has taken over, because a leader gives up after an election
   *  timeout; the term keeps every copy from moving the next leader. */
  async transfer(to: NodeId | null, timeoutMs: number): Promise<LeaderAnswer> {
    const deadlineMs = this.#now() + timeoutMs;
    const before = await this.#options.leader(timeoutMs);
    if (before.id === to) return before;
    const refusal = await this.#orderTransfer(before.term, to, deadlineMs);
    if (refusal !== null) throw refusal;
    let why = "no other voter could take over in time";
    let orders = 1;
    let againMs = this.#now() + ORDER_AGAIN_MS;
    for (;;) {
      const leftMs = deadlineMs - this.#now();
      if (leftMs <= 0) throw new RaftError(`node ${before.id} still leads: ${why}`, 4);
      const now = await this.#options.leader(leftMs);
      if (now.term > before.term) {
        if (to === null ? now.id !== before.id : now.id === to) return now;
        throw new RaftError(`not done: node ${now.id} leads, in term ${now.term}`, 4);
      }
      if (orders < TRANSFER_ORDERS_MAX && this.#now() >= againMs) {
        orders++;
        const again = await this.#orderTransfer(before.term, to, deadlineMs);
        why = again?.refusal.text || why;
        againMs = this.#now() + ORDER_AGAIN_MS;
      }
      await this.#pause(LOOK_FOR_LEADER_MS);
    }
  }

  /** Null when it was taken, or that term is over: an earlier copy may have done it. */
  async #orderTransfer(
    term: Term,
    to: NodeId | null,
    deadlineMs: MonotonicMs,
  ): Promise<RefusedError | null> {
    try {
      const leftMs = Math.max(1, deadlineMs - this.#now());
      await this.#options.ask({ type: "transfer", term, to }, "leader", leftMs);
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      if (error.refusal.code !== "outdated") return error;
    }
    return null;
  }

  async members(timeoutMs: number): Promise<Configuration> {
    return configurationOf(await this.#leaderReport(timeoutMs));
  }

  /** `timeoutMs` undefined: as long as a new member may take to catch up. */
  async add(id: NodeId, learner: boolean, timeoutMs: number | undefined): Promise<Configuration> {
    const deadlineMs = this.#now() + (timeoutMs ?? CATCH_UP_MS);
    const added = await this.change(
      { type: "addLearner", id, incarnation: "" },
      Math.min(STEP_MS, timeoutMs ?? STEP_MS),
    );
    return learner ? added : this.#promoteWhenCaughtUp(id, deadlineMs);
  }

  async replace(id: NodeId, timeoutMs: number | undefined): Promise<Configuration> {
    const deadlineMs = this.#now() + (timeoutMs ?? CATCH_UP_MS);
    const before = configurationOf(
      await this.#leaderReport(Math.min(STEP_MS, timeoutMs ?? STEP_MS)),
    );
    const wasVoter = before.members.some((member) => member.id === id && member.role === "voter");
    const replaced = await this.change(
      { type: "replace", id, incarnation: "" },
      Math.min(STEP_MS, timeoutMs ?? STEP_MS),
    );
    return wasVoter ? this.#promoteWhenCaughtUp(id, deadlineMs) : replaced;
  }

  /** One change, compared with the configuration that it was made for; repeated while others change
   *  it meanwhile, and for a moment while the leader is not ready for a change. */
  async change(change: MembershipChange, timeoutMs: number): Promise<Configuration> {
    const startedMs = this.#now();
    const first = configurationOf(await this.#leaderReport(timeoutMs));
    for (let before = first; ;) {
      const leftMs = Math.max(1, startedMs + timeoutMs - this.#now());
      try {
        const answer = await this.#options.ask(
          { type: "members", configurationIndex: before.index, change },
          "leader",
          leftMs,
        );
        if (answer.type === "done" && answer.configuration !== null) return answer.configuration;
        return configurationOf(await this.#leaderReport(leftMs));
      } catch (error) {
        if (!isRefusedChange(error) || this.#now() - startedMs >= timeoutMs) throw error;
        const now = configurationOf(await this.#leaderReport(leftMs));
        // The answer to an earlier copy was lost: its effect is there.
        if (now.index > first.index && holds(now, change, first)) return now;
        if (now.index === before.index && this.#now() - startedMs >= NOT_READY_MS) throw error;
        if (now.index === before.index) await this.#pause();
        before = now;
      }
    }
  }

  async #promoteWhenCaughtUp(id: NodeId, deadlineMs: MonotonicMs): Promise<Configuration> {
    for (;;) {
      try {
        const leftMs = Math.max(1, deadlineMs - this.#now());
        return await this.change({ type: "promote", id }, Math.min(STEP_MS, leftMs));
      } catch (error) {
        if (!isRefusedChange(error)) throw error;
        if (this.#now() >= deadlineMs) {
          throw new RaftError(
            `node ${id} is a learner and not a voter yet: ${error.refusal.text}. Promote it when it has caught up`,
            4,
          );
        }
      }
    }
  }

  async #leaderReport(timeoutMs: number): Promise<NodeReport> {
    const deadlineMs = this.#now() + timeoutMs;
    for (;;) {
      const leftMs = Math.max(1, deadlineMs - this.#now());
      const leader = await this.#options.leader(leftMs);
      const answer = await this.#options.ask({ type: "status", of: null }, leader.id, leftMs);
      if (answer.type === "status" && answer.report.role === "leader") return answer.report;
      if (this.#now() >= deadlineMs)
        throw new RaftError("no leader stayed long enough to be asked", 4);
      await this.#pause();
    }
  }

  #now(): MonotonicMs {
    return this.#options.clock.monotonicMs();
  }

  #pause(ms = LOOK_EVERY_MS): Promise<void> {
    return new Promise((resolve) => void this.#options.clock.after(ms, resolve));
  }
}

function isRefusedChange(error: unknown): error is RefusedError {
  return error instanceof RefusedError && error.refusal.code === "configuration changed";
}

function configurationOf({ configuration }: NodeReport): Configuration {
  if (configuration === null) throw new RaftError("not done: the cluster is not founded yet", 4);
  return configuration;
}

/** Whether a configuration shows that the change was made. */
function holds(
  { members }: Configuration,
  change: MembershipChange,
  before: Configuration,
): boolean {
  const member = members.find(({ id }) => id === change.id);
  switch (change.type) {
    case "addLearner":
      return member !== undefined;
    case "promote":
      return member?.role === "voter";
    case "demote":
      return member?.role === "learner";
    case "remove":
      return member === undefined;
    case "replace":
      return (
        member !== undefined &&
        member.incarnation !== before.members.find(({ id }) => id === change.id)?.incarnation
      );
  }
}
