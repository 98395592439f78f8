/** Which cluster a command means. Pure. */

import { UsageError } from "./exit-codes.ts";

/** The name when nothing says otherwise. */
export const DEFAULT_CLUSTER = "raft";
/** The name of the nodes of `--local N` when none was typed. */
export const LOCAL_CLUSTER = "local";

export interface ClusterClues {
  /** `--cluster` or RAFT_CLUSTER. */
  readonly named: string | null;
  readonly fromKeyFile: string | null;
  /** Clusters of this user's nodes that run here; asked only when nothing else decides. */
  readonly runningHere: () => readonly string[];
}

export interface ClusterChoice {
  readonly cluster: string;
  /** Whether other commands, such as `up` elsewhere, need `--cluster` to mean the same cluster. */
  readonly needsFlag: boolean;
}

/** Named, else the key file's, else the only one with a node on this machine (this user's
 *  first), else `raft`. Two candidates: a UsageError with both names. */
export function chooseCluster(clues: ClusterClues): ClusterChoice {
  if (clues.named !== null) {
    const isUsual = clues.named === (clues.fromKeyFile ?? DEFAULT_CLUSTER);
    return { cluster: clues.named, needsFlag: !isUsual };
  }
  if (clues.fromKeyFile !== null) return { cluster: clues.fromKeyFile, needsFlag: false };
  const names = [...new Set(clues.runningHere())].toSorted();
  const only = names[0];
  if (names.length > 1) {
    throw new UsageError(
      `nodes of ${names.join(" and ")} run here; which one is meant?  ${names.map((name) => `--cluster ${name}`).join("  or  ")}`,
      false,
    );
  }
  const cluster = only ?? DEFAULT_CLUSTER;
  // A node that is started must be told what a client found by looking around.
  return { cluster, needsFlag: cluster !== DEFAULT_CLUSTER && cluster !== LOCAL_CLUSTER };
}
