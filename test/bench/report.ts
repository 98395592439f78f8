/** What the benchmark found, for people and for programs: medians and ranges of all runs. Pure. */
import type { Setting } from "./machine.ts";
import type { Better, Measured, Scenario } from "./scenario.ts";

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
  /** Acknowledged entries that were read back and compared, over all runs. */
  readonly verified: number;
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

/** The figures of one run. */
export interface Run {
  readonly round: number;
  readonly figures: readonly Measured[];
  readonly verified: number;
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
    verified: runs.reduce((sum, { verified }) => sum + verified, 0),
    skipped,
    failures,
  };
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

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[sorted.length >> 1] ?? Number.NaN;
  if (sorted.length % 2 === 1) return upper;
  return ((sorted[(sorted.length >> 1) - 1] ?? Number.NaN) + upper) / 2;
}

export function renderReport({ setting, seed, seconds, runs, outcomes }: Report): string {
  const verified = outcomes.reduce((sum, outcome) => sum + outcome.verified, 0);
  const failed = outcomes.some(({ failures }) => failures.length > 0);
  return [
    `machine:    ${setting.cpu}, ${setting.cores} cores, ${setting.memoryGiB} GiB, ${setting.kernel}, ${setting.fileSystem}`,
    `what ran:   ${setting.version}, SHA-256 ${setting.executable}...; scenarios of commit ${setting.commit ?? "unknown"}`,
    `work:       ${setting.work} (seed ${seed}, ${seconds} s of measuring, ${runs} rounds in random order)`,
    "",
    ...renderTable(outcomes),
    "",
    ...outcomes.flatMap(({ scenario, skipped, failures }) => [
      ...(skipped === null ? [] : [`${scenario}: not measured: ${skipped}`]),
      ...failures.map((failure) => `${scenario}: FAILED: ${failure}`),
    ]),
    failed
      ? "NOT verified: see above"
      : `verified: all ${verified.toLocaleString("en")} acknowledged entries were read back, each once, whole, at its index`,
  ].join("\n");
}

function renderTable(outcomes: readonly Outcome[]): readonly string[] {
  const rows = [["SCENARIO", "FIGURE", "MEDIAN", "RANGE", "RUNS"]];
  for (const { scenario, figures } of outcomes)
    for (const figure of figures) rows.push([scenario, ...cellsOf(figure)]);
  return aligned(
    rows.map((row, at) => (row[0] === rows[at - 1]?.[0] ? ["", ...row.slice(1)] : row)),
  );
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

function aligned(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? "").length)),
  );
  const isText = (column: number) => column < 2;
  return rows.map((row) =>
    row
      .map((cell, at) =>
        isText(at) ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
}
