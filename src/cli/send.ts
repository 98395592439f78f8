/** `raft send`: adds entries, each argument one, or one a line from standard input. */

import { ENTRY_BYTES_MAX } from "../base/limits.ts";
import type { Receipt } from "../client/types.ts";
import { RaftError } from "../client/types.ts";
import type { CommandArguments, CommandContext, RaftCommand } from "./command.ts";
import { entriesTyped, unknownOutcomeText } from "./errors.ts";
import { CommandError, type ExitCode, UsageError } from "./exit-codes.ts";
import { receiptJson, receiptLines } from "./receipts.ts";
import { readFileEntry } from "./send-file.ts";
import { sendInput } from "./send-input.ts";
import { FLAGS, parseWhole, SEND_TIMEOUT_MS, SettingsReader } from "./settings.ts";
import { shellQuote } from "./wording.ts";
import { CLIENT_FLAGS, withClient, type ClientSession } from "./with-client.ts";

/** What a shell's bytes become when they are not UTF-8. */
const REPLACEMENT = "\uFFFD";

export const sendCommand: RaftCommand = {
  name: "send",
  summary:
    "adds entries to the log; each is on the disks of a majority before its receipt is printed",
  notes: [
    "Several entries are added together or not at all. With - every line of the input is an entry, empty ones too; a carriage return before the newline belongs to the entry.",
    "With - and a --request-id of yours, the same input under the same id finishes what failed and adds nothing twice. Without one, an unknown outcome names the lines in doubt and how to look for them.",
    "With --file the whole file is one entry; log --raw --from INDEX --to INDEX gives it back, with a newline behind it.",
  ],
  words: {
    hint: "ENTRY... | - | --file FILE",
    min: 1,
    max: Number.POSITIVE_INFINITY,
    freeText: { insteadOf: "file", missing: "(- reads standard input, one entry a line)" },
  },
  args: {
    file: FLAGS.file,
    "if-last": FLAGS["if-last"],
    "request-id": FLAGS["request-id"],
    quiet: FLAGS.quiet,
    json: FLAGS.json,
    ...CLIENT_FLAGS,
  },
  examples: [
    ['send "hello"', "one entry"],
    ['send -- "-5 degrees"', "an entry that begins with -"],
    ["send - < FILE", "one entry a line"],
    ["send --file FILE", "the whole file as one entry"],
    ['send --if-last 41 "mine"', "only if nobody was faster"],
  ],
  exits: [3, 4, 5, 8, 130],
  async run(args, context) {
    const { _: words } = args;
    const reader = new SettingsReader(args, context.machine.environment);
    const ifLast = reader.read(
      "if-last",
      (text) => parseWhole(text, "an index", 0, Number.MAX_SAFE_INTEGER),
      undefined,
    );
    const requestId = reader.text("request-id") ?? undefined;
    if (requestId === "") reader.problems.push("--request-id is empty");
    const fromInput = words.length === 1 && words[0] === "-";
    reader.problems.push(...(fromInput ? inputProblems(ifLast) : entryProblems(words)));
    const file = reader.text("file");
    if (file === "") reader.problems.push("--file is empty");
    reader.check();
    refuseDashWithWords(words, context.executable);
    const sending =
      file === null
        ? { entries: words, again: entriesTyped(words) }
        : {
            entries: readFileEntry(file, context.machine, context.executable),
            again: `--file ${shellQuote(file)}`,
          };
    const options = {
      ...(ifLast === undefined ? {} : { ifLast }),
      ...(requestId === undefined ? {} : { requestId }),
    };
    return withClient(
      args,
      context,
      (session) =>
        fromInput
          ? sendInput(session, args, context, requestId)
          : sendEntries(session, sending, options, args, context),
      { usualTimeoutMs: SEND_TIMEOUT_MS },
    );
  },
};

/** `raft send - big.txt` would add two short entries, which nobody wants. */
export function refuseDashWithWords(entries: readonly string[], executable: string): void {
  const [dash, file, another] = entries;
  if (dash !== "-" || file === undefined) return;
  const meant =
    another === undefined ? `; did you mean  ${executable} send - < ${shellQuote(file)}` : "";
  throw new UsageError(`- reads standard input and stands alone${meant}`, false);
}

function inputProblems(ifLast: number | undefined): readonly string[] {
  return ifLast === undefined ? [] : ["--if-last goes with entries as words, not with -"];
}

function entryProblems(entries: readonly string[]): readonly string[] {
  return entries.flatMap((entry, at) => {
    const which = entries.length === 1 ? "the entry" : `entry ${at + 1}`;
    if (entry === "")
      return [
        `${which} is empty: an entry has at least one byte here (an empty line of - is an entry)`,
      ];
    const bytes = Buffer.byteLength(entry);
    if (bytes > ENTRY_BYTES_MAX)
      return [`${which} has ${bytes} bytes; the limit is ${ENTRY_BYTES_MAX}`];
    if (entry.includes(REPLACEMENT))
      return [`${which} is not UTF-8 text: send its bytes through standard input, with -`];
    return [];
  });
}

/** Entries, and how they are typed to send the same again. */
interface Sending {
  readonly entries: readonly string[] | Uint8Array;
  readonly again: string;
}

async function sendEntries(
  session: ClientSession,
  { entries, again }: Sending,
  options: { readonly ifLast?: number; readonly requestId?: string },
  args: CommandArguments,
  context: CommandContext,
): Promise<ExitCode> {
  let receipt: Receipt;
  try {
    receipt = await session.client.send(entries, {
      ...options,
      timeoutMs: session.timeoutMs,
      signal: context.signal,
    });
  } catch (error) {
    if (!(error instanceof RaftError) || error.exitCode !== 5) throw error;
    const message = unknownOutcomeText(error.message, error.requestId, again, session.hints);
    throw new CommandError(message, 5, { requestId: error.requestId });
  }
  if (args["quiet"] === true) return 0;
  const lines =
    args["json"] === true
      ? receiptJson(receipt).map((line) => JSON.stringify(line))
      : receiptLines(receipt, entries instanceof Uint8Array ? [] : entries);
  await context.terminal.out(lines.map((line) => `${line}\n`).join(""));
  return 0;
}
