/** `raft up -d`: the same command in the background, its log beside the data, its process id
 *  printed. */

import { spawn } from "node:child_process";
import {
  closeDescriptor,
  fileBytes,
  makeDirectory,
  openAppend,
  readEnd,
} from "../storage/real-disk.ts";
import type { CommandContext } from "./command.ts";
import { CommandError, type ExitCode } from "./exit-codes.ts";
import { heldBy, nodeIn, takenError } from "./local-nodes.ts";
import { pathRules, typedPath } from "./places.ts";
import { pause } from "./terminal.ts";
import { runLocal } from "./up-local.ts";
import type { UpSettings } from "./up-settings.ts";
import { printable } from "./wording.ts";

/** What is wrong at once (a directory in use, a port taken) shows within this time. */
const FIRST_LOOK_MS = 700;
/** As much of the log is shown then. */
const LAST_WORDS_LINES = 12;
const LAST_WORDS_BYTES = 4_096;

/** Starts this command again without -d and outside this terminal. */
export async function detach(settings: UpSettings, context: CommandContext): Promise<ExitCode> {
  const { terminal, machine } = context;
  const { dirname, join } = pathRules(machine);
  const id = settings.type === "node" ? settings.node.id : 1;
  const directory = settings.type === "node" ? settings.node.dataDir : settings.directoryOf(1);
  const log = join(dirname(directory), settings.type === "node" ? `${id}.log` : "local.log");
  // A start that is bound to be refused leaves the running node's log alone.
  if (settings.type === "node") {
    const { key, id: nodeId, dataDirTyped: typed } = settings.node;
    const wanted = { cluster: key.cluster, id: nodeId, typed };
    const here = nodeIn(directory, wanted) ?? { ...wanted, directory, held: heldBy(directory) };
    if (here.held !== null) throw takenError(here, context.executable, wanted);
  } else {
    const ids = Array.from({ length: settings.count }, (_, at) => at + 1);
    const allRun = ids.every((each) => heldBy(settings.directoryOf(each)) !== null);
    if (allRun) return runLocal(settings, context);
  }
  makeDirectory(dirname(directory));
  const before = fileBytes(log);
  const file = openAppend(log);
  const [command = "", ...first] = context.selfCommand;
  const child = spawn(command, [...first, ...withoutDetach(context.typed)], {
    argv0: context.executable,
    detached: true,
    stdio: ["ignore", file, file],
    env: machine.environment,
  });
  const exited = new Promise<number | null>((resolve) => {
    child.on("error", () => resolve(1));
    child.on("exit", (code) => resolve(code));
  });
  closeDescriptor(file);
  const early = await Promise.race([
    exited,
    pause(FIRST_LOOK_MS, context.signal).then(() => "running" as const),
  ]);
  if (early !== "running") {
    const code = early === null ? "by a signal" : `exit ${early}`;
    const words = lastWords(readEnd(log, before, LAST_WORDS_BYTES));
    throw new CommandError(
      [...words, `it ended at once (${code}); log in ${typedPath(machine, log)}`].join("\n"),
      (early ?? 1) as ExitCode,
    );
  }
  child.unref();
  await terminal.out(`${child.pid}\n`);
  terminal.say(
    `runs in the background, process ${child.pid}; log in ${typedPath(machine, log)}; ${settings.hints.command(settings.type === "node" ? `stop ${id}` : "status")}`,
  );
  return 0;
}

/** The last lines of a log that begins anywhere. */
export function lastWords(bytes: Uint8Array): readonly string[] {
  const text = new TextDecoder().decode(bytes).trimEnd();
  return text === "" ? [] : text.split("\n").slice(-LAST_WORDS_LINES).map(printable);
}

/** What was typed, without -d and --detach (`-dv` is `-v`). */
export function withoutDetach(typed: readonly string[]): readonly string[] {
  return typed
    .map((word) => (/^-[dv]+$/.test(word) ? word.replaceAll("d", "") : word))
    .filter((word) => word !== "-" && word !== "--detach");
}
