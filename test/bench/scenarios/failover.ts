/** How long nothing is acknowledged when leadership moves: the leader is killed, told to hand over,
 *  told to stop. The time goes from the order to the next receipt of an entry of a later term. */
import { seededRandom } from "../../../src/base/random.ts";
import { sleep } from "../../e2e/world.ts";
import { median, quantile } from "../../quantile.ts";
import type { Cluster } from "../cluster.ts";
import { Pulse } from "../pulse.ts";
import { lower, type Bench, type Measured, type RunResult, type Scenario } from "../scenario.ts";

const OUTSTANDING = 64;
/** Load between two moves, ms: at no fixed distance to a heartbeat, and long enough that a process
 *  that was just started has compiled what it runs. */
const QUIET_MS_MIN = 700;
const QUIET_MS_SPREAD = 100;
const MOVES_MIN = 3;
const LEADER_TIMEOUT_MS = 30_000;

/** What moves the leadership away from node `leader`; `settle` brings all nodes back. */
interface Move {
  readonly order: () => Promise<unknown>;
  readonly settle: () => Promise<void>;
}

function scenario(
  name: string,
  about: string,
  moveOf: (cluster: Cluster, leader: number, client: Client) => Move,
): Scenario {
  return {
    name,
    about: `${about}, to the next receipt; ${OUTSTANDING} outstanding`,
    main: false,
    settings: { outstanding: OUTSTANDING, size: 100, nodes: 3 },
    run: (bench) => run(bench, moveOf),
  };
}

type Client = Awaited<ReturnType<Cluster["connect"]>>;

export const failovers: readonly Scenario[] = [
  scenario("leader-kill", "kill -9 of the leader", (cluster, leader) => ({
    order: () => cluster.kill(leader),
    settle: () => comeBack(cluster, leader),
  })),
  scenario("transfer", "leadership handed over", (_cluster, _leader, client) => ({
    order: () => client.transfer(),
    settle: async () => {},
  })),
  scenario("leader-stop", "SIGTERM of the leader", (cluster, leader) => ({
    order: () => cluster.end(leader),
    settle: () => comeBack(cluster, leader),
  })),
];

async function comeBack(cluster: Cluster, id: number): Promise<void> {
  cluster.restart(id);
  await cluster.ready(id);
}

async function run(
  bench: Bench,
  moveOf: (cluster: Cluster, leader: number, client: Client) => Move,
): Promise<RunResult> {
  const cluster = await bench.cluster();
  const client = await cluster.connect();
  const pulse = new Pulse(client);
  const random = seededRandom(bench.seed);
  const timesMs: number[] = [];
  const orderMs: number[] = [];
  const untilMs = performance.now() + bench.seconds * 1_000;
  await pulse.start(OUTSTANDING);
  while (timesMs.length < MOVES_MIN || performance.now() < untilMs) {
    await sleep(QUIET_MS_MIN + random() * QUIET_MS_SPREAD);
    const leader = await client.leader({ wait: true, timeoutMs: LEADER_TIMEOUT_MS });
    const move = moveOf(cluster, leader.id, client);
    const next = pulse.after(leader.term);
    const startedMs = performance.now();
    const ordered = move.order().then(() => orderMs.push(performance.now() - startedMs));
    timesMs.push((await next) - startedMs);
    await ordered;
    await move.settle();
  }
  await pulse.stop();
  return { figures: figuresOf(timesMs, orderMs), verified: await pulse.verify() };
}

function figuresOf(timesMs: readonly number[], orderMs: readonly number[]): readonly Measured[] {
  return [
    lower("p50", median(timesMs), "ms"),
    lower("p99", quantile(timesMs, 0.99), "ms"),
    lower("max", Math.max(...timesMs), "ms"),
    { name: "moves", unit: "", better: "neither", value: timesMs.length },
    lower("order p50", median(orderMs), "ms"),
  ];
}
