/** `npm run prove`: runs every measure for its share of the time and writes SCOREBOARD.md.
 *
 *      npm run prove                         about an hour
 *      npm run prove -- --minutes 10         a shorter share of everything
 *      npm run prove -- --ci                 the targets of CI, in about ten minutes
 *      npm run prove -- --only kill --seconds 60 --seed 7
 *
 *  Measures that need one core run two at a time; those whose figure is a time run alone. Each runs
 *  in a process of its own. Exit code 1 when a promise was broken. */

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { FOUND_BUGS } from "./found-bugs.ts";
import type { Figure, Measure } from "./measure.ts";
import { ALONE, MEASURES } from "./measures.ts";
import { figureText, renderScoreboard, VERDICTS, verdictOf, type Line } from "./scoreboard.ts";

const HOUR_MINUTES = 60;
const CI_MINUTES = 10;
const SELF = fileURLToPath(import.meta.url);
const PAGE = fileURLToPath(new URL("../SCOREBOARD.md", import.meta.url));

const { values } = parseArgs({
  options: {
    minutes: { type: "string" },
    ci: { type: "boolean", default: false },
    only: { type: "string" },
    seconds: { type: "string" },
    seed: { type: "string" },
    /** A file for the lines as JSON. */
    json: { type: "string" },
    /** Used by this program itself: run one measure and write its figure there. */
    figure: { type: "string" },
    target: { type: "string" },
  },
});

if (values.figure === undefined) process.exitCode = await prove();
else await runOne(values.figure);

async function prove(): Promise<number> {
  const minutes = Number(values.minutes ?? (values.ci ? CI_MINUTES : HOUR_MINUTES));
  const only = values.only?.split(",");
  const unknown = only?.filter((name) => MEASURES.every((measure) => measure.name !== name)) ?? [];
  if (unknown.length > 0 || Number.isNaN(minutes)) {
    const names = MEASURES.map(({ name }) => name).join(", ");
    console.error(`there is no measure ${unknown.join(", ")}; there are ${names}`);
    return 2;
  }
  const wanted = MEASURES.filter(({ name }) => only === undefined || only.includes(name));
  // Another seed each day: what was tried yesterday need not be tried again.
  const seed = Number(values.seed ?? Math.floor(Date.now() / 86_400_000) * 1_000_000);
  const endsMs = performance.now() + minutes * 60_000;
  console.log(`measures: ${wanted.length}; minutes in all: ${minutes}; seed: ${seed}`);
  const lines: Line[] = [];
  for (const alone of [true, false]) {
    const queue = wanted.filter(({ name }) => ALONE.has(name) === alone);
    const lanes = alone ? 1 : 2;
    const later = alone ? wanted.filter(({ name }) => !ALONE.has(name)) : [];
    const lane = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const weights = weightOf([next, ...queue]) / lanes + weightOf(later) / 2;
        const leftS = Math.max(1, (endsMs - performance.now()) / 1_000);
        const seconds = Number(values.seconds ?? (leftS * next.weight) / Math.max(weights, 1e-9));
        const line = await lineOf(next, Math.min(seconds, Math.max(leftS, 1)), seed, minutes);
        lines.push(line);
        console.log(`${verdictOf(line).padEnd(12)} ${next.title}: ${figureText(line)}`);
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
  }
  lines.sort((a, b) => MEASURES.indexOf(a.measure) - MEASURES.indexOf(b.measure));
  report(lines, minutes, only === undefined);
  return lines.some((line) => verdictOf(line) === "BROKEN") ? 1 : 0;
}

function report(lines: readonly Line[], minutes: number, whole: boolean): void {
  for (const { figure } of lines) {
    if (typeof figure !== "string") for (const failure of figure.failures) console.log(failure);
  }
  for (const [verdict, meaning] of Object.entries(VERDICTS)) {
    const count = lines.filter((line) => verdictOf(line) === verdict).length;
    if (count > 0) console.log(`${count} ${verdict}: ${meaning}`);
  }
  if (values.json !== undefined) {
    const plain = lines.map((line) => ({
      name: line.measure.name,
      verdict: verdictOf(line),
      figure: line.figure,
    }));
    writeFileSync(values.json, JSON.stringify(plain, null, 2));
  }
  // CI's share, and a part, are no news for the page.
  if (!whole || values.ci) return;
  const page = renderScoreboard({ minutes, lines, found: FOUND_BUGS });
  writeFileSync(PAGE, page);
  console.log(`written to test/SCOREBOARD.md`);
}

function weightOf(measures: readonly Measure[]): number {
  return measures.reduce((sum, { weight }) => sum + weight, 0);
}

/** Runs a measure in a process of its own, which cannot take the others along when it dies. */
async function lineOf(
  measure: Measure,
  seconds: number,
  seed: number,
  minutes: number,
): Promise<Line> {
  const { ci, hour } = measure.targets;
  const target = values.ci || minutes <= CI_MINUTES ? ci : hour;
  const line = { measure, target, seconds, seed };
  const reason = measure.unavailable();
  if (reason !== null) return { ...line, figure: `not measured here: ${reason}` };
  const directory = mkdtempSync(join(tmpdir(), "raft-prove-"));
  const file = join(directory, "figure.json");
  try {
    const args = ["--only", measure.name, "--figure", file, "--seconds", String(seconds)];
    const asked = ["--seed", String(seed), "--target", String(target)];
    const code = await new Promise<number | null>((resolve) => {
      const child = spawn(process.execPath, [SELF, ...args, ...asked], { stdio: "inherit" });
      child.once("close", resolve);
    });
    const figure: Figure | null = code === 0 ? JSON.parse(readFileSync(file, "utf8")) : null;
    return { ...line, figure: figure ?? broken(`${measure.name} ended with ${code}`) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function broken(what: string): Figure {
  return { done: 0, bad: 1, ok: false, text: what, failures: [what] };
}

async function runOne(file: string): Promise<void> {
  const measure = MEASURES.find(({ name }) => name === values.only);
  if (measure === undefined) throw new Error(`there is no measure ${values.only}`);
  let saidMs = 0;
  const figure = await measure.run({
    target: Number(values.target),
    seconds: Number(values.seconds),
    seed: Number(values.seed),
    progress: (text) => {
      if (performance.now() - saidMs < 5_000) return;
      saidMs = performance.now();
      console.error(`  ${measure.name}: ${text}`);
    },
  });
  writeFileSync(file, JSON.stringify(figure));
  // A campaign may leave timers behind; what it found is written.
  process.exit(0);
}
