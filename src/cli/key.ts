/** `raft key`: makes a key file, or shows which one is in force. */

import { writeFileAtomically } from "../storage/real-disk.ts";
import { systemDice } from "../transport/dice.ts";
import { keyTagOf, newKey, renderKeyFile } from "../transport/key.ts";
import type { ClusterKey } from "../transport/types.ts";
import { DEFAULT_CLUSTER } from "./cluster-choice.ts";
import type { CommandContext, RaftCommand } from "./command.ts";
import { CommandError, UsageError, type ExitCode } from "./exit-codes.ts";
import { findKey, usualKeyPaths } from "./key-file.ts";
import { absolutePath } from "./places.ts";
import { parseClusterName, SettingsReader } from "./settings.ts";
import { TARGET_FLAGS } from "./target.ts";

const ACTIONS = { new: [], show: [] } as const;

export const keyCommand: RaftCommand = {
  name: "key",
  summary: "makes a key file, or shows which key is in force",
  notes: [
    "Copy the same raft.key beside raft on every machine: then only those who hold it can read, write and stop the cluster, and its name need not be typed.",
    "new writes the file that --key-file names, otherwise raft.key beside the executable.",
  ],
  words: { hint: "new | show", min: 1, max: 1, firstOf: ACTIONS },
  args: TARGET_FLAGS,
  examples: [
    ["key new", "raft.key beside raft, for the cluster raft"],
    ["key new --cluster g4", "for a cluster of another name"],
    ["key show", "which file is in force, without the secret"],
  ],
  exits: [8],
  async run(args, context) {
    const reader = new SettingsReader(args, context.machine.environment);
    const cluster = reader.read("cluster", parseClusterName, null);
    reader.check();
    const typedPath = reader.text("key-file");
    if (args._[0] === "show") return show(typedPath, context);
    return create(cluster ?? DEFAULT_CLUSTER, typedPath, context);
  },
};

async function create(
  cluster: string,
  typedPath: string | null,
  context: CommandContext,
): Promise<ExitCode> {
  const { machine, terminal } = context;
  const path = typedPath === null ? usualKeyPaths(machine)[0] : absolutePath(machine, typedPath);
  if (path === undefined)
    throw new UsageError("there is no usual place for it here; name one with --key-file F", false);
  const key = newKey(cluster, systemDice);
  try {
    writeFileAtomically(path, new TextEncoder().encode(renderKeyFile(key)), true);
  } catch (thrown) {
    const isThere =
      typeof thrown === "object" && thrown !== null && "code" in thrown && thrown.code === "EEXIST";
    if (isThere)
      throw new CommandError(
        `${path} exists already: a cluster may depend on it. Move it away first, or name another with --key-file F`,
        8,
      );
    throw new CommandError(
      `the key file cannot be written: ${thrown instanceof Error ? thrown.message : path}`,
      2,
    );
  }
  await terminal.out(`${path}\n`);
  terminal.say(
    `a key for cluster ${cluster}, ${fingerprint(key)}. Copy the file beside raft on each machine; whoever holds it can read, write and stop the cluster`,
  );
  return 0;
}

async function show(
  typedPath: string | null,
  { machine, terminal, executable }: CommandContext,
): Promise<ExitCode> {
  const found = findKey(typedPath, machine);
  if (found === null) {
    terminal.say(
      `no key: clusters are open, anyone on this network can read, write and stop them (${executable} key new)`,
    );
    terminal.say(`looked for ${usualKeyPaths(machine).join(" and ")}`);
    return 0;
  }
  await terminal.out(`${found.path}  cluster ${found.key.cluster}, ${fingerprint(found.key)}\n`);
  return 0;
}

/** Tells two keys apart without giving either away. */
function fingerprint(key: ClusterKey): string {
  return `fingerprint ${keyTagOf(key).toString(16).padStart(8, "0")}`;
}
