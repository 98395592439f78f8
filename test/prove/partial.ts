/** Measure: topologies in which only some majority of the nodes is wholly connected, and the others
 *  hang on it by bridges, one-way links, rings or links that come and go.
 *
 *  Each node is in a network namespace of its own; whom it does not hear is a set in nftables
 *  there, changed at run time, so links are cut one way and multicast works. For every topology
 *  there is a time to settle; then for ten election timeouts nobody of that majority may see
 *  another leader or term, and writes typed at any of its nodes must succeed in time. */
import { type Random, seededRandom } from "../../src/base/random.ts";
import { type Running, sleep, until } from "../e2e/world.ts";
import { buildLan, type Lan, type Machine, noLanReason } from "../e2e/lan.ts";
import type { Budget, Figure, Measure } from "./measure.ts";
import { electionMaxMs } from "./nodes.ts";

/** More than twice the default: three worlds share this machine, and what is asked is whether
 *  links make elections, not whether a busy machine does. */
const ELECTION_MS = 600;
const FLAGS = ["--election", `${ELECTION_MS}ms`] as const;
const STABLE_MS = 10 * electionMaxMs(ELECTION_MS);
const SETTLE_MS = 6_000;
/** A link that flaps is down for the first part of that, so that nobody leads through it. */
const DOWN_FIRST_MS = 2_500;
const FLAP_MS = [200, 1_500] as const;
const WRITES = 3;
const WRITE_MS = 3_000;
const READY_MS = 60_000;
const HEAL_MS = 30_000;
/** Worlds at once. */
const LANES = 3;
const SIZES = [3, 5] as const;
/** Other leaders and terms, as a node says them. */
const CHANGED = /leads in term|no longer leads/;

const SHAPES = ["bridge", "deaf", "mute", "ring", "random", "cut", "flapping"] as const;
type Shape = (typeof SHAPES)[number];

/** Who is heard: `hears[a]` has b when datagrams of b reach a. Nodes are 0..n-1. */
type Hears = readonly ReadonlySet<number>[];

interface Topology {
  readonly shape: Shape;
  readonly majority: readonly number[];
  readonly hears: Hears;
}

export const measure: Measure = {
  name: "partial",
  title:
    "partly connected topologies with a majority of which every pair exchanges datagrams (bridges, one-way links, flapping around it)",
  unit: "topologies",
  targets: { ci: 6, hour: 200 },
  demand: "one stable leader, writes succeed",
  weight: 6,
  unavailable: () => noLanReason,
  run,
};

async function run(budget: Budget): Promise<Figure> {
  const endMs = performance.now() + budget.seconds * 1_000;
  const failures: string[] = [];
  let [begun, done] = [0, 0];
  const lane = async (number: number): Promise<void> => {
    const size = SIZES[number % SIZES.length] ?? 3;
    let cluster: PartialCluster | null = null;
    try {
      for (;;) {
        if (begun >= budget.target || (begun > 0 && performance.now() >= endMs)) return;
        const seed = budget.seed + begun++;
        cluster ??= await PartialCluster.start(size);
        const broken = await cluster.hold(seed);
        done += 1;
        if (broken === null) {
          budget.progress(`${done} topologies, ${failures.length} broken`);
          continue;
        }
        failures.push(`seed ${seed}: ${broken} (npm run prove -- --only partial --seed ${seed})`);
        await cluster.end();
        cluster = null;
      }
    } finally {
      await cluster?.end();
    }
  };
  const lanes = Math.min(LANES, budget.target);
  const ended = await Promise.allSettled(Array.from({ length: lanes }, (_, at) => lane(at)));
  for (const each of ended) if (each.status === "rejected") failures.push(String(each.reason));
  return {
    done,
    bad: failures.length,
    text: `${failures.length} of ${done} topologies without a stable leader or writes`,
    ok: failures.length === 0 && done > 0,
    failures,
  };
}

/** One cluster in namespaces, put through one topology after the other. */
export class PartialCluster {
  readonly #lan: Lan;
  readonly #nodes: readonly Running[];

  private constructor(lan: Lan, nodes: readonly Running[]) {
    this.#lan = lan;
    this.#nodes = nodes;
  }

  static async start(size: number): Promise<PartialCluster> {
    const lan = buildLan(size);
    try {
      const nodes = lan.machines.map((machine, at) =>
        machine.up(at + 1, "--size", String(size), ...FLAGS),
      );
      await Promise.all(nodes.map((node) => node.waitForLine(/\bready:/, READY_MS)));
      return new PartialCluster(lan, nodes);
    } catch (error) {
      await lan.end();
      throw error;
    }
  }

  end(): Promise<void> {
    return this.#lan.end();
  }

