/** `raft up`: one node in the foreground until it is stopped, in the background with -d, or N
 *  with --local. */

import type { NodeEnd } from "../node/events.ts";
import { startNode } from "../node/node.ts";
import { type NodeOptions, type RunningNode, StartError } from "../node/types.ts";
import type { CommandContext, RaftCommand } from "./command.ts";
import { CommandError, type ExitCode } from "./exit-codes.ts";
import { identityOf, nodesNear } from "./local-nodes.ts";
import { createNarrator } from "./narrate.ts";
import { typedPath } from "./places.ts";
import { parseNodeId } from "./settings.ts";
import { detach } from "./up-detached.ts";
import { eventLine, whenParentEnds } from "./up-child.ts";
import { runLocal } from "./up-local.ts";
import { type NodeSettings, readUpSettings, UP_FLAGS, type UpSettings } from "./up-settings.ts";

export const upCommand: RaftCommand = {
  name: "up",
  summary: "runs a node here until Ctrl-C; nodes find each other by themselves",
  notes: [
    "The nodes 1, 2 and 3 found the cluster once they have met; then any one of them may fail. A node that comes back goes on where it was.",
    "--heartbeat and --election must be the same on every node; --size and --voters count at founding only.",
  ],
  words: {
    hint: "--id N | --local N",
    min: 0,
    max: 0,
    meantBy: (word) => (parseNodeId(word).ok ? `--id ${word}` : null),
  },
  args: UP_FLAGS,
  examples: [
    ["up --id 1", "node 1; type --id 2 and --id 3 on other machines, or in other terminals"],
    ["up --local 3", "three nodes in this terminal, to try it; again: those that are missing"],
    ["up --id 1 -d", "in the background"],
    [
      "up --id 2 --peers 10.0.0.7",
      "where multicast is blocked: name one of the others, on both sides",
    ],
    ["up --id 1 --size 5", "a cluster of five, which may lose two"],
  ],
  exits: [7, 8],
  endsItself: true,
  async run(args, context) {
    const settings = readUpSettings(args, context);
    if (settings.type === "node" && !settings.isChild) sayOtherData(settings, context);
    if (settings.detach) return detach(settings, context);
    if (settings.type === "local") return runLocal(settings, context);
    return runNode(settings.node, settings, context);
  },
};

/** A node that begins empty in the usual place, while its data lies where the person works, was
 *  probably meant to go on with that. */
function sayOtherData({ node, hints }: NodeSettings, { terminal, machine }: CommandContext): void {
  const { id, key, dataDir, dataDirTyped } = node;
  if (dataDirTyped !== null || identityOf(dataDir) !== null) return;
  const other = nodesNear(machine).find(
    (near) => near.id === id && near.cluster === key.cluster && near.directory !== dataDir,
  );
  if (other === undefined) return;
  const typed = typedPath(machine, other.directory);
  const start = hints.up(id, { more: ` --data-dir ${typed}` });
  terminal.say(
    `${typed} holds data of node ${id} of cluster ${key.cluster}, and this start makes a new, empty one. Was that one meant? Ctrl-C, then ${start}`,
  );
}

/** Starts the node, tells what happens to it, and ends when it has ended. */
async function runNode(
  options: Omit<NodeOptions, "onEvent">,
  settings: UpSettings,
  context: CommandContext,
): Promise<ExitCode> {
  const { terminal, signal } = context;
  const narrate = createNarrator(options.id, options.key.cluster, settings.hints);
  const toldInUse = { said: false };
  const node = await startOrExplain({
    ...options,
    onEvent(event, wallMs) {
      if (event.type === "id in use" && !event.keeps) toldInUse.said = true;
      if (settings.isChild) {
        void terminal.out(eventLine(event, wallMs));
        return;
      }
      const text = narrate(event, wallMs);
      if (text !== null) terminal.say(text);
    },
  });
  const stop = (): void => void node.stop();
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  if (settings.isChild) whenParentEnds(stop);
  return exitCodeOf(await node.ended, toldInUse.said);
}

/** A node that cannot start says why in a sentence of its own. */
async function startOrExplain(options: NodeOptions): Promise<RunningNode> {
  try {
    return await startNode(options);
  } catch (error) {
    if (error instanceof StartError) throw new CommandError(error.message, error.exitCode);
    throw error;
  }
}

function exitCodeOf(end: NodeEnd, toldInUse: boolean): ExitCode {
  switch (end.type) {
    case "stopped":
    case "killed":
      return 0;
    case "id in use":
      throw new CommandError(toldInUse ? "" : end.text, 8);
    case "disk":
      throw new CommandError(end.text, 7);
    case "bug":
      throw new Error(end.text);
  }
}
