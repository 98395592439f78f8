/** Processes that end at any instant, and machines that lose their power. */

import { between, pick } from "../chance.ts";
import { later } from "./later.ts";
import type { Nemesis } from "./types.ts";

/** A kill between two events of the loop: the page cache stays. */
export const crash: Nemesis = {
  name: "crash",
  everyElections: 12,
  strike(cluster, random) {
    const machine = pick(random, [...cluster.machines.values()]);
    if (!machine.running) return;
    machine.kill();
    cluster.count("kill", `node ${machine.id} is killed`);
    const downMs = cluster.electionMs * random() * 4;
    later(cluster, downMs, () => machine.start());
  },
};

/** The same, with the power: some part of what was not synced is gone. */
export const powerCut: Nemesis = {
  name: "power cut",
  everyElections: 15,
  strike(cluster, random) {
    const machines = [...cluster.machines.values()];
    const struck = random() < 0.2 ? machines : [pick(random, machines)];
    for (const machine of struck) {
      if (!machine.running) continue;
      machine.cutPower(random, pick(random, [0, 0.5, 0.9, 1]));
      cluster.count("power cut", `node ${machine.id} loses its power`);
      const downMs = cluster.electionMs * random() * 4;
      later(cluster, downMs, () => machine.start());
    }
  },
};

/** An end in the middle of a turn, just before one of its operations on the disk; at times of a
 *  process that has hardly begun. */
export const crashInTurn: Nemesis = {
  name: "crash in turn",
  everyElections: 15,
  strike(cluster, random) {
    const machine = pick(random, [...cluster.machines.values()]);
    if (!machine.running) return;
    const power = random() < 0.5;
    const keep = pick(random, [0, 0.5, 1]);
    machine.onLastOperation = () => {
      if (power) machine.cutPower(random, keep);
      else machine.kill();
      cluster.count("end within a turn", `node ${machine.id} ends within a turn`);
      const downMs = cluster.electionMs * random() * 4;
      later(cluster, downMs, () => machine.start());
    };
    if (random() < 0.5) machine.operationsLeft = between(random, 1, 20);
    else {
      machine.kill();
      machine.start(between(random, 1, 40));
    }
  },
};
