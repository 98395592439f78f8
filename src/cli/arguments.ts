/** The strict layer before citty, whose parser takes any mistyped flag for a new one, swallows
 *  the next flag as a value and looks for --help inside free text. Here every word is checked
 *  against the command's own flags; what remains is handed on in one canonical form (`--name=value
 *  ... -- word word`). Pure. */

import { nearestWord } from "./nearest.ts";
import type { FlagDefinition } from "./settings.ts";
import { shellQuote } from "./wording.ts";

/** What a command expects besides its flags. */
export interface WordsExpected {
  /** As shown: "ENTRY... | -" */
  readonly hint: string;
  readonly min: number;
  readonly max: number;
  /** The first word must be one of these; each with what other programs call it, which is
   *  understood and not taken. */
  readonly firstOf?: Readonly<Record<string, readonly string[]>>;
  /** What a word too many was probably meant as. */
  readonly meantBy?: (word: string) => string | null;
  /** Words may be any text: one that begins with - is probably meant as one. */
  readonly freeText?: FreeText;
}

interface FreeText {
  /** A flag that stands for all words. */
  readonly insteadOf: string;
  /** Said when there are too few words: what else could have been meant. */
  readonly missing: string;
}

export type CheckedArguments =
  | { readonly type: "help" }
  | { readonly type: "ok"; readonly canonical: readonly string[] }
  | { readonly type: "wrong"; readonly problems: readonly string[] };

interface KnownFlag {
  readonly name: string;
  readonly takesValue: boolean;
  readonly valueHint: string;
}

interface Reading {
  readonly canonical: string[];
  readonly words: string[];
  /** Flags that nobody knows, as typed. */
  readonly unknown: string[];
  /** Both, in their order. */
  readonly texts: string[];
  readonly problems: string[];
  readonly seen: Set<string>;
  help: boolean;
}

/** Checks everything that was typed after the command's name. `typed` is how the command is
 *  invoked ("./raft send"). */
export function checkArguments(
  raw: readonly string[],
  args: Readonly<Record<string, FlagDefinition>>,
  expected: WordsExpected,
  typed: string,
): CheckedArguments {
  const flags = knownFlags(args);
  const reading: Reading = {
    canonical: [],
    words: [],
    unknown: [],
    texts: [],
    problems: [],
    seen: new Set(),
    help: false,
  };
  for (let at = 0; at < raw.length; at += 1) {
    const token = raw[at] ?? "";
    if (token === "--") {
      takeWords(raw.slice(at + 1), reading);
      break;
    }
    if (token === "-" || !token.startsWith("-")) takeWords([token], reading);
    else if (token.startsWith("--")) at += readLongFlag(token, raw[at + 1], flags, reading);
    else at += readShortFlags(token, raw[at + 1], flags, reading);
  }
  if (reading.help) return { type: "help" };
  const problems = [...unknownFlagProblems(reading, flags, expected, typed), ...reading.problems];
  if (reading.unknown.length === 0) problems.push(...wordProblems(reading, expected, typed));
  if (problems.length > 0) return { type: "wrong", problems };
  return { type: "ok", canonical: [...reading.canonical, "--", ...reading.words] };
}

function knownFlags(
  args: Readonly<Record<string, FlagDefinition>>,
): ReadonlyMap<string, KnownFlag> {
  const flags = new Map<string, KnownFlag>();
  for (const [name, definition] of Object.entries(args)) {
    const flag = {
      name,
      takesValue: definition.type !== "boolean",
      valueHint: definition.valueHint ?? "VALUE",
    };
    flags.set(`--${name}`, flag);
    if (definition.alias !== undefined) flags.set(`-${definition.alias}`, flag);
  }
  return flags;
}

function takeWords(words: readonly string[], reading: Reading): void {
  reading.words.push(...words);
  reading.texts.push(...words);
}

function takeUnknown(token: string, reading: Reading): void {
  reading.unknown.push(token);
  reading.texts.push(token);
}

/** Returns how many further words were taken (0 or 1). */
function readLongFlag(
  token: string,
  next: string | undefined,
  flags: ReadonlyMap<string, KnownFlag>,
  reading: Reading,
): 0 | 1 {
  if (token === "--help") {
    reading.help = true;
    return 0;
  }
  const equals = token.indexOf("=");
  const name = equals < 0 ? token : token.slice(0, equals);
  const flag = flags.get(name);
  if (flag === undefined) {
    takeUnknown(token, reading);
    return 0;
  }
  return takeFlag(flag, name, equals < 0 ? undefined : token.slice(equals + 1), next, reading);
}

