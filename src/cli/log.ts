/** `raft log`: what is in the log, up to date unless --stale. */

import { type LogEntry, type LogOptions, RaftError } from "../client/types.ts";
import type { CommandArguments, CommandContext, RaftCommand } from "./command.ts";
import { CommandError, type ExitCode } from "./exit-codes.ts";
import type { Hints } from "./hints.ts";
import { entryJson, entryLine } from "./receipts.ts";
import { FLAGS, parseNodeId, parseWhole, SettingsReader } from "./settings.ts";
import { CLIENT_FLAGS, withClient, type ClientSession } from "./with-client.ts";

const INDEX_MAX = Number.MAX_SAFE_INTEGER;
const NEWLINE = Uint8Array.of(10);
/** Lines are gathered into writes of about this size. */
const WRITE_BYTES = 64 * 1_024;

export const logCommand: RaftCommand = {
  name: "log",
  summary: "shows the entries, one a line: its index, then its text",
  notes: [
    "What it shows includes everything that was acknowledged before the question, except with --stale.",
    "Ctrl-C ends -f with exit code 0.",
  ],
  words: { hint: "", min: 0, max: 0 },
  args: {
    from: FLAGS.from,
    to: FLAGS.to,
    tail: FLAGS.tail,
    follow: FLAGS.follow,
    all: FLAGS.all,
    node: FLAGS.node,
    stale: FLAGS.stale,
    raw: FLAGS.raw,
    json: FLAGS.json,
    ...CLIENT_FLAGS,
  },
  examples: [
    ["log", "everything"],
    ["log -n 10 -f", "the last ten, then every new one"],
    ["log --from 45 --to 60 --json", "a part, for a program"],
    ["log --node 3 --stale", "what node 3 knows, even if there is no leader"],
  ],
  exits: [3, 4, 7, 130],
  async run(args, context) {
    const reader = new SettingsReader(args, context.machine.environment);
    const options = readOptions(reader, args);
    reader.check();
    const show = (session: ClientSession): Promise<ExitCode> =>
      showLog(session, options, args, context);
    return withClient(args, context, show, { wanted: options.node ?? null });
  },
};

function readOptions(reader: SettingsReader, args: CommandArguments): LogOptions {
  const index = (text: string): ReturnType<typeof parseWhole> =>
    parseWhole(text, "an index", 1, INDEX_MAX);
  const from = reader.read("from", index, undefined);
  const to = reader.read("to", index, undefined);
  const last = reader.read(
    "tail",
    (text) => parseWhole(text, "a number of entries", 0, INDEX_MAX),
    undefined,
  );
  const node = reader.read("node", parseNodeId, undefined);
  if (from !== undefined && to !== undefined && from > to)
    reader.problems.push(`--from ${from} comes after --to ${to}`);
  if (last !== undefined && from !== undefined)
    reader.problems.push("--tail counts from the end, --from is a place: use one of them");
  if (args["raw"] === true && args["json"] === true)
    reader.problems.push("--raw or --json, not both");
  if (args["follow"] === true && to !== undefined)
    reader.problems.push("--follow has no end, --to is one: use one of them");
  return {
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    ...(last === undefined ? {} : { last }),
    ...(node === undefined ? {} : { node }),
    all: args["all"] === true,
    stale: args["stale"] === true,
  };
}

async function showLog(
  session: ClientSession,
  options: LogOptions,
  args: CommandArguments,
  context: CommandContext,
): Promise<ExitCode> {
  const { terminal, signal } = context;
  const follow = args["follow"] === true;
  const render = rendererOf(args);
  const full = { ...options, timeoutMs: session.timeoutMs, signal };
  const entries = follow ? session.client.follow(full) : session.client.log(full);
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  const write = async (): Promise<void> => {
    if (bytes > 0) await terminal.out(Buffer.concat(waiting));
    waiting = [];
    bytes = 0;
  };
  try {
    for await (const entry of entries) {
      const line = render(entry);
      waiting.push(line, NEWLINE);
      bytes += line.length + 1;
      if (follow || bytes >= WRITE_BYTES) await write();
    }
  } catch (error) {
    if (!follow || !signal.aborted) throw withStaleHint(error, options, session.hints);
  } finally {
    await write();
  }
  return 0;
}

/** Without a leader what one node knows to be committed can still be read. */
function withStaleHint(error: unknown, options: LogOptions, hints: Hints): unknown {
  const isLeaderless =
    error instanceof RaftError && error.exitCode === 4 && error.message.includes("no leader");
  if (!isLeaderless || options.stale === true) return error;
  const stale = `What one node knows, perhaps not all: ${hints.command("log --stale")}`;
  return new CommandError(`${error.message}\n${stale}`, 4);
}

function rendererOf(args: CommandArguments): (entry: LogEntry) => Uint8Array {
  const encoder = new TextEncoder();
  if (args["raw"] === true) return (entry) => entry.bytes;
  if (args["json"] === true)
    return (entry) => encoder.encode(JSON.stringify(entryJson(entry, args["all"] === true)));
  return (entry) => encoder.encode(entryLine(entry));
}
