/** The table of the planted bugs: who found which, after how many histories and how much CPU
 *  time. */
import type { Bug } from "./bug.ts";
import { show } from "./suites.ts";
import type { Finding, Suite } from "./suites.ts";

export interface Row {
  readonly bug: Pick<Bug, "name" | "knownBug" | "file" | "sentence">;
  /** What each suite that was asked made of it, in that order. */
  readonly findings: readonly Finding[];
  /** The first that found it; null: nothing did. */
  readonly finding: Finding | null;
  /** What the suites made of it that must find it and did not. One that cannot be run on this
   *  machine is not among them. */
  readonly owed: readonly Finding[];
  /** CPU time of all suites up to and with the first that found it, seconds. */
  readonly cpuSeconds: number;
}

export interface Showing {
  readonly bugs: readonly Bug[];
  readonly suites: readonly Suite[];
  /** Asks the other suites too after one has found it. */
  readonly allSuites: boolean;
  /** Asks those that must find it by themselves, too. */
  readonly owing: boolean;
  /** For one bug in one suite. */
  readonly cpuSeconds: number;
  /** Bugs at a time. */
  readonly jobs: number;
  /** Names of tests that fail without any bug. */
  readonly failing: readonly string[];
  /** Wall time that is left, seconds; at 0 no further bug is begun, and one that was not found yet
   *  does not count. */
  readonly leftSeconds: () => number;
  readonly onRow: (row: Row) => void;
}

/** The scripted test files that these bugs name. */
export function testFilesOf(bugs: readonly Bug[]): readonly string[] {
  return [...new Set(bugs.flatMap(({ unit }) => unit))];
}

/** Shows the bugs to the suites; the rows are in the order of the bugs. */
export async function showAll(showing: Showing): Promise<readonly Row[]> {
  const rows: (Row | undefined)[] = showing.bugs.map(() => undefined);
  const waiting = [...showing.bugs.entries()];
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      if (showing.leftSeconds() <= 0) return;
      const [at, bug] = next;
      const row = await showOne(bug, showing);
      const isUnsettled = row.finding === null || row.owed.length > 0;
      if (isUnsettled && showing.leftSeconds() <= 0) return;
      rows[at] = row;
      showing.onRow(row);
    }
  };
  await Promise.all(Array.from({ length: showing.jobs }, work));
  return rows.filter((row) => row !== undefined);
}

async function showOne(bug: Bug, showing: Showing): Promise<Row> {
  const { owing, allSuites } = showing;
  const findings: Finding[] = [];
  let finding: Finding | null = null;
  let cpuSeconds = 0;
  const must = owing ? (bug.alsoFoundBy ?? []) : [];
  for (const suite of new Set([...showing.suites, ...must])) {
    if (finding !== null && !allSuites && !must.some((one) => one === suite)) continue;
    const made = await showTo(bug, suite, showing);
    findings.push(made);
    if (finding === null) cpuSeconds += made.cpuSeconds;
    if (finding === null && made.outcome === "found") finding = made;
  }
  const owed = findings.filter(
    ({ suite, outcome }) =>
      must.some((one) => one === suite) && outcome !== "found" && outcome !== "absent",
  );
  const { name, knownBug, file, sentence } = bug;
  return { bug: { name, knownBug, file, sentence }, findings, finding, owed, cpuSeconds };
}

async function showTo(bug: Bug, suite: Suite, showing: Showing): Promise<Finding> {
  const leftSeconds = Math.max(1, showing.leftSeconds());
  const shown = await show(bug, suite, Math.min(showing.cpuSeconds, leftSeconds), leftSeconds);
  const isSick = showing.failing.some((name) => shown.by.startsWith(`${name}: `));
  return isSick ? { ...shown, outcome: "crashed" } : shown;
}

/** One line for a person. */
export function renderRow(row: Row): string {
  const { bug, findings, cpuSeconds } = row;
  const each = findings.map(({ suite, outcome, seeds }) => {
    const after = seeds === null ? "" : ` (seed ${seeds})`;
    return `${suite} ${outcome}${after}`;
  });
  const by = row.finding?.by ?? findings.map((finding) => finding.by).join("; ");
  const seconds = `${cpuSeconds.toFixed(1)} s`.padStart(7);
  const isFound = row.finding !== null && row.owed.length === 0;
  return `${isFound ? "found " : "MISSED"} ${bug.knownBug.padEnd(4)} ${bug.name.padEnd(34)} ${seconds}  ${each.join(", ")}  ${by.slice(0, 160)}`;
}
