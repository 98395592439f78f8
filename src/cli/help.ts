/** The screens of `--help` and the bare screen. They are made of the commands' own definitions,
 *  so that they can name nothing that does not exist. Pure. */

import type { RaftCommand } from "./command.ts";
import { EXIT_MEANINGS, type ExitCode } from "./exit-codes.ts";
import { FLAG_ENVIRONMENT, type FlagDefinition } from "./settings.ts";

/** Commands that the bare screen shows in its lines; the others are listed under "also". */
const SHOWN_FIRST: readonly string[] = ["up", "send", "log", "status", "leader"];
const EVERY_COMMANDS_EXITS: readonly ExitCode[] = [0, 1, 2];
/** Help is no wider than this. */
const HELP_COLUMNS_MAX = 100;

/** What bare `raft` prints. */
export function renderShortScreen(
  executable: string,
  version: string,
  commandNames: readonly string[],
): string {
  const also = commandNames.filter((name) => !SHOWN_FIRST.includes(name)).join(" ");
  const more = `${executable} COMMAND --help`;
  // The columns fit "./raft"; a longer path keeps a gap.
  const shown = (rest: string, width: number): string =>
    `${executable} ${rest}`.padEnd(Math.max(width, executable.length + rest.length + 3));
  return [
    `raft ${version}: the same log on a few machines`,
    "",
    `  ${shown("up --id 1", 24)}a node here; then --id 2 and --id 3 on other machines or in other terminals`,
    `  ${shown("up --local 3", 24)}three nodes in this terminal, to try it`,
    `  ${shown('send "hello"', 24)}${shown("log", 16)}${shown("status", 19)}${shown("leader", 0).trimEnd()}`,
    "",
    `  also: ${also}          ${more}`,
  ].join("\n");
}

/** `raft --help`: the short screen, then what all commands share. */
export function renderMainHelp(
  executable: string,
  version: string,
  commands: readonly RaftCommand[],
): string {
  const names = commands.map((command) => command.name);
  const exits = Object.keys(EXIT_MEANINGS).map((code) => Number(code) as ExitCode);
  return [
    renderShortScreen(executable, version, names),
    "",
    "Commands",
    ...pairs(commands.map((command) => [nameText(command), command.summary])),
    "",
    "Environment",
    ...pairs([
      ...Object.entries(FLAG_ENVIRONMENT).map(
        ([flag, variable]) => [variable, `as --${flag}, where a command has it`] as const,
      ),
      ["NO_COLOR", "no colours on a terminal either"],
    ]),
    "",
    "Exit codes",
    ...exitLines(exits),
  ].join("\n");
}

/** `raft COMMAND --help`. */
export function renderCommandHelp(executable: string, command: RaftCommand): string {
  const usage = `${executable} ${command.name}${command.words.hint === "" ? "" : ` ${command.words.hint}`}`;
  const alias =
    command.aliases === undefined
      ? ""
      : ` (also: ${command.aliases.map((name) => `${executable} ${name}`).join(", ")})`;
  const variables = Object.keys(command.args).flatMap((name) => {
    const variable = FLAG_ENVIRONMENT[name];
    return variable === undefined ? [] : [[variable, `as --${name}`] as const];
  });
  return [
    `${usage}${alias}`,
    `  ${command.summary}`,
    ...(command.notes ?? []).flatMap((note) => wrap(note, 2)),
    "",
    "Examples",
    ...pairs(command.examples.map(([line, meaning]) => [`${executable} ${line}`, meaning])),
    "",
    "Flags",
    ...pairs([
      ...Object.entries(command.args).map(
        ([name, flag]) => [flagText(name, flag), flag.description] as const,
      ),
      ["-h, --help", "this text"],
    ]),
    ...(variables.length === 0 ? [] : ["", "Environment", ...pairs(variables)]),
    "",
    "Exit codes",
    ...exitLines([...EVERY_COMMANDS_EXITS, ...command.exits]),
  ].join("\n");
}

function nameText(command: RaftCommand): string {
  return [command.name, ...(command.aliases ?? [])].join(", ");
}

function flagText(name: string, flag: FlagDefinition): string {
  const short = flag.alias === undefined ? "    " : `-${flag.alias}, `;
  return `${short}--${name}${flag.valueHint === undefined ? "" : ` ${flag.valueHint}`}`;
}

function exitLines(codes: readonly ExitCode[]): readonly string[] {
  const sorted = [...new Set(codes)].toSorted((a, b) => a - b);
  return sorted.map((code) => `  ${String(code).padStart(3)}  ${EXIT_MEANINGS[code]}`);
}

/** Two columns; the second one wraps under itself. */
function pairs(lines: readonly (readonly [string, string])[]): readonly string[] {
  const width = Math.max(...lines.map(([first]) => first.length)) + 2;
  return lines.flatMap(([first, second]) => {
    const [head = "", ...rest] = wrap(second, width + 2);
    return [`  ${first.padEnd(width)}${head.trimStart()}`, ...rest];
  });
}

function wrap(text: string, indent: number): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && indent + line.length + 1 + word.length > HELP_COLUMNS_MAX) {
      lines.push(" ".repeat(indent) + line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, " ".repeat(indent) + line];
}
