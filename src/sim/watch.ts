/** Every invariant looking on while a cluster runs. */

import type { LogIndex, Term } from "../base/types.ts";
import type { Member } from "../node/member.ts";
import type { Core, Role } from "../raft/types.ts";
import type { Cluster } from "./cluster.ts";
import { CommittedLog } from "./committed-log.ts";
import type { Check, Evidence, Invariant } from "./invariants/types.ts";
import type { Machine } from "./machine.ts";
import { Platters } from "./platters.ts";

/** Events of a machine between two looks at what costs more. */
const SAMPLE_EVERY = 256;

/** What of a member was there after the last event. */
interface Glance {
  core: Core | null;
  role: Role;
  term: Term;
  commitIndex: LogIndex;
  durableIndex: LogIndex;
  lastIndex: LogIndex;
  lastChain: number;
  /** The sum of what a leader counts as matched. */
  matched: number;
  events: number;
}

export class Watch {
  readonly evidence: Evidence;
  readonly #checks: readonly { readonly name: string; readonly check: Check }[];
  readonly #onViolation: (name: string, sentence: string) => void;
  readonly #glances = new Map<Machine, Glance>();

  constructor(
    cluster: Cluster,
    invariants: readonly Invariant[],
    onViolation: (name: string, sentence: string) => void,
  ) {
    const platters = new Platters(cluster.machines);
    this.evidence = { cluster, platters, committed: new CommittedLog(platters) };
    this.#checks = invariants.map(({ name, watch }) => ({ name, check: watch(this.evidence) }));
    this.#onViolation = onViolation;
  }

  /** After each event of a machine's process. Reading the log must not use up a fault that is
   *  meant for the process. */
  turned(machine: Machine): void {
    machine.disk.spare(() => this.#look(machine));
  }

  #look(machine: Machine): void {
    const member = machine.process?.member ?? null;
    if (member === null) return;
    const glance = this.#glance(machine);
    glance.events += 1;
    if (glance.events % SAMPLE_EVERY === 0) this.#ask((check) => check.sampled?.(machine, member));
    if (!hasChanged(glance, member)) return;
    const commit = this.evidence.committed.look(machine, member);
    if (commit !== null) this.#ask((check) => check.committed?.(commit));
    this.#ask((check) => check.turned?.(machine, member));
  }

  /** A file of a machine, or its directory ("."), became durable. */
  synced(machine: Machine, path: string): void {
    this.evidence.platters.synced(machine, path);
    this.#ask((check) => check.synced?.(machine, path));
  }

  ended(): void {
    this.#ask((check) => check.ended?.());
  }

  #ask(judge: (check: Check) => string | null | undefined): void {
    for (const { name, check } of this.#checks) {
      const sentence = judge(check) ?? null;
      if (sentence !== null) this.#onViolation(name, sentence);
    }
  }

  #glance(machine: Machine): Glance {
    const known = this.#glances.get(machine);
    if (known !== undefined) return known;
    const nothing = {
      term: 0,
      commitIndex: 0,
      durableIndex: 0,
      lastIndex: 0,
      lastChain: 0,
      matched: 0,
    };
    const fresh: Glance = { core: null, role: "follower", ...nothing, events: 0 };
    this.#glances.set(machine, fresh);
    return fresh;
  }
}

/** Whether anything moved since the last event; remembers what is there now. */
function hasChanged(glance: Glance, { core, log }: Member): boolean {
  const { role, term, commitIndex, durableIndex } = core;
  const { lastIndex, lastChain } = log;
  const matched = role === "leader" ? sumOfMatched(core) : 0;
  const same =
    glance.core === core &&
    glance.role === role &&
    glance.term === term &&
    glance.commitIndex === commitIndex &&
    glance.durableIndex === durableIndex &&
    glance.lastIndex === lastIndex &&
    glance.lastChain === lastChain &&
    glance.matched === matched;
  if (same) return false;
  const now = { core, role, term, commitIndex, durableIndex, lastIndex, lastChain, matched };
  Object.assign(glance, now);
  return true;
}

function sumOfMatched(core: Core): number {
  let sum = 0;
  for (const { id } of core.configuration.members) sum += core.matchIndexOf(id) ?? 0;
  return sum;
}
