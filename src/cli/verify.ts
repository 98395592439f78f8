/** `raft verify`: reads everything that stopped nodes of this machine hold, and what running ones
 *  no longer write to, and says whether it is sound. */

import { join } from "node:path";
import { clusterFlag } from "../node/refusals.ts";
import { DiskFailure } from "../storage/disk-error.ts";
import { type DirectoryReport, type FileReport, verifyDirectory } from "../storage/inspect.ts";
import { isDirectory, listDirectories } from "../storage/real-disk.ts";
import { DEFAULT_CLUSTER } from "./cluster-choice.ts";
import type { RaftCommand } from "./command.ts";
import { CommandError, UsageError } from "./exit-codes.ts";
import { Hints } from "./hints.ts";
import { nodeIn, nodesHere, type NodeHere } from "./local-nodes.ts";
import { absolutePath, isUsualDirectory, type Machine, typedPath } from "./places.ts";
import { FLAGS, SettingsReader } from "./settings.ts";
import { renderTable, type Column } from "./table.ts";
import { plain } from "./terminal.ts";
import { readNamedCluster, TARGET_FLAGS } from "./target.ts";

export const verifyCommand: RaftCommand = {
  name: "verify",
  summary: "checks what nodes of this machine hold: all of a stopped one; changes nothing",
  notes: [
    "Of a running node it checks the identity and the segments that are no longer written to: run now and then, it finds what has rotted before anybody reads it.",
    "Nothing else looks for it: what has rotted in an old segment is not known, and raft status says healthy, until it is read or verified.",
  ],
  words: { hint: "[DIR]", min: 0, max: 1 },
  args: { ...TARGET_FLAGS, "data-dir": FLAGS["data-dir"] },
  examples: [
    ["verify", "every node that has data on this machine"],
    ["verify DIR", "the node in that directory, or those below it"],
  ],
  exits: [7],
  async run(args, context) {
    const { terminal, machine } = context;
    const reader = new SettingsReader(args, machine.environment);
    const cluster = readNamedCluster(reader, context);
    const typed = typedDirectory(args._[0], reader);
    const found =
      typed === null ? nodesHere(machine) : nodesUnder(absolutePath(machine, typed), cluster);
    const nodes = found.filter((node) => (cluster ?? node.cluster) === node.cluster);
    if (nodes.length === 0) {
      if (typed !== null && !orExplain(() => isDirectory(absolutePath(machine, typed))))
        throw new CommandError(`there is no directory ${typed}`, 2);
      const what = cluster === null ? "" : `of cluster ${cluster} `;
      const where = typed === null ? "on this machine" : `in ${typed}`;
      throw new CommandError(`no node ${what}has data ${where}`, 2);
    }
    let isSound = true;
    for (const node of nodes) {
      const report = orExplain(() => verifyDirectory(node.directory, node.held !== null));
      isSound &&= report.ok;
      const flag = dataFlag(node, machine);
      const text =
        node.held === null
          ? renderReport(node.directory, report, context.executable, flag)
          : renderRunning(node, report, context.executable);
      await terminal.out(`${text}\n`);
    }
    return isSound ? 0 : 7;
  },
};

/** A word, or the flag that other commands have for it; null: the usual places. */
function typedDirectory(word: string | undefined, reader: SettingsReader): string | null {
  if (word !== undefined && reader.typed("data-dir"))
    throw new UsageError("DIR or --data-dir, not both");
  return word ?? reader.text("data-dir");
}

/** The node in a directory, or those in the directories of a cluster or of all clusters. */
export function nodesUnder(directory: string, cluster: string | null, levels = 2): NodeHere[] {
  const node = nodeIn(directory, { cluster: cluster ?? DEFAULT_CLUSTER, id: 1 });
  if (node !== null) return [node];
  if (levels === 0) return [];
  return listDirectories(directory).flatMap((name) =>
    nodesUnder(join(directory, name), cluster, levels - 1),
  );
}

/** What a command needs to mean this directory: nothing where it would look anyway. */
function dataFlag({ cluster, id, directory }: NodeHere, machine: Machine): string {
  if (isUsualDirectory(machine, directory, cluster, id)) return "";
  return ` --data-dir ${typedPath(machine, directory)}`;
}

function orExplain<T>(read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    if (!(thrown instanceof DiskFailure)) throw thrown;
    throw new CommandError(`cannot be read: ${thrown.message}`, 2);
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
export function renderReport(
  directory: string,
  report: DirectoryReport,
  executable: string,
  flag = "",
): string {
  const { identity, files, ok } = report;
  if (files.length === 0) return `${directory}: no data of raft`;
  const who = identity === null ? "" : `node ${identity.id} of cluster ${identity.cluster}, `;
  const reasons = reasonLines(files);
  if (files.some((file) => file.verdict === "prepared"))
    reasons.push("  prepared: room that was made ready for the next entries, still empty");
  const verdict = ok ? "sound" : damagedText(report, executable, flag);
  return [`${who}${directory}`, renderTable(COLUMNS, files, plain), ...reasons, verdict].join("\n");
}

/** The same of a node that runs, as far as it can be checked. */
export function renderRunning(
  node: NodeHere,
  { files, ok, problem }: DirectoryReport,
  executable: string,
): string {
  const { id, cluster, directory } = node;
  const head = `node ${id} of cluster ${cluster} runs, ${directory}`;
  const isRead = files.some(({ verdict }) => verdict !== "in use" && verdict !== "prepared");
  if (!isRead) return `${head}: not checked, as all of it is in use`;
  const hints = hintsOf(cluster, executable);
  const verdict = ok
    ? "sound, as far as it is not in use"
    : problem === null
      ? `damaged: another member's copy repairs these entries when they are read: ${hints.command(`log --node ${id}`)}`
      : `damaged: no start takes this identity. The node writes it anew when it stops in order: ${hints.command(`stop ${id}`)}`;
  return [head, renderTable(COLUMNS, files, plain), ...reasonLines(files), verdict].join("\n");
}

function reasonLines(files: readonly FileReport[]): string[] {
  return files
    .filter((file) => file.reason !== null)
    .map(
      ({ file, offset, reason }) =>
        `  ${file}${offset === null ? "" : ` at byte ${offset}`}: ${reason}`,
    );
}

function hintsOf(cluster: string, executable: string): Hints {
  return new Hints(executable, clusterFlag(cluster));
}

/** Entries come back from another member's copy when they are read; without identity, hard state or
 *  a segment's head a node does not start. */
function damagedText(
  { identity, problem, files }: DirectoryReport,
  executable: string,
  flag: string,
): string {
  const id = identity?.id ?? "ID";
  const refused = files.some(
    ({ verdict, firstIndex }) => verdict === "damaged" && firstIndex === null,
  );
  const cluster = identity?.cluster ?? DEFAULT_CLUSTER;
  const hints = hintsOf(cluster, executable);
  const up = `${executable} up --id ${id}${hints.clusterFlag}${flag}`;
  const wipe = `${executable} wipe ${id}${hints.clusterFlag}${flag}`;
  // As `up` says it: the original is whole, and empty is only what stands beside it.
  if (problem === "copied") {
    const fresh = flag === "" ? wipe : `${executable} wipe${flag}`;
    return `damaged: a copy does not start as node ${id}. Start the original, or make this one fresh: ${fresh}`;
  }
  const replace = hints.command(`members replace ${id}`);
  return refused
    ? "damaged: this node does not start again with it. To let it back in empty: " +
        `${wipe}, ${up}, then on another node ${replace}`
    : "damaged: another member's copy repairs these entries when they are read: " +
        `${up}, then ${hints.command(`log --node ${id}`)}`;
}
