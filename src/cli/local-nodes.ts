/** The nodes whose data lies on this machine: whether they run, and what they hold. */

import { type Address, parseAddress } from "../base/hosts.ts";
import type { NodeId, WallMs } from "../base/types.ts";
import { heldSentence, type NodeOfCluster } from "../node/refusals.ts";
import { readIdentity } from "../storage/identity.ts";
import { inspect } from "../storage/inspect.ts";
import { lockHolder, type LockHolder } from "../storage/lock.ts";
import { listDirectories, openRealDisk } from "../storage/real-disk.ts";
import type { Identity } from "../storage/types.ts";
import { CommandError } from "./exit-codes.ts";
import { maybeStateDirectory, pathRules, type Machine } from "./places.ts";
import { parseClusterName, parseNodeId } from "./settings.ts";

/** So many directories of a working directory: whoever has more there keeps no nodes in it. */
const LOOKED_INTO_MAX = 200;

export interface NodeHere extends NodeOfCluster {
  readonly directory: string;
  /** Who runs it now; null: nobody. */
  readonly held: Held | null;
}

/** A directory is in use, perhaps by somebody who left no word. */
export type Held = { readonly holder: LockHolder | null };

/** What a node's directory holds. */
export interface NodeData {
  /** null: unreadable. */
  readonly entries: number | null;
  readonly foundedMs: WallMs | null;
  readonly lastUsedMs: WallMs | null;
  readonly term: number;
  readonly votedFor: NodeId | null;
  readonly isMember: boolean;
}

/** Every node of this user on this machine in the usual place, by cluster and id. */
export function nodesHere(machine: Machine): readonly NodeHere[] {
  const state = maybeStateDirectory(machine);
  if (state === null) return [];
  const { join } = pathRules(machine);
  return listDirectories(state)
    .filter((cluster) => parseClusterName(cluster).ok)
    .flatMap((cluster) =>
      listDirectories(join(state, cluster))
        .flatMap((name) => {
          const id = parseNodeId(name);
          return id.ok ? [id.value] : [];
        })
        .toSorted((a, b) => a - b)
        .map((id) => {
          const directory = join(state, cluster, String(id));
          return { cluster, id, directory, held: heldBy(directory) };
        }),
    );
}

/** Those, and the ones whose data people keep where they work: in the working directory, in one
 *  below it, or one further down, as `--local N --data-dir DIR` has them. */
export function nodesNear(machine: Machine): readonly NodeHere[] {
  const { join } = pathRules(machine);
  const usual = nodesHere(machine);
  const { workingDirectory } = machine;
  const below = listDirectories(workingDirectory)
    .slice(0, LOOKED_INTO_MAX)
    .map((name) => join(workingDirectory, name))
    .flatMap((directory) => {
      const numbered = listDirectories(directory).filter((name) => parseNodeId(name).ok);
      return [directory, ...numbered.map((name) => join(directory, name))];
    });
  const found = [workingDirectory, ...below]
    .filter((directory) => !usual.some((node) => node.directory === directory))
    .flatMap((directory) => {
      const identity = identityOf(directory);
      if (identity === null) return [];
      const { cluster, id } = identity;
      return [{ cluster, id, directory, held: heldBy(directory) }];
    });
  return [...usual, ...found];
}

/** Who runs on this directory now; null when nobody does, or nobody can tell. */
export function heldBy(directory: string): Held | null {
  return orNull(() => lockHolder(directory));
}

/** A CommandError (exit 8) with the sentence that `raft up` says when the directory is taken.
 *  `wanted`: what was to run there, if that is another one. */
export function takenError(
  node: NodeHere,
  executable: string,
  wanted: NodeOfCluster & { readonly typed?: string | null } = node,
): CommandError {
  const { directory: path, held } = node;
  const { cluster, id, typed = null } = wanted;
  const refused = { path, typed, cluster, id, executable };
  return new CommandError(heldSentence(held?.holder ?? null, refused, node), 8);
}

/** The node of any directory, `otherwise` when the file that says whose it is cannot be read;
 *  null when the directory holds nothing of ours. */
export function nodeIn(
  directory: string,
  otherwise: { readonly cluster: string; readonly id: NodeId },
): NodeHere | null {
  const inspection = orNull(() => inspect(directory));
  if (inspection === null) return null;
  const { cluster, id } = inspection.identity ?? otherwise;
  return { cluster, id, directory, held: heldBy(directory) };
}

/** Reads what a node holds; null when that is nothing. */
export function dataOf(directory: string): NodeData | null {
  const inspection = orNull(() => inspect(directory));
  if (inspection === null) return null;
  const { identity, entries, hardState, lastUsedMs } = inspection;
  return {
    entries,
    foundedMs: identity?.foundedMs ?? null,
    lastUsedMs,
    term: hardState?.term ?? 0,
    votedFor: hardState?.votedFor?.id ?? null,
    isMember: identity?.member ?? false,
  };
}

/** Where nodes of that cluster (null: of any) were met last, as nodes of this machine remember
 *  it. */
export function rememberedAddresses(
  nodes: readonly NodeHere[],
  cluster: string | null,
): readonly Address[] {
  const texts = nodes
    .filter((node) => (cluster ?? node.cluster) === node.cluster)
    .flatMap((node) => Object.values(identityOf(node.directory)?.addresses ?? {}));
  return [...new Set(texts)].flatMap((text) => parseAddress(text) ?? []);
}

/** With whom the node of that directory was founded; null: it was not. */
export function foundersIn(directory: string): readonly NodeId[] | null {
  return identityOf(directory)?.founding?.founders.map(({ id }) => id) ?? null;
}

/** Who a directory says that it is; null: nothing of ours, or unreadable. */
export function identityOf(directory: string): Identity | null {
  return orNull(() => {
    const read = readIdentity(openRealDisk(directory, false));
    if (read === null) return null;
    return read.ok ? read.identity : read.found;
  });
}

/** Directories of others, or that vanish meanwhile, are not there for these questions. */
function orNull<T>(look: () => T): T | null {
  try {
    return look();
  } catch {
    return null;
  }
}
