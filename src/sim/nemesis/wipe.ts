/** A machine whose disk is replaced by an empty one. It can never vote under its old identity; an
 *  operator gives its place to the new one. */

import { pick } from "../chance.ts";
import { budgetOf } from "./budget.ts";
import { later } from "./later.ts";
import { bringBack, isFounded } from "./operator.ts";
import type { Nemesis } from "./types.ts";

export const wipe: Nemesis = {
  name: "wiped disk",
  everyElections: 40,
  strike(cluster, random) {
    const machine = pick(random, [...cluster.machines.values()]);
    const { id } = machine;
    if (id > cluster.plan.nodes || !isFounded(cluster)) return;
    if (!budgetOf(cluster).take(id, "wiped")) return;
    machine.wipe();
    cluster.count("wiped disk", `node ${id} loses its disk`);
    const { electionMs, schedule, nowMs } = cluster;
    const downMs = electionMs * random() * 6;
    later(cluster, downMs, () => machine.start());
    const toldMs = nowMs + downMs + electionMs * random() * 10;
    schedule.at(toldMs, () => bringBack(cluster, random, id));
  },
};
