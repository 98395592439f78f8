/** Commands as the user would type them, in every message. */

import type { NodeId } from "../base/types.ts";

export class Hints {
  /** "./raft" */
  readonly executable: string;
  /** " --cluster g4" where the other command needs it, else "". */
  readonly clusterFlag: string;
  /** Nodes of `--local N`: they are started together, not one by one. */
  readonly local: number | null;

  constructor(executable: string, clusterFlag = "", local: number | null = null) {
    this.executable = executable;
    this.clusterFlag = clusterFlag;
    this.local = local;
  }

  /** How node `id` is started. */
  up(id: NodeId, more = ""): string {
    if (this.local !== null)
      return `${this.executable} up --local ${this.local}${this.clusterFlag}`;
    return `${this.executable} up --id ${id}${this.clusterFlag}${more}`;
  }

  /** The same node under a cluster name of its own. */
  upInCluster(id: NodeId, cluster: string): string {
    return `${this.executable} up --id ${id} --cluster ${cluster}`;
  }

  /** Any other command: "status", "wipe 1". */
  command(rest: string): string {
    return `${this.executable} ${rest}${this.clusterFlag}`;
  }
}
