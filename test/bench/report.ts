/** What the benchmark found, for people and for programs: medians and ranges of all runs. Pure. */
import { median } from "../quantile.ts";
import { aligned, counted } from "./aligned.ts";
import { headLines, type Setting } from "./machine.ts";
import type { Better, RunResult, Sampled, Scenario } from "./scenario.ts";

/** A figure over all runs. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly better: Better;
  /** One a run, in the order of the rounds. */
  readonly values: readonly number[];
}

export interface Outcome {
  readonly scenario: string;
  readonly about: string;
  readonly settings: Scenario["settings"];
  readonly figures: readonly Figure[];
  /** Runs that came to their end. */
  readonly runs: number;
  /** How many of them began on a machine that was not quiet. */
  readonly notQuiet: number;
  /** Acknowledged entries that were read back and compared, over all runs: all but those of
   *  `sampled`. */
  readonly verified: number;
  /** Of the logs that were made before the measuring: a part was read back. */
  readonly sampled: Sampled;
  /** Why it did not run, or what went wrong, in words. */
  readonly skipped: string | null;
  readonly failures: readonly string[];
}

export interface Report {
  readonly setting: Setting;
  readonly seed: number;
  readonly seconds: number;
  readonly runs: number;
  readonly outcomes: readonly Outcome[];
}

const NOT_SAMPLED: Sampled = { compared: 0, of: 0 };

/** The figures of one run. */
export interface Run extends RunResult {
  readonly round: number;
  /** Whether the machine was quiet when it began. */
  readonly isQuiet: boolean;
}

export function outcomeOf(
  scenario: Scenario,
  runs: readonly Run[],
  failures: readonly string[],
  skipped: string | null,
): Outcome {
  return {
    scenario: scenario.name,
    about: scenario.about,
    settings: scenario.settings,
    figures: figuresOf(runs),
    runs: runs.length,
    notQuiet: runs.filter(({ isQuiet }) => !isQuiet).length,
    verified: runs.reduce((sum, { verified }) => sum + verified, 0),
    sampled: sumOf(runs.map(({ sampled }) => sampled ?? NOT_SAMPLED)),
    skipped,
    failures,
  };
}

function sumOf(parts: readonly Sampled[]): Sampled {
  return parts.reduce(
    (sum, { compared, of }) => ({ compared: sum.compared + compared, of: sum.of + of }),
    NOT_SAMPLED,
  );
}

function figuresOf(runs: readonly Run[]): readonly Figure[] {
  const figures = new Map<string, Figure & { values: number[] }>();
  for (const { name, unit, better, value } of runs.flatMap((run) => run.figures)) {
    const figure = figures.get(name) ?? { name, unit, better, values: [] };
    figure.values.push(value);
    figures.set(name, figure);
  }
  return [...figures.values()];
}

export function renderReport({ setting, seed, seconds, runs, outcomes }: Report): string {
  const failed = outcomes.some(({ failures }) => failures.length > 0);
  return [
    ...headLines(setting),
    `work:       ${setting.work} (seed ${seed}, ${seconds} s of measuring, ${counted(runs, "round")} in random order)`,
    "",
    ...renderTable(outcomes),
    ...quietLines(outcomes),
    ...outcomes.flatMap(({ scenario, skipped, failures }) => [
      ...(skipped === null ? [] : [`${scenario}: not measured: ${skipped}`]),
      ...failures.map((failure) => `${scenario}: FAILED: ${failure}`),
    ]),
    ...(failed ? ["NOT verified: see above"] : verifiedLines(outcomes)),
  ].join("\n");
}

function quietLines(outcomes: readonly Outcome[]): readonly string[] {
  const sum = (of: (outcome: Outcome) => number) => outcomes.reduce((n, one) => n + of(one), 0);
  const [began, runs] = [sum(({ notQuiet }) => notQuiet), sum((outcome) => outcome.runs)];
  return began === 0 ? [] : [notQuietLine(began, counted(runs, "run")), ""];
}

/** `all`: of how many, with the noun. */
export function notQuietLine(notQuiet: number, all: string): string {
  return `${notQuiet} of ${all} began on a machine that was not quiet`;
}

function verifiedLines(outcomes: readonly Outcome[]): readonly string[] {
  const number = (value: number) => value.toLocaleString("en");
  const verified = outcomes.reduce((sum, outcome) => sum + outcome.verified, 0);
  if (outcomes.every(({ runs }) => runs === 0)) return ["nothing was finished"];
  const { compared, of } = sumOf(outcomes.map(({ sampled }) => sampled));
  const all = `verified: all ${number(verified)} acknowledged entries of the loads were read back, each once, whole, at its index`;
  const part = `sampled:  ${number(compared)} of ${number(of)} in logs that were made beforehand`;
  if (verified === 0 && of === 0) return ["verified: nothing, as nothing was written"];
  return [...(verified > 0 ? [all] : []), ...(of > 0 ? [part] : [])];
}

function renderTable(outcomes: readonly Outcome[]): readonly string[] {
  if (outcomes.every(({ figures }) => figures.length === 0)) return [];
  const rows = [["SCENARIO", "FIGURE", "MEDIAN", "RANGE", "RUNS"]];
  for (const { scenario, figures } of outcomes)
    for (const figure of figures) rows.push([scenario, ...cellsOf(figure)]);
  return aligned(
    rows.map((row, at) => (row[0] === rows[at - 1]?.[0] ? ["", ...row.slice(1)] : row)),
    2,
  ).concat("");
}

function cellsOf({ name, unit, values }: Figure): string[] {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const range = values.length > 1 ? `${numberText(least)} .. ${numberText(most)}` : "";
  return [name, `${numberText(median(values))} ${unit}`.trim(), range, String(values.length)];
}

/** Three digits that count, or all before the point. */
export function numberText(value: number): string {
  if (!Number.isFinite(value)) return "-";
  const digits =
    Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 1 ? 2 : 3;
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}
