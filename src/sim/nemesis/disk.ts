/** Disks that fail, fill up, hang, and lose what was only in the page cache. Nothing that was
 *  synced is lost here: see rot.ts and wipe.ts. */

import { between, pick } from "../chance.ts";
import { later } from "./later.ts";
import type { Nemesis } from "./types.ts";

/** A read, a write or a sync that is refused once. What a failed sync was to make durable is gone:
 *  the page cache shows it, and the next sync "succeeds". */
export const diskError: Nemesis = {
  name: "disk error",
  everyElections: 15,
  strike(cluster, random) {
    const machine = pick(random, [...cluster.machines.values()]);
    const operation = pick(random, ["read", "write", "sync", "sync", "syncDirectory"] as const);
    const path = operation === "syncDirectory" ? "" : pick(random, ["", ".log", "hardstate"]);
    machine.disk.faults.push({ operation, path, code: "EIO", after: between(random, 0, 20) });
    cluster.count(`disk error: ${operation}`, `a ${operation} of node ${machine.id} will fail`);
  },
  relent(cluster) {
    for (const { disk } of cluster.machines.values()) disk.faults.length = 0;
  },
};

/** A kill, and the power goes soon after: what the next process read was in the page cache only. */
export const killThenPower: Nemesis = {
  name: "kill, then power",
  everyElections: 20,
  strike(cluster, random) {
    const machine = pick(random, [...cluster.machines.values()]);
    if (!machine.running) return;
    if (random() < 0.5) {
      machine.disk.faults.push({ operation: "sync", path: "", code: "EIO", after: 0 });
    }
    machine.kill();
    machine.start();
    cluster.count("kill, then power", `node ${machine.id} is killed, and its power goes soon`);
    const keep = pick(random, [0, 0, 0.5]);
    later(cluster, cluster.electionMs * random() * 0.5, () => {
      machine.cutPower(random, keep);
      machine.start();
    });
  },
};

/** No space for a while. */
export const fullDisk: Nemesis = {
  name: "full disk",
  everyElections: 25,
  strike(cluster, random) {
    const { id, disk } = pick(random, [...cluster.machines.values()]);
    disk.capacityBytes = disk.usedBytes() + between(random, 0, 40_000);
    cluster.count("full disk", `node ${id}'s disk is nearly full`);
    later(cluster, cluster.electionMs * (1 + random() * 15), () => {
      disk.capacityBytes = Number.MAX_SAFE_INTEGER;
    });
  },
  relent(cluster) {
    for (const { disk } of cluster.machines.values()) disk.capacityBytes = Number.MAX_SAFE_INTEGER;
  },
};

/** Every sync takes long, or hangs for many election timeouts. */
export const slowDisk: Nemesis = {
  name: "slow disk",
  everyElections: 20,
  strike(cluster, random) {
    const machine = pick(random, [...cluster.machines.values()]);
    const { electionMs } = cluster;
    const hangs = random() < 0.3;
    const syncMaxMs = hangs ? electionMs * 30 : electionMs * (0.1 + random() * 1.5);
    machine.diskQuality = { ...cluster.plan.disk, syncMinMs: syncMaxMs / 3, syncMaxMs };
    const what = hangs ? "hung disk" : "slow disk";
    cluster.count(what, `node ${machine.id} has a ${what}`);
    later(cluster, electionMs * (1 + random() * 10), () => {
      machine.diskQuality = cluster.plan.disk;
    });
  },
  relent(cluster) {
    for (const machine of cluster.machines.values()) machine.diskQuality = cluster.plan.disk;
  },
};
