/** Whom nodes that wait for a founding were told to found with: `--size` and `--voters` are typed
 *  on each of them, and may differ. Pure. */

import type { NodeId } from "../base/types.ts";
import type { NodeReport } from "../transport/requests.ts";

/** Nodes that were told the same. */
export interface FoundersSaid {
  readonly founders: readonly NodeId[];
  readonly by: readonly NodeId[];
}

/** Who says what, what most say first; several when they disagree. While none of the founders is
 *  here, whoever waits outside knows for whom. */
export function foundersSaid(reports: readonly NodeReport[]): readonly FoundersSaid[] {
  const waiting = reports.filter(({ state }) => state === "waiting");
  const said = new Map<string, { readonly founders: readonly NodeId[]; readonly by: NodeId[] }>();
  for (const { id, founders } of waiting.length > 0 ? waiting : reports) {
    const key = founders.join();
    const group = said.get(key);
    if (group === undefined) said.set(key, { founders, by: [id] });
    else group.by.push(id);
  }
  return [...said.values()].sort((a, b) => b.by.length - a.by.length);
}

/** How these founders were typed: `--size 3` or `--voters 1,2,5`. */
export function foundersFlag(founders: readonly NodeId[]): string {
  const isSize = founders.every((id, at) => id === at + 1);
  return isSize ? `--size ${founders.length}` : `--voters ${founders.join(",")}`;
}

/** "nodes disagree on the founders: 1 and 2 have --size 3, 3 has --size 5"; null when they
 *  agree. */
export function disagreementText(said: readonly FoundersSaid[]): string | null {
  if (said.length < 2) return null;
  const sides = said.map(({ founders, by }) => {
    const who = by.length < 2 ? by.join() : `${by.slice(0, -1).join(", ")} and ${by.at(-1)}`;
    return `${who} ${by.length === 1 ? "has" : "have"} ${foundersFlag(founders)}`;
  });
  return `nodes disagree on the founders: ${sides.join(", ")}`;
}
