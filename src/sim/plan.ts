/** What a run is made of: everything that is chosen before it starts. Drawn from the seed, so that
 *  each seed leaves out another part of the faults (swarm testing). */

import type { NastyPlace } from "../base/buggify.ts";
import type { Random } from "../base/random.ts";
import { DEFAULT_TIMINGS } from "../node/types.ts";
import type { RaftTimings } from "../raft/types.ts";
import type { LogLimits } from "../storage/limits.ts";
import { between, pick, stream } from "./chance.ts";
import { FAST_DISK, type DiskQuality } from "./disk.ts";
import { CALM, type LinkQuality } from "./network.ts";

export interface Plan {
  readonly seed: number;
  /** Founders: ids 1 to this. */
  readonly nodes: number;
  /** How long faults strike, ms of the world; healing comes after. */
  readonly faultsMs: number;
  readonly timings: RaftTimings;
  readonly quality: LinkQuality;
  readonly disk: DiskQuality;
  readonly limits: LogLimits;
  /** The largest datagram of nodes, bytes. */
  readonly datagramBytes: number;
  /** Where production code is nasty now and then: base/buggify.ts. */
  readonly nasty: readonly NastyPlace[];
  /** The receive buffer of every socket, bytes: windows follow from it. */
  readonly receiveBufferBytes: number;
  /** Names of the nemeses that strike in this run. */
  readonly nemeses: readonly string[];
  /** How many times as often as they say of themselves. */
  readonly strikes: number;
  /** What part of all datagrams is lost after the faults, while all must go on. */
  readonly healingLoss: number;
  readonly customers: number;
  /** Each customer's requests at a time. */
  readonly outstanding: number;
  /** Mean pause between a customer's requests, ms. */
  readonly thinkMs: number;
  /** Nodes tell what they do, for a transcript. */
  readonly verbose: boolean;
}

/** Small segments and pages, so that their borders are crossed often and memory is used again; few
 *  sessions, so that some are forgotten. */
const SMALL_LIMITS: LogLimits = {
  segmentBytesMin: 16_384,
  segmentBytesMax: 65_536,
  tailBytesMax: 16_384,
  tailPageBytes: 4_096,
  sessionsMax: 64,
};

const NASTY_PLACES: readonly NastyPlace[] = [
  "small batch",
  "early segment",
  "short read",
  "small append",
  "slow catch-up",
  "busy append",
  "busy read",
  "yield",
];

/** A heartbeat, and election timeouts that are as many of them as in the defaults. */
export function timingsOf(heartbeatMs: number): RaftTimings {
  const shipped = DEFAULT_TIMINGS;
  return {
    heartbeatMs,
    electionMinMs: (heartbeatMs * shipped.electionMinMs) / shipped.heartbeatMs,
    electionMaxMs: (heartbeatMs * shipped.electionMaxMs) / shipped.heartbeatMs,
  };
}

/** The plan of a seed. `nemeses`: all that there are. */
export function swarmPlan(
  seed: number,
  nodes: number,
  nemeses: readonly string[],
  wish: Partial<Plan> = {},
): Plan {
  const random = stream(seed, "plan");
  const timings = timingsOf(pick(random, [50, 50, 200, 1_000]));
  return {
    seed,
    nodes,
    faultsMs: timings.electionMaxMs * between(random, 50, 200),
    timings,
    quality: swarmQuality(random, timings.heartbeatMs),
    disk: maybe(random, 0.5) ? FAST_DISK : slowDisk(random, timings.electionMinMs),
    limits: maybe(random, 0.2) ? { ...SMALL_LIMITS, sessionsMax: 4 } : SMALL_LIMITS,
    datagramBytes: pick(random, [1_200, 1_200, 9_000, 60_000]),
    nasty: maybe(random, 0.5) ? NASTY_PLACES.filter(() => maybe(random, 0.5)) : [],
    receiveBufferBytes: pick(random, [1_048_576, 1_048_576, 16_384]),
    nemeses: someOf(random, nemeses),
    strikes: 1,
    healingLoss: pick(random, [0, 0, 0.1, 0.3]),
    customers: between(random, 1, 4),
    outstanding: pick(random, [1, 4, 16]),
    thinkMs: timings.heartbeatMs * pick(random, [0.5, 4, 20]),
    verbose: false,
    ...wish,
  };
}

function swarmQuality(random: Random, heartbeatMs: number): LinkQuality {
  const some = (most: number): number => (maybe(random, 0.5) ? random() * most : 0);
  return {
    ...CALM,
    delayMaxMs: heartbeatMs * pick(random, [0.01, 0.1, 0.5, 2]),
    loss: some(0.3),
    duplicate: some(0.2),
    lateDuplicate: some(0.02),
    lateMaxMs: heartbeatMs * 60,
    reorder: some(0.2),
    damage: some(0.05),
    truncate: some(0.02),
    datagramBytesMax: maybe(random, 0.1) ? 30_000 : CALM.datagramBytesMax,
    bytesPerMs: maybe(random, 0.2) ? between(random, 200, 2_000) : Infinity,
  };
}

function slowDisk(random: Random, electionMinMs: number): DiskQuality {
  return {
    syncMinMs: 0.2,
    syncMaxMs: electionMinMs * random() * 0.2,
    slow: random() * 0.02,
    slowMs: electionMinMs * 3,
  };
}

/** Few kinds of faults, half of them, or most: some bugs need calm between two blows. */
function someOf(random: Random, nemeses: readonly string[]): readonly string[] {
  const share = pick(random, [0.1, 0.25, 0.5]);
  return nemeses.filter(() => maybe(random, share));
}

function maybe(random: Random, probability: number): boolean {
  return random() < probability;
}
