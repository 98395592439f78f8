/** `raft clusters`: what else is on this network. */

import { addressText } from "../base/hosts.ts";
import type { HeardCluster } from "../client/types.ts";
import type { CommandArguments, CommandContext, RaftCommand } from "./command.ts";
import { CommandError, type ExitCode } from "./exit-codes.ts";
import { FLAGS } from "./settings.ts";
import { renderTable, type Column } from "./table.ts";
import { plain, type Paint } from "./terminal.ts";
import { nodesText } from "./wording.ts";
import { CLIENT_FLAGS, withClient, type ClientSession } from "./with-client.ts";

export const clustersCommand: RaftCommand = {
  name: "clusters",
  summary: "lists every cluster that is heard on this network, yours or not",
  words: { hint: "", min: 0, max: 0 },
  args: { json: FLAGS.json, ...CLIENT_FLAGS },
  examples: [["clusters", "names, leaders, nodes"]],
  exits: [3, 130],
  async run(args, context) {
    return withClient(args, context, (session) => show(session, args, context), {
      ofAllClusters: true,
    });
  },
};

async function show(
  { client }: ClientSession,
  args: CommandArguments,
  { terminal }: CommandContext,
): Promise<ExitCode> {
  const heard = await client.clusters();
  if (heard.length === 0)
    throw new CommandError("no cluster is heard on this network", 3, { clusters: [] });
  const text =
    args["json"] === true ? clustersJson(heard) : renderClusters(heard, terminal.paintOut);
  await terminal.out(`${text}\n`);
  return 0;
}

const COLUMNS: readonly Column<HeardCluster>[] = [
  { title: "CLUSTER", align: "left", cell: (heard) => heard.cluster },
  {
    title: "ACCESS",
    align: "left",
    cell: (heard) => (heard.keyDiffers ? "other key" : heard.auth),
  },
  { title: "STATE", align: "left", cell: (heard) => stateText(heard) },
  {
    title: "NODES",
    align: "left",
    cell: (heard) => heard.nodes.map((node) => `${node.id} ${node.userHost}`).join(", "),
  },
];

function stateText(heard: HeardCluster): string {
  if (heard.leader !== null) return `node ${heard.leader.id} leads`;
  return heard.waitingFor.length > 0 ? `waits for ${nodesText(heard.waitingFor)}` : "no leader";
}

/** One row per cluster, by name. */
export function renderClusters(heard: readonly HeardCluster[], paint: Paint = plain): string {
  return renderTable(
    COLUMNS,
    heard.toSorted((a, b) => (a.cluster < b.cluster ? -1 : 1)),
    paint,
  );
}

/** One object, as of every command that shows a table; addresses as they are shown elsewhere. */
export function clustersJson(heard: readonly HeardCluster[]): string {
  const clusters = heard.map((cluster) => ({
    ...cluster,
    nodes: cluster.nodes.map((node) => ({ ...node, address: addressText(node.address) })),
  }));
  return JSON.stringify({ clusters });
}
