/** What a command of the executable is: its flags, its help and what it does, in one value. */

import type { Clock } from "../transport/clock.ts";
import type { WordsExpected } from "./arguments.ts";
import type { ExitCode } from "./exit-codes.ts";
import type { Machine } from "./places.ts";
import type { FlagDefinition } from "./settings.ts";
import type { Terminal } from "./terminal.ts";

/** Everything of the outside world that a command may touch. */
export interface CommandContext {
  /** What the user typed: "./raft". Every hint begins with it. */
  readonly executable: string;
  /** Everything that was typed after it. */
  readonly typed: readonly string[];
  /** How to start this program again, as an argument list. */
  readonly selfCommand: readonly string[];
  readonly version: string;
  readonly machine: Machine;
  readonly terminal: Terminal;
  readonly clock: Clock;
  /** Aborted by the first Ctrl-C, SIGTERM or SIGHUP. */
  readonly signal: AbortSignal;
}

/** What `--help` shows of a command, and what the argument check needs. */
export interface CommandHelp {
  readonly name: string;
  readonly aliases?: readonly string[];
  /** One line, without a full stop. */
  readonly summary: string;
  readonly words: WordsExpected;
  /** Command lines without the executable ("send ENTRY..."), each with what it does. */
  readonly examples: readonly (readonly [command: string, meaning: string])[];
  /** Further sentences, one a line. */
  readonly notes?: readonly string[];
  /** It ends in order when told to, however long that takes (`up`, `bench`). Others are given a
   *  second. */
  readonly endsItself?: boolean;
  /** Besides 0, 1 and 2, which every command has. */
  readonly exits: readonly ExitCode[];
}

/** What was typed, checked and in citty's form: flags by name, words in `_`. */
export type CommandArguments = Readonly<Record<string, unknown>> & {
  readonly _: readonly string[];
};

export interface RaftCommand extends CommandHelp {
  readonly args: Readonly<Record<string, FlagDefinition>>;
  /** Does the work and returns the exit code; failures are thrown as CommandError. */
  readonly run: (args: CommandArguments, context: CommandContext) => Promise<ExitCode>;
}
