/** All nemeses, and how they are set to work. */

import { beNasty, type NastyPlace } from "../../base/buggify.ts";
import { ln } from "../chance.ts";
import type { Cluster } from "../cluster.ts";
import { crash, crashInTurn, powerCut } from "./crash.ts";
import { diskError, fullDisk, killThenPower, slowDisk } from "./disk.ts";
import { badLinks } from "./links.ts";
import { learner, operatorStop, removal, transfer } from "./membership.ts";
import { flapping, leaderAside, partition } from "./partition.ts";
import { clockRate, orderlyStop, pause, wallJump } from "./process.ts";
import { bitRot, headRot, slotRot } from "./rot.ts";
import { doubledId, foreignCluster, garbage, replay } from "./strangers.ts";
import type { Nemesis } from "./types.ts";
import { wipe } from "./wipe.ts";

export const NEMESES: readonly Nemesis[] = [
  crash,
  powerCut,
  crashInTurn,
  partition,
  flapping,
  badLinks,
  diskError,
  killThenPower,
  fullDisk,
  slowDisk,
  pause,
  orderlyStop,
  clockRate,
  wallJump,
  bitRot,
  slotRot,
  headRot,
  wipe,
  learner,
  removal,
  transfer,
  operatorStop,
  foreignCluster,
  doubledId,
  replay,
  garbage,
  leaderAside,
];

/** How often production code is nasty at a place, per chance that it has. */
const NASTY_SHARE: Readonly<Record<NastyPlace, number>> = {
  "small batch": 0.2,
  "early segment": 0.01,
  "short read": 0.3,
  "small append": 0.2,
  "slow catch-up": 0.5,
  "busy append": 0.02,
  "busy read": 0.02,
  yield: 0.000_5,
};

/** Sets those of the plan to work until `untilMs`; they relent then. */
export function unleash(cluster: Cluster, untilMs: number): void {
  beNastyLike(cluster);
  cluster.schedule.at(untilMs, () => beNasty(null));
  for (const nemesis of NEMESES) {
    if (!cluster.plan.nemeses.includes(nemesis.name)) continue;
    const random = cluster.stream(nemesis.name);
    const again = (): void => {
      const everyMs = (nemesis.everyElections * cluster.electionMs) / cluster.plan.strikes;
      const pauseMs = -ln(1 - random()) * everyMs;
      const atMs = cluster.nowMs + pauseMs;
      if (atMs >= untilMs) return;
      cluster.schedule.at(atMs, () => {
        nemesis.strike(cluster, random);
        again();
      });
    };
    again();
    cluster.schedule.at(untilMs, () => nemesis.relent?.(cluster));
  }
}

function beNastyLike(cluster: Cluster): void {
  const { nasty } = cluster.plan;
  if (nasty.length === 0) return beNasty(null);
  const random = cluster.stream("nasty");
  const places = new Set(nasty);
  beNasty((place) => {
    if (!places.has(place) || random() >= NASTY_SHARE[place]) return false;
    cluster.count(`nasty: ${place}`);
    return true;
  });
}