/** `-q`, `-qv`, `-n5` or `-n 5`. */
function readShortFlags(
  token: string,
  next: string | undefined,
  flags: ReadonlyMap<string, KnownFlag>,
  reading: Reading,
): 0 | 1 {
  for (let at = 1; at < token.length; at += 1) {
    const name = `-${token[at] ?? ""}`;
    if (name === "-h") {
      reading.help = true;
      return 0;
    }
    const flag = flags.get(name);
    if (flag === undefined) {
      takeUnknown(token, reading);
      return 0;
    }
    if (flag.takesValue) {
      const rest = token.slice(at + 1).replace(/^=/, "");
      return takeFlag(flag, name, rest === "" ? undefined : rest, next, reading);
    }
    takeFlag(flag, name, undefined, undefined, reading);
  }
  return 0;
}

function takeFlag(
  flag: KnownFlag,
  typedName: string,
  value: string | undefined,
  next: string | undefined,
  reading: Reading,
): 0 | 1 {
  if (!flag.takesValue) {
    if (value !== undefined) reading.problems.push(`${typedName} takes no value`);
    else reading.canonical.push(`--${flag.name}`);
    return 0;
  }
  if (reading.seen.has(flag.name)) reading.problems.push(`--${flag.name} is given twice`);
  reading.seen.add(flag.name);
  if (value !== undefined) {
    reading.canonical.push(`--${flag.name}=${value}`);
    return 0;
  }
  if (next === undefined || (next.startsWith("-") && next !== "-")) {
    reading.problems.push(`${typedName} needs a value: ${typedName} ${flag.valueHint}`);
    return 0;
  }
  reading.canonical.push(`--${flag.name}=${next}`);
  return 1;
}

function unknownFlagProblems(
  reading: Reading,
  flags: ReadonlyMap<string, KnownFlag>,
  expected: WordsExpected,
  typed: string,
): readonly string[] {
  const words = [...reading.canonical, "--", ...reading.texts].map(shellQuote);
  const asText = `If it is an entry:  ${typed} ${words.join(" ")}`;
  return reading.unknown.map((token) => {
    const name = token.split("=")[0] ?? token;
    const number = /^-(\d+)$/.exec(token)?.[1];
    if (number !== undefined && flags.has("-n"))
      return `there is no flag ${token}; did you mean -n ${number}?`;
    const near = nearestWord(
      name,
      [...flags.keys(), "--help"].filter((known) => known.startsWith("--")),
    );
    const more = expected.freeText !== undefined ? ` ${asText}` : "";
    if (near !== null) return `there is no flag ${name}; did you mean ${near}?${more}`;
    if (more === "") return `there is no flag ${shellQuote(name)}`;
    return `there is no flag ${shellQuote(token)}.${more}`;
  });
}

function wordProblems(
  { words, seen: flags }: Reading,
  expected: WordsExpected,
  typed: string,
): readonly string[] {
  const [first] = words;
  const { firstOf, freeText } = expected;
  if (firstOf !== undefined && first !== undefined && !Object.hasOwn(firstOf, first)) {
    const names = Object.keys(firstOf);
    const known = names.find((name) => firstOf[name]?.includes(first));
    const near = known ?? nearestWord(first, names);
    const choice = near === null ? `one of ${names.join(", ")}` : `did you mean ${near}?`;
    return [`there is no ${shellQuote(first)} here; ${choice}`];
  }
  const isReplaced = freeText !== undefined && flags.has(freeText.insteadOf);
  if (isReplaced && first !== undefined)
    return [`--${freeText.insteadOf} or ${shellQuote(first)}, not both`];
  if (words.length < expected.min && !isReplaced) {
    const more = freeText === undefined ? "" : `     ${freeText.missing}`;
    return [`something is missing:  ${typed} ${expected.hint}${more}`];
  }
  const extra = words[expected.max];
  if (extra === undefined) return [];
  const meant = expected.meantBy?.(extra) ?? null;
  const question = meant === null ? "" : `; did you mean ${meant}?`;
  return [`one word too many: ${shellQuote(extra)}${question}`];
}
