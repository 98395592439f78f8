/** Commands as the user would type them, in every message. */

import type { NodeId } from "../base/types.ts";

/** Where a bare command would mean another cluster: " --cluster g4", else "". */
export interface ClusterFlags {
  /** A client finds the only cluster that runs here by itself. */
  readonly client: string;
  /** `wipe` goes by the data that lies here. */
  readonly data: string;
}

export class Hints {
  /** "./raft" */
  readonly executable: string;
  /** " --cluster g4" where `up` needs it, else "". */
  readonly clusterFlag: string;
  /** Nodes of `--local N`: they are started together, not one by one. */
  readonly local: number | null;
  readonly #flags: ClusterFlags;

  constructor(
    executable: string,
    clusterFlag = "",
    local: number | null = null,
    flags: ClusterFlags = { client: clusterFlag, data: clusterFlag },
  ) {
    this.executable = executable;
    this.clusterFlag = clusterFlag;
    this.local = local;
    this.#flags = flags;
  }

  /** The same for the nodes of `--local count`. */
  forLocal(count: number): Hints {
    return new Hints(this.executable, this.clusterFlag, count, this.#flags);
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
    const { client, data } = this.#flags;
    return `${this.executable} ${rest}${/^wipe\b/.test(rest) ? data : client}`;
  }
}
