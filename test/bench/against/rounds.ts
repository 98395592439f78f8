/** Measures: in every round the floors, then each side once, in random order. Only the side whose
 *  turn it is runs; it is started for its turn and ended after it, and nothing that it wrote is
 *  removed before all rounds are over. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "../../../src/base/random.ts";
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

/** Ends early when the signal is aborted. Throws when a side does not hold what it acknowledged. */
export async function runRounds(options: RoundsOptions): Promise<void> {
  const { sides, levels, rounds, signal, say } = options;
  const random = seededRandom(options.seed);
  for (let number = 1; number <= rounds; number++) {
    await settled(options);
    const floors = await measureFloors(options.directory);
    const samples: Record<string, Record<string, Sample>> = {};
    const verified: Record<string, number> = {};
    const order = shuffled(levels, random);
    for (const side of shuffled(sides, random)) {
      const directory = join(options.directory, `${number}-${side.name}`);
      const turn = await takeTurn(side, order, directory, options);
      if (turn === null) return;
      samples[side.name] = turn.samples;
      verified[side.name] = turn.verified;
      const rates = Object.entries(turn.samples).map(
        ([level, { entriesPerSecond }]) => `${level} ${Math.round(entriesPerSecond)}/s`,
      );
      say(`round ${number} of ${rounds}, ${side.name}: ${rates.join(", ")}`);
    }
    if (signal.aborted) return;
    options.onRound({ floors, samples, verified });
  }
}

/** Null: interrupted. */
async function takeTurn(
  side: Side,
  levels: readonly Level[],
  directory: string,
  options: RoundsOptions,
): Promise<{ samples: Record<string, Sample>; verified: number } | null> {
  await settled(options);
  mkdirSync(directory);
  const servers = await side.start(directory);
  const drivers = new Drivers(servers);
  try {
    await warmUp(drivers, options);
    const samples: Record<string, Sample> = {};
    for (const level of levels) {
      if (options.signal.aborted) return null;
      samples[level.name] = await drivers.run(level, options.measure);
    }
    return { samples, verified: await servers.verify(options.measure.size, drivers.runs) };
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

async function settled({ signal, measure, say }: RoundsOptions): Promise<void> {
  const isQuiet = await settle(signal, measure.measuredMs / 1_000);
  if (!isQuiet) say("the machine does not become quiet");
}
