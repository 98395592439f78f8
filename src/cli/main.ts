/** The executable. Reads what was typed, runs that command, turns whatever comes of it into one
 *  exit code.
 *  The only place that ends the process. */

import { homedir } from "node:os";
import { dirname } from "node:path";
import { runCommand } from "citty";
import { version } from "../../package.json";
import { DiskFailure } from "../storage/disk-error.ts";
import { systemClock } from "../transport/clock.ts";
import { checkArguments } from "./arguments.ts";
import type { CommandContext, RaftCommand } from "./command.ts";
import { COMMAND_NAMES, loadCommand, meantBy, TYPED_NAMES } from "./commands.ts";
import { CommandError, UsageError, type ExitCode } from "./exit-codes.ts";
import { renderCommandHelp, renderMainHelp, renderShortScreen } from "./help.ts";
import { nearestWord } from "./nearest.ts";
import { openTerminal, pause, type Terminal } from "./terminal.ts";
import { shellQuote } from "./wording.ts";

/** A client command that was told to end has this long to say what became of its work. */
const LAST_WORDS_MS = 1_000;

/** What the system says of a place that was chosen wrongly; anything else is the disk's own
 *  trouble. */
const PLACE_CODES = new Set(["EACCES", "EPERM", "EROFS", "ENOENT", "ENOTDIR", "EISDIR"]);

/** What is executed lies in a virtual folder once it is compiled. */
const isCompiled = import.meta.path.includes("$bunfs") || import.meta.path.includes("~BUN");

const controller = new AbortController();
/** A node goes on when nobody reads its words. */
let outlivesItsReader = false;
const terminal = openTerminal(process.env, () => {
  if (!outlivesItsReader) process.exit(0);
});
const context: CommandContext = {
  typed: process.argv.slice(2),
  executable: isCompiled ? shellQuote(process.argv0) : "./raft",
  selfCommand: isCompiled ? [process.execPath] : [process.execPath, process.argv[1] ?? ""],
  version,
  machine: {
    platform: process.platform,
    environment: process.env,
    homeDirectory: homedir,
    executableDirectory: isCompiled ? dirname(process.execPath) : null,
    workingDirectory: process.cwd(),
  },
  terminal,
  clock: systemClock,
  signal: controller.signal,
};

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
  });
}
process.on("uncaughtException", (error) => process.exit(explain(error, "raft", process.argv)));
process.on("unhandledRejection", (error) => process.exit(explain(error, "raft", process.argv)));

const exitCode = await runTyped(context.typed);
await terminal.flush();
process.exit(exitCode);

/** Runs what was typed after the executable's name. */
async function runTyped(typed: readonly string[]): Promise<ExitCode> {
  const [first, ...rest] = typed;
  try {
    if (first === undefined)
      return print(renderShortScreen(context.executable, version, COMMAND_NAMES));
    if (first === "--version" || first === "-V") return await runTyped(["version", ...rest]);
    if (first === "help" && rest[0] !== undefined) return await runTyped([rest[0], "--help"]);
    if (first === "--help" || first === "-h" || first === "help") return print(await mainHelp());
    const command = await loadCommand(first);
    if (command === null) throw unknownCommand(first);
    return await runChecked(command, `${context.executable} ${first}`, rest);
  } catch (error) {
    return explain(error, context.executable, typed);
  }
}

async function runChecked(
  command: RaftCommand,
  invoked: string,
  rest: readonly string[],
): Promise<ExitCode> {
  try {
    const checked = checkArguments(rest, command.args, command.words, invoked);
    if (checked.type === "help") return print(renderCommandHelp(context.executable, command));
    if (checked.type === "wrong") throw new UsageError(checked.problems.join("\n"));
    outlivesItsReader = command.endsItself === true;
    const running = runCommand(
      {
        meta: { name: command.name },
        args: { ...command.args },
        run: ({ args }) => command.run(args, context),
      },
      { rawArgs: [...checked.canonical] },
    );
    const { result } = outlivesItsReader ? await running : await orInterrupted(running);
    return result as ExitCode;
  } catch (error) {
    return explain(error, invoked, rest);
  }
}

/** The command's end, or soon after Ctrl-C that of our patience. */
async function orInterrupted<T>(
  running: Promise<{ result: T }>,
): Promise<{ result: T | ExitCode }> {
  const { signal } = controller;
  const interrupted = new Promise<{ result: ExitCode }>((resolve) => {
    const lastWords = (): void =>
      void pause(LAST_WORDS_MS, new AbortController().signal).then(() => resolve({ result: 130 }));
    signal.addEventListener("abort", lastWords, { once: true });
  });
  return Promise.race([running, interrupted]);
}

/** Says what went wrong, in one place for all commands, and returns the exit code. */
function explain(error: unknown, invoked: string, typed: readonly string[]): ExitCode {
  const { exitCode, message, details } = failureOf(error, typed);
  if (asksForJson(typed)) void terminal.out(`${JSON.stringify({ error: message, ...details })}\n`);
  else if (message !== "") sayFailure(terminal, error, invoked, message);
  return exitCode;
}

function sayFailure(to: Terminal, error: unknown, invoked: string, message: string): void {
  if (!(error instanceof UsageError)) {
    to.say(message);
    return;
  }
  for (const line of message.split("\n")) to.say(`${invoked}: ${line}`);
  if (error.pointToHelp) to.say(`see ${invoked} --help`);
}

interface Failure {
  readonly exitCode: ExitCode;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

function failureOf(error: unknown, typed: readonly string[]): Failure {
  if (controller.signal.aborted && !(error instanceof CommandError))
    return { exitCode: 130, message: "", details: {} };
  if (error instanceof CommandError) {
    const exitCode = controller.signal.aborted ? 130 : error.exitCode;
    return { exitCode, message: error.message, details: error.details };
  }
  if (error instanceof DiskFailure) {
    const exitCode = PLACE_CODES.has(error.code) ? 2 : 7;
    return { exitCode, message: `the disk refuses: ${error.message}`, details: {} };
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const asksForStack = typed.includes("-v") || typed.includes("--verbose");
  const first = error instanceof Error ? error.message.split("\n")[0] : String(error);
  const more = asksForStack ? `\n${stack}` : " (-v shows where)";
  return { exitCode: 1, message: `a bug in raft ${version}: ${first}${more}`, details: {} };
}

function asksForJson(typed: readonly string[]): boolean {
  const end = typed.indexOf("--");
  return (end < 0 ? typed : typed.slice(0, end)).includes("--json");
}

function unknownCommand(first: string): UsageError {
  if (first.startsWith("-")) {
    return new UsageError(
      `the command comes first, its flags after it:  ${context.executable} COMMAND ${shellQuote(first)}`,
    );
  }
  const near = nearestWord(first, TYPED_NAMES) ?? meantBy(first);
  const meant = near === null ? "" : `; did you mean ${near}?`;
  return new UsageError(`there is no command ${shellQuote(first)}${meant}`);
}

async function mainHelp(): Promise<string> {
  const commands = await Promise.all(COMMAND_NAMES.map(loadCommand));
  return renderMainHelp(
    context.executable,
    version,
    commands.filter((command) => command !== null),
  );
}

function print(text: string): ExitCode {
  void terminal.out(`${text}\n`);
  return 0;
}
