/** `npm run prove`: runs every measure for its share of the time and writes test/SCOREBOARD.md.
 *
 *      npm run prove                              everything, an hour
 *      npm run prove -- --minutes 10              a shorter share of everything
 *      npm run prove -- --ci                      the targets of CI, in about ten minutes
 *      npm run prove -- --only kill --seconds 30  some measures (NAME,NAME), so long each
 *      --seed 7                                   another day, another seed, unless it is given
 *      --json FILE                                the lines as JSON, too
 *
 *  Measures that need one core run two at a time; those whose figure is a time run alone. Each runs
 *  in a process of its own. `--ci` and `--only` write no page. Exit code 1 when a promise was
 *  broken or a measure tried nothing, 2 for what cannot be asked, 130 after Ctrl-C. */

import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { FOUND_BUGS } from "./found-bugs.ts";
import type { Figure, Measure } from "./measure.ts";
import { ALONE, MEASURES } from "./measures.ts";
import { OwnProcess, progressFile } from "./own-process.ts";
import { figureText, renderScoreboard, VERDICTS, verdictOf, type Line } from "./scoreboard.ts";
import { answer, lengthOf, namesOf, wholeOf } from "./typed.ts";

const HOUR_MINUTES = 60;
/** What is under way when a share ends is finished first: ten minutes in all. */
const CI_MINUTES = 8;
const SELF = fileURLToPath(import.meta.url);
const PAGE = fileURLToPath(new URL("../SCOREBOARD.md", import.meta.url));
/** A person is told this often how far a measure is. */
const PROGRESS_EVERY_MS = 5_000;
/** What a shell calls the end by these signals. */
const SIGNAL_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

interface Asked {
  readonly wanted: readonly Measure[];
  /** For everything; null: `seconds` alone bounds it. */
  readonly minutes: number | null;
  /** For each measure; null: its share. */
  readonly seconds: number | null;
  readonly seed: number;
  /** The targets of CI, not of an hour. */
  readonly small: boolean;
  /** Writes the page. */
  readonly page: boolean;
  readonly json: string | null;
}

await answer(
  import.meta.url,
  async () => {
    const { values } = parseArgs({
      options: {
        minutes: { type: "string" },
        ci: { type: "boolean", default: false },
        only: { type: "string" },
        seconds: { type: "string" },
        seed: { type: "string" },
        json: { type: "string" },
        /** Used by this program itself: run one measure and write its figure there. */
        figure: { type: "string" },
        target: { type: "string" },
      },
    });
    const asked = typed(values);
    const { figure, target } = values;
    if (figure === undefined) return await new Proof(asked).run();
    return await runOne(asked, figure, lengthOf("--target", target ?? ""));
  },
  () => `\nThe measures:\n\n${MEASURES.map(renderMeasure).join("\n")}`,
);

function typed(values: {
  readonly minutes?: string;
  readonly ci: boolean;
  readonly only?: string;
  readonly seconds?: string;
  readonly seed?: string;
  readonly json?: string;
}): Asked {
  const { ci, only, json } = values;
  const known = MEASURES.map(({ name }) => name);
  const names = only === undefined ? known : namesOf("--only", only, known);
  const minutes = values.minutes === undefined ? null : lengthOf("--minutes", values.minutes);
  const seconds = values.seconds === undefined ? null : lengthOf("--seconds", values.seconds);
  const fewest = minutes ?? (ci ? CI_MINUTES : seconds === null ? HOUR_MINUTES : null);
  return {
    wanted: MEASURES.filter(({ name }) => names.includes(name)),
    minutes: fewest,
    seconds,
    // Another seed each day: what was tried yesterday need not be tried again.
    seed:
      values.seed === undefined
        ? Math.floor(Date.now() / 86_400_000) * 1_000_000
        : wholeOf("--seed", values.seed),
    small: ci || (fewest !== null && fewest <= CI_MINUTES),
    // CI's share, and a part, are no news for the page.
    page: only === undefined && !ci,
    json: json ?? null,
  };
}

function renderMeasure({ name, title, unavailable }: Measure): string {
  const reason = unavailable();
  return `    ${name.padEnd(14)} ${title}${reason === null ? "" : ` (not here: ${reason})`}`;
}

/** All that was asked for, as far as it goes. */
class Proof {
  readonly #asked: Asked;
  readonly #startedMs = performance.now();
  readonly #lines: Line[] = [];
  readonly #running = new Set<OwnProcess>();
  #begun = 0;
  #signal: keyof typeof SIGNAL_CODES | null = null;

  constructor(asked: Asked) {
    this.#asked = asked;
    for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const)
      process.on(signal, () => this.#interrupt(signal));
  }

