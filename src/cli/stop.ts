/** `raft stop`: ends a node, after handing over if it leads; --kill ends it at once, as a crash
 *  would. */

import type { RaftCommand } from "./command.ts";
import type { NodeId } from "../base/types.ts";
import { type ExitCode, UsageError } from "./exit-codes.ts";
import type { Hints } from "./hints.ts";
import { nodesNear, type NodeHere } from "./local-nodes.ts";
import { FLAGS, parseNodeId, SettingsReader, type Parsed } from "./settings.ts";
import { listOf } from "./wording.ts";
import { CLIENT_FLAGS, withClient, type ClientSession } from "./with-client.ts";

export const stopCommand: RaftCommand = {
  name: "stop",
  aliases: ["down"],
  summary: "stops a node: this machine's, the one with that id, or the leader",
  notes: [
    "A leader hands over first, so the log goes on without a pause. Nothing is lost either way.",
  ],
  words: { hint: "[ID | leader]", min: 0, max: 1 },
  args: { kill: FLAGS.kill, ...CLIENT_FLAGS },
  examples: [
    ["stop", "this machine's node"],
    ["stop 2", "node 2, wherever it is"],
    ["stop leader --kill", "crash the leader and watch another take over"],
  ],
  exits: [3, 4, 8, 130],
  async run(args, context) {
    const reader = new SettingsReader(args, context.machine.environment);
    const typed = reader.word(args._[0], parseStopTarget, null);
    reader.check();
    const kill = args["kill"] === true;
    const stop = async ({ client, cluster, hints }: ClientSession): Promise<ExitCode> => {
      const target = typed ?? nodeOfThisMachine(nodesNear(context.machine), cluster, hints);
      if (target === "leader")
        context.terminal.say(stoppedText((await client.stopLeader({ kill })).id, true, kill));
      else {
        await client.stop(target, { kill });
        context.terminal.say(stoppedText(target, false, kill));
      }
      return 0;
    };
    const command = typed === null ? "stop" : `stop ${typed}`;
    return withClient(command, args, context, stop, { wanted: idOrNull(typed) });
  },
};

function parseStopTarget(text: string): Parsed<NodeId | "leader"> {
  if (text === "leader") return { ok: true, value: "leader" };
  const id = parseNodeId(text);
  return id.ok ? id : { ok: false, rule: "a node's id, 1 to 999, or leader" };
}

function idOrNull(target: NodeId | "leader" | null): NodeId | null {
  return target === "leader" ? null : target;
}

/** The one node of the cluster that runs on this machine. Throws a UsageError when there are
 *  none or several. */
export function nodeOfThisMachine(
  here: readonly NodeHere[],
  cluster: string,
  hints: Hints,
): NodeId {
  const running = here
    .filter((node) => node.cluster === cluster && node.held !== null)
    .map((node) => node.id);
  const [only, another] = running;
  if (only === undefined)
    throw new UsageError(
      `no node of cluster ${cluster} of yours runs on this machine; name it: ${hints.command("stop")} ID`,
      false,
    );
  if (another === undefined) return only;
  const commands = running.map((id) => hints.command(`stop ${id}`)).join("   ");
  throw new UsageError(
    `nodes ${listOf(running)} of cluster ${cluster} run on this machine; which one?   ${commands}`,
    false,
  );
}

function stoppedText(id: NodeId, led: boolean, kill: boolean): string {
  return `node ${id}${led ? ", the leader," : ""} ${kill ? "was killed" : "has stopped"}`;
}
