/** Customers at work: programs with the production client in them send, repeat, read, give up,
 *  crash and come back, and write down what they did and what they were told. */

import type { Random } from "../base/random.ts";
import type { LogIndex, NodeId } from "../base/types.ts";
import type { RaftClient } from "../client/client.ts";
import { RaftError, type LogEntry } from "../client/types.ts";
import { between, ln, pick } from "./chance.ts";
import type { Cluster } from "./cluster.ts";
import type { Customer } from "./customer.ts";
import {
  payloadHash,
  ReadDigest,
  type Operation,
  type Outcome,
  type ReadOperation,
  type SendOperation,
} from "./history.ts";

/** How often one request is sent again after an unknown outcome. */
const REPEATS_MAX = 3;
/** Names of a user's own are remembered among so many sessions; where fewer are remembered nobody
 *  uses them, and a name is not used again once this many sessions may have begun. A call that uses
 *  one again is short, for others begin meanwhile. */
const NAMED_SESSIONS_MIN = 64;
const NAMED_SESSIONS_USED = 24;
const NAMED_AGAIN_ELECTIONS = 2;

/** From one look whether two nodes lead to the next, election timeouts. */
const DOUBT_ELECTIONS = 0.1;
/** Of the looks that find no two of them: how many end in a question to the one that leads. */
const QUESTIONS_SHARE = 0.03;

/** The client's own session, or another one of it. */
type Writer = Pick<RaftClient, "send">;

/** What a send asks for. */
interface Wish {
  readonly entries: readonly Uint8Array[];
  readonly payloads: readonly string[];
  readonly ifLast: LogIndex | null;
  /** The same for all its copies. */
  readonly key: string;
  /** A user's own text. */
  readonly name: string | null;
}

/** Where and how a customer reads. */
interface ReadWish {
  /** null: wherever the client likes. */
  readonly node: NodeId | null;
  readonly stale: boolean;
  readonly timeoutMs: number;
}

export class Workload {
  /** In the order of their calls. */
  readonly operations: Operation[] = [];
  /** Reads with `--stale`: prefixes of the log, of any age. */
  readonly staleReads: ReadOperation[] = [];
  /** What clients said that they must never say. */
  readonly contradictions: string[] = [];
  /** Entries acknowledged. */
  acknowledged = 0;
  readonly #cluster: Cluster;
  readonly #random: Random;
  readonly #untilMs: number;
  /** Whoever starts programs again. */
  readonly #somebody: Customer;
  /** No more sessions than this have begun. */
  #sessions = 0;
  #entries = 0;
  #wishes = 0;
  /** The last entry that anybody was told of. */
  #lastKnown: LogIndex = 0;

  constructor(cluster: Cluster, untilMs: number) {
    this.#cluster = cluster;
    this.#random = cluster.stream("workload");
    this.#untilMs = untilMs;
    this.#somebody = cluster.addCustomer();
  }

  start(): void {
    this.#mind(this.#doubt());
    for (let at = 0; at < this.#cluster.plan.customers; at++) this.#mind(this.#live());
  }

  /** One entry by a program that has just been started; true when it was acknowledged. */
  async probe(timeoutMs: number): Promise<boolean> {
    const customer = this.#cluster.addCustomer();
    const client = await customer.connect();
    const wish = this.#newWish(1, 16, null, null);
    const { outcome } = await this.#send(customer, client, wish, null, timeoutMs);
    return outcome === "ok";
  }

  /** A program, and after each of its crashes another one. */
  async #live(): Promise<void> {
    const { plan } = this.#cluster;
    while (this.#cluster.nowMs < this.#untilMs) {
      const customer = this.#cluster.addCustomer();
      const client = await customer.connect();
      for (let loop = 0; loop < plan.outstanding; loop++) {
        const writer = loop % 2 === 0 ? client : client.session();
        this.#mind(this.#serve(customer, client, writer));
      }
      const lifeMs = this.#cluster.electionMs * between(this.#random, 10, 80);
      await customer.sleep(lifeMs);
      if (this.#cluster.nowMs >= this.#untilMs) return;
      this.#cluster.count("customer crashed");
      const downMs = this.#cluster.electionMs * this.#random() * 4;
      customer.end();
      await this.#somebody.sleep(downMs);
    }
  }

  /** A client throws nothing but its own errors. */
  #mind(work: Promise<void>): void {
    work.catch((error: unknown) => {
      this.contradictions.push(error instanceof Error ? (error.stack ?? error.message) : "thrown");
    });
  }