  async run(): Promise<number> {
    const { wanted, minutes, seconds, seed, json, page } = this.#asked;
    const time =
      seconds === null ? `minutes in all: ${minutes}` : `seconds for each: ${seconds} at most`;
    console.log(`measures: ${wanted.length}; ${time}; seed: ${seed}`);
    for (const alone of [true, false]) await this.#runAll(alone);
    const lines = this.#lines.toSorted(
      (a, b) => MEASURES.indexOf(a.measure) - MEASURES.indexOf(b.measure),
    );
    tell(lines);
    if (json !== null) writeFileSync(json, asJson(lines));
    if (this.#signal !== null) return this.#tellInterrupted(this.#signal);
    if (page) {
      const shown = minutes ?? (performance.now() - this.#startedMs) / 60_000;
      writeFileSync(PAGE, renderScoreboard({ minutes: shown, lines, found: FOUND_BUGS }));
      console.log("written to test/SCOREBOARD.md");
    }
    const bad = new Set(["BROKEN", "nothing tried"]);
    return lines.some((line) => bad.has(verdictOf(line))) ? 1 : 0;
  }

  /** Those whose figure is a time one after the other, the others two at a time. */
  async #runAll(alone: boolean): Promise<void> {
    const { wanted, seconds } = this.#asked;
    const queue = wanted.filter((measure) => ALONE.has(measure) === alone);
    const lanes = alone ? 1 : 2;
    const later = alone ? wanted.filter((measure) => !ALONE.has(measure)) : [];
    const lane = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        if (this.#signal !== null) return;
        const weights = weightOf([next, ...queue]) / lanes + weightOf(later) / 2;
        const leftS = this.#leftSeconds;
        const share = seconds ?? (leftS * next.weight) / Math.max(weights, 1e-9);
        await this.#runMeasure(next, Math.min(share, leftS));
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
  }

  get #leftSeconds(): number {
    const { minutes } = this.#asked;
    if (minutes === null) return Infinity;
    return Math.max(1, minutes * 60 - (performance.now() - this.#startedMs) / 1_000);
  }

  async #runMeasure(measure: Measure, seconds: number): Promise<void> {
    const { seed, small } = this.#asked;
    const target = small ? measure.targets.ci : measure.targets.hour;
    const line = { measure, target, seconds, seed };
    this.#begun += 1;
    const reason = measure.unavailable();
    if (reason !== null) return this.#add({ ...line, figure: `not measured here: ${reason}` });
    const args = ["--only", measure.name, "--seconds", seconds.toFixed(3), "--seed", String(seed)];
    const own = new OwnProcess(measure.name, SELF, [...args, "--target", String(target)]);
    this.#running.add(own);
    const figure = await own.figure();
    this.#running.delete(own);
    if (typeof figure !== "string") return this.#add({ ...line, figure });
    if (this.#signal === null) return this.#add({ ...line, figure: broken(figure) });
    const said = own.said === "" ? "nothing was done yet" : own.said;
    console.log(`${"stopped".padEnd(13)} ${measure.title}: ${said}`);
  }

  #add(line: Line): void {
    this.#lines.push(line);
    console.log(`${verdictOf(line).padEnd(13)} ${line.measure.title}: ${figureText(line)}`);
  }

  #interrupt(signal: keyof typeof SIGNAL_CODES): void {
    if (this.#signal === null) console.error(`\n${signal}: ending what runs, and clearing up`);
    this.#signal ??= signal;
    for (const own of this.#running) own.interrupt(signal);
  }

  #tellInterrupted(signal: keyof typeof SIGNAL_CODES): number {
    const done = this.#lines.length;
    const unbegun = this.#asked.wanted.length - this.#begun;
    const seconds = Math.round((performance.now() - this.#startedMs) / 1_000);
    console.log(
      `interrupted by ${signal} after ${seconds} s: ${done} measures done, ` +
        `${this.#begun - done} stopped, ${unbegun} not begun; no page is written`,
    );
    return SIGNAL_CODES[signal];
  }
}

function tell(lines: readonly Line[]): void {
  for (const { figure } of lines) {
    if (typeof figure !== "string") for (const failure of figure.failures) console.log(failure);
  }
  for (const [verdict, meaning] of Object.entries(VERDICTS)) {
    const count = lines.filter((line) => verdictOf(line) === verdict).length;
    if (count > 0) console.log(`${count} ${verdict}: ${meaning}`);
  }
}

function asJson(lines: readonly Line[]): string {
  const plain = lines.map((line) => ({
    name: line.measure.name,
    verdict: verdictOf(line),
    figure: line.figure,
  }));
  return JSON.stringify(plain, null, 2);
}

function weightOf(measures: readonly Measure[]): number {
  return measures.reduce((sum, { weight }) => sum + weight, 0);
}

function broken(what: string): Figure {
  return { done: 0, bad: 1, ok: false, text: what, failures: [what] };
}

/** In the measure's own process. */
async function runOne({ wanted, seconds, seed }: Asked, file: string, target: number) {
  const [measure] = wanted;
  if (measure === undefined || seconds === null) throw new Error("no measure, or no time for it");
  let saidMs = -Infinity;
  const figure = await measure.run({
    target,
    seconds,
    seed,
    progress: (text) => {
      writeFileSync(progressFile(file), text);
      if (performance.now() - saidMs < PROGRESS_EVERY_MS) return;
      saidMs = performance.now();
      console.error(`  ${measure.name}: ${text}`);
    },
  });
  writeFileSync(file, JSON.stringify(figure));
  // A campaign may leave timers behind; what it found is written.
  return process.exit(0);
}
