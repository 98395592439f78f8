/** Measure: `kill -9` of nodes under load, leaders above all, and often while they come back;
 *  sometimes all at once. The next kill comes as soon as something was acknowledged after the last
 *  one. Afterwards every acknowledged entry must be in every log once, at its index. */
import { sleep } from "../e2e/world.ts";
import { Campaign, grouped } from "./campaign.ts";
import type { Budget, Figure, Measure } from "./measure.ts";
import { type Leader, QUICK_FLAGS } from "./nodes.ts";
import { nowNs } from "./recorder.ts";
import { mustGoOn, runRound, type RoundReport, type Troubled } from "./round.ts";

const LANES = 3;
const KILLS_PER_ROUND = 120;
const CALM_MS_MAX = 250;
const LOAD = { clients: 2, sendersPerClient: 4, readersPerClient: 1, restMsMax: 6 } as const;

export const measure: Measure = {
  name: "kill",
  title: "kill -9, acknowledged entries lost or doubled",
  unit: "kills",
  targets: { ci: 200, hour: 5_000 },
  demand: "0 lost or doubled",
  weight: 8,
  unavailable: () => null,
  run,
};

async function run(budget: Budget): Promise<Figure> {
  const campaign = new Campaign(budget);
  const lanes = Math.min(LANES, Math.ceil(budget.target / 20));
  await campaign.run(lanes, (seed) => round(campaign, seed));
  const { entriesAcknowledged, unknown } = campaign.sums;
  const broken = campaign.violations.length;
  return campaign.figure(
    "kill",
    `${broken === 0 ? "0 entries lost or doubled" : `${broken} broken promises`} in ` +
      `${grouped(campaign.done)} kills; ${grouped(entriesAcknowledged)} entries acknowledged, ` +
      `${grouped(unknown)} outcomes unknown`,
  );
}

function round(campaign: Campaign, seed: number): Promise<RoundReport> {
  const plan = { title: `kill, seed ${seed}`, seed, flags: QUICK_FLAGS, load: LOAD };
  return runRound(plan, async (troubled) => {
    const { nodes } = troubled;
    let killedTerm = 0;
    while (!campaign.isOver && nodes.kills < KILLS_PER_ROUND) {
      const leader = await nodes.leaderAfter(killedTerm);
      const before = nodes.kills;
      const killedNs = nowNs();
      const how = await strike(troubled, leader);
      if (!nodes.isUp(leader.id) || how !== "a follower") killedTerm = leader.term;
      campaign.count(nodes.kills - before, "kills");
      await mustGoOn(troubled, killedNs, `killing ${how}`);
      // Mostly at once, sometimes when the load has grown.
      await sleep(troubled.random() ** 3 * CALM_MS_MAX);
    }
  });
}

type Strike = "the leader" | "the leader, and again" | "a follower" | "all nodes";

/** Kills, and starts again at once what was killed. */
async function strike({ nodes, random }: Troubled, leader: Leader): Promise<Strike> {
  const dice = random();
  if (dice < 0.1) {
    await Promise.all(nodes.ids.map((id) => nodes.kill(id)));
    for (const id of nodes.ids) nodes.start(id);
    return "all nodes";
  }
  if (dice < 0.25) {
    const followers = nodes.ids.filter((id) => id !== leader.id);
    const follower = followers[Math.floor(random() * followers.length)] ?? leader.id;
    await nodes.kill(follower);
    nodes.start(follower);
    return "a follower";
  }
  await nodes.kill(leader.id);
  nodes.start(leader.id);
  if (dice < 0.85) return "the leader";
  // Somewhere between the start of the process and its first message.
  await sleep(random() * 250);
  await nodes.kill(leader.id);
  nodes.start(leader.id);
  return "the leader, and again";
}
