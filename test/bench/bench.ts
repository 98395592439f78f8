/** `npm run bench`: what this machine does with the compiled executable: real nodes on loopback,
 *  fdatasync on, everything sealed, default settings.
 *
 *      npm run bench                              the main scenarios, five to six minutes
 *      npm run bench -- --all                     all of them, more than an hour
 *      npm run bench -- closed-1000 closed-64     those
 *      --runs N       runs of each scenario (3); they take turns in random order
 *      --seconds S    how long each one measures (2)
 *      --seed N       the order of the runs and whatever else is chosen at random (1)
 *      --dir DIR      where the data lies while it runs; a real disk
 *      --json         the whole report as one JSON object
 *      --against LIST beside etcd, nats and nats-sync, which it starts on this machine for that; it
 *                     cannot measure one that runs elsewhere: --against etcd --help
 *
 *  It needs Linux, and a machine that does nothing else. Results go to stdout, progress to stderr.
 *  Medians and ranges of all runs are printed. Loads warm up first: that is in no figure, but it is
 *  verified, so that more entries are verified than the figures tell of. Exit code 1 when a
 *  scenario failed or something that was acknowledged was not read back, 2 for what cannot be
 *  asked, 130 after Ctrl-C or SIGTERM, which print what there is. */
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { executable } from "../e2e/world.ts";
import { answer, lengthOf, namesOf, UsageError, wholeOf } from "../prove/typed.ts";
import { ONLY_AGAINST, sideBySide } from "./against/side-by-side.ts";
import { fileSystemOf, settingOf } from "./machine.ts";
import { noProcReason } from "./process-use.ts";
import { renderReport, type Report } from "./report.ts";
import { runAll } from "./runner.ts";
import type { Scenario } from "./scenario.ts";
import { SCENARIOS } from "./scenarios/index.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

if (process.argv.some((word) => /^--against(=|$)/.test(word)))
  await answer(new URL("against/side-by-side.ts", import.meta.url).href, async () => {
    needProc();
    return sideBySide(process.argv.slice(2), root, realDisk());
  });
else
  await answer(
    import.meta.url,
    main,
    () => `\nThe scenarios:\n\n${SCENARIOS.map(render).join("\n")}`,
  );

function needProc(): void {
  const reason = noProcReason();
  if (reason !== null) throw new UsageError(`it cannot be measured here: ${reason}`);
}

async function main(): Promise<number> {
  needProc();
  const asked = typed();
  const { scenarios, runs, seconds, seed, directory } = asked;
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => interrupted.abort());
  const setting = settingOf({ root, directory, executable, scenarios, seconds, seed });
  const outcomes = await runAll({
    ...asked,
    signal: interrupted.signal,
    say: (line) => process.stderr.write(`${line}\n`),
  });
  const report: Report = { setting, seed, seconds, runs, outcomes };
  console.log(asked.json ? JSON.stringify(report) : renderReport(report));
  if (interrupted.signal.aborted) return 130;
  return outcomes.some(({ failures }) => failures.length > 0) ? 1 : 0;
}

function typed() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      all: { type: "boolean", default: false },
      runs: { type: "string", default: "3" },
      seconds: { type: "string", default: "2" },
      seed: { type: "string", default: "1" },
      dir: { type: "string", default: realDisk() },
      json: { type: "boolean", default: false },
      ...ONLY_AGAINST,
    },
  });
  for (const flag of Object.keys(ONLY_AGAINST))
    if (flag in values) throw new UsageError(`--${flag}: only with --against`);
  if (!existsSync(values.dir)) throw new UsageError(`--dir ${values.dir}: there is no such folder`);
  if (!existsSync(executable)) throw new UsageError(`${executable} is missing: npm run build`);
  const known = SCENARIOS.map(({ name }) => name);
  const named = positionals.flatMap((word) => namesOf("scenario", word, known));
  if (named.length > 0 && values.all)
    throw new UsageError(
      `${named.join(" ")} and --all: name the scenarios, or ask for all of them, not both`,
    );
  const usual = SCENARIOS.filter(({ main: isMain }) => isMain || values.all);
  const names = named.length === 0 ? usual.map(({ name }) => name) : named;
  return {
    scenarios: SCENARIOS.filter(({ name }) => names.includes(name)),
    runs: wholeOf("--runs", values.runs, 1),
    seconds: lengthOf("--seconds", values.seconds),
    seed: wholeOf("--seed", values.seed),
    directory: values.dir,
    json: values.json,
  };
}

/** The temporary folder, unless it is memory: then the build's own. */
function realDisk(): string {
  return fileSystemOf(tmpdir()) === "tmpfs" ? join(root, "build/out") : tmpdir();
}

function render({ name, about, main: isMain, unavailable }: Scenario): string {
  const reason = unavailable?.() ?? null;
  const notes = [isMain ? "" : "with --all", reason === null ? "" : `not here: ${reason}`];
  const text = notes.filter((note) => note !== "").join("; ");
  return `    ${name.padEnd(20)} ${about}${text === "" ? "" : ` (${text})`}`;
}
