/** The planted bugs: each is put into the sources, one at a time, and shown to the suites until one
 *  of them fails. A bug that nothing finds is a hole in the tests. */
import { BUGS } from "../planted/bugs.ts";
import { SUITES, failingWithoutBugs } from "../planted/suites.ts";
import { renderRow, showAll, testFilesOf } from "../planted/table.ts";
import type { Row } from "../planted/table.ts";
import type { Figure, Measure, PlantedRow } from "./measure.ts";

/** CPU time for one bug in one suite, seconds. */
const CPU_SECONDS = 60;
/** The share of the time in which the tests are run without any bug. */
const HEALTHY_SHARE = 5;
/** Suites are processes of one core each. */
const JOBS = 2;

export const measure: Measure = {
  name: "planted",
  title: "Planted bugs found",
  unit: "bugs",
  targets: { ci: BUGS.length, hour: BUGS.length },
  demand: `all, ${CPU_SECONDS} CPU-s each at most`,
  weight: 4,
  unavailable: () => null,
  run: async ({ seconds, seed, progress }) => {
    const endMs = performance.now() + seconds * 1_000;
    const failing = await failingWithoutBugs(testFilesOf(BUGS), seconds / HEALTHY_SHARE);
    const rows = await showAll({
      bugs: fromPlace(seed),
      failing,
      suites: SUITES,
      allSuites: false,
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
  const seconds = rows.map(({ cpuSeconds }) => cpuSeconds).toSorted((a, b) => a - b);
  const [median = 0, most = 0] = [seconds[seconds.length >> 1], seconds.at(-1)];
  return {
    done: rows.length,
    bad: missed.length,
    text:
      `${rows.length - missed.length} of ${rows.length}; ` +
      `median ${median.toFixed(1)} CPU-s, most ${most.toFixed(1)} CPU-s`,
    ok: missed.length === 0,
    failures: missed.map(
      ({ bug, findings }) =>
        `nothing finds ${bug.name} (${findings.map((f) => `${f.suite} ${f.outcome}`).join(", ")}): ` +
        `bun test/planted/run.ts --only ${bug.name}`,
    ),
    planted: plantedTable(rows),
  };
}

/** Which suite found each bug, after how many histories and how much CPU time. */
export function plantedTable(rows: readonly Row[]): readonly PlantedRow[] {
  const place = new Map(BUGS.map(({ name }, at) => [name, at]));
  return rows
    .toSorted((a, b) => (place.get(a.bug.name) ?? 0) - (place.get(b.bug.name) ?? 0))
    .map(({ bug: { name, knownBug, sentence }, finding, cpuSeconds }) => {
      const time = `${cpuSeconds.toFixed(1)} CPU-s`;
      const seeds =
        finding?.seeds === undefined || finding.seeds === null ? "" : `, seed ${finding.seeds}`;
      const foundBy =
        finding === null
          ? `nothing, ${time}`
          : `${finding.suite}${seeds}, ${time}: ${checkOf(finding.by)}`;
      return { name, knownBug, sentence, foundBy };
    });
}

/** All bugs, beginning with another one for another seed: a run that is too short for all of them
 *  does not always show the same. */
function fromPlace(seed: number): typeof BUGS {
  const place = seed % BUGS.length;
  return [...BUGS.slice(place), ...BUGS.slice(0, place)];
}

/** The check's name without what it said. */
function checkOf(by: string): string {
  return by.split(/: (?:\w*Error|expected|node )/)[0]?.slice(0, 120) ?? "";
}
