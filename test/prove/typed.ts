/** What a person types to the scripts of the tests. It is looked at before anything runs; what is
 *  wrong with it is a sentence and exit code 2, never a stack. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { nearestWord } from "../../src/cli/nearest.ts";

/** What was typed cannot be done; the message names the flag, what was typed and the rule. */
export class UsageError extends Error {}

const USAGE_CODE = 2;
/** So many names fit into a sentence. */
const LISTED_MAX = 20;

/** Runs a script's `main`, whose result is the exit code. `--help` prints the comment at the head
 *  of the file `url`, and what `more` says. */
export async function answer(
  url: string,
  main: () => Promise<number>,
  more: () => string = () => "",
): Promise<void> {
  if (process.argv.slice(2).some((word) => word === "--help" || word === "-h")) {
    console.log(`${headOf(url)}\n${more()}`.trimEnd());
    return;
  }
  try {
    process.exitCode = await main();
  } catch (error) {
    if (!isUsage(error)) throw error;
    console.error(`${error.message}\n--help tells what may be asked.`);
    process.exitCode = USAGE_CODE;
  }
}

/** A whole number from `least` on, to `most` where there is one. */
export function wholeOf(flag: string, text: string, least = 0, most?: number): number {
  const number = /^\d+$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(number) && number >= least && number <= (most ?? number)) return number;
  const range = most === undefined ? `from ${least} on` : `from ${least} to ${most}`;
  throw new UsageError(`${flag} ${shown(text)}: one whole number ${range} is needed`);
}

/** A length of time: a number above 0. */
export function lengthOf(flag: string, text: string): number {
  const number = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (Number.isFinite(number) && number > 0) return number;
  throw new UsageError(`${flag} ${shown(text)}: a number above 0 is needed`);
}

/** Known names, separated by commas. */
export function namesOf(flag: string, text: string, known: readonly string[]): readonly string[] {
  const names = text.split(",").map((name) => name.trim());
  for (const name of names) {
    if (known.includes(name)) continue;
    const nearest = nearestWord(name, known);
    const all =
      known.length > LISTED_MAX
        ? "none is like it; --help shows all"
        : `there are ${known.join(", ")}`;
    const next = nearest === null ? all : `did you mean ${nearest}?`;
    throw new UsageError(`${flag} ${shown(name)}: there is nothing of that name; ${next}`);
  }
  return names;
}

/** At most so many words that are no flags. */
export function wordsOf(words: readonly string[], most: number): readonly string[] {
  const tooMany = words[most];
  if (tooMany === undefined) return words;
  throw new UsageError(`${shown(tooMany)}: nothing more is expected there`);
}

function shown(text: string): string {
  return text === "" ? '""' : /\s/.test(text) ? JSON.stringify(text) : text;
}

function isUsage(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  const code = "code" in error ? String(error.code) : "";
  return error instanceof UsageError || code.startsWith("ERR_PARSE_ARGS");
}

/** The first comment of a file, without its stars. */
function headOf(url: string): string {
  const text = readFileSync(fileURLToPath(url), "utf8");
  const comment = /\/\*\*([^]*?)\*\//.exec(text)?.[1] ?? "";
  return comment
    .split("\n")
    .map((line) =>
      line
        .replace(/^ \* ? ?/, "")
        .replace(/^ \*$/, "")
        .trimEnd(),
    )
    .join("\n")
    .trim();
}
