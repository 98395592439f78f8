/** What must hold in every world of a founding. */

import type { FoundingSpace } from "./founding-space.ts";
import { IDS } from "./founding-space.ts";
import { type World, settled } from "./founding-search.ts";

/** Of three founders. */
const MAJORITY = 2;

/** At most one record ever has members. Where two directories of it were members, something may
 *  have been acknowledged: it stays within reach, because while a majority of the record's
 *  directories is whole they all become members of it without further faults. Where nobody was
 *  wiped everybody does. Whoever stays outside can say why. */
export function checkWorld(space: FoundingSpace, world: World): string | null {
  const split = checkSplit(space, world);
  if (split !== null) return split;
  const end = settled(space, world);
  const machines = [end[0], end[1], end[2]];
  const splitLater = checkSplit(space, end);
  if (splitLater !== null) return splitLater;
  const members = machines.filter((machine) => space.machine(machine).member);
  const wiped = machines.some((machine) => space.machine(machine).generation > 0);
  if (!wiped && members.length < IDS.length)
    return `nobody was wiped, and not everybody becomes a member: ${space.render(machines)}`;
  const { memberships } = space.rests.values[world[3]]!;
  const record = memberships[0]?.slice(0, 3) ?? null;
  const holders = machines.filter(
    (machine) => record !== null && space.machine(machine).record === record,
  );
  const mayHaveAcknowledged = memberships.length >= MAJORITY && holders.length >= MAJORITY;
  if (mayHaveAcknowledged && !holders.every((machine) => members.includes(machine)))
    return `a whole majority of ${record} is out of reach: ${space.render(machines)}`;
  return checkTold(space, machines);
}

/** At most one record has ever had a member. */
export function checkSplit(space: FoundingSpace, world: World): string | null {
  const { memberships } = space.rests.values[world[3]]!;
  const first = memberships[0]?.slice(0, 3);
  if (memberships.every((membership) => membership.startsWith(first ?? ""))) return null;
  return `a split, members are ${memberships.join(" and ")}: ${space.render(world.slice(0, 3))}`;
}

/** Who is no member in the end says what stands in its way. */
function checkTold(space: FoundingSpace, machines: readonly number[]): string | null {
  for (const machine of machines) {
    if (space.machine(machine).member) continue;
    const others = machines.filter((other) => other !== machine).map((other) => space.said(other));
    if (space.obstacles(machine, others).length === 0)
      return `somebody waits and cannot say why: ${space.render(machines)}`;
  }
  return null;
}
