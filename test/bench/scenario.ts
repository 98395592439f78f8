/** What a scenario of the benchmark is: something that is done once a run and answers with figures.
 *  Scenarios live in `scenarios/`; `scenarios/index.ts` lists them. */
import type { Cluster, ClusterOptions } from "./cluster.ts";
import type { LoadOptions, LoadResult } from "./drive.ts";

/** Which way is good. Neither is better where a figure only explains another one. */
export type Better = "higher" | "lower" | "neither";

/** One figure of one run. Within a scenario its name is unique, and the same in each run. */
export interface Measured {
  readonly name: string;
  /** As printed behind the value: "/s", "ms", "MB/s". */
  readonly unit: string;
  readonly better: Better;
  readonly value: number;
}

export interface RunResult {
  readonly figures: readonly Measured[];
  /** Acknowledged entries that were read back and compared, which are all of them but those that
   *  `sampled` counts; 0 where nothing is written. */
  readonly verified: number;
  /** Entries of a log that was made beforehand and is too long to be read back. */
  readonly sampled?: Sampled;
}

/** How many entries were read back and compared, of how many that were acknowledged. */
export interface Sampled {
  readonly compared: number;
  readonly of: number;
}

export interface Scenario {
  /** One word with dashes, as typed after `npm run bench --`. */
  readonly name: string;
  /** What is measured, in a line. */
  readonly about: string;
  /** Whether `npm run bench` without names runs it; the others come with `--all`. */
  readonly main: boolean;
  /** What it does, in numbers: part of the hash of the work. */
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  /** Why it cannot run here, in words that say what to install; null when it can. */
  readonly unavailable?: () => string | null;
  /** One run. What was written must be read back and compared, all of it, or as `sampled` says:
   *  throw when it is not there. */
  readonly run: (bench: Bench, round: number) => Promise<RunResult>;
}

/** What a run has to work with. All of it ends with the run. */
export interface Bench {
  /** How long to measure, in seconds, where a scenario goes by time. */
  readonly seconds: number;
  /** The same one gives the same order and the same choices. */
  readonly seed: number;
  /** Empty, on a real disk, of this run alone. */
  readonly directory: string;
  /** The compiled executable. */
  readonly executable: string;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** A line of progress on stderr. */
  readonly say: (line: string) => void;
  /** Starts nodes and waits until they take entries. */
  readonly cluster: (options?: ClusterOptions) => Promise<Cluster>;
  /** Loads that cluster with entries, measures, reads them back. */
  readonly load: (cluster: Cluster, options: LoadOptions) => Promise<LoadResult>;
  /** To be done when the run is over, however it ended; the last one first. */
  readonly defer: (end: () => void | Promise<void>) => void;
}

/** A figure that ought to be high. */
export function higher(name: string, value: number, unit: string): Measured {
  return { name, unit, better: "higher", value };
}

/** A figure that ought to be low. */
export function lower(name: string, value: number, unit: string): Measured {
  return { name, unit, better: "lower", value };
}
