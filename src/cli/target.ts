/** Which cluster a command works on, with which key, asked for how: read from flags, environment
 *  and disk. */

import { userAndHost } from "../base/hosts.ts";
import type { ClusterKey } from "../transport/types.ts";
import { openKey } from "../transport/key.ts";
import { userAtHost } from "../transport/machine.ts";
import { chooseCluster, DEFAULT_CLUSTER, type ClusterChoice } from "./cluster-choice.ts";
import type { CommandContext } from "./command.ts";
import { type ClusterFlags, Hints } from "./hints.ts";
import { findKey } from "./key-file.ts";
import { nodesHere, type NodeHere } from "./local-nodes.ts";
import { typedPath } from "./places.ts";
import { FLAGS, parseClusterName, parsePeers, type SettingsReader } from "./settings.ts";

/** The flags of every command that needs a cluster. */
export const TARGET_FLAGS = {
  cluster: FLAGS.cluster,
  "key-file": FLAGS["key-file"],
  verbose: FLAGS.verbose,
} as const;

export interface Target {
  readonly cluster: string;
  readonly key: ClusterKey;
  readonly hints: Hints;
}

/** For commands about nodes of this machine that run or ran (clients): the running ones are a
 *  clue. */
export function readTarget(reader: SettingsReader, context: CommandContext): Target {
  const here = nodesHere(context.machine);
  return targetOf(reader, context, () => runningIn(here), here);
}

/** For `up`, which starts a node, and for commands about every cluster: what runs here says
 *  nothing about it. */
export function readStartTarget(
  reader: SettingsReader,
  context: CommandContext,
  otherwise: string | null,
): Target {
  const running = otherwise === null ? [] : [otherwise];
  const isElsewhere = reader.text("data-dir") !== null;
  return targetOf(reader, context, () => running, nodesHere(context.machine), isElsewhere);
}

function runningIn(here: readonly NodeHere[]): readonly string[] {
  return here.filter((node) => node.held !== null).map(({ cluster }) => cluster);
}

function targetOf(
  reader: SettingsReader,
  context: CommandContext,
  runningHere: () => readonly string[],
  here: readonly NodeHere[],
  isElsewhere = false,
): Target {
  const named = reader.read("cluster", parseClusterName, null);
  reader.check();
  const found = findKey(reader.text("key-file"), context.machine);
  const choice: ClusterChoice = chooseCluster({
    named,
    fromKeyFile: found?.key.cluster ?? null,
    runningHere,
  });
  const key = found === null ? openKey(choice.cluster) : { ...found.key, cluster: choice.cluster };
  const flags = flagsFor(choice, found?.key.cluster ?? null, here, isElsewhere);
  const hints = new Hints(context.executable, flags.up, null, flags).withPlaces({
    typed: (path) => typedPath(context.machine, path),
    host: userAndHost(userAtHost()).host,
  });
  return { cluster: choice.cluster, key, hints };
}

/** What each kind of command needs to mean the same cluster as this one. `isElsewhere`: its data is
 *  where clients do not look for nodes. */
export function flagsFor(
  { cluster, needsFlag }: ClusterChoice,
  fromKeyFile: string | null,
  here: readonly Pick<NodeHere, "cluster" | "held">[],
  isElsewhere = false,
): ClusterFlags & { readonly up: string } {
  const flagIf = (isNeeded: boolean): string => (isNeeded ? ` --cluster ${cluster}` : "");
  if (cluster === fromKeyFile) return { up: "", client: "", data: "" };
  const others = here.filter((node) => node.cluster !== cluster);
  return {
    up: flagIf(needsFlag),
    client: flagIf(
      needsFlag ||
        others.some((node) => node.held !== null) ||
        (isElsewhere && cluster !== DEFAULT_CLUSTER),
    ),
    data: flagIf(cluster !== DEFAULT_CLUSTER || others.length > 0),
  };
}

/** The cluster that was typed, or the key file's; null when nothing was said. For commands about
 *  data. */
export function readNamedCluster(reader: SettingsReader, context: CommandContext): string | null {
  const named = reader.read("cluster", parseClusterName, null);
  reader.check();
  return named ?? findKey(reader.text("key-file"), context.machine)?.key.cluster ?? null;
}

/** `--peers` or RAFT_PEERS. */
export function readPeers(reader: SettingsReader): readonly string[] {
  return reader.read("peers", parsePeers, []);
}
