/** Measure: the leader is stopped (SIGSTOP) for 2 to 20 election timeouts. It does not notice, and
 *  believes that it leads when it goes on: reads and sends that lay before its door all the time,
 *  and a burst of new ones, are answered by somebody who was deposed long ago. No read may be
 *  stale, nothing may be acknowledged twice.
 *
 *  What waits in the socket of a sleeping node is read in the order of its arrival, so that it
 *  would hear of its successor before it hears the readers that the successor made impatient. Every
 *  other time its receive buffer is therefore filled with garbage as soon as it sleeps: then the
 *  elections pass it by, and the first that it hears are readers. */
import { createSocket } from "node:dgram";
import { seededRandom, type Random } from "../../src/base/random.ts";
import type { Address, RaftClient } from "../../src/index.ts";
import { sleep } from "../e2e/world.ts";
import { Campaign, grouped } from "./campaign.ts";
import type { Budget, Figure, Measure } from "./measure.ts";
import { QUICK_ELECTION_MAX_MS, QUICK_FLAGS } from "./nodes.ts";
import { nowNs, type Recorder } from "./recorder.ts";
import { GOES_ON_MS_MAX, mustGoOn, runRound, type RoundReport, type Troubled } from "./round.ts";

const LANES = 6;
const PAUSES_PER_ROUND = 25;
const TIMEOUTS_MIN = 2;
const TIMEOUTS_MAX = 20;
const BURST = 8;
/** More than the largest receive buffer that a node asks for: datagrams, and bytes of each. */
const GARBAGE = [
  [400, 60_000],
  [1_000, 1_000],
  [1_000, 40],
] as const;
/** A read that waits before a sleeping node must outlast its sleep. */
const PATIENCE_MS = QUICK_ELECTION_MAX_MS * TIMEOUTS_MAX + 2_000;
const LOAD = { clients: 2, sendersPerClient: 3, readersPerClient: 1, restMsMax: 10 } as const;

export const measure: Measure = {
  name: "pause",
  title:
    "SIGSTOP of the leader for 2 to 20 election timeouts: stale reads, double acknowledgements",
  unit: "pauses",
  targets: { ci: 20, hour: 500 },
  demand: "0 stale reads, 0 double acknowledgements",
  weight: 4,
  unavailable: () => (process.platform === "win32" ? "needs SIGSTOP" : null),
  run,
};

interface Tally {
  /** Pauses in which another leader acknowledged something. */
  overtaken: number;
  /** Operations before the door of a leader that slept, and just after it woke up. */
  before: number;
}

async function run(budget: Budget): Promise<Figure> {
  const campaign = new Campaign(budget);
  const tally: Tally = { overtaken: 0, before: 0 };
  const lanes = Math.min(LANES, Math.ceil(budget.target / 4));
  await campaign.run(lanes, (seed) => round(campaign, seed, tally));
  return campaign.figure(
    "pause",
    `${campaign.violations.length} violations in ${grouped(campaign.done)} pauses, in ` +
      `${grouped(tally.overtaken)} of which another leader acknowledged entries; ` +
      `${grouped(tally.before)} reads and sends before the old leader's door, ` +
      `${grouped(campaign.sums.operations)} operations in all`,
  );
}

function round(campaign: Campaign, seed: number, tally: Tally): Promise<RoundReport> {
  const plan = { title: `pause, seed ${seed}`, seed, flags: QUICK_FLAGS, load: LOAD };
  return runRound(plan, async (troubled) => {
    const client = await troubled.nodes.client();
    const random = seededRandom(seed + 1_000_000);
    for (let number = 0; number < PAUSES_PER_ROUND && !campaign.isOver; number++) {
      await pauseLeader(troubled, new Door(client, troubled.recorder, number), random, tally);
      campaign.count(1, "pauses");
    }
  });
}

async function pauseLeader(
  { nodes, recorder }: Troubled,
  door: Door,
  random: Random,
  tally: Tally,
): Promise<void> {
  const leader = await nodes.leaderAfter(0);
  // The client must believe in this leader, so that its requests lie there.
  const address = await door.knows(leader.id);
  await nodes.pause(leader.id);
  const pausedNs = nowNs();
  if (random() < 0.5 && address !== null) await fillEars(address);
  const timeouts = TIMEOUTS_MIN * (TIMEOUTS_MAX / TIMEOUTS_MIN) ** random();
  const pauseMs = timeouts * QUICK_ELECTION_MAX_MS;
  const overtaken = recorder.nextSend(({ term }) => (term ?? 0) > leader.term, pauseMs);
  door.reads(leader.id);
  door.sends();
  const halfway = sleep(pauseMs / 2).then(() => door.sends());
  await sleep(pauseMs);
  await halfway;
  door.reads(leader.id);
  nodes.resume(leader.id);
  door.reads(leader.id);
  door.sends();
  if ((await overtaken) !== null) tally.overtaken++;
  tally.before += await door.closed();
  await mustGoOn({ recorder }, pausedNs, "a pause");
}

/** Operations addressed to one node, whether it sleeps or not. */
class Door {
  readonly #client: RaftClient;
  readonly #recorder: Recorder;
  readonly #number: number;
  #sent = 0;
  readonly #operations: Promise<unknown>[] = [];

  constructor(client: RaftClient, recorder: Recorder, number: number) {
    this.#client = client;
    this.#recorder = recorder;
    this.#number = number;
  }

  /** Until the node has answered a read and somebody a send. The address of the node if it
   *  leads. */
  async knows(node: number): Promise<Address | null> {
    const from = this.#recorder.highestIndex + 1;
    const request = { from, node, timeoutMs: PATIENCE_MS };
    await this.#recorder.read(this.#client, "door", request);
    await this.#send();
    const leader = await this.#client.leader({ wait: true, timeoutMs: GOES_ON_MS_MAX });
    return leader.id === node ? leader.address : null;
  }

  /** Linearizable reads at the node, of what must be there and of what is not there yet. */
  reads(node: number): void {
    const { highestIndex } = this.#recorder;
    for (let at = 0; at < BURST; at++) {
      const from = Math.max(1, highestIndex + 1 - at);
      const request = { from, node, timeoutMs: PATIENCE_MS };
      this.#operations.push(this.#recorder.read(this.#client, "door", request));
    }
  }

  /** To whoever is believed to lead; they stay outstanding until somebody answers. */
  sends(): void {
    for (let at = 0; at < BURST; at++) this.#operations.push(this.#send());
  }

  /** Until all have ended. Says how many they were. */
  async closed(): Promise<number> {
    await Promise.all(this.#operations);
    return this.#operations.length;
  }

  #send(): Promise<unknown> {
    const entry = `door ${this.#number}.${this.#sent++}`;
    const settings = { timeoutMs: PATIENCE_MS };
    return this.#recorder.send(this.#client, "door", [entry], settings);
  }
}

/** Nothing more fits into the socket's buffer afterwards. */
async function fillEars({ host, port }: Address): Promise<void> {
  const socket = createSocket("udp4");
  for (const [datagrams, bytes] of GARBAGE) {
    const garbage = Buffer.alloc(bytes);
    for (let at = 0; at < datagrams; at++)
      await new Promise<void>((resolve) => socket.send(garbage, port, host, () => resolve()));
  }
  await new Promise<void>((resolve) => void socket.close(() => resolve()));
}
