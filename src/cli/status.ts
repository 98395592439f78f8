/** `raft status`: the cluster in a table, with a verdict and what to do. */

import type { CommandContext, RaftCommand } from "./command.ts";
import { CommandError, type ExitCode } from "./exit-codes.ts";
import { FLAGS } from "./settings.ts";
import { checkExitCode, renderStatus, statusJson } from "./status-table.ts";
import { pause } from "./terminal.ts";
import { CLIENT_FLAGS, withClient, type ClientSession } from "./with-client.ts";

const WATCH_EVERY_MS = 1_000;
/** Cursor home, and erase what is below: the old picture goes without a flicker. */
const HOME = "\u001b[H";
const ERASE_BELOW = "\u001b[J";

export const statusCommand: RaftCommand = {
  name: "status",
  summary: "shows every member, whether all is well, and how to bring back what is missing",
  notes: ["Ctrl-C ends -w with exit code 0."],
  words: { hint: "", min: 0, max: 0 },
  args: { watch: FLAGS.watch, check: FLAGS.check, json: FLAGS.json, ...CLIENT_FLAGS },
  examples: [
    ["status", "the table"],
    ["status -w", "the table, again every second"],
    [
      "status --check || mail -s raft ana",
      "for a monitor: exit 6 degraded, 4 no leader, 3 nobody answers",
    ],
  ],
  exits: [3, 4, 6, 130],
  async run(args, context) {
    return withClient(args, context, async (session) => {
      const showJson = args["json"] === true;
      if (args["watch"] === true) return watch(session, context, showJson);
      const status = await session.client.status();
      const text = showJson
        ? JSON.stringify(statusJson(status))
        : renderStatus(status, session.hints, context.clock.wallMs(), context.terminal.paintOut);
      await context.terminal.out(`${text}\n`);
      return args["check"] === true ? checkExitCode(status) : 0;
    });
  },
};

async function watch(
  session: ClientSession,
  context: CommandContext,
  showJson: boolean,
): Promise<ExitCode> {
  const { terminal, signal } = context;
  const redraw = terminal.outIsTerminal && !showJson;
  if (redraw) await terminal.out(HOME + ERASE_BELOW);
  while (!signal.aborted) {
    const text = await oneLook(session, context, showJson);
    if (signal.aborted) break;
    const lines = text
      .split("\n")
      .map((line) => `${line}${redraw ? "\u001b[K" : ""}\n`)
      .join("");
    await terminal.out(redraw ? HOME + lines + ERASE_BELOW : showJson ? `${text}\n` : `${lines}\n`);
    await pause(WATCH_EVERY_MS, signal);
  }
  return 0;
}

/** While nobody answers, that is the picture; the watch goes on. */
async function oneLook(
  session: ClientSession,
  context: CommandContext,
  showJson: boolean,
): Promise<string> {
  try {
    const status = await session.client.status();
    if (showJson) return JSON.stringify(statusJson(status));
    return renderStatus(status, session.hints, context.clock.wallMs(), context.terminal.paintOut);
  } catch (error) {
    const failure = session.explain(error);
    if (!(failure instanceof CommandError)) throw failure;
    return showJson
      ? JSON.stringify({ error: failure.message, ...failure.details })
      : failure.message;
  }
}
