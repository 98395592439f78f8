/** If two logs contain an entry with the same index and term, then they are identical in all
 *  entries up to it. By contents, whatever the chain says: records with the same bytes and the same
 *  past are one object in the tree, so each is compared with those of its own index only. */

import type { DurableRecord } from "../record-tree.ts";
import type { Invariant } from "./types.ts";

export const logMatching: Invariant = {
  name: "Log Matching",
  source: "§5.3",
  tla: "LogMatching",
  watch({ platters: { tree } }) {
    let looked = 0;
    return {
      synced() {
        while (looked < tree.conflicts.length) {
          const pair = tree.conflicts[looked++];
          if (pair !== undefined && !haveSameContents(...pair)) return conflictText(...pair);
        }
        return null;
      },
    };
  },
};

/** Equal bodies behind the same past: only the chain can differ then. */
export function haveSameContents(a: DurableRecord, b: DurableRecord): boolean {
  return a.bodyHash === b.bodyHash && a.before === b.before;
}

function conflictText(a: DurableRecord, b: DurableRecord): string {
  const { term } = a.head;
  const index = Math.max(a.head.firstIndex, b.head.firstIndex);
  const what = a.bodyHash === b.bodyHash ? "what is before it" : "its contents";
  return `two disks hold entry ${index} of term ${term} and differ in ${what}`;
}
