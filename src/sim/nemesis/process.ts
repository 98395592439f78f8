/** Processes that stand still, stop in order, and live by clocks that are wrong. */

import { pick } from "../chance.ts";
import { later } from "./later.ts";
import type { Nemesis } from "./types.ts";

/** SIGSTOP and SIGCONT: for 2 to 20 election timeouts mostly, at times for a blink. */
export const pause: Nemesis = {
  name: "pause",
  everyElections: 15,
  strike(cluster, random) {
    const machines = [...cluster.machines.values()];
    const leader = machines.find(({ process }) => process?.member?.core.role === "leader");
    const machine = random() < 0.5 && leader !== undefined ? leader : pick(random, machines);
    const { life } = machine;
    if (life === null || life.paused) return;
    life.pause();
    cluster.count("pause", `node ${machine.id} stands still`);
    const elections = random() < 0.3 ? random() : 2 + random() * 18;
    const order = random() < 0.5 ? "as it came" : "sockets first";
    later(cluster, elections * cluster.electionMs, () => life.resume(order));
  },
  relent(cluster) {
    for (const { life } of cluster.machines.values()) life?.resume();
  },
};

/** SIGTERM: a leader hands over first; another process follows. */
export const orderlyStop: Nemesis = {
  name: "orderly stop",
  everyElections: 20,
  strike(cluster, random) {
    const machine = pick(random, [...cluster.machines.values()]);
    if (!machine.running) return;
    machine.stop();
    cluster.count("stop", `node ${machine.id} is told to stop`);
    later(cluster, cluster.electionMs * random() * 6, () => machine.start());
  },
};

/** A clock that runs at half to double speed, for this process and those after it. */
export const clockRate: Nemesis = {
  name: "clock rate",
  everyElections: 20,
  strike(cluster, random) {
    const machine = pick(random, [...cluster.machines.values()]);
    machine.clockRate = pick(random, [0.5, 0.5 + random() * 1.5, 1, 2]);
    machine.life?.setRate(machine.clockRate);
    cluster.count(
      "clock rate",
      `node ${machine.id}'s clock runs at ${machine.clockRate.toFixed(2)}`,
    );
  },
  relent(cluster) {
    for (const machine of cluster.machines.values()) {
      machine.clockRate = 1;
      machine.life?.setRate(1);
    }
  },
};

/** A wall clock that is set, by up to a day either way. */
export const wallJump: Nemesis = {
  name: "wall jump",
  everyElections: 20,
  strike(cluster, random) {
    const machine = pick(random, [...cluster.machines.values()]);
    const byMs = (random() * 2 - 1) * pick(random, [1_000, 86_400_000]);
    machine.wallAheadMs += byMs;
    machine.life?.jumpWall(byMs);
    cluster.count("wall jump", `node ${machine.id}'s wall clock is set by ${byMs.toFixed(0)} ms`);
  },
};
