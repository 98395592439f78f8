/** What must hold at every step of every run. */

import type { Member } from "../../node/member.ts";
import type { Cluster } from "../cluster.ts";
import type { Commit, CommittedLog } from "../committed-log.ts";
import type { Machine } from "../machine.ts";
import type { Platters } from "../platters.ts";

/** What checks look at: disks, cores, and what was committed. */
export interface Evidence {
  readonly cluster: Cluster;
  readonly platters: Platters;
  readonly committed: CommittedLog;
}

/** One invariant's memory of one run. Each answers with a sentence when it is broken, else null. */
export interface Check {
  /** After an event that changed a member's role, term, indexes or last chain. */
  readonly turned?: (machine: Machine, member: Member) => string | null;
  /** A process knows more to be committed than before. Asked before `turned`. */
  readonly committed?: (commit: Commit) => string | null;
  /** A file of a machine, or its directory, became durable. */
  readonly synced?: (machine: Machine, path: string) => string | null;
  /** Now and then: for what costs more to look at. */
  readonly sampled?: (machine: Machine, member: Member) => string | null;
  /** At the end of the run, everything healed. */
  readonly ended?: () => string | null;
}

export interface Invariant {
  readonly name: string;
  /** "§5.2" of the paper, "thesis §3.8", or "ours": test/README.md has the same in its table. */
  readonly source: string;
  /** Its name in the published TLA+ specifications (test/README.md says which); null: none. */
  readonly tla: string | null;
  readonly watch: (evidence: Evidence) => Check;
}
