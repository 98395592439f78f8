/** Random networks, disks and crashes under a seed. The oracle of the cluster throws when a
 *  property of Figure 3 breaks; a run that was healed must elect and commit. */

import { describe, expect, it } from "vitest";
import { seededRandom } from "../../src/base/random.ts";
import type { Random } from "../../src/base/random.ts";
import type { NodeId } from "../../src/base/types.ts";
import { Cluster } from "./cluster.ts";
import { roleIn } from "./test-node.ts";
import type { TestNode } from "./test-node.ts";

/** RAFT_SEED replays one run, RAFT_RUNS asks for more of them. */
const ONLY = process.env["RAFT_SEED"];
const RUNS = Number(process.env["RAFT_RUNS"] ?? 300);
const STEPS = 1200;

describe("random faults", () => {
  it(`keep the five properties of Figure 3 in ${ONLY ?? RUNS} runs, and a healed cluster goes on`, () => {
    const seeds =
      ONLY === undefined ? Array.from({ length: RUNS }, (_, at) => at + 1) : [Number(ONLY)];
    let committed = 0;
    for (const seed of seeds) {
      try {
        committed += new Run(seed).play();
      } catch (error) {
        throw new Error(`seed ${seed} (replay with RAFT_SEED=${seed}): ${String(error)}`, {
          cause: error,
        });
      }
    }
    expect(committed).toBeGreaterThan(seeds.length);
  }, 600_000);
});

class Run {
  readonly #random: Random;
  readonly #cluster: Cluster;
  /** How likely each kind of trouble is in this run. */
  readonly #loss: number;
  readonly #doubling: number;
  readonly #disorder: number;
  readonly #slowDisk: number;
  readonly #crashes: number;
  readonly #changes: boolean;
  readonly #reads = new Map<
    number,
    { readonly node: NodeId; readonly boots: number; readonly atLeast: number }
  >();
  #nextRead = 1;
  #cut: ReadonlySet<NodeId> = new Set();
  /** Whose process stands still: it does nothing, and what is sent to it is lost. */
  #still: NodeId | null = null;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    const size = this.#pick([2, 3, 3, 3, 4, 5, 5]);
    const voters = Array.from({ length: size }, (_, at) => at + 1);
    this.#loss = this.#pick([0, 0.05, 0.3]);
    this.#doubling = this.#pick([0, 0.1, 0.2]);
    this.#disorder = this.#pick([0, 0.2, 1]);
    this.#slowDisk = this.#pick([0, 0.5, 0.95]);
    this.#crashes = this.#pick([0, 0.002, 0.01]);
    this.#changes = this.#random() < 0.4;
    const outsiders = this.#changes ? [size + 1, size + 2] : [];
    this.#cluster = new Cluster({ voters, outsiders, seed });
    for (const node of this.#cluster.nodes.values()) node.autoDisk = this.#slowDisk === 0;
  }

  play(): number {
    for (let i = 0; i < STEPS; i++) this.#step();
    this.#heal();
    return this.#cluster.oracle.highest;
  }

