/** `raft verify`: reads everything that stopped nodes of this machine hold and says whether it
 *  is sound. */

import { type DirectoryReport, type FileReport, verifyDirectory } from "../storage/inspect.ts";
import { DEFAULT_CLUSTER } from "./cluster-choice.ts";
import type { RaftCommand } from "./command.ts";
import { CommandError } from "./exit-codes.ts";
import { nodeIn, nodesHere, takenError, type NodeHere } from "./local-nodes.ts";
import { absolutePath } from "./places.ts";
import { SettingsReader } from "./settings.ts";
import { renderTable, type Column } from "./table.ts";
import { plain } from "./terminal.ts";
import { readNamedCluster, TARGET_FLAGS } from "./target.ts";

export const verifyCommand: RaftCommand = {
  name: "verify",
  summary: "checks every byte that a stopped node of this machine holds; changes nothing",
  words: { hint: "[DIR]", min: 0, max: 1 },
  args: TARGET_FLAGS,
  examples: [
    ["verify", "every node that has data on this machine"],
    ["verify DIR", "the node in that directory"],
  ],
  exits: [7, 8],
  async run(args, context) {
    const { terminal, machine } = context;
    const reader = new SettingsReader(args, machine.environment);
    const cluster = readNamedCluster(reader, context);
    const typed = args._[0];
    const otherwise = { cluster: cluster ?? DEFAULT_CLUSTER, id: 1 };
    const nodes =
      typed === undefined
        ? nodesHere(machine).filter((node) => (cluster ?? node.cluster) === node.cluster)
        : [nodeIn(absolutePath(machine, typed), otherwise)].filter((node) => node !== null);
    if (nodes.length === 0) {
      const what = cluster === null ? "" : `of cluster ${cluster} `;
      throw new CommandError(
        typed === undefined
          ? `no node ${what}has data on this machine`
          : `${typed} holds no data of raft`,
        2,
      );
    }
    let isSound = true;
    for (const node of nodes) {
      const { directory } = node;
      const report = verifyOne(node, context.executable);
      isSound &&= report.ok;
      await terminal.out(`${renderReport(directory, report)}\n`);
    }
    return isSound ? 0 : 7;
  },
};

function verifyOne(node: NodeHere, executable: string): DirectoryReport {
  if (node.held !== null) throw takenError(node, executable);
  try {
    return verifyDirectory(node.directory);
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : node.directory;
    throw new CommandError(`cannot be read: ${reason}`, 2);
  }
}

const COLUMNS: readonly Column<FileReport>[] = [
  { title: "FILE", align: "left", cell: ({ file }) => file },
  { title: "VERDICT", align: "left", cell: ({ verdict }) => verdict },
  { title: "ENTRIES", align: "left", cell: (file) => entriesOf(file) },
];

function entriesOf({ firstIndex, lastIndex, entries }: FileReport): string {
  if (firstIndex === null || lastIndex === null || entries <= 0) return "-";
  return `${firstIndex} to ${lastIndex}`;
}

/** A heading, a table of files, one line for each file that is not whole, and the verdict. */
export function renderReport(directory: string, report: DirectoryReport): string {
  const { identity, files, ok } = report;
  if (files.length === 0) return `${directory}: no data of raft`;
  const who = identity === null ? "" : `node ${identity.id} of cluster ${identity.cluster}, `;
  const reasons = files
    .filter((file) => file.reason !== null)
    .map(
      ({ file, offset, reason }) =>
        `  ${file}${offset === null ? "" : ` at byte ${offset}`}: ${reason}`,
    );
  const verdict = ok ? "sound" : "damaged: a member's other copies can repair entries when it runs";
  return [`${who}${directory}`, renderTable(COLUMNS, files, plain), ...reasons, verdict].join("\n");
}
