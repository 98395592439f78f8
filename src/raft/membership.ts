/** Who counts: configurations in the log, and the rules for changing them (§6; thesis chapter
 *  4). */

import { assert } from "../base/assert.ts";
import { MEMBERS_MAX } from "../base/limits.ts";
import type { Incarnation, LogIndex, NodeId } from "../base/types.ts";
import type { Configuration, Member, MembershipChange } from "./types.ts";

/** The configurations of the retained log, oldest first. The newest is in force as soon as it is
 *  appended, committed or not (thesis §4.1); a truncation brings the one before it back. */
export class ConfigurationHistory {
  #configurations: Configuration[];

  constructor(configurations: readonly Configuration[]) {
    assert(configurations.length > 0, "a core without a configuration");
    this.#configurations = [...configurations];
  }

  get inForce(): Configuration {
    const newest = this.#configurations[this.#configurations.length - 1];
    assert(newest !== undefined, "the configuration history is empty");
    return newest;
  }

  /** Whether the configuration in force, or the one that a rollback of it would bring back, has
   *  this voter. */
  mayHaveVoter(id: NodeId, incarnation: Incarnation): boolean {
    return this.#configurations
      .slice(-2)
      .some((configuration) => isVoter(configuration, id, incarnation));
  }

  append(configuration: Configuration): void {
    const before = this.inForce;
    assert(
      configuration.index > before.index,
      `configuration ${configuration.index} is not the newest`,
    );
    this.#configurations.push(configuration);
  }

  /** Drops what a truncation took away. True when another configuration came into force. */
  truncateFrom(index: LogIndex): boolean {
    const before = this.inForce;
    while (this.#configurations.length > 1 && this.inForce.index >= index)
      this.#configurations.pop();
    assert(
      this.inForce.index < index,
      `the oldest configuration ${this.inForce.index} was truncated`,
    );
    return this.inForce !== before;
  }

  /** Forgets configurations that no truncation can bring back: older than the newest committed
   *  one. */
  committed(commitIndex: LogIndex): void {
    while (
      this.#configurations.length > 1 &&
      (this.#configurations[1]?.index ?? 0) <= commitIndex
    ) {
      this.#configurations.shift();
    }
  }

  /** The configurations of the same log, now that all of it can be read. True when another one came
   *  into force. */
  relearn(configurations: readonly Configuration[]): boolean {
    const before = this.inForce;
    this.#configurations = [...configurations];
    return this.inForce.index !== before.index;
  }

  reset(configuration: Configuration): void {
    this.#configurations = [configuration];
  }
}

export function memberOf(configuration: Configuration, id: NodeId): Member | undefined {
  return configuration.members.find((member) => member.id === id);
}

/** A voter is counted as (id, incarnation): a wiped disk under an old id counts for nothing. */
export function isVoter(
  configuration: Configuration,
  id: NodeId,
  incarnation: Incarnation,
): boolean {
  const member = memberOf(configuration, id);
  return member?.role === "voter" && member.incarnation === incarnation;
}

export function votersOf(configuration: Configuration): readonly Member[] {
  return configuration.members.filter((member) => member.role === "voter");
}

/** Reused by every count, so that counting allocates nothing. */
const scratch = new Float64Array(MEMBERS_MAX);

/** The highest value that a majority of the voters reaches; 0 without a voter. */
export function majorityValue(
  configuration: Configuration,
  valueOf: (voter: Member) => number,
): number {
  let voters = 0;
  for (const member of configuration.members) {
    if (member.role !== "voter") continue;
    const value = valueOf(member);
    let at = voters;
    for (; at > 0 && (scratch[at - 1] ?? 0) < value; at--) scratch[at] = scratch[at - 1] ?? 0;
    scratch[at] = value;
    voters += 1;
  }
  // Sorted downwards: the value at floor(n / 2) is reached by floor(n / 2) + 1 voters.
  return voters === 0 ? 0 : (scratch[voters >> 1] ?? 0);
}

/** More than half of the voters. */
export function majorityOf(voters: number): number {
  return Math.floor(voters / 2) + 1;
}

/** The members after a change, or a sentence that says why it cannot be. A single entry changes the
 *  set of voting (id, incarnation) pairs by at most one, so any two majorities still share a voter
 *  (thesis §4.1). */
export function changeMembers(
  before: Configuration,
  change: MembershipChange,
): { readonly members: readonly Member[] } | { readonly problem: string } {
  const changed = applyChange(before, change);
  if ("problem" in changed) return changed;
  const after = [...changed.members].sort((a, b) => a.id - b.id);
  if (after.length > MEMBERS_MAX)
    return { problem: `a cluster has at most ${MEMBERS_MAX} members` };
  if (!after.some((member) => member.role === "voter")) {
    return { problem: `node ${change.id} is the last voter` };
  }
  const difference = votingPairsChanged(before.members, after);
  assert(difference <= 1, `one entry would change ${difference} voting pairs`);
  return { members: after };
}

function applyChange(
  before: Configuration,
  change: MembershipChange,
): { readonly members: readonly Member[] } | { readonly problem: string } {
  const member = memberOf(before, change.id);
  const others = before.members.filter((other) => other !== member);
  if (change.type === "addLearner") {
    if (member !== undefined) return { problem: `node ${change.id} is already a member` };
    return {
      members: [...others, { id: change.id, incarnation: change.incarnation, role: "learner" }],
    };
  }
  if (member === undefined) return { problem: `node ${change.id} is not a member` };
  switch (change.type) {
    case "promote":
      if (member.role === "voter") return { problem: `node ${change.id} is already a voter` };
      return { members: [...others, { ...member, role: "voter" }] };
    case "demote":
      if (member.role === "learner") return { problem: `node ${change.id} is already a learner` };
      return { members: [...others, { ...member, role: "learner" }] };
    case "remove":
      return { members: others };
    case "replace":
      if (member.incarnation === change.incarnation) {
        return { problem: `node ${change.id} is a member with this very data` };
      }
      return {
        members: [...others, { id: change.id, incarnation: change.incarnation, role: "learner" }],
      };
  }
}

/** How many voting (id, incarnation) pairs are in one list and not in the other. */
export function votingPairsChanged(before: readonly Member[], after: readonly Member[]): number {
  const pairs = (members: readonly Member[]): Set<string> =>
    new Set(members.filter((m) => m.role === "voter").map((m) => `${m.id} ${m.incarnation}`));
  const [old, now] = [pairs(before), pairs(after)];
  let difference = 0;
  for (const pair of old) if (!now.has(pair)) difference += 1;
  for (const pair of now) if (!old.has(pair)) difference += 1;
  return difference;
}
