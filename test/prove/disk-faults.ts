/** Measure: disks that fail at one call, are full, or take their time, under a leader or a follower
 *  at a random moment. A node whose write or sync fails ends by itself with exit code 7 and its
 *  sentence; a slow one goes on. Afterwards every acknowledged entry must be in every log once. */
import { attach, canTrace } from "../e2e/strace.ts";
import { Campaign, grouped } from "./campaign.ts";
import type { Budget, Figure, Measure } from "./measure.ts";
import { QUICK_FLAGS } from "./nodes.ts";
import { nowNs } from "./recorder.ts";
import { mustGoOn, runRound, type RoundReport, type Troubled } from "./round.ts";

const LANES = 2;
const FAULTS_PER_ROUND = 30;
/** Half of the faults hit whoever leads. */
const LEADER_SHARE = 0.5;
/** The call that fails is one of the first so many of its thread. */
const CALL_MAX = 12;
const ENDS_BY_ITSELF_MS = 20_000;
/** A full disk may be met by nothing but the next segment: then the node goes on. */
const FULL_MS = 600;
const SLOW_US_MIN = 20_000;
const SLOW_US_MAX = 1_500_000;
const SLOW_MS = 700;
const LOAD = { clients: 2, sendersPerClient: 4, readersPerClient: 1, restMsMax: 6 } as const;
const STOPPED =
  /ended with 7: .*the disk of .* failed: .*(EIO|ENOSPC).*nothing acknowledged is lost/;

export const measure: Measure = {
  name: "disk-faults",
  title: "injected EIO, ENOSPC, slow fdatasync: acknowledged entries lost or doubled",
  unit: "faults",
  targets: { ci: 30, hour: 300 },
  demand: "0 lost or doubled; a failed write or sync ends its node with exit code 7",
  weight: 3,
  unavailable: () => (canTrace ? null : "needs root and strace (apt-get install strace)"),
  run,
};

interface Tally {
  failed: number;
  full: number;
  slow: number;
  /** Nodes that ended by themselves. */
  stopped: number;
}

async function run(budget: Budget): Promise<Figure> {
  const campaign = new Campaign(budget);
  const tally: Tally = { failed: 0, full: 0, slow: 0, stopped: 0 };
  const lanes = Math.min(LANES, Math.ceil(budget.target / 10));
  await campaign.run(lanes, (seed) => round(campaign, seed, tally));
  const broken = campaign.violations.length;
  return campaign.figure(
    "disk-faults",
    `${broken === 0 ? "0 entries lost or doubled" : `${broken} broken promises`} in ` +
      `${grouped(campaign.done)} faults (${tally.failed} EIO, ${tally.full} ENOSPC, ` +
      `${tally.slow} slow); ${tally.stopped} nodes ended by themselves with exit code 7, ` +
      `${grouped(campaign.sums.entriesAcknowledged)} entries acknowledged`,
  );
}

function round(campaign: Campaign, seed: number, tally: Tally): Promise<RoundReport> {
  const plan = { title: `disk-faults, seed ${seed}`, seed, flags: QUICK_FLAGS, load: LOAD };
  return runRound(plan, async (troubled) => {
    for (let faults = 0; faults < FAULTS_PER_ROUND && !campaign.isOver; faults++) {
      const { nodes, random } = troubled;
      const leader = await nodes.leaderAfter(0);
      const anybody = Math.floor(random() * nodes.ids.length) + 1;
      const id = random() < LEADER_SHARE ? leader.id : anybody;
      const beganNs = nowNs();
      const what = await strike(troubled, id, tally);
      await mustGoOn(troubled, beganNs, `${what} at node ${id}`);
      campaign.count(1, "faults");
      if (nodes.isUp(id)) continue;
      nodes.start(id);
      await nodes.readyNode(id);
    }
  });
}

/** One fault at one node, until the node has ended or was left alone again. Returns its name. */
async function strike(troubled: Troubled, id: number, tally: Tally): Promise<string> {
  const { random } = troubled;
  const dice = random();
  const when = 1 + Math.floor(random() * CALL_MAX);
  if (dice < 0.4) {
    tally.failed += 1;
    // A write that fails is as final as a sync that does.
    const calls = random() < 0.7 ? "fdatasync" : "pwrite64";
    const ended = await lasting(troubled, id, calls, `error=EIO:when=${when}+`, ENDS_BY_ITSELF_MS);
    if (!ended) throw new Error(`node ${id} went on for ${ENDS_BY_ITSELF_MS} ms of EIO`);
    tally.stopped += 1;
    return "EIO";
  }
  if (dice < 0.6) {
    tally.full += 1;
    const fault = `error=ENOSPC:when=${when}+`;
    if (await lasting(troubled, id, "pwrite64,fdatasync", fault, FULL_MS)) tally.stopped += 1;
    return "ENOSPC";
  }
  tally.slow += 1;
  const delayUs = Math.floor(SLOW_US_MIN + random() * (SLOW_US_MAX - SLOW_US_MIN));
  if (await lasting(troubled, id, "fdatasync", `delay_enter=${delayUs}`, SLOW_MS))
    throw new Error(`node ${id} ended because its disk was slow`);
  return `${delayUs} us for each fdatasync`;
}

/** Lets a fault last until the node ends, or so long. True when it ended, as it should: with 7 and
 *  its sentence. */
async function lasting(
  { nodes }: Troubled,
  id: number,
  calls: string,
  fault: string,
  ms: number,
): Promise<boolean> {
  const running = nodes.process(id);
  const injection = await attach(running, calls, fault);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const passed = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([running.exited, passed]);
  clearTimeout(timer);
  await injection.end();
  if (running.isRunning) return false;
  // That end is no accident; any other stays one.
  const at = nodes.accidents.findLastIndex(
    (accident) => accident.startsWith(`node ${id} `) && STOPPED.test(accident),
  );
  if (at >= 0) nodes.accidents.splice(at, 1);
  return true;
}
