/** What all rounds together say: medians and ranges of each side, and ratios of our side to each
 *  other one, made within each round before the median is taken. Pure. */
import type { Floors } from "../floor.ts";
import { median } from "../../quantile.ts";
import { aligned } from "../aligned.ts";
import { FLOOR_NAMES } from "../floor-names.ts";
import { numberText } from "../report.ts";
import type { Level, Sample } from "./drivers.ts";

/** What was measured in one round. */
export interface Round {
  readonly floors: Floors;
  /** By the name of the side, then by the name of the level. */
  readonly samples: Readonly<Record<string, Readonly<Record<string, Sample>>>>;
  /** Entries that each side was found to hold, by its name. */
  readonly verified: Readonly<Record<string, number>>;
  /** What of it began on a machine that was not quiet: names of sides, or "floors". */
  readonly notQuiet: readonly string[];
}

/** One figure over the rounds. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
  readonly rounds: number;
}

export interface LevelComparison {
  readonly level: string;
  readonly sides: readonly { readonly side: string; readonly figures: Figures }[];
  /** Of the first side to each other one. */
  readonly ratios: readonly { readonly to: string; readonly figures: Figures }[];
}

type Figures = Readonly<Record<keyof Sample, Spread>>;

export interface Comparison {
  readonly floors: Readonly<Record<keyof Floors, Spread>>;
  readonly levels: readonly LevelComparison[];
  /** The p50 of our side with one entry outstanding, in floors of the same round; null without
   *  that level. */
  readonly floorsOfOne: Spread | null;
  /** The rate with two client processes to that with one, by side: about 1 where the client is not
   *  what is measured. */
  readonly twoProcesses: readonly { readonly side: string; readonly ratio: Spread }[];
}

const FIGURES = ["entriesPerSecond", "p50Ms", "p99Ms", "clientCores", "serverCores"] as const;
/** `sides` begins with ours. Rounds in which a side is missing do not count where it is needed. */
export function compare(
  rounds: readonly Round[],
  sides: readonly string[],
  levels: readonly Level[],
): Comparison {
  const [own = ""] = sides;
  const one = levels.find(({ outstanding }) => outstanding === 1);
  const many = levels.find(({ processes }) => processes > 1);
  const alone = levels.find(
    ({ outstanding, processes }) => processes === 1 && outstanding === many?.outstanding,
  );
  return {
    floors: table(
      FLOOR_NAMES.map(({ key }) => key),
      (key) => rounds.map(({ floors }) => floors[key]),
    ),
    levels: levels.map(({ name }) => ({
      level: name,
      sides: sides.map((side) => ({ side, figures: figuresOf(rounds, side, name) })),
      ratios: sides.slice(1).map((to) => ({ to, figures: ratiosOf(rounds, own, to, name) })),
    })),
    floorsOfOne:
      one === undefined
        ? null
        : spread(
            rounds.map(({ floors, samples }) =>
              over(samples[own]?.[one.name]?.p50Ms, floors.entryMs),
            ),
          ),
    twoProcesses:
      many === undefined || alone === undefined
        ? []
        : sides.map((side) => ({
            side,
            ratio: spread(
              rounds.map(({ samples }) =>
                over(
                  samples[side]?.[many.name]?.entriesPerSecond,
                  samples[side]?.[alone.name]?.entriesPerSecond,
                ),
              ),
            ),
          })),
  };
}

function figuresOf(rounds: readonly Round[], side: string, level: string): Figures {
  return table(FIGURES, (key) => rounds.map(({ samples }) => samples[side]?.[level]?.[key]));
}

function ratiosOf(rounds: readonly Round[], own: string, to: string, level: string): Figures {
  return table(FIGURES, (key) =>
    rounds.map(({ samples }) => over(samples[own]?.[level]?.[key], samples[to]?.[level]?.[key])),
  );
}

function table<Key extends string>(
  keys: readonly Key[],
  valuesOf: (key: Key) => readonly (number | undefined)[],
): Record<Key, Spread> {
  return Object.fromEntries(keys.map((key) => [key, spread(valuesOf(key))])) as Record<Key, Spread>;
}

function over(value: number | undefined, base: number | undefined): number | undefined {
  return value === undefined || base === undefined ? undefined : value / base;
}

function spread(values: readonly (number | undefined)[]): Spread {
  const there = values.filter((value) => value !== undefined);
  const [least, most] = [Math.min(...there), Math.max(...there)];
  return { median: median(there), least, most, rounds: there.length };
}

/** The tables of the report. */
export function renderComparison(comparison: Comparison, own: string): readonly string[] {
  const { levels, floors, floorsOfOne, twoProcesses } = comparison;
  return [
    ...levels.flatMap((level) => renderLevel(level, own)),
    ...renderFloors(floors),
    ...(floorsOfOne === null || floorsOfOne.rounds === 0
      ? []
      : [`${own}, 1 outstanding: p50 is ${text(floorsOfOne)} floors of one entry`]),
    ...renderProcesses(twoProcesses.filter(({ ratio }) => ratio.rounds > 0)),
  ];
}

function renderProcesses(twoProcesses: Comparison["twoProcesses"]): readonly string[] {
  if (twoProcesses.length === 0) return [];
  return [
    "",
    "is the client what is measured? entries/s with two client processes, which share the entries under way, to one:",
    ...twoProcesses.map(({ side, ratio }) => `  ${side.padEnd(6)} ${text(ratio)}`),
    "  about 1 or less: the client is not the limit; clearly more than 1, over several rounds: it was, and that side can do more",
  ];
}

/** Sides of which nothing was finished have no row. */
function renderLevel({ level, sides, ratios }: LevelComparison, own: string): readonly string[] {
  const head = [level, "entries/s", "p50 ms", "p99 ms", "cores: servers", "clients"];
  const cells = ({ entriesPerSecond, p50Ms, p99Ms, serverCores, clientCores }: Figures) =>
    [entriesPerSecond, p50Ms, p99Ms, serverCores, clientCores].map(text);
  const rows = [
    ...sides.filter(isThere).map(({ side, figures }) => [`  ${side}`, ...cells(figures)]),
    ...ratios
      .filter(isThere)
      .map(({ to, figures }) => [`  ${own} / ${to}`, ...cells(figures).slice(0, 3)]),
  ];
  return rows.length === 0 ? [] : [...aligned([head, ...rows], 1), ""];
}

function isThere({ figures }: { readonly figures: Figures }): boolean {
  return figures.entriesPerSecond.rounds > 0;
}

function renderFloors(floors: Comparison["floors"]): readonly string[] {
  return [
    "the machine's floors, in the same rounds",
    ...FLOOR_NAMES.map(
      ({ key, about, unit }) => `  ${about.padEnd(58)} ${text(floors[key])} ${unit}`,
    ),
  ];
}

function text({ median: middle, least, most, rounds }: Spread): string {
  if (rounds === 0) return "-";
  const range = rounds === 1 ? "" : ` (${numberText(least)} .. ${numberText(most)})`;
  return `${numberText(middle)}${range}`;
}