  /** One thing after the other; the writers of one client share its wire and nothing else. */
  async #serve(customer: Customer, client: RaftClient, writer: Writer): Promise<void> {
    const { thinkMs } = this.#cluster.plan;
    for (;;) {
      await customer.sleep(-ln(1 - this.#random() * 0.999) * thinkMs);
      if (this.#cluster.nowMs >= this.#untilMs) return;
      const timeoutMs = this.#cluster.electionMs * pick(this.#random, [0.3, 2, 2, 8]);
      const dice = this.#random();
      const node = this.#random() < 0.5 ? null : between(this.#random, 1, this.#cluster.plan.nodes);
      if (dice < 0.18) await this.#read(customer, client, { node, stale: dice < 0.06, timeoutMs });
      else await this.#sendUntilKnown(customer, writer, this.#chooseWish(dice), timeoutMs);
    }
  }

  // ------------------------------------------------------------------------------------------
  // Sends.

  #chooseWish(dice: number): Wish {
    const random = this.#random;
    const count = random() < 0.2 ? between(random, 2, 8) : 1;
    const large = random();
    const bytes =
      large < 0.0005
        ? 1_048_576
        : large < 0.02
          ? between(random, 1_000, 65_536)
          : between(random, 1, 200);
    const canName = this.#cluster.plan.limits.sessionsMax >= NAMED_SESSIONS_MIN;
    if (dice < 0.25 && canName)
      return this.#newWish(count, bytes, null, `order ${this.#wishes + 1}`);
    const back = pick(random, [0, 0, 0, 1, 5]);
    if (dice < 0.32) return this.#newWish(count, bytes, Math.max(0, this.#lastKnown - back), null);
    return this.#newWish(count, bytes, null, null);
  }

  #newWish(count: number, bytes: number, ifLast: LogIndex | null, name: string | null): Wish {
    const entries: Uint8Array[] = [];
    for (let left = count; left > 0; left--) {
      const text = new TextEncoder().encode(`${++this.#entries} `);
      const entry = new Uint8Array(Math.max(text.length, count === 1 ? bytes : bytes / 8));
      entry.fill(46);
      entry.set(text);
      entries.push(entry);
    }
    const payloads = entries.map((entry) => payloadHash(entry));
    return { entries, payloads, ifLast, key: `request ${++this.#wishes}`, name };
  }

