/** How many machines may have lost what they had synced: a minority of the founders, whatever the
 *  nemeses that strike. One place, because what the promises cover is a sum over all of them. */

import type { NodeId } from "../../base/types.ts";
import type { Cluster } from "../cluster.ts";

export class Budget {
  readonly #most: number;
  readonly #spoiled = new Map<NodeId, string>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Machines whose disk may not hold what it once synced, or whose place among the voters is being
   *  changed: the others are a majority of good copies. */
  get spoiled(): ReadonlyMap<NodeId, string> {
    return this.#spoiled;
  }

  /** True when this machine may be spoiled now; it then counts until `release`. */
  take(id: NodeId, why: string): boolean {
    if (this.#spoiled.has(id) || this.#spoiled.size >= this.#most) return false;
    this.#spoiled.set(id, why);
    return true;
  }

  /** It is a good copy again. */
  release(id: NodeId): void {
    this.#spoiled.delete(id);
  }
}

const budgets = new WeakMap<Cluster, Budget>();

/** The one budget of a cluster. */
export function budgetOf(cluster: Cluster): Budget {
  const known = budgets.get(cluster);
  if (known !== undefined) return known;
  const budget = new Budget(Math.floor((cluster.plan.nodes - 1) / 2));
  budgets.set(cluster, budget);
  return budget;
}
