/** Measure: how long a cluster is without service when its leader is killed (`kill -9`).
 *
 *  Three nodes with default settings on one machine, and one client that keeps 1 to 8 entries
 *  outstanding; nothing else happens. The time goes from just before SIGKILL is sent to the moment
 *  at which the client has the acknowledgement of an entry of a later term: one that the new leader
 *  appended. Acknowledgements of the old leader's that were still on their way do not count. The
 *  killed node is started again only afterwards, and the next kill waits until it is ready. */
import { seededRandom } from "../../src/base/random.ts";
import { sleep } from "../e2e/world.ts";
import { quantile } from "../quantile.ts";
import { Campaign, grouped } from "./campaign.ts";
import type { Budget, Figure, Measure } from "./measure.ts";
import { nowNs } from "./recorder.ts";
import { runRound, type RoundReport, type Troubled } from "./round.ts";

const KILLS_PER_ROUND = 100;
const OUTSTANDING_MAX = 8;
const ACKNOWLEDGED_MS_MAX = 60_000;
/** Quiet before a kill, ms: long enough that heartbeats and kills are at no fixed distance. */
const QUIET_MS_MIN = 150;
const QUIET_MS_SPREAD = 100;
const SEND_TIMEOUT_MS = 30_000;
const HOUR_KILLS = 1_000;
const P50_MS = { ci: 600, hour: 400 } as const;
const P99_MS = 1_500;

export const measure: Measure = {
  name: "failover",
  title: "leader killed to next acknowledged entry",
  unit: "kills",
  targets: { ci: 30, hour: HOUR_KILLS },
  demand: "p50 < 600 ms; in an hour p50 < 400 ms, p99 < 1.5 s",
  weight: 8,
  unavailable: () => null,
  run,
};

async function run(budget: Budget): Promise<Figure> {
  const campaign = new Campaign(budget);
  const latenciesMs: number[] = [];
  await campaign.run(1, (seed) => round(campaign, seed, latenciesMs));
  const at = (part: number) => Math.round(quantile(latenciesMs, part));
  const p50 = at(0.5);
  const p99 = at(0.99);
  const isHour = budget.target >= HOUR_KILLS;
  const slow =
    !(p50 < (isHour ? P50_MS.hour : P50_MS.ci)) || (isHour && !(p99 < P99_MS))
      ? [`p50 ${p50} ms, p99 ${p99} ms: slower than demanded (${measure.demand})`]
      : [];
  const figure = campaign.figure(
    "failover",
    `p50 ${p50} ms, p99 ${p99} ms, max ${at(1)} ms over ${grouped(latenciesMs.length)} kills`,
  );
  return {
    ...figure,
    ok: figure.ok && slow.length === 0,
    fallsShort: figure.ok && slow.length > 0,
    failures: [...figure.failures, ...slow],
  };
}

function round(campaign: Campaign, seed: number, latenciesMs: number[]): Promise<RoundReport> {
  const load = { clients: 0, sendersPerClient: 0, readersPerClient: 0, restMsMax: 0 };
  const plan = { title: `failover, seed ${seed}`, seed, flags: [], load };
  return runRound(plan, async (troubled) => {
    const loop = new RecordedLoop(troubled, seed);
    await loop.start();
    try {
      for (let kill = 0; kill < KILLS_PER_ROUND && !campaign.isOver; kill++) {
        latenciesMs.push(await killLeader(troubled, loop));
        campaign.count(1, "kills");
      }
    } finally {
      await loop.stop();
    }
  });
}

/** Milliseconds from the kill to the first acknowledgement of a later term. */
async function killLeader(
  { nodes, recorder, random }: Troubled,
  loop: RecordedLoop,
): Promise<number> {
  loop.outstanding = 1 + Math.floor(random() * OUTSTANDING_MAX);
  await sleep(QUIET_MS_MIN + random() * QUIET_MS_SPREAD);
  const leader = await nodes.leaderAfter(0);
  const next = recorder.nextSend(({ term }) => (term ?? 0) > leader.term, ACKNOWLEDGED_MS_MAX);
  const killedNs = nowNs();
  await nodes.kill(leader.id);
  const sent = await next;
  if (sent === null)
    throw new Error(`nothing was acknowledged within ${ACKNOWLEDGED_MS_MAX} ms of a kill`);
  nodes.start(leader.id);
  await nodes.readyNode(leader.id);
  return ((sent.returnNs ?? Infinity) - killedNs) / 1e6;
}

/** One client with `outstanding` entries under way, an entry following each acknowledgement; all of
 *  it is recorded. */
class RecordedLoop {
  /** At once, 1 to OUTSTANDING_MAX. */
  outstanding = 1;
  readonly #troubled: Troubled;
  readonly #seed: number;
  #isOver = false;
  #workers: Promise<void>[] = [];

  constructor(troubled: Troubled, seed: number) {
    this.#troubled = troubled;
    this.#seed = seed;
  }

  async start(): Promise<void> {
    const { nodes, recorder } = this.#troubled;
    const client = await nodes.client();
    const random = seededRandom(this.#seed);
    const worker = async (at: number): Promise<void> => {
      for (let number = 0; !this.#isOver;) {
        if (at >= this.outstanding) await sleep(10);
        else {
          const entry = `${at}.${number++}`.padEnd(20 + Math.floor(random() * 100), "x");
          const settings = { timeoutMs: SEND_TIMEOUT_MS };
          await recorder.send(client, "loop", [entry], settings);
        }
      }
    };
    this.#workers = Array.from({ length: OUTSTANDING_MAX }, (_, at) => worker(at));
    await recorder.nextSend(() => true, ACKNOWLEDGED_MS_MAX);
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#workers);
  }
}