  /** Sends, and after an unknown outcome now and then again under the same name. */
  async #sendUntilKnown(
    customer: Customer,
    writer: Writer,
    wish: Wish,
    timeoutMs: number,
  ): Promise<void> {
    const sessionsBefore = this.#sessions;
    const againMs = this.#cluster.electionMs * NAMED_AGAIN_ELECTIONS;
    let name = wish.name;
    for (let copy = 0; copy <= REPEATS_MAX; copy++) {
      const isAgain = copy > 0 && wish.name !== null;
      const waitMs = isAgain ? Math.min(timeoutMs, againMs) : timeoutMs;
      const told = await this.#send(customer, writer, wish, name, waitMs);
      if (told.outcome !== "unknown") return;
      name ??= told.requestId;
      const isRemembered =
        wish.name === null || this.#sessions - sessionsBefore < NAMED_SESSIONS_USED;
      if (name === null || !isRemembered || this.#random() < 0.3) return;
      await customer.sleep(this.#cluster.electionMs * this.#random());
    }
  }

  /** `name`: under which the client sends it; null: it makes one. */
  async #send(
    { host }: Customer,
    writer: Writer,
    wish: Wish,
    name: string | null,
    timeoutMs: number,
  ): Promise<{ readonly outcome: Outcome; readonly requestId: string | null }> {
    const { entries, payloads, ifLast, key: requestId } = wish;
    const count = payloads.length;
    const callNs = this.#nowNs();
    const asked = { kind: "send", client: host, requestId, ifLast, count, payloads } as const;
    const unknown = { node: null, callNs, index: null, term: null } as const;
    const at = this.operations.length;
    this.operations.push({ ...asked, ...unknown, returnNs: null, outcome: "unknown" });
    this.#sessions += 1;
    const tell = (told: Pick<SendOperation, "outcome" | "index" | "term" | "lastUser">): void => {
      this.operations[at] = { ...asked, ...unknown, ...told, returnNs: this.#nowNs() };
    };
    try {
      const { index, term } = await writer.send(entries, {
        timeoutMs,
        ...(ifLast !== null && { ifLast }),
        ...(name !== null && { requestId: name }),
      });
      tell({ outcome: "ok", index, term });
      this.acknowledged += count;
      this.#lastKnown = Math.max(this.#lastKnown, index + count - 1);
      return { outcome: "ok", requestId: null };
    } catch (error) {
      const outcome = outcomeOf(error);
      if (outcome === null) throw error;
      const { requestId: named, lastIndex: lastUser } =
        error instanceof RaftError ? error : { requestId: null, lastIndex: null };
      if (name !== null && error instanceof RaftError && SAFE_ANEW.test(error.message))
        this.contradictions.push(`of a call under an id: ${error.message}`);
      tell({ outcome, index: null, term: null, lastUser });
      return { outcome, requestId: named };
    }
  }

  // ------------------------------------------------------------------------------------------
  // Reads.

  /** One who distrusts leaders: as soon as two nodes hold themselves for the leader, asks the later
   *  one how far the log goes, and then the earlier one, which must not know less. */
  async #doubt(): Promise<void> {
    const customer = this.#cluster.addCustomer();
    const client = await customer.connect();
    const { electionMs } = this.#cluster;
    while (this.#cluster.nowMs < this.#untilMs) {
      await customer.sleep(electionMs * DOUBT_ELECTIONS);
      const [first, ...others] = this.#leaders();
      const last = others.at(-1);
      const timeoutMs = electionMs * pick(this.#random, [0.3, 2, 8]);
      // Without a doubt a question now and then, so that each leader knows who asks.
      if (last !== undefined || this.#random() < QUESTIONS_SHARE)
        await this.#read(customer, client, {
          node: last ?? first ?? null,
          stale: false,
          timeoutMs,
        });
      if (last !== undefined && first !== undefined)
        await this.#read(customer, client, { node: first, stale: false, timeoutMs });
    }
  }

  /** Whoever believes to lead, the earliest term first. */
  #leaders(): readonly NodeId[] {
    return [...this.#cluster.machines.values()]
      .flatMap(({ id, process }) => {
        const core = process?.member?.core;
        return core?.role === "leader" ? [{ id, term: core.term }] : [];
      })
      .toSorted((a, b) => a.term - b.term)
      .map(({ id }) => id);
  }

  async #read({ host }: Customer, client: RaftClient, where: ReadWish): Promise<void> {
    const random = this.#random;
    const { node, stale, timeoutMs } = where;
    const back = pick(random, [0, 1, 10, 100]);
    const from = Math.max(1, this.#lastKnown - back);
    const callNs = this.#nowNs();
    const options = { all: true, stale, timeoutMs, from, ...(node !== null && { node }) };
    const digest = new ReadDigest();
    let last: LogEntry | null = null;
    let count = 0;
    try {
      for await (const entry of client.log(options)) {
        digest.add(entry.index, entry.kind === "entry" ? payloadHash(entry.bytes) : null);
        last = entry;
        count += 1;
      }
    } catch (error) {
      if (!(error instanceof RaftError)) throw error;
      if (CONTRADICTION.test(error.message)) this.contradictions.push(error.message);
      return;
    }
    const read: ReadOperation = {
      kind: "read",
      client: host,
      node,
      callNs,
      returnNs: this.#nowNs(),
      outcome: "ok",
      from,
      index: last?.index ?? from - 1,
      count,
      term: last?.term ?? null,
      digest: digest.toString(),
    };
    (stale ? this.staleReads : this.operations).push(read);
    this.#lastKnown = Math.max(this.#lastKnown, last?.index ?? 0);
  }

  #nowNs(): number {
    return Math.round(this.#cluster.nowMs * 1_000_000);
  }
}

/** What a reader must never be told. */
const CONTRADICTION = /has a hole|arrived damaged|does not follow|cannot be read/;

/** What nobody must be told of a call under an id, for it knows nothing of earlier ones. */
const SAFE_ANEW = /^not added: .*Safe to send again/;

/** Of this call alone; null: a failure that is no answer. A request that was forgotten may have
 *  been added before. */
function outcomeOf(error: unknown): Outcome | null {
  if (!(error instanceof RaftError)) return null;
  if (error.exitCode === 5 || error.exitCode === 7) return "unknown";
  if (error.exitCode === 8 && !/^not added(?: by this call)?: /.test(error.message))
    return "unknown";
  return "refused";
}
