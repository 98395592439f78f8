/** A cluster for a scripted scenario: calm but for what the script does, watched by every
 *  invariant. */

import type { RaftClient } from "../../src/client/client.ts";
import type { LogIndex, NodeId } from "../../src/base/types.ts";
import type { Member } from "../../src/node/member.ts";
import { payloadsOf, readHead } from "../../src/storage/record.ts";
import { RECORD_KIND } from "../../src/storage/types.ts";
import { Cluster } from "../../src/sim/cluster.ts";
import { FAST_DISK } from "../../src/sim/disk.ts";
import { INVARIANTS } from "../../src/sim/invariants/index.ts";
import type { Evidence, Invariant } from "../../src/sim/invariants/types.ts";
import type { Machine, ProcessEnd } from "../../src/sim/machine.ts";
import { CALM } from "../../src/sim/network.ts";
import { timingsOf, type Plan } from "../../src/sim/plan.ts";
import { Watch } from "../../src/sim/watch.ts";

/** Small segments and pages, so that their borders are crossed. */
export const LIMITS = {
  segmentBytesMin: 16_384,
  segmentBytesMax: 65_536,
  tailBytesMax: 16_384,
  tailPageBytes: 4_096,
  sessionsMax: 64,
};

const PLAN: Plan = {
  seed: 1,
  nodes: 3,
  faultsMs: Infinity,
  timings: timingsOf(50),
  quality: CALM,
  disk: FAST_DISK,
  limits: LIMITS,
  datagramBytes: 1_200,
  nasty: [],
  receiveBufferBytes: 1_048_576,
  nemeses: [],
  strikes: 1,
  healingLoss: 0,
  customers: 0,
  outstanding: 1,
  thinkMs: 0,
  verbose: false,
};

/** How long anything may take before a scenario fails, in election timeouts. */
const PATIENCE_ELECTIONS = 60;

export class Stage {
  readonly cluster: Cluster;
  readonly evidence: Evidence;
  readonly violations: string[] = [];
  /** How processes ended by themselves, strangers' too: "2 id in use ...". */
  readonly ends: string[] = [];
  /** Machines that an end by itself does not bring back. */
  readonly heldDown = new Set<Machine>();
  /** Called when something of any machine became durable. */
  onSync: (path: string) => void = () => {};

  /** `invariants`: none where a stranger may become what a machine of the cluster was to be. */
  constructor(wish: Partial<Plan> = {}, invariants: readonly Invariant[] = INVARIANTS) {
    this.cluster = new Cluster(
      { ...PLAN, ...wish },
      {
        onEnd: (machine, end) => this.#ended(machine, end),
        onTurn: (machine) => watch.turned(machine),
        onSync: (machine, path) => {
          this.onSync(path);
          watch.synced(machine, path);
        },
      },
    );
    const watch = new Watch(this.cluster, invariants, (name, sentence) => {
      this.violations.push(`${name}: ${sentence}`);
    });
    this.evidence = watch.evidence;
  }

  /** All founders started at once, founded, and one leads. */
  static async founded(
    wish: Partial<Plan> = {},
    invariants: readonly Invariant[] = INVARIANTS,
  ): Promise<Stage> {
    const stage = new Stage(wish, invariants);
    for (const machine of stage.cluster.machines.values()) machine.start();
    await stage.until("a leader", () => stage.leader() !== null);
    await stage.until("members", () => stage.members().length === stage.cluster.plan.nodes);
    return stage;
  }

  machine(id: NodeId): Machine {
    const machine = this.cluster.machines.get(id);
    if (machine === undefined) throw new Error(`no machine ${id}`);
    return machine;
  }

  member(id: NodeId): Member {
    const member = this.machine(id).process?.member ?? null;
    if (member === null) throw new Error(`node ${id} is no member`);
    return member;
  }

  members(): readonly Member[] {
    return [...this.cluster.machines.values()].flatMap(({ process }) => process?.member ?? []);
  }

