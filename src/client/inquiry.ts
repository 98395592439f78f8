/** What is asked of all nodes again and again until enough of them have answered: who leads, and
 *  what each says of itself. */

import type { MonotonicMs, NodeId } from "../base/types.ts";
import type { Clock } from "../transport/clock.ts";
import type { LeaderHint, Request } from "../transport/requests.ts";
import type { ClusterKey } from "../transport/types.ts";
import type { Answer, CallResult, Target } from "./call.ts";
import { callFailure, nobodyAnswers, type Circumstances } from "./failures.ts";
import type { Finder } from "./finder.ts";
import { isComplete, mergeStatus, type Heard } from "./status.ts";
import type { ClusterStatus, LeaderAnswer } from "./types.ts";

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

export interface InquiryHost {
  readonly clock: Clock;
  readonly finder: Finder;
  readonly key: ClusterKey;
  readonly ask: (request: Request, target: Target, timeoutMs: number) => Promise<Answer>;
  /** Throws when two clusters answer to the name. */
  readonly throwConflict: () => void;
  readonly around: (startedMs: MonotonicMs) => Circumstances;
}

export class Inquiry {
  readonly #host: InquiryHost;

  constructor(host: InquiryHost) {
    this.#host = host;
  }

  /** What all reachable nodes say. Rejects with exit code 3 if none does. */
  async status(timeoutMs: number): Promise<ClusterStatus> {
    const startedMs = this.#host.clock.monotonicMs();
    const heard = new Map<NodeId, Heard>();
    const asked = new Set<string>();
    let firstMs: MonotonicMs | null = null;
    for (;;) {
      this.#host.finder.look(this.#host.clock.monotonicMs());
      for (const node of this.#host.finder.nodes()) {
        const { id, bootId } = node.remote.identity;
        if (asked.has(bootId)) continue;
        asked.add(bootId);
        this.#host.ask({ type: "status", of: null }, id, timeoutMs).then(
          (answer) => {
            if (answer.type !== "status") return;
            firstMs ??= this.#host.clock.monotonicMs();
            const { heartbeatMs } = node.remote.hello.timings;
            heard.set(id, { report: answer.report, rttMs: node.rttMs, heartbeatMs });
            for (const { address } of answer.report.peers)
              if (address !== null) this.#host.finder.greet(address);
          },
          () => undefined,
        );
      }
      const nowMs = this.#host.clock.monotonicMs();
      if (firstMs !== null && nowMs - firstMs >= STATUS_VIA_MS) this.#askOthers(heard, asked);
      const late =
        nowMs - startedMs >= timeoutMs || (firstMs !== null && nowMs - firstMs >= STATUS_GRACE_MS);
      if (late || isComplete([...heard.values()])) break;
      await this.#sleep(Math.min(STATUS_POLL_MS, startedMs + timeoutMs - nowMs));
    }
    this.#host.throwConflict();
    if (heard.size === 0) throw nobodyAnswers(this.#host.around(startedMs));
    return mergeStatus([...heard.values()], this.#host.key);
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
        this.#host.ask({ type: "status", of: id }, report.id, STATUS_GRACE_MS).then(
          (answer) => {
            if (answer.type !== "status" || answer.report.id !== id || heard.has(id)) return;
            heard.set(id, { report: answer.report, rttMs: null, heartbeatMs: null });
          },
          () => undefined,
        );
      }
    }
  }

  /** Who leads, as a hint: the term is the fencing token. Without `wait` a cluster without a leader
   *  is exit code 4. */
  async leader(wait: boolean, timeoutMs: number): Promise<LeaderAnswer> {
    const startedMs = this.#host.clock.monotonicMs();
    let leaderless = 0;
    let pollMs = wait ? LEADER_POLL_FIRST_MS : LEADER_POLL_MS;
    while (this.#host.clock.monotonicMs() - startedMs < timeoutMs) {
      const leftMs = startedMs + timeoutMs - this.#host.clock.monotonicMs();
      const hint = await this.#askWhoLeads(leftMs);
      if (hint !== null) {
        const address =
          hint.address ?? this.#host.finder.connection(hint.id)?.remote.address ?? null;
        return { id: hint.id, address, term: hint.term };
      }
      this.#host.throwConflict();
      if (!wait && this.#host.finder.nodes().length > 0 && ++leaderless >= LEADERLESS_ROUNDS) {
        // What a node knows says why there is none.
        await this.#host.ask({ type: "status", of: null }, "any", leftMs).catch(() => undefined);
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
    throw callFailure(result, { type: "leader" }, "leader", this.#host.around(startedMs));
  }

  /** What all met nodes believe: whom two of them name, at once; else the highest term that any
   *  names. */
  async #askWhoLeads(timeoutMs: number): Promise<LeaderHint | null> {
    this.#host.finder.look(this.#host.clock.monotonicMs());
    // Promise.withResolvers is missing in Node 20, where the simulator runs too.
    let resolve = (_leader: LeaderHint | null): void => {};
    const promise = new Promise<LeaderHint | null>((settle) => (resolve = settle));
    const named: LeaderHint[] = [];
    const answers = this.#host.finder.nodes().map(async ({ remote: { identity } }) => {
      const answer = await this.#host
        .ask({ type: "leader" }, identity.id, Math.min(timeoutMs, LEADER_ANSWER_MS))
        .catch(() => null);
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

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#host.clock.after(ms, resolve));
  }
}
