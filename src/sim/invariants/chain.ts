/** One index and term have one chain on every disk: the chain is a function of the log. */

import { haveSameContents } from "./log-matching.ts";
import type { Invariant } from "./types.ts";

export const chain: Invariant = {
  name: "Chain",
  source: "ours",
  tla: null,
  watch({ platters: { tree } }) {
    let looked = 0;
    return {
      synced() {
        while (looked < tree.conflicts.length) {
          const pair = tree.conflicts[looked++];
          if (pair === undefined || !haveSameContents(...pair)) continue;
          const { lastIndex, term } = pair[0].head;
          return `two disks hold entry ${lastIndex} of term ${term} with different chains`;
        }
        return null;
      },
    };
  },
};