  /** Applies one topology and heals it; what broke, as a sentence with the topology, or null. */
  async hold(seed: number, stableMs = STABLE_MS): Promise<string | null> {
    const random = seededRandom(seed);
    const topology = drawTopology(random, this.#nodes.length);
    this.#apply(topology.hears);
    const flapping = topology.shape === "flapping" ? this.#flap(topology, random) : null;
    let broken: string | null;
    try {
      broken = await this.#observe(topology, random, stableMs);
    } catch (error) {
      broken = String(error);
    } finally {
      await flapping?.stop();
    }
    this.#apply(this.#nodes.map(() => new Set(this.#nodes.keys())));
    if (broken !== null) return `${broken}; ${render(topology)}`;
    await until(
      "healthy again after the topology",
      async () => (await this.#machine(0).run(["status", "--check"])).code === 0,
      HEAL_MS,
      300,
    );
    return null;
  }

  async #observe({ majority }: Topology, random: Random, stableMs: number): Promise<string | null> {
    await sleep(SETTLE_MS);
    const before = await this.#leaderSeenBy(pick(majority, random));
    const linesBefore = this.#nodes.map(({ lines }) => lines.length);
    const startedMs = performance.now();
    for (let write = 0; write < WRITES; write++) {
      const at = pick(majority, random);
      const text = `${startedMs} ${write}`;
      const sent = await this.#machine(at).run(["send", "-q", text, "--timeout", "20s"]);
      if (sent.code !== 0)
        return `a write at node ${at + 1} ended with ${sent.code}: ${sent.stderr.trim()}`;
      if (sent.elapsedMs > WRITE_MS)
        return `a write at node ${at + 1} took ${Math.round(sent.elapsedMs)} ms`;
      await sleep(stableMs / (WRITES + 1));
    }
    await sleep(Math.max(0, startedMs + stableMs - performance.now()));
    for (const at of majority) {
      const lines = this.#nodes[at]?.lines.slice(linesBefore[at]) ?? [];
      const changed = lines.find((line) => CHANGED.test(line));
      if (changed !== undefined) return `node ${at + 1} saw a change: ${changed.trim()}`;
    }
    const after = await this.#leaderSeenBy(pick(majority, random));
    return before === after ? null : `leader ${before} became ${after}`;
  }

  async #leaderSeenBy(at: number): Promise<string> {
    const text = await this.#machine(at).must(["leader", "--wait", "--timeout", "20s", "--json"]);
    const { id, term } = JSON.parse(text) as { id: number; term: number };
    return `${id} in term ${term}`;
  }

  #apply(hears: Hears): void {
    const { machines } = this.#lan;
    for (const [at, machine] of machines.entries()) {
      const deafTo = machines.filter((_, other) => other !== at && !hears[at]?.has(other));
      machine.hearNot(deafTo.map(({ address }) => address));
    }
  }

  /** Links outside of the majority come and go, down at first. */
  #flap(topology: Topology, random: Random): { stop: () => Promise<void> } {
    const stopped = new AbortController();
    const flap = async (): Promise<void> => {
      await sleep(DOWN_FIRST_MS);
      while (!stopped.signal.aborted) {
        this.#apply(drawLinks(random, this.#nodes.length, topology.majority, "random"));
        const [shortMs, longMs] = FLAP_MS;
        await sleep(shortMs + random() * (longMs - shortMs));
      }
    };
    const flapping = flap();
    const stop = async (): Promise<void> => {
      stopped.abort();
      await flapping;
    };
    return { stop };
  }

  #machine(at: number): Machine {
    const machine = this.#lan.machines[at];
    if (machine === undefined) throw new Error(`there is no machine ${at + 1}`);
    return machine;
  }
}

/** A majority that is wholly connected, and a shape for what is around it. */
function drawTopology(random: Random, size: number): Topology {
  const order = [...Array(size).keys()].map((node) => ({ node, key: random() }));
  order.sort((a, b) => a.key - b.key);
  const majority = order.slice(0, Math.floor(size / 2) + 1).map(({ node }) => node);
  const shape = SHAPES[Math.floor(random() * SHAPES.length)] ?? "random";
  const hears = drawLinks(random, size, majority, shape === "flapping" ? "cut" : shape);
  return { shape, majority, hears };
}

function drawLinks(
  random: Random,
  size: number,
  majority: readonly number[],
  shape: Exclude<Shape, "flapping">,
): Hears {
  const hears = Array.from({ length: size }, (_, at) => new Set([at]));
  const link = (from: number, to: number): void => void hears[to]?.add(from);
  const inside = new Set(majority);
  for (const a of majority) for (const b of majority) link(a, b);
  const all = [...Array(size).keys()];
  for (const node of all.filter((each) => !inside.has(each))) {
    const bridge = pick(majority, random);
    for (const other of all.filter((each) => each !== node)) {
      const isNeighbour = other === (node + 1) % size || other === (node + size - 1) % size;
      if (shape === "bridge" && other === bridge) {
        link(node, other);
        link(other, node);
      } else if (shape === "deaf" || (shape === "ring" && isNeighbour)) {
        link(node, other);
        if (shape === "ring") link(other, node);
      } else if (shape === "mute") {
        link(other, node);
      } else if (shape === "random") {
        if (random() < 0.5) link(node, other);
        if (random() < 0.5) link(other, node);
      }
    }
  }
  return hears;
}

function render({ shape, majority, hears }: Topology): string {
  const names = (nodes: Iterable<number>): string =>
    [...nodes]
      .map((node) => node + 1)
      .toSorted((a, b) => a - b)
      .join(" ");
  const rows = hears.map((heard, at) => `${at + 1} hears ${names(heard)}`).join(", ");
  return `${shape} around nodes ${names(majority)} (${rows})`;
}

function pick(nodes: readonly number[], random: Random): number {
  return nodes[Math.floor(random() * nodes.length)] ?? 0;
}
