/** What one line of the scoreboard is: a target, a way to work towards it for so many seconds, and
 *  a figure that says how far that went. `prove.ts` runs them all and writes SCOREBOARD.md. */

/** How much is asked. A measure stops at whichever comes first. */
export interface Budget {
  /** How many of the measure's units are wanted (cluster-hours, kills, datagrams...). */
  readonly target: number;
  /** Wall time, seconds. A measure never takes more than a few seconds beyond it. */
  readonly seconds: number;
  /** Every random choice follows from it. */
  readonly seed: number;
  /** A line for a person who waits; at most about one a second. */
  readonly progress: (text: string) => void;
}

/** What was reached. */
export interface Figure {
  /** How many of the measure's units were done. */
  readonly done: number;
  /** How many of them broke a promise. */
  readonly bad: number;
  /** The figure as a person reads it: "0 of 1,204 kills", "p50 412 ms, p99 903 ms". Where nothing
   *  bad was seen the scoreboard adds the upper bound 3/N itself. */
  readonly text: string;
  /** True when what was measured meets the measure's demand (a target that was not reached for
   *  want of time is not a failure: `done` says how far it went). */
  readonly ok: boolean;
  /** Nothing broke, but a time or a rate missed its demand. Such a figure depends on the machine
   *  and its neighbours, so it is shown and fails nothing. */
  readonly fallsShort?: boolean;
  /** One line for each bad thing: what, the seed, and the command that replays it. */
  readonly failures: readonly string[];
  /** The planted bugs only: what found each. */
  readonly planted?: readonly PlantedRow[];
}

/** Which planted bug was found by what. */
export interface PlantedRow {
  readonly name: string;
  /** Its number in the list of known bugs, or "own". */
  readonly knownBug: string;
  readonly sentence: string;
  /** "test/raft/commit.test.ts, 0.4 CPU-s"; "nothing". */
  readonly foundBy: string;
}

export interface Measure {
  /** As typed: `npm run prove -- --only power-cuts`. */
  readonly name: string;
  /** The line's text in the scoreboard. */
  readonly title: string;
  /** What `target` counts: "kills", "cluster-hours". */
  readonly unit: string;
  /** How many are wanted in CI and in an hour. */
  readonly targets: { readonly ci: number; readonly hour: number };
  /** The demand in words: "0 lost or doubled", "p50 < 600 ms". */
  readonly demand: string;
  /** Share of the whole time that it gets, relative to the others. */
  readonly weight: number;
  /** Why it cannot run on this machine ("needs root", "apt-get install strace"), or null. */
  readonly unavailable: () => string | null;
  readonly run: (budget: Budget) => Promise<Figure>;
}
