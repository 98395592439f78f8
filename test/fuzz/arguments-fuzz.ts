/** Command lines from a grammar of the real commands, flags and words, mistyped in every way,
 *  through the parser in this process. Each is taken, or refused with sentences that a person can
 *  use. */

import { parseArgs } from "citty";
import { checkArguments } from "../../src/cli/arguments.ts";
import type { CommandArguments, CommandContext, RaftCommand } from "../../src/cli/command.ts";
import { COMMAND_NAMES, TYPED_NAMES, loadCommand, meantBy } from "../../src/cli/commands.ts";
import { CommandError } from "../../src/cli/exit-codes.ts";
import { nearestWord } from "../../src/cli/nearest.ts";
import {
  type FLAGS,
  SettingsReader,
  parseClusterName,
  parseDuration,
  parseHttp,
  parseNodeId,
  parsePart,
  parsePeers,
  parseVoters,
} from "../../src/cli/settings.ts";
import { shellQuote } from "../../src/cli/wording.ts";
import { readUpSettings } from "../../src/cli/up-settings.ts";
import { systemClock } from "../../src/transport/clock.ts";
import { linuxMachine } from "../cli/context.ts";
import type { Rolls } from "./bytes.ts";

const VALUES = [
  ...[
    "1",
    "2",
    "3",
    "0",
    "-1",
    "999",
    "1000",
    "007",
    "1e3",
    "1.5",
    "NaN",
    "Infinity",
    "9".repeat(40),
  ],
  ...[
    "5s",
    "500ms",
    "0ms",
    "5S",
    "24h",
    "86400s",
    "10%",
    "0.1",
    "100.1%",
    "1,2,5",
    "1,,2",
    "1,1",
    ",",
  ],
  ...[
    "raft",
    "g4",
    "a/b",
    "..",
    ".x",
    "x".repeat(33),
    "10.0.0.1",
    "10.0.0.1:7401",
    "2=lab-08:7402",
  ],
  ...["host:99999", "=", "a=b=c", ":", "[::1]:80", "", " ", "-", "--", "true", "leader", "add"],
  ...[
    "promote",
    "new",
    "show",
    "olá, mundo",
    "\u0000",
    "\u001b[31m",
    "a\nb",
    "😀",
    "\ud800",
    "'\"$`\\",
  ],
  ...["__proto__", "constructor", "toString", "%s%n", "é".repeat(200), "x".repeat(5_000)],
];

/** Sentences that tell more of the program than of what was typed. */
const LEAKS = /undefined|\[object|\n\s+at |TypeError|a bug in raft/;

const PARSERS = [
  parseClusterName,
  (text: string) => parseDuration(text),
  parseHttp,
  parseNodeId,
  parsePart,
  parsePeers,
  parseVoters,
  (text: string) => nearestWord(text, TYPED_NAMES),
  shellQuote,
  meantBy,
];

export interface ArgumentCounts {
  lines: number;
  taken: number;
  refused: number;
  helped: number;
  nearest: number;
}

export class ArgumentsFuzz {
  readonly failures: string[] = [];
  readonly counts: ArgumentCounts = { lines: 0, taken: 0, refused: 0, helped: 0, nearest: 0 };
  readonly #rolls: Rolls;
  readonly #commands: readonly RaftCommand[];

  private constructor(rolls: Rolls, commands: readonly RaftCommand[]) {
    this.#rolls = rolls;
    this.#commands = commands;
  }

  static async load(rolls: Rolls): Promise<ArgumentsFuzz> {
    const commands = await Promise.all(COMMAND_NAMES.map(loadCommand));
    return new ArgumentsFuzz(
      rolls,
      commands.filter((command) => command !== null),
    );
  }

  /** One command line; false after a failure, which is noted with what was typed. */
  next(): boolean {
    const rolls = this.#rolls;
    const command = rolls.pick(this.#commands);
    const typed = lineFor(rolls, command, this.#commands);
    this.counts.lines++;
    try {
      this.#check(command, typed);
      this.#mistype(command);
      for (const parse of PARSERS) parse(value(rolls));
    } catch (error) {
      this.failures.push(`${String(error)} ${error instanceof Error ? error.stack : ""}`);
    }
    if (this.failures.length === 0) return true;
    this.failures.push(`raft ${command.name} ${JSON.stringify(typed)}`);
    return false;
  }

  /** A command line for the compiled executable that starts no node, simulation or load. */
  line(): readonly string[] {
    const rolls = this.#rolls;
    const long = ["up", "simulate", "bench"];
    const quick = this.#commands.filter(({ name }) => !long.includes(name));
    const command = rolls.pick(quick);
    const typed = lineFor(rolls, command, this.#commands).filter(
      (text) => !text.includes("\u0000"),
    );
    return [rolls.oneIn(8) ? scrambled(rolls, command.name) : command.name, ...typed];
  }

  #check(command: RaftCommand, typed: readonly string[]): void {
    const checked = checkArguments(typed, command.args, command.words, `./raft ${command.name}`);
    if (checked.type === "help") {
      this.counts.helped++;
      return;
    }
    if (checked.type === "wrong") {
      this.counts.refused++;
      const isSaid = checked.problems.length > 0 && checked.problems.every((text) => text !== "");
      if (!isSaid || checked.problems.some((text) => leaks(text, typed)))
        this.failures.push(`not a sentence: ${JSON.stringify(checked.problems)}`);
      return;
    }
    this.counts.taken++;
    const args = parseArgs([...checked.canonical], { ...command.args }) as CommandArguments;
    const words = checked.canonical.slice(checked.canonical.indexOf("--") + 1);
    if (JSON.stringify(args._) !== JSON.stringify(words))
      this.failures.push(`the words became ${JSON.stringify(args._)}`);
    const reader = new SettingsReader(args, {});
    for (const name of Object.keys(command.args)) reader.text(name as keyof typeof FLAGS);
    if (command.name === "up") this.#readUp(args);
  }

  /** Settings, or a refusal with the exit code of one. */
  #readUp(args: CommandArguments): void {
    try {
      readUpSettings(args, CONTEXT);
    } catch (error) {
      const isRefusal = error instanceof CommandError && error.exitCode !== 1;
      if (!isRefusal) throw error;
      if (error.message === "" || leaks(error.message, Object.values(args).map(String)))
        this.failures.push(`not a sentence: ${error.message}`);
    }
  }

  /** One letter of a real flag is wrong: the flag that was meant is named. */
  #mistype(command: RaftCommand): void {
    const rolls = this.#rolls;
    const names = Object.keys(command.args).filter((name) => name.length >= 5);
    if (names.length === 0) return;
    const name = rolls.pick(names);
    const wrong = `--${scrambled(rolls, name)}`;
    if (`--${name}` === wrong || Object.keys(command.args).some((known) => `--${known}` === wrong))
      return;
    const checked = checkArguments([wrong], command.args, command.words, "./raft");
    const said = checked.type === "wrong" ? checked.problems.join(" ") : checked.type;
    this.counts.nearest++;
    if (!said.includes("did you mean --")) this.failures.push(`${wrong}: ${said}`);
  }
}

