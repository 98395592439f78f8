/** `raft wipe`: makes a stopped node of this machine new again. It asks, and shows what would be lost. */

import type { NodeId } from "../base/types.ts";
import { wipeDirectory } from "../storage/identity.ts";
import type { CommandContext, RaftCommand } from "./command.ts";
import { CommandError, UsageError, type ExitCode } from "./exit-codes.ts";
import type { Hints } from "./hints.ts";
import {
  dataOf,
  nodeIn,
  nodesHere,
  takenError,
  type NodeData,
  type NodeHere,
} from "./local-nodes.ts";
import { absolutePath } from "./places.ts";
import { FLAGS, parseNodeId, SettingsReader } from "./settings.ts";
import { readStartTarget, TARGET_FLAGS } from "./target.ts";
import { dayAndTime, entriesText, listOf } from "./wording.ts";

export const wipeCommand: RaftCommand = {
  name: "wipe",
  summary: "deletes a stopped node's data on this machine; the node is new afterwards",
  notes: [
    "A member that was wiped cannot vote any more until the cluster lets it back in with members replace.",
  ],
  words: { hint: "[ID]", min: 0, max: 1 },
  args: { yes: FLAGS.yes, ...TARGET_FLAGS, "data-dir": FLAGS["data-dir"] },
  examples: [
    ["wipe 1", "shows what node 1 holds, and asks"],
    ["wipe 1 --yes", "does not ask"],
  ],
  exits: [7, 8, 130],
  async run(args, context) {
    const reader = new SettingsReader(args, context.machine.environment);
    const typed = reader.word(args._[0], parseNodeId, null);
    reader.check();
    const { cluster, hints } = readStartTarget(reader, context, null);
    const node = chooseNode(reader.text("data-dir"), cluster, typed, context, hints);
    if (node.held !== null) throw takenError(node, context.executable);
    if (args["yes"] !== true && !(await isConfirmed(node, context))) {
      context.terminal.say("nothing was deleted");
      return 0;
    }
    return wipe(node, context, hints);
  },
};

function chooseNode(
  dataDir: string | null,
  cluster: string,
  id: NodeId | null,
  context: CommandContext,
  hints: Hints,
): NodeHere {
  if (dataDir !== null) {
    const directory = absolutePath(context.machine, dataDir);
    const node = nodeIn(directory);
    if (node === null) throw new CommandError(`${directory} holds no data of raft`, 2);
    if (id !== null && id !== node.id)
      throw new UsageError(
        `${directory} is node ${node.id} of cluster ${node.cluster}, not node ${id}`,
        false,
      );
    return node;
  }
  const nodes = nodesHere(context.machine).filter((node) => node.cluster === cluster);
  const matching = id === null ? nodes : nodes.filter((node) => node.id === id);
  const [only, another] = matching;
  if (only === undefined) {
    const what = id === null ? "no node" : `no node ${id}`;
    const others = nodesHere(context.machine).map((node) => `${node.id} of ${node.cluster}`);
    throw new CommandError(
      `${what} of cluster ${cluster} has data on this machine${others.length === 0 ? "" : ` (there is ${listOf(others)})`}`,
      2,
    );
  }
  if (another === undefined) return only;
  const commands = nodes.map((node) => hints.command(`wipe ${node.id}`)).join("   ");
  throw new UsageError(
    `several nodes of cluster ${cluster} have data here; which one?   ${commands}`,
    false,
  );
}

async function isConfirmed(
  node: NodeHere,
  { terminal, executable }: CommandContext,
): Promise<boolean> {
  for (const line of describeNode(node, dataOf(node.directory))) terminal.say(line);
  if (!terminal.inputIsTerminal)
    throw new UsageError(`nobody can be asked here: ${executable} wipe ${node.id} --yes`, false);
  const answer = await terminal.ask(`type ${node.id} to delete it all: `);
  return answer === String(node.id);
}

/** What would be lost: entries, age and vote. */
export function describeNode(node: NodeHere, data: NodeData | null): readonly string[] {
  const place = `data in ${node.directory}`;
  const who = `node ${node.id} of cluster ${node.cluster}`;
  if (data === null) return [`${who}: nothing readable`, place];
  const entries = data.entries === null ? "entries unreadable" : entriesText(data.entries);
  const founded = data.foundedMs === null ? "not founded" : `founded ${dayAndTime(data.foundedMs)}`;
  const used = data.lastUsedMs === null ? "" : `, last used ${dayAndTime(data.lastUsedMs)}`;
  const vote = data.votedFor === null ? "no vote" : `voted for node ${data.votedFor}`;
  const lines = [`${who}: ${entries}, ${founded}${used}; term ${data.term}, ${vote}`, place];
  if (data.isMember) {
    lines.push(
      `it is a member: without its data it cannot vote until the others let it back in (members replace ${node.id})`,
    );
  }
  return lines;
}

function wipe(node: NodeHere, { terminal }: CommandContext, hints: Hints): ExitCode {
  wipeDirectory(node.directory);
  terminal.say(
    `node ${node.id} of cluster ${node.cluster} is wiped: ${hints.up(node.id)} starts it anew`,
  );
  return 0;
}
