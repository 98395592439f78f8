/** Entries that a node counts on and cannot show. */

import type { LogIndex } from "../../base/types.ts";
import type { Member } from "../../node/member.ts";
import type { Machine } from "../machine.ts";

/** Null where damage that the node knows of hides something of its log, so that nothing can be
 *  compared; else that is a broken promise. */
export function hiddenText(
  { id }: Machine,
  { damage, baseIndex }: Member["log"],
  index: LogIndex,
): string | null {
  if (damage.length > 0 || index <= baseIndex) return null;
  return `node ${id} counts on entry ${index}, cannot read it, and knows of no damage`;
}
