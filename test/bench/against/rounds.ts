/** Measures: in every round the floors, then each side once, in random order. Only the side whose
 *  turn it is runs; it is started for its turn and ended after it, and nothing that it wrote is
 *  removed before all rounds are over. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Random, seededRandom } from "../../../src/base/random.ts";
import { orAborted } from "../aborted.ts";
import { measureFloors } from "../floor.ts";
import { shuffled } from "../plan.ts";
import { settle } from "../settle.ts";
import type { Round } from "./comparison.ts";
import { Drivers, type Level, type Measure, type Sample } from "./drivers.ts";
import type { Side } from "./side.ts";

/** How long the servers of a turn are loaded before they are measured, in levels. */
const WARM_UP_LEVELS = 2;

export interface RoundsOptions {
  readonly sides: readonly Side[];
  readonly levels: readonly Level[];
  readonly measure: Measure;
  readonly rounds: number;
  /** Of the order of sides and levels. */
  readonly seed: number;
  /** Where everything is written. */
  readonly directory: string;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
  /** A round came to its end. */
  readonly onRound: (round: Round) => void;
}

/** Ends early when the signal is aborted: with the round that was under way as far as sides were
 *  finished in it, null when none was. Throws when a side does not hold what it acknowledged. */
export async function runRounds(options: RoundsOptions): Promise<Round | null> {
  const random = seededRandom(options.seed);
  for (let number = 1; number <= options.rounds; number++) {
    const isReady = await settled(options);
    if (options.signal.aborted) return null;
    const floors = await measureFloors(options.directory);
    const round = { floors, samples: {}, verified: {}, notQuiet: isReady ? [] : ["floors"] };
    try {
      await takeTurns(number, round, options, random);
    } catch (error) {
      if (!options.signal.aborted) throw error;
      return Object.keys(round.samples).length === 0 ? null : round;
    }
    options.onRound(round);
  }
  return null;
}

interface Unfinished extends Round {
  readonly samples: Record<string, Record<string, Sample>>;
  readonly verified: Record<string, number>;
  readonly notQuiet: string[];
}

/** Adds to the round each side that was finished; throws when it is interrupted. */
async function takeTurns(
  number: number,
  round: Unfinished,
  options: RoundsOptions,
  random: Random,
): Promise<void> {
  const order = shuffled(options.levels, random);
  for (const side of shuffled(options.sides, random)) {
    const directory = join(options.directory, `${number}-${side.name}`);
    const isQuiet = await settled(options);
    const { samples, verified } = await takeTurn(side, order, directory, options);
    round.samples[side.name] = samples;
    round.verified[side.name] = verified;
    if (!isQuiet) round.notQuiet.push(side.name);
    const rates = Object.entries(samples).map(
      ([level, { entriesPerSecond }]) => `${level} ${Math.round(entriesPerSecond)}/s`,
    );
    options.say(`round ${number} of ${options.rounds}, ${side.name}: ${rates.join(", ")}`);
  }
}

async function takeTurn(
  side: Side,
  levels: readonly Level[],
  directory: string,
  options: RoundsOptions,
): Promise<{ samples: Record<string, Sample>; verified: number }> {
  const { measure, signal } = options;
  signal.throwIfAborted();
  mkdirSync(directory);
  const servers = await side.start(directory);
  const drivers = new Drivers(servers);
  try {
    await orAborted(warmUp(drivers, options), signal);
    const samples: Record<string, Sample> = {};
    for (const level of levels)
      samples[level.name] = await orAborted(drivers.run(level, measure), signal);
    const verified = await orAborted(servers.verify(measure.size, drivers.runs), signal);
    return { samples, verified };
  } finally {
    await drivers.end();
    await servers.stop();
  }
}

/** A load of every client process that will be used, which is verified and not counted: fresh nodes
 *  of ours do little more than half of what they do when their code is compiled. It is the same for
 *  all sides. */
async function warmUp(drivers: Drivers, { levels, measure }: RoundsOptions): Promise<void> {
  const widest = levels.reduce((a, b) => (b.processes > a.processes ? b : a));
  await drivers.run(widest, { ...measure, measuredMs: WARM_UP_LEVELS * measure.measuredMs });
}

async function settled({ signal, measure, say }: RoundsOptions): Promise<boolean> {
  const isQuiet = await settle(signal, measure.measuredMs / 1_000);
  if (!isQuiet && !signal.aborted) say("the machine does not become quiet");
  return isQuiet;
}
