/** Shows every planted bug to the suites, cheapest first, until one finds it:
 *
 *      npx bun test/planted/run.ts                      every bug
 *      npx bun test/planted/run.ts --only NAME,NAME     these
 *      npx bun test/planted/run.ts --suites unit,random only these suites, whatever else must find it
 *      npx bun test/planted/run.ts --all-suites         does not stop at the first that finds it
 *      npx bun test/planted/run.ts --seconds 60         CPU time for one bug in one suite
 *      npx bun test/planted/run.ts --jobs 2             bugs at a time
 *      npx bun test/planted/run.ts --json               one object a bug
 *      npx bun test/planted/run.ts --list               their names, and what is wrong then
 *
 *  Exits 1 when a bug was found by nothing, or not by a suite that must find it by itself. */
import { parseArgs } from "node:util";
import { CAMPAIGNS } from "./bug.ts";
import { answer, lengthOf, namesOf, wholeOf } from "../prove/typed.ts";
import { BUGS } from "./bugs.ts";
import { SUITES, failingWithoutBugs } from "./suites.ts";
import { renderRow, showAll, testFilesOf } from "./table.ts";

/** Wall time for all scripted tests without any bug. */
const HEALTHY_SECONDS = 300;

/** The columns of `renderRow` and of `--list`. */
const COLUMNS = `what   ${"no.".padEnd(4)} ${"bug".padEnd(34)}     CPU  suites that were asked, in turn; the test or check that found it`;
const LEGEND =
  "no.: its number in the list of known bugs, H: what breaks on UDP, own: of our making; " +
  "CPU: of all suites up to and with the one that found it\n";

await answer(import.meta.url, main);

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      suites: { type: "string" },
      "all-suites": { type: "boolean", default: false },
      seconds: { type: "string", default: "60" },
      jobs: { type: "string", default: "2" },
      json: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
    },
  });
  const all = [...SUITES, ...CAMPAIGNS];
  const names = BUGS.map(({ name }) => name);
  const only = values.only === undefined ? names : namesOf("--only", values.only, names);
  const asked = values.suites === undefined ? SUITES : namesOf("--suites", values.suites, all);
  const cpuSeconds = lengthOf("--seconds", values.seconds);
  const jobs = wholeOf("--jobs", values.jobs, 1);
  const bugs = BUGS.filter(({ name }) => only.includes(name));
  if (values.list) {
    for (const { name, knownBug, sentence } of bugs)
      console.log(`${knownBug.padEnd(4)} ${name.padEnd(34)} ${sentence}`);
    return 0;
  }
  const failing = await failingWithoutBugs(testFilesOf(bugs), HEALTHY_SECONDS);
  for (const name of failing) console.error(`fails without any bug: ${name}`);
  if (!values.json) console.log(`${LEGEND}${COLUMNS}`);
  const found = await showAll({
    bugs,
    failing,
    suites: all.filter((suite) => asked.some((name) => name === suite)),
    allSuites: values["all-suites"],
    owing: values.suites === undefined,
    cpuSeconds,
    jobs,
    leftSeconds: () => Infinity,
    onRow: (row) => console.log(values.json ? JSON.stringify(row) : renderRow(row)),
  });
  const missed = found.filter(({ finding, owed }) => finding === null || owed.length > 0);
  if (!values.json) {
    console.log(`${found.length - missed.length} of ${found.length} found`);
    for (const { bug, finding, owed } of missed) {
      const by = finding === null ? "" : ` by ${owed.map(({ suite }) => suite).join(", ")}`;
      console.log(`not found${by}: ${bug.name}: ${bug.sentence}`);
    }
  }
  return missed.length === 0 ? 0 : 1;
}
