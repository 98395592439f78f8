/** The scoreboard as text: what was demanded, what was reached, where, and how to see it again. */

import { execFileSync } from "node:child_process";
import { cpus, release, totalmem, type as systemName } from "node:os";
import type { FoundBug } from "./found-bugs.ts";
import type { Figure, Measure } from "./measure.ts";

/** One line: a measure and what became of it. */
export interface Line {
  readonly measure: Measure;
  /** How much was asked. */
  readonly target: number;
  readonly seconds: number;
  readonly seed: number;
  /** A string is the reason why it was not measured. */
  readonly figure: Figure | string;
}

export interface Scoreboard {
  readonly minutes: number;
  readonly lines: readonly Line[];
  readonly found: readonly FoundBug[];
}

/** The whole page, in Markdown. */
export function renderScoreboard({ minutes, lines, found }: Scoreboard): string {
  const planted = lines.flatMap(({ figure }) =>
    typeof figure === "string" ? [] : (figure.planted ?? []),
  );
  return [
    "# Scoreboard",
    "",
    "Written by `npm run prove`, which runs everything below again. Nothing here is typed by hand but",
    "the last table. Where nothing bad was seen in N tries, less than 3/N of all tries are bad with 95%",
    "confidence; that bound stands beside the figure.",
    "",
    `Commit ${commit()}, ${new Date().toISOString().slice(0, 10)}, ${machine()},`,
    `Bun ${Bun.version}; ${minutes} minutes in all.`,
    "",
    "| measure | demand | asked | reached | verdict |",
    "|---|---|---|---|---|",
    ...lines.map(renderLine),
    "",
    ...Object.entries(VERDICTS).map(([verdict, meaning]) => `- ${verdict}: ${meaning}`),
    "",
    "## How to see a line again",
    "",
    ...lines.map((line) => `- ${line.measure.title}: \`${commandOf(line)}\``),
    "",
    ...failureLines(lines),
    "## Planted bugs",
    "",
    "Each is put into the sources one at a time, in memory (`test/planted/`), and the suites are run",
    "until one of them fails.",
    "",
    "| bug | known bug | what is wrong then | found by |",
    "|---|---|---|---|",
    ...planted.map(
      ({ name, knownBug, sentence, foundBy }) =>
        `| ${name} | ${knownBug} | ${cell(sentence)} | ${cell(foundBy)} |`,
    ),
    "",
    "## Bugs that our own tests found in us",
    "",
    "| what was wrong | found by |",
    "|---|---|",
    ...found.map(({ what, foundBy }) => `| ${cell(what)} | ${cell(foundBy)} |`),
    "",
  ].join("\n");
}

/** The command that repeats one line for as long. */
function commandOf({ measure, seconds, seed }: Line): string {
  return `npm run prove -- --only ${measure.name} --seconds ${Math.ceil(seconds)} --seed ${seed}`;
}

/** The last column, and what it says. */
export const VERDICTS = {
  ok: "what was asked was reached, and nothing broke",
  "ok so far": "nothing broke, and the time was over before what was asked was reached",
  "nothing tried": "not one try was finished in this time: that proves nothing; give it more",
  BROKEN: "a promise was broken",
  "falls short": "nothing broke, but a time or a rate misses its demand on this machine",
  "not measured": "this machine lacks what it needs",
} as const;

export function verdictOf({ figure, target }: Line): keyof typeof VERDICTS {
  if (typeof figure === "string") return "not measured";
  if (figure.bad === 0 && figure.done === 0 && figure.failures.length === 0) return "nothing tried";
  if (figure.bad === 0 && figure.fallsShort === true) return "falls short";
  if (!figure.ok || figure.bad > 0) return "BROKEN";
  return figure.done >= target ? "ok" : "ok so far";
}

/** The figure, how far it went, and its upper bound. */
export function figureText({ figure, measure, target }: Line): string {
  if (typeof figure === "string") return figure;
  const bound = figure.bad === 0 && figure.done > 0 ? `; bad < ${percent(3 / figure.done)}` : "";
  return `${figure.text} (${round(figure.done)} of ${round(target)} ${measure.unit}${bound})`;
}

function renderLine(line: Line): string {
  const { measure, target } = line;
  const asked = `${round(target)} ${measure.unit}`;
  return `| ${cell(measure.title)} | ${cell(measure.demand)} | ${asked} | ${cell(figureText(line))} | ${verdictOf(line)} |`;
}

function failureLines(lines: readonly Line[]): string[] {
  const failures = lines.flatMap(({ figure }) =>
    typeof figure === "string" ? [] : figure.failures,
  );
  if (failures.length === 0) return [];
  return ["## Failures", "", ...failures.map((failure) => `- ${failure}`), ""];
}

function percent(share: number): string {
  if (share >= 1) return "100%";
  return `${(share * 100).toPrecision(2)}%`;
}

function round(count: number): string {
  const digits = count < 100 && !Number.isInteger(count) ? 1 : 0;
  return count.toLocaleString("en", { maximumFractionDigits: digits });
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}

function commit(): string {
  try {
    const hash = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
    const changes = execFileSync("git", ["status", "--porcelain", "--untracked-files=no"], {
      encoding: "utf8",
    });
    return changes.trim() === "" ? hash : `${hash} with changes`;
  } catch {
    return "unknown";
  }
}

function machine(): string {
  const processors = cpus();
  const gib = Math.round(totalmem() / 2 ** 30);
  const model = processors[0]?.model.trim() ?? "processor unknown";
  return `${processors.length} x ${model}, ${gib} GiB, ${systemName()} ${release()}`;
}
