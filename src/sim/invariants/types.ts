/** What must hold at every step of every run. */

import type { Cluster } from "../cluster.ts";
import type { Machine } from "../machine.ts";

/** One invariant's memory of one run. */
export interface Check {
  /** After each event of a machine's process (it may have just ended). A sentence when the
   *  invariant is broken, else null. */
  readonly turned?: (machine: Machine) => string | null;
  /** A file of a machine, or its directory, became durable. */
  readonly synced?: (machine: Machine, path: string) => string | null;
  /** At the end of the run, everything healed. */
  readonly ended?: () => string | null;
}

export interface Invariant {
  readonly name: string;
  /** §5.2 of the paper, or of the thesis. */
  readonly source: string;
  /** Its name in the published TLA+ specification, or the nearest; null: none. */
  readonly tla: string | null;
  readonly watch: (cluster: Cluster) => Check;
}
