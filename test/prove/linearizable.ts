/** Measure: operations of clients on real processes that are killed, stopped, paused and started
 *  again at random, alone, in pairs and all together; written to a file and judged by two
 *  checkers. */
import type { Random } from "../../src/base/random.ts";
import { sleep } from "../e2e/world.ts";
import { Campaign, grouped } from "./campaign.ts";
import type { Budget, Figure, Measure } from "./measure.ts";
import { type Nodes, QUICK_FLAGS } from "./nodes.ts";
import { runRound, type RoundReport, type Troubled } from "./round.ts";

const LANES = 2;
const OPERATIONS_PER_ROUND = 40_000;
const LOAD = { clients: 3, sendersPerClient: 24, readersPerClient: 4, restMsMax: 4 } as const;
/** Trouble lasts up to so long, ms. */
const PAUSE_MS_MAX = 1_200;
const AWAY_MS_MAX = 400;
/** Then there is peace until so many operations have ended, or for so long at most; but often the
 *  next trouble comes at once. */
const PEACE_OPERATIONS_MAX = 1_000;
const PEACE_MS_MAX = 3_000;
const NO_PEACE = 0.2;

export const measure: Measure = {
  name: "linearizable",
  title: "operations checked for linearizability on real processes under faults",
  unit: "operations",
  targets: { ci: 20_000, hour: 1_000_000 },
  demand: "0 violations",
  weight: 5,
  unavailable: () => null,
  run,
};

async function run(budget: Budget): Promise<Figure> {
  const campaign = new Campaign(budget);
  const tally = { faults: 0 };
  const lanes = Math.min(LANES, Math.ceil(budget.target / 10_000));
  await campaign.run(lanes, (seed) => round(campaign, seed, tally));
  const { reads, entriesAcknowledged, unknown } = campaign.sums;
  return campaign.figure(
    "linearizable",
    `${campaign.violations.length} violations in ${grouped(campaign.done)} operations ` +
      `(${grouped(reads)} reads, ${grouped(entriesAcknowledged)} entries acknowledged, ` +
      `${grouped(unknown)} outcomes unknown) under ${grouped(tally.faults)} faults`,
  );
}

function round(campaign: Campaign, seed: number, tally: { faults: number }): Promise<RoundReport> {
  const plan = { title: `linearizable, seed ${seed}`, seed, flags: QUICK_FLAGS, load: LOAD };
  return runRound(plan, async (troubled) => {
    const { recorder, random } = troubled;
    let counted = 0;
    while (!campaign.isOver && recorder.operations < OPERATIONS_PER_ROUND) {
      await peace(troubled);
      await pick(random)(troubled);
      tally.faults++;
      campaign.count(recorder.operations - counted, "operations");
      counted = recorder.operations;
    }
  });
}

async function peace({ recorder, random }: Troubled): Promise<void> {
  const untilMs = performance.now() + PEACE_MS_MAX;
  const enough = recorder.operations + random() * PEACE_OPERATIONS_MAX;
  if (random() < NO_PEACE) return sleep(random() * AWAY_MS_MAX);
  while (recorder.operations < enough && performance.now() < untilMs) await sleep(10);
}

type Fault = (troubled: Troubled) => Promise<void>;

const FAULTS: readonly (readonly [weight: number, Fault])[] = [
  [6, ({ nodes, random }) => crash(nodes, random, [victim(nodes, random)])],
  [5, ({ nodes, random }) => freeze(nodes, random, [victim(nodes, random)])],
  [2, ({ nodes, random }) => leave(nodes, random, victim(nodes, random))],
  [1, ({ nodes, random }) => crash(nodes, random, nodes.ids)],
  [1, ({ nodes, random }) => freeze(nodes, random, nodes.ids)],
  [1, ({ nodes, random }) => crash(nodes, random, allBut(nodes, victim(nodes, random)))],
  [2, crashAndFreeze],
];

function pick(random: Random): Fault {
  let dice = random() * FAULTS.reduce((sum, [weight]) => sum + weight, 0);
  for (const [weight, fault] of FAULTS) {
    dice -= weight;
    if (dice < 0) return fault;
  }
  return crashAndFreeze;
}

/** The leader every other time, else anybody. */
function victim(nodes: Nodes, random: Random): number {
  const leader = nodes.leader()?.id;
  if (leader !== undefined && random() < 0.5) return leader;
  return nodes.ids[Math.floor(random() * nodes.ids.length)] ?? 1;
}

function allBut(nodes: Nodes, spared: number): readonly number[] {
  return nodes.ids.filter((id) => id !== spared);
}

/** SIGKILL to all of `ids` at once; they come back one by one. */
async function crash(nodes: Nodes, random: Random, ids: readonly number[]): Promise<void> {
  await Promise.all(ids.map((id) => nodes.kill(id)));
  for (const id of ids) {
    await sleep(random() * AWAY_MS_MAX);
    nodes.start(id);
  }
}

/** SIGSTOP and, later, SIGCONT. */
async function freeze(nodes: Nodes, random: Random, ids: readonly number[]): Promise<void> {
  for (const id of ids) await nodes.pause(id);
  await sleep(50 + random() * PAUSE_MS_MAX);
  for (const id of ids) nodes.resume(id);
}

/** SIGTERM. */
async function leave(nodes: Nodes, random: Random, id: number): Promise<void> {
  await nodes.stop(id);
  await sleep(random() * AWAY_MS_MAX);
  nodes.start(id);
}

/** One sleeps while another dies and comes back. */
async function crashAndFreeze({ nodes, random }: Troubled): Promise<void> {
  const frozen = victim(nodes, random);
  await nodes.pause(frozen);
  await sleep(random() * AWAY_MS_MAX);
  const [first = 1, second = 1] = allBut(nodes, frozen);
  await crash(nodes, random, [random() < 0.5 ? first : second]);
  await sleep(random() * PAUSE_MS_MAX);
  nodes.resume(frozen);
}