  /** The leader of the highest term that has committed in it. */
  leader(): Machine | null {
    const leaders = [...this.cluster.machines.values()].filter(({ process }) => {
      const core = process?.member?.core;
      return core?.role === "leader" && core.termAt(core.commitIndex) === core.term;
    });
    const term = (machine: Machine): number => machine.process?.member?.core.term ?? 0;
    return leaders.toSorted((a, b) => term(b) - term(a))[0] ?? null;
  }

  follower(): Machine {
    const leader = this.leader();
    const other = [...this.cluster.machines.values()].find((at) => at !== leader && at.running);
    if (other === undefined) throw new Error("nobody follows");
    return other;
  }

  /** Runs until it holds; fails when that takes too long. */
  async until(what: string, done: () => boolean, elections = PATIENCE_ELECTIONS): Promise<void> {
    const untilMs = this.cluster.nowMs + elections * this.cluster.electionMs;
    await this.cluster.run(untilMs, () => this.violations.length > 0 || done());
    if (this.violations.length > 0) throw new Error(this.violations.join("\n"));
    if (!done()) {
      throw new Error(`not within ${elections} election timeouts: ${what}. ${this.describe()}`);
    }
  }

  async pass(elections: number): Promise<void> {
    const untilMs = this.cluster.nowMs + elections * this.cluster.electionMs;
    await this.cluster.run(untilMs, () => this.violations.length > 0);
    if (this.violations.length > 0) throw new Error(this.violations.join("\n"));
  }

  /** What a promise becomes, in the world's time. */
  async settled<T>(what: string, promise: Promise<T>): Promise<T> {
    const state = { over: false };
    const over = (): void => {
      state.over = true;
    };
    promise.then(over, over);
    await this.until(what, () => state.over);
    return promise;
  }

  /** A client, on a machine of its own or on that of a node. */
  client(host?: string): Promise<RaftClient> {
    const timeoutMs = this.cluster.electionMs * 20;
    return this.settled("a client", this.cluster.addCustomer({ timeoutMs }, host).connect());
  }

  async send(client: RaftClient, entry: string): Promise<LogIndex> {
    return (await this.settled(`"${entry}" is sent`, client.send(entry))).index;
  }

  /** The users' entries of a node's log, as text, in order; throws where one cannot be read. */
  entries(id: NodeId): readonly string[] {
    const { log } = this.member(id);
    const found: string[] = [];
    for (let index = log.baseIndex + 1; index <= log.lastIndex;) {
      const read = log.read(index, 1);
      const head = read === null ? "damaged" : readHead(read.bytes, 0);
      if (read === null || typeof head === "string")
        throw new Error(`entry ${index} of node ${id} cannot be read`);
      const payloads = head.kind === RECORD_KIND.user ? payloadsOf(read.bytes, 0) : [];
      found.push(...(payloads ?? []).map((payload) => new TextDecoder().decode(payload)));
      index = read.lastIndex + 1;
    }
    return found;
  }

  describe(): string {
    const nodes = [...this.cluster.machines.values()].map(({ id, running, process, ended }) => {
      const core = process?.member?.core;
      const end = ended === null ? "" : ` ended: ${JSON.stringify(ended)}`;
      if (core === undefined) return `node ${id} ${running ? "is no member" : "is down"}${end}`;
      const { role, term, commitIndex, lastIndex } = core;
      const { mute } = core.status();
      return `node ${id} ${role} term ${term} commit ${commitIndex}/${lastIndex} mute: ${mute}`;
    });
    return nodes.join("; ");
  }

  #ended(machine: Machine, end: ProcessEnd): void {
    const text = "text" in end ? end.text : "";
    this.ends.push(`${machine.id} ${end.type} ${text}`);
    if (end.type === "bug") this.violations.push(`node ${machine.id} ended by a bug: ${text}`);
    if (this.heldDown.has(machine)) return;
    this.cluster.schedule.at(this.cluster.nowMs + this.cluster.electionMs, () => machine.start());
  }
}