const CONTEXT: CommandContext = {
  executable: "./raft",
  typed: [],
  selfCommand: ["./raft"],
  version: "1.0.0",
  machine: linuxMachine({ homeDirectory: () => "/nonexistent", workingDirectory: "/nonexistent" }),
  terminal: {
    out: () => Promise.resolve(),
    say: () => {},
    flush: () => Promise.resolve(),
  } as unknown as CommandContext["terminal"],
  clock: systemClock,
  signal: new AbortController().signal,
};

/** What the program says and was not typed. */
function leaks(said: string, typed: readonly string[]): boolean {
  return LEAKS.test(said) && !typed.some((text) => LEAKS.test(text));
}

function lineFor(
  rolls: Rolls,
  command: RaftCommand,
  commands: readonly RaftCommand[],
): readonly string[] {
  const made: string[] = [];
  for (let left = rolls.below(6); left > 0; left--) {
    const choice = rolls.below(16);
    const source = choice < 10 ? command : rolls.pick(commands);
    const names = Object.keys(source.args);
    const name = names.length === 0 ? "json" : rolls.pick(names);
    if (choice < 4) made.push(`--${name}`, value(rolls));
    else if (choice < 6) made.push(`--${name}=${value(rolls)}`);
    else if (choice < 8) made.push(`--${name}`);
    else if (choice < 10)
      made.push(`-${source.args[name]?.alias ?? "x"}${rolls.oneIn(3) ? value(rolls) : ""}`);
    else if (choice < 11) made.push(`--${scrambled(rolls, name)}`);
    else if (choice < 12) made.push(`-${value(rolls)}`);
    else made.push(value(rolls));
  }
  return made;
}

function value(rolls: Rolls): string {
  if (!rolls.oneIn(4)) return rolls.pick(VALUES);
  return String.fromCharCode(...Array.from({ length: rolls.below(12) }, () => rolls.below(0x300)));
}

/** One letter dropped, doubled, changed, or swapped with its neighbour. */
function scrambled(rolls: Rolls, word: string): string {
  const at = rolls.below(word.length);
  const letter = word[at]!;
  switch (rolls.below(4)) {
    case 0:
      return word.slice(0, at) + word.slice(at + 1);
    case 1:
      return word.slice(0, at) + letter + word.slice(at);
    case 2:
      return word.slice(0, at) + "q" + word.slice(at + 1);
    default:
      return word.slice(0, at) + (word[at + 1] ?? "") + letter + word.slice(at + 2);
  }
}
