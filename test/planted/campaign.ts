/** A campaign on real processes as a suite for one planted bug: the measure of that name, exactly
 *  as the scoreboard runs it, on an executable with the bug compiled in. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { measure as kill } from "../prove/kill.ts";
import { measure as linearizable } from "../prove/linearizable.ts";
import type { Figure, Measure } from "../prove/measure.ts";
import { measure as pause } from "../prove/pause.ts";
import { measure as powerCuts } from "../prove/power-cuts.ts";
import { bounded, lastLine } from "./bounded.ts";
import { PLANT_FLAG } from "./bug.ts";
import type { Bug, Campaign } from "./bug.ts";
import { buildPlanted } from "./executable.ts";
import type { Finding } from "./suites.ts";
import { root } from "./planting.ts";

const MEASURES: Readonly<Record<Campaign, Measure>> = {
  kill,
  linearizable,
  pause,
  "power-cuts": powerCuts,
};
/** Wall time that a campaign may trouble its clusters, seconds, and how much of its unit it is
 *  asked for in one go: its figure comes when the round is over. */
const ASKED: Readonly<Record<Campaign, { readonly seconds: number; readonly target: number }>> = {
  kill: { seconds: 20, target: 40 },
  linearizable: { seconds: 20, target: 8_000 },
  pause: { seconds: 20, target: 12 },
  "power-cuts": { seconds: 30, target: 8 },
};
/** The next go has a seed so much higher: more than a go has rounds. */
const SEED_STEP = 100;
/** For founding, the last reads and the judges, seconds. */
const AROUND_SECONDS = 120;
/** The shortest go, seconds. */
const SECONDS_MIN = 5;
/** A campaign that could not be run, or whose cluster did nothing, has judged nothing. */
const NOT_JUDGED =
  /could not be run|nothing was acknowledged|not within \d+ ms|did not show its log/;

/** Shows one bug to one campaign, again with other seeds until it is found or the time is over:
 *  when processes meet is chance. */
export async function showCampaign(
  bug: Bug,
  suite: Campaign,
  cpuSecondsMax: number,
  wallSecondsMax: number,
): Promise<Finding> {
  const why = MEASURES[suite].unavailable();
  if (why !== null) return { suite, outcome: "absent", by: why, seeds: null, cpuSeconds: 0 };
  const directory = mkdtempSync(join(tmpdir(), "raft-planted-"));
  const startedMs = performance.now();
  const leftSeconds = () => wallSecondsMax - (performance.now() - startedMs) / 1_000;
  let cpuSeconds = 0;
  try {
    const executable = await buildPlanted(bug, directory);
    for (let seed = 1; ; seed += SEED_STEP) {
      const made = await oneGo(suite, { executable, directory, seed, seconds: leftSeconds() });
      cpuSeconds += made.cpuSeconds;
      if (made.outcome !== "missed" || cpuSeconds >= cpuSecondsMax || leftSeconds() <= 0)
        return { ...made, cpuSeconds };
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

interface Go {
  readonly executable: string;
  /** For whatever it writes. */
  readonly directory: string;
  readonly seed: number;
  /** Wall time that is left. */
  readonly seconds: number;
}

async function oneGo(
  suite: Campaign,
  { executable, directory, seed, seconds }: Go,
): Promise<Finding> {
  const file = join(directory, `figure-${seed}.json`);
  const { seconds: secondsMax, target } = ASKED[suite];
  const asked = Math.max(SECONDS_MIN, Math.min(seconds, secondsMax));
  // A round with violations keeps what it saw in the temporary directory.
  const kept = join(directory, `kept-${seed}`);
  mkdirSync(kept);
  const command = [
    ...[join(root, "test", "prove", "prove.ts"), "--only", suite, "--figure", file],
    ...["--seconds", String(asked), "--target", String(target), "--seed", String(seed)],
  ];
  const wall = asked + AROUND_SECONDS;
  const environment = { [PLANT_FLAG]: "", RAFT_EXECUTABLE: executable, TMPDIR: kept };
  const run = await bounded(command, 2 * wall, environment, wall, true);
  const said = { suite, seeds: seed, cpuSeconds: run.cpuSeconds } as const;
  if (!existsSync(file))
    return { ...said, outcome: run.isOver ? "endless" : "crashed", by: lastLine(run.output) };
  const figure: Figure = JSON.parse(readFileSync(file, "utf8"));
  const broken = figure.failures.find((failure) => !NOT_JUDGED.test(failure));
  if (broken !== undefined)
    return { ...said, outcome: "found", by: broken.replace(/ \(kept in .*/, "") };
  if (figure.bad > 0) return { ...said, outcome: "crashed", by: figure.failures[0] ?? "" };
  return { ...said, outcome: "missed", by: figure.text };
}
