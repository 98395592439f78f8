/** The planted bugs: each is put into the sources, one at a time, and shown to the suites until
 *  one of them fails. A bug that nothing finds is a hole in the tests. As the unit tests find
 *  nearly all of them first, some must be found by the random runs, the simulator or a campaign
 *  on real processes as well, each by itself: a suite that could find nothing would show here. */
import type { Bug } from "../planted/bug.ts";
import { BUGS } from "../planted/bugs.ts";
import { SUITES, failingWithoutBugs } from "../planted/suites.ts";
import { renderRow, showAll, testFilesOf } from "../planted/table.ts";
import type { Row } from "../planted/table.ts";
import type { Finding } from "../planted/suites.ts";
import { median } from "../quantile.ts";
import type { Figure, Measure, PlantedRow } from "./measure.ts";

/** CPU time for one bug in one suite, seconds. */
const CPU_SECONDS = 60;
/** The share of the time in which the tests are run without any bug. */
const HEALTHY_SHARE = 5;
/** Suites are processes of one core each. */
const JOBS = 2;
/** A run of some other day has a seed so much larger, and begins so many bugs further on, or a few
 *  more: about as many as CI's share comes to. */
const DAY_SEEDS = 1_000_000;
const STEP_MIN = 35;
/** A run of an hour gives it about eight minutes, CI about 100 seconds. */
const WEIGHT = 12;

export const measure: Measure = {
  name: "planted",
  title: "Planted bugs found",
  unit: "bugs",
  targets: { ci: BUGS.length, hour: BUGS.length },
  demand: `all, and some by one suite alone, ${CPU_SECONDS} CPU-s each at most`,
  weight: WEIGHT,
  unavailable: () => null,
  run: async ({ seconds, seed, progress }) => {
    const endMs = performance.now() + seconds * 1_000;
    const failing = await failingWithoutBugs(testFilesOf(BUGS), seconds / HEALTHY_SHARE);
    const rows = await showAll({
      bugs: fromPlace(seed),
      failing,
      suites: SUITES,
      allSuites: false,
      owing: true,
      cpuSeconds: CPU_SECONDS,
      jobs: JOBS,
      leftSeconds: () => (endMs - performance.now()) / 1_000,
      onRow: (row) => progress(renderRow(row).slice(0, 100)),
    });
    return plantedFigure(rows);
  },
};

/** What the rows say, as one line of the scoreboard and the table below it. */
export function plantedFigure(rows: readonly Row[]): Figure {
  const missed = rows.filter(({ finding }) => finding === null);
  const owed = rows.flatMap(({ bug, owed: findings }) => findings.map((of) => ({ bug, of })));
  const bad = rows.filter(({ finding, owed: of }) => finding === null || of.length > 0).length;
  const seconds = rows.map(({ cpuSeconds }) => cpuSeconds);
  return {
    done: rows.length,
    bad,
    text:
      `${rows.length - missed.length} of ${rows.length}; ` +
      `median ${median(seconds).toFixed(1)} CPU-s, most ${Math.max(...seconds).toFixed(1)} CPU-s` +
      `; by one suite alone: ${aloneText(rows)}`,
    ok: bad === 0,
    failures: [
      ...missed.map(
        ({ bug, findings }) =>
          `nothing finds ${bug.name} ` +
          `(${findings.map((f) => `${f.suite} ${f.outcome}`).join(", ")}): ` +
          `bun test/planted/run.ts --only ${bug.name}`,
      ),
      ...owed.map(
        ({ bug, of }) =>
          `${of.suite} does not find ${bug.name} (${of.outcome}: ${of.by.slice(0, 200)}): ` +
          `bun test/planted/run.ts --only ${bug.name} --suites ${of.suite}`,
      ),
    ],
    planted: plantedTable(rows),
  };
}

/** Of the bugs that a suite must find by itself: "simulator 14 of 14, kill 1 of 1". */
function aloneText(rows: readonly Row[]): string {
  const counts = new Map<string, { found: number; asked: number }>();
  for (const { bug, findings } of rows) {
    const must = BUGS.find(({ name }) => name === bug.name)?.alsoFoundBy ?? [];
    for (const { suite, outcome } of findings) {
      if (outcome === "absent" || !must.some((one) => one === suite)) continue;
      const count = counts.get(suite) ?? { found: 0, asked: 0 };
      count.asked += 1;
      if (outcome === "found") count.found += 1;
      counts.set(suite, count);
    }
  }
  const each = [...counts].map(([suite, { found, asked }]) => `${suite} ${found} of ${asked}`);
  return each.length === 0 ? "not reached" : each.join(", ");
}

/** Which suites found each bug, in which seed and after how much CPU time. */
export function plantedTable(rows: readonly Row[]): readonly PlantedRow[] {
  const place = new Map(BUGS.map(({ name }, at) => [name, at]));
  return rows
    .toSorted((a, b) => (place.get(a.bug.name) ?? 0) - (place.get(b.bug.name) ?? 0))
    .map(({ bug: { name, knownBug, sentence }, findings, finding, owed, cpuSeconds }) => {
      const found = findings.filter(({ outcome }) => outcome === "found").map(foundText);
      const first = finding === null ? [`nothing, ${cpuSeconds.toFixed(1)} CPU-s`] : [];
      const not = owed.map(({ suite, outcome }) => `not by ${suite} (${outcome})`);
      return { name, knownBug, sentence, foundBy: [...first, ...found, ...not].join("; ") };
    });
}

function foundText({ suite, seeds, cpuSeconds, by }: Finding): string {
  const seed = seeds === null ? "" : `, seed ${seeds}`;
  return `${suite}${seed}, ${cpuSeconds.toFixed(1)} CPU-s: ${checkOf(by)}`;
}

/** All bugs, those that several suites must find evenly among the others, beginning with another
 *  one for another seed: a run that is too short for all of them shows another part each day. */
export function fromPlace(seed: number): readonly Bug[] {
  const several = BUGS.filter(({ alsoFoundBy }) => alsoFoundBy !== undefined);
  const others = BUGS.filter(({ alsoFoundBy }) => alsoFoundBy === undefined);
  const each = Math.ceil(others.length / Math.max(1, several.length));
  const spread: Bug[] = [];
  for (let at = 0; spread.length < BUGS.length; at++) {
    spread.push(...several.slice(at, at + 1), ...others.slice(at * each, (at + 1) * each));
  }
  const place = Math.floor(seed / DAY_SEEDS) * stepOf(spread.length) + (seed % DAY_SEEDS);
  const from = place % spread.length;
  return [...spread.slice(from), ...spread.slice(0, from)];
}

/** The least step that comes to every place of so many in as many days. */
function stepOf(places: number): number {
  let step = STEP_MIN;
  while (commonFactor(step, places) > 1) step++;
  return step;
}

function commonFactor(one: number, other: number): number {
  return other === 0 ? one : commonFactor(other, one % other);
}

/** The check's name without what it said. */
function checkOf(by: string): string {
  return by.split(/: (?:\w*Error|expected|node )/)[0]?.slice(0, 120) ?? "";
}
