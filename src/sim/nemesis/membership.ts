/** Operators who change the members of a cluster, hand leadership on, and stop nodes, as they
 *  please. At any time a majority of the founders are voters with good disks. */

import { pick } from "../chance.ts";
import { budgetOf } from "./budget.ts";
import { bringBack, command, isFounded } from "./operator.ts";
import type { Nemesis } from "./types.ts";

/** One machine more: let in as a learner, promoted, removed again, as chance has it. */
export const learner: Nemesis = {
  name: "learner",
  everyElections: 30,
  strike(cluster, random) {
    const id = cluster.plan.nodes + 1;
    const machine = cluster.machines.get(id) ?? cluster.addMachine(id);
    machine.start();
    const what = pick(random, ["add", "add as learner", "promote", "remove"] as const);
    cluster.count(`operator: ${what}`, `an operator types: ${what} ${id}`);
    void command(cluster, random, id, (client, timeoutMs) => {
      if (what === "promote") return client.promoteMember(id, { timeoutMs });
      if (what === "remove") return client.removeMember(id, { timeoutMs });
      return client.addMember(id, { learner: what === "add as learner", timeoutMs });
    });
  },
};

/** A founder is removed, and let in again later, with the data that it has. */
export const removal: Nemesis = {
  name: "removal",
  everyElections: 40,
  strike(cluster, random) {
    const { id } = pick(random, [...cluster.machines.values()]);
    if (id > cluster.plan.nodes || !isFounded(cluster)) return;
    if (!budgetOf(cluster).take(id, "removed")) return;
    cluster.count("operator: remove a founder", `an operator types: remove ${id}`);
    const { electionMs } = cluster;
    void command(cluster, random, id, (client, timeoutMs) =>
      client.removeMember(id, { timeoutMs }),
    ).then(() => {
      const atMs = cluster.nowMs + electionMs * random() * 10;
      cluster.schedule.at(atMs, () => bringBack(cluster, random, id));
    });
  },
};

export const transfer: Nemesis = {
  name: "transfer",
  everyElections: 15,
  strike(cluster, random) {
    const to = random() < 0.3 ? null : pick(random, [...cluster.machines.keys()]);
    cluster.count("operator: transfer", `an operator types: transfer ${to ?? ""}`);
    void command(cluster, random, 0, (client, timeoutMs) => client.transfer(to, { timeoutMs }));
  },
};

/** `raft stop`, and with --kill. */
export const operatorStop: Nemesis = {
  name: "operator's stop",
  everyElections: 25,
  strike(cluster, random) {
    const id = pick(random, [...cluster.machines.keys()]);
    const kill = random() < 0.5;
    cluster.count("operator: stop", `an operator types: stop ${id}${kill ? " --kill" : ""}`);
    void command(cluster, random, 0, (client, timeoutMs) =>
      random() < 0.3
        ? client.stopLeader({ kill, timeoutMs })
        : client.stop(id, { kill, timeoutMs }),
    );
  },
};