  #step(): void {
    const cluster = this.#cluster;
    if (this.#random() < this.#crashes) this.#crashOrRestart();
    if (this.#random() < 0.002)
      this.#cut = this.#random() < 0.5 ? new Set() : new Set([this.#leaderOrAny().id]);
    if (this.#random() < 0.002) this.#standStill();
    for (const node of cluster.nodes.values()) {
      if (!node.up || node.id === this.#still) continue;
      if (node.core.nextDeadlineMs() <= cluster.nowMs) cluster.tick(node.id);
      if (this.#random() >= this.#slowDisk) {
        cluster.finishHardWrite(node.id);
        cluster.finishLogWrite(node.id);
      }
    }
    const deliveries = Math.ceil(cluster.network.length * this.#random());
    for (let i = 0; i < deliveries; i++) this.#deliverSome();
    cluster.pass(this.#pick([1, 5, 10, 30]));
    if (this.#random() < 0.3) this.#act();
    this.#checkReads();
  }

  #deliverSome(): void {
    const { network } = this.#cluster;
    if (network.length === 0) return;
    if (network.length > 300) network.splice(0, 100);
    const at = this.#random() < this.#disorder ? Math.floor(this.#random() * network.length) : 0;
    const envelope = network[at];
    if (envelope === undefined) return;
    if (this.#random() >= this.#doubling) network.splice(at, 1);
    const isCut =
      this.#cut.has(envelope.to) !== this.#cut.has(envelope.from.id) || envelope.to === this.#still;
    if (!isCut && this.#random() >= this.#loss) this.#cluster.deliver(envelope);
  }

  /** One process stops where it is, or the one that did goes on. It may be asked something before
   *  it looks at the time. */
  #standStill(): void {
    const still = this.#still;
    this.#still = still === null ? this.#leaderOrAny().id : null;
    if (still !== null && this.#random() < 0.5) this.#read(this.#cluster.node(still));
  }

  #crashOrRestart(): void {
    const node = this.#anyNode();
    if (node.id === this.#still) return;
    if (!node.up) return this.#cluster.restart(node.id);
    this.#cluster.crash(node.id, { log: this.#random() < 0.5, hard: this.#random() < 0.5 });
    if (this.#random() < 0.5) this.#cluster.restart(node.id);
  }

  #act(): void {
    this.#doubt();
    const node = this.#anyNode();
    if (!node.up || node.id === this.#still) return;
    const what = this.#random();
    if (node.core.role !== "leader" && what < 0.99) return;
    if (what < 0.7) {
      this.#cluster.propose(node.id, this.#pick([1, 1, 2, 5]));
    } else if (what < 0.9) {
      this.#read(node);
    } else if (what < 0.93) {
      this.#cluster.transfer(node.id, null);
    } else if (this.#changes) {
      this.#changeMembers(node);
    }
  }

  /** Where two nodes hold themselves for the leader, the earlier one is asked. */
  #doubt(): void {
    const [first, second] = this.#leaders();
    if (first !== undefined && second !== undefined && first.id !== this.#still) this.#read(first);
  }

  #read(node: TestNode): void {
    if (!node.up || node.core.role !== "leader") return;
    const readId = this.#nextRead++;
    const atLeast = this.#cluster.oracle.highest;
    if (this.#cluster.read(node.id, readId))
      this.#reads.set(readId, { node: node.id, boots: node.boots, atLeast });
  }

  #changeMembers(leader: TestNode): void {
    const node = this.#anyNode();
    const { id } = node;
    const role = roleIn(leader.core, id);
    if (role === null) {
      const { incarnation } = node.identity;
      this.#cluster.change(leader.id, { type: "addLearner", id, incarnation });
    } else if (role === "learner") {
      this.#cluster.change(leader.id, { type: this.#random() < 0.8 ? "promote" : "remove", id });
    } else {
      this.#cluster.change(leader.id, { type: this.#random() < 0.5 ? "demote" : "remove", id });
    }
  }

  /** Linearizable: a read sees at least what anybody knew committed when it began. */
  #checkReads(): void {
    for (const [readId, read] of this.#reads) {
      const node = this.#cluster.node(read.node);
      const index = node.boots === read.boots ? node.reads.get(readId) : null;
      if (index === undefined) continue;
      this.#reads.delete(readId);
      if (index !== null) expect(index).toBeGreaterThanOrEqual(read.atLeast);
    }
  }

  #heal(): void {
    const cluster = this.#cluster;
    for (const node of cluster.nodes.values()) {
      node.autoDisk = true;
      if (!node.up) cluster.restart(node.id);
      cluster.finishHardWrite(node.id);
      cluster.finishLogWrite(node.id);
    }
    cluster.run(8000);
    // No disk of these runs forgets what it synced.
    const events = [...cluster.nodes.values()].flatMap((node) => node.events);
    expect(events.filter(({ type }) => type === "lostData")).toEqual([]);
    const leader = this.#leaders().at(-1);
    if (leader === undefined)
      throw new Error(`nobody leads after the faults ended${this.#describe()}`);
    const index = cluster.propose(leader.id);
    cluster.run(1000);
    for (const member of leader.core.configuration.members) {
      const node = cluster.node(member.id);
      expect(node.core.commitIndex, `commit index of node ${node.id}`).toBeGreaterThanOrEqual(
        index ?? Infinity,
      );
    }
    cluster.oracle.logsMatch(cluster.nodes.values());
  }

  /** What a person needs to see of a run that failed. */
  #describe(): string {
    return [...this.#cluster.nodes.values()]
      .map(({ id, core }) => {
        const { role, term, votedFor, lastIndex, durableIndex, commitIndex, configuration, mute } =
          core.status();
        const members = configuration.members
          .map((m) => `${m.id}${m.role === "voter" ? "" : "L"}`)
          .join(",");
        return (
          `\n  ${id} ${role} term ${term} vote ${votedFor?.id ?? "-"} last ${lastIndex}/${core.termAt(lastIndex)} ` +
          `durable ${durableIndex} commit ${commitIndex} members ${members}@${configuration.index} ${mute ?? ""}`
        );
      })
      .join("");
  }

  /** Those that believe to lead, the earliest term first. */
  #leaders(): readonly TestNode[] {
    return [...this.#cluster.nodes.values()]
      .filter(({ up, core }) => up && core.role === "leader")
      .sort((a, b) => a.core.term - b.core.term);
  }

  /** Half the time one that believes to lead. */
  #leaderOrAny(): TestNode {
    const leaders = this.#leaders();
    return leaders.length > 0 && this.#random() < 0.5 ? this.#pick(leaders) : this.#anyNode();
  }

  #anyNode(): TestNode {
    return this.#pick([...this.#cluster.nodes.values()]);
  }

  #pick<T>(options: readonly T[]): T {
    const option = options[Math.floor(this.#random() * options.length)];
    if (option === undefined) throw new Error("nothing to pick from");
    return option;
  }
}
