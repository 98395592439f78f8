/** Shows every planted bug to the suites, cheapest first, until one finds it:
 *
 *      bun test/planted/run.ts                      every bug
 *      bun test/planted/run.ts --only NAME,NAME     these
 *      bun test/planted/run.ts --suites unit,random only these suites
 *      bun test/planted/run.ts --all-suites         does not stop at the first that finds it
 *      bun test/planted/run.ts --seconds 60         CPU time for one bug in one suite
 *      bun test/planted/run.ts --jobs 2             bugs at a time
 *      bun test/planted/run.ts --json               one object a bug
 *
 *  Exits 1 when a bug was found by nothing. */
import { parseArgs } from "node:util";
import { bugNamed } from "./planting.ts";
import { BUGS } from "./bugs.ts";
import { SUITES, failingWithoutBugs } from "./suites.ts";
import type { Suite } from "./suites.ts";
import { renderRow, showAll, testFilesOf } from "./table.ts";

/** Wall time for all scripted tests without any bug. */
const HEALTHY_SECONDS = 300;

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    suites: { type: "string" },
    "all-suites": { type: "boolean", default: false },
    seconds: { type: "string", default: "60" },
    jobs: { type: "string", default: "2" },
    json: { type: "boolean", default: false },
  },
});

const suites = values.suites?.split(",").map(suiteNamed) ?? SUITES;
const bugs = values.only?.split(",").map(bugNamed) ?? BUGS;
const failing = await failingWithoutBugs(testFilesOf(bugs), HEALTHY_SECONDS);
for (const name of failing) console.error(`fails without any bug: ${name}`);
const found = await showAll({
  bugs,
  failing,
  suites,
  allSuites: values["all-suites"],
  cpuSeconds: Number(values.seconds),
  jobs: Number(values.jobs),
  leftSeconds: () => Infinity,
  onRow: (row) => console.log(values.json ? JSON.stringify(row) : renderRow(row)),
});
const missed = found.filter(({ finding }) => finding === null);
if (!values.json) {
  console.log(`${found.length - missed.length} of ${found.length} found`);
  for (const { bug } of missed) console.log(`not found: ${bug.name}: ${bug.sentence}`);
}
process.exitCode = missed.length === 0 ? 0 : 1;

function suiteNamed(name: string): Suite {
  const suite = SUITES.find((candidate) => candidate === name);
  if (suite === undefined) throw new Error(`there is no suite "${name}": ${SUITES.join(", ")}`);
  return suite;
}
