/** `raft wipe`: makes a stopped node of this machine new again. It asks, and shows what would be
 *  lost. */

import { userAndHost } from "../base/hosts.ts";
import type { NodeId } from "../base/types.ts";
import { clusterFlag } from "../node/refusals.ts";
import { wipeDirectory } from "../storage/identity.ts";
import { acquireLock } from "../storage/lock.ts";
import { machineBootId } from "../storage/real-disk.ts";
import { userAtHost } from "../transport/machine.ts";
import { DEFAULT_CLUSTER } from "./cluster-choice.ts";
import type { CommandContext, RaftCommand } from "./command.ts";
import { CommandError, UsageError, type ExitCode } from "./exit-codes.ts";
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
import { readNamedCluster, TARGET_FLAGS } from "./target.ts";
import { dayAndTime, entriesText, listOf, shellQuote } from "./wording.ts";

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
  exits: [4, 7, 8, 130],
  async run(args, context) {
    const reader = new SettingsReader(args, context.machine.environment);
    const id = reader.word(args._[0], parseNodeId, null);
    reader.check();
    const cluster = readNamedCluster(reader, context);
    const dataDir = reader.text("data-dir");
    const node =
      dataDir === null
        ? chooseNode(nodesHere(context.machine), cluster, id, context.executable)
        : nodeOf(absolutePath(context.machine, dataDir), id, cluster);
    if (node.held !== null) throw takenError(node, context.executable);
    if (args["yes"] !== true && !(await isConfirmed(node, context))) {
      context.terminal.say("nothing was deleted");
      return 4;
    }
    return wipe(node, context);
  },
};

/** The node in a typed directory, even when the file that says whose it is cannot be read. */
function nodeOf(directory: string, id: NodeId | null, cluster: string | null): NodeHere {
  const node = nodeIn(directory, { cluster: cluster ?? DEFAULT_CLUSTER, id: id ?? 1 });
  if (node === null) throw new CommandError(`${directory} holds no data of raft`, 2);
  if ((id ?? node.id) === node.id && (cluster ?? node.cluster) === node.cluster) return node;
  throw new UsageError(`${directory} is node ${node.id} of cluster ${node.cluster}`, false);
}

/** The only node on this machine that was meant. Throws with the choice when there are none or
 *  several. */
export function chooseNode(
  here: readonly NodeHere[],
  cluster: string | null,
  id: NodeId | null,
  executable: string,
): NodeHere {
  const matching = here.filter(
    (node) => (cluster ?? node.cluster) === node.cluster && (id ?? node.id) === node.id,
  );
  const [only, another] = matching;
  if (only !== undefined && another === undefined) return only;
  const which = id === null ? "node" : `node ${id}`;
  const meant = cluster === null ? which : `${which} of cluster ${cluster}`;
  if (only === undefined) {
    const others = here.map((node) => `${node.id} of ${node.cluster}`);
    const there = others.length === 0 ? "" : ` (there is ${listOf(others)})`;
    throw new CommandError(`no ${meant} has data on this machine${there}`, 2);
  }
  const several = new Set(matching.map((node) => node.cluster)).size > 1;
  const commands = matching.map(
    (node) => `${executable} wipe ${node.id}${several ? ` --cluster ${node.cluster}` : ""}`,
  );
  throw new UsageError(`which one?   ${commands.join("   ")}`, false);
}

async function isConfirmed(
  node: NodeHere,
  { terminal, executable, typed }: CommandContext,
): Promise<boolean> {
  for (const line of describeNode(node, dataOf(node.directory), executable)) terminal.say(line);
  if (!terminal.inputIsTerminal) {
    const again = [executable, "wipe", "--yes", ...typed.slice(1).map(shellQuote)].join(" ");
    throw new UsageError(`nobody can be asked here: ${again}`, false);
  }
  const answer = await terminal.ask(`delete it all? type yes (or ${node.id}): `);
  return answer === "yes" || answer === String(node.id);
}

/** What would be lost: entries, age and vote. */
export function describeNode(
  node: NodeHere,
  data: NodeData | null,
  executable: string,
): readonly string[] {
  const place = `data in ${node.directory}`;
  const who = `node ${node.id} of cluster ${node.cluster}`;
  if (data === null) return [`${who}: nothing readable`, place];
  const entries = data.entries === null ? "entries unreadable" : entriesText(data.entries);
  const founded = data.foundedMs === null ? "not founded" : `founded ${dayAndTime(data.foundedMs)}`;
  const used = data.lastUsedMs === null ? "" : `, last used ${dayAndTime(data.lastUsedMs)}`;
  const vote = data.votedFor === null ? "no vote" : `voted for node ${data.votedFor}`;
  const lines = [`${who}: ${entries}, ${founded}${used}; term ${data.term}, ${vote}`, place];
  if (data.isMember) {
    const flag = clusterFlag(node.cluster);
    lines.push(
      `it is a member: without its data it cannot vote until the others let it back in (${executable} members replace ${node.id}${flag})`,
    );
  }
  return lines;
}

function wipe(node: NodeHere, { terminal, executable, clock }: CommandContext): ExitCode {
  const { user, host } = userAndHost(userAtHost());
  const taken = acquireLock(node.directory, {
    user,
    host,
    pid: process.pid,
    address: "",
    machineBootId: machineBootId(),
    sinceMs: clock.wallMs(),
  });
  if (!taken.ok) throw takenError({ ...node, held: taken }, executable);
  try {
    wipeDirectory(node.directory);
  } finally {
    taken.lock.release();
  }
  terminal.say(
    `node ${node.id} of cluster ${node.cluster} is wiped: its next start is that of a new node`,
  );
  return 0;
}
