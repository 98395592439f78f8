/** What troubles a cluster on purpose. Faults of single datagrams and slow syncs are not here: they
 *  are qualities of links and disks. */

import type { Random } from "../../base/random.ts";
import type { Cluster } from "../cluster.ts";

export interface Nemesis {
  /** "partition", "power cut": also the name of its stream of chance. */
  readonly name: string;
  /** Mean time between two strikes, in election timeouts. */
  readonly everyElections: number;
  /** Strikes once, now or over a time, within what the promises cover; counts what it did by
   *  `cluster.count`. It undoes by itself whatever must not last. */
  readonly strike: (cluster: Cluster, random: Random) => void;
  /** The faults are over: whatever it still holds up is let go. */
  readonly relent?: (cluster: Cluster) => void;
}
