/** `raft stop`: ends a node, after handing over if it leads; --kill ends it at once, as a crash
 *  would. */

import type { NodeId } from "../base/types.ts";
import type { ClusterStatus } from "../client/types.ts";
import { majorityOf } from "../raft/membership.ts";
import type { RaftCommand } from "./command.ts";
import { type ExitCode, UsageError } from "./exit-codes.ts";
import type { Hints } from "./hints.ts";
import { nodesNear, type NodeHere } from "./local-nodes.ts";
import { FLAGS, parseNodeId, SettingsReader, type Parsed } from "./settings.ts";
import { bringBackText, localHints, votersThere } from "./status-table.ts";
import { listOf, nodesText } from "./wording.ts";
import { CLIENT_FLAGS, withClient, type ClientSession } from "./with-client.ts";

export const stopCommand: RaftCommand = {
  name: "stop",
  aliases: ["down"],
  summary: "stops a node: this machine's, the one with that id, or the leader",
  notes: [
    "A leader hands over first, so the log goes on without a pause. Nothing is lost either way.",
    "Whoever stops a node that the majority needs is told so: nothing can be added until one is back.",
  ],
  words: { hint: "[ID | leader]", min: 0, max: 1 },
  args: { kill: FLAGS.kill, json: FLAGS.json, ...CLIENT_FLAGS },
  examples: [
    ["stop", "this machine's node"],
    ["stop 2", "node 2, wherever it is"],
    ["stop leader --kill", "crash the leader and watch another take over"],
  ],
  exits: [3, 4, 5, 8, 130],
  async run(args, context) {
    const reader = new SettingsReader(args, context.machine.environment);
    const typed = reader.word(args._[0], parseStopTarget, null);
    reader.check();
    const kill = args["kill"] === true;
    const stop = async (session: ClientSession): Promise<ExitCode> => {
      const { client, cluster, hints } = session;
      const target = typed ?? nodeOfThisMachine(nodesNear(context.machine), cluster, hints);
      const before = await client.status();
      const id = target === "leader" ? (await client.stopLeader({ kill })).id : target;
      if (target !== "leader") await client.stop(target, { kill });
      const left = leftWithout(before, id);
      if (args["json"] === true) {
        await context.terminal.out(`${stoppedJson(id, kill, left)}\n`);
        return 0;
      }
      context.terminal.say(stoppedText(id, target === "leader", kill));
      if (left?.takesMajority === true) context.terminal.say(majorityText(before, id, left, hints));
      return 0;
    };
    return withClient(args, context, stop, { wanted: idOrNull(typed) });
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

/** What a cluster is left with when a node of it stops. */
export interface Left {
  /** The voters that go on. */
  readonly voters: readonly NodeId[];
  /** So many voters add an entry or elect a leader. */
  readonly needed: number;
  /** There was a leader with a majority, and now there are too few. */
  readonly takesMajority: boolean;
}

/** Null before founding. A voter that cannot vote helps a leader that stays, and elects none. */
export function leftWithout(before: ClusterStatus, id: NodeId): Left | null {
  if (!before.founded) return null;
  const there = votersThere(before);
  const rest = there.filter((row) => row.id !== id);
  const voters = rest.filter(({ mute }) => mute === null || before.leader !== id);
  const needed = majorityOf(before.voters);
  const hadMajority = before.leader !== null && there.length >= needed;
  return {
    voters: voters.map((row) => row.id),
    needed,
    takesMajority: hadMajority && voters.length < needed,
  };
}

/** Who is left, how many are needed, what that means and how it is undone, in one line. */
export function majorityText(
  before: ClusterStatus,
  id: NodeId,
  { voters, needed }: Left,
  hints: Hints,
): string {
  const of = `of ${before.voters} voters ${voters.length === 1 ? "is" : "are"}`;
  const who = voters.length === 0 ? "no voter is" : `only ${nodesText(voters)} ${of}`;
  const row = before.rows.find((one) => one.id === id && one.member === "voter");
  const back = row === undefined ? "" : `: ${bringBackText(row, localHints(before, hints))}`;
  return (
    `that takes the majority away: ${who} left, and ${needed} ${needed === 1 ? "is" : "are"} needed. ` +
    `Nothing is lost, and nothing can be added until one is back${back}`
  );
}

/** For programs; `left` null: not founded. */
export function stoppedJson(id: NodeId, killed: boolean, left: Left | null): string {
  return JSON.stringify({
    id,
    killed,
    votersLeft: left?.voters ?? null,
    votersNeeded: left?.needed ?? null,
    takesMajority: left?.takesMajority ?? null,
  });
}
