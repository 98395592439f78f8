/** Bytes that change on a disk, and sectors written where they do not belong: in what was synced
 *  and can be told from a torn end. Each record keeps a good copy on the other machines. */

import type { Random } from "../../base/random.ts";
import type { LogIndex } from "../../base/types.ts";
import { clusterIdOf } from "../../storage/founding.ts";
import { HARD_STATE_FILE } from "../../storage/hard-state.ts";
import { readIdentity } from "../../storage/identity.ts";
import type { LogLimits } from "../../storage/limits.ts";
import type { MemoryDisk } from "../../storage/memory-disk.ts";
import { reachedSegments, settleLast, surveySegments } from "../../storage/survey.ts";
import { between, pick } from "../chance.ts";
import type { Cluster } from "../cluster.ts";
import type { Machine } from "../machine.ts";
import { budgetOf } from "./budget.ts";
import { later } from "./later.ts";
import { bringBack, isFounded } from "./operator.ts";
import type { Nemesis } from "./types.ts";

/** How long rot that nobody has read stays, in election timeouts: the sector reads well again
 *  then. */
const STAYS_ELECTIONS = 30;
const SLOT_BYTES = 60;
const SLOTS_AT = [0, 4_096] as const;

/** Bytes of the log of which a change is damage, not a torn end. */
export interface LogPlace {
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
  readonly from: LogIndex;
  readonly to: LogIndex;
}

/** Every record that something valid was written behind, oldest first. */
export function provenRecords(disk: MemoryDisk, limits: LogLimits): readonly LogPlace[] {
  const read = disk.spare(() => readIdentity(disk));
  if (read?.ok !== true || read.identity.founding === null || !read.identity.member) return [];
  const { founding, incarnation } = read.identity;
  // A copy: looking at a directory may make it durable.
  const survey = surveySegments({
    disk: disk.copy(),
    clusterId: clusterIdOf(founding),
    incarnation,
    limits,
  });
  const { last, scan: lastScan } = settleLast(survey, []);
  return reachedSegments(survey, last).flatMap((segment) => {
    const scan = segment === last ? lastScan : segment.scan();
    const end = segment === last ? (lastScan.lastBatch?.offset ?? 0) : Infinity;
    return scan.records
      .filter(({ offset }) => offset < end)
      .map(({ offset, head }) => ({
        file: segment.name,
        offset,
        bytes: head.bytes,
        from: head.firstIndex,
        to: head.lastIndex,
      }));
  });
}

/** True when both slots hold the same: then either alone may rot. A disk that is about to fail
 *  would fail this look as well. */
export function isHardStateAtRest(disk: MemoryDisk): boolean {
  if (disk.faults.length > 0 || !disk.exists(HARD_STATE_FILE)) return false;
  const file = disk.open(HARD_STATE_FILE, false);
  const [first, second] = SLOTS_AT.map((at) => file.readSync(at, SLOT_BYTES));
  return first !== undefined && second !== undefined && Buffer.compare(first, second) === 0;
}

/** A record rots on a machine that was without power for a moment: what it lost of the rest is what
 *  a power cut loses. */
export const bitRot: Nemesis = {
  name: "bit rot",
  everyElections: 25,
  strike(cluster, random) {
    const machine = pick(random, [...cluster.machines.values()]);
    if (!machine.running || !isFounded(cluster)) return;
    if (!budgetOf(cluster).take(machine.id, "rot")) return;
    machine.cutPower(random, pick(random, [0, 0.5, 1]));
    const places = provenOrNone(machine.disk, cluster.plan.limits);
    const place = random() < 0.3 ? places.at(-1) : places[between(random, 0, places.length - 1)];
    if (place === undefined) budgetOf(cluster).release(machine.id);
    else spoil(cluster, random, machine, place);
    later(cluster, cluster.electionMs * random() * 3, () => machine.start());
  },
};

/** One of the two slots of term and vote. */
export const slotRot: Nemesis = {
  name: "slot rot",
  everyElections: 25,
  strike(cluster, random) {
    const machine = pick(random, [...cluster.machines.values()]);
    if (!machine.running) return;
    machine.cutPower(random, pick(random, [0, 0.5, 1]));
    if (isHardStateAtRest(machine.disk)) {
      const bit = pick(random, SLOTS_AT) * 8 + between(random, 0, SLOT_BYTES * 8 - 1);
      machine.disk.flipBit(HARD_STATE_FILE, bit);
      cluster.count("slot rot", `a slot of node ${machine.id}'s hard state rots`);
    }
    // Before anything else may fail: both slots are rewritten at the start.
    machine.start();
  },
};

/** A head of a segment, or the identity: the node cannot start, and is let in again empty. */
export const headRot: Nemesis = {
  name: "head rot",
  everyElections: 60,
  strike(cluster, random) {
    const machine = pick(random, [...cluster.machines.values()]);
    const { id } = machine;
    if (id > cluster.plan.nodes || !isFounded(cluster)) return;
    if (!budgetOf(cluster).take(id, "head rot")) return;
    machine.cutPower(random, 1);
    const [segment] = machine.disk.list().filter((name) => name.endsWith(".log"));
    const file = segment === undefined || random() < 0.3 ? "identity" : segment;
    machine.disk.flipBit(file, between(random, 0, 60) * 8 + between(random, 0, 7));
    cluster.count("head rot", `${file} of node ${id} rots`);
    machine.start();
    // When the faults end, at the latest: what starts then is the healer's to say.
    const atMs = cluster.nowMs + cluster.electionMs * (1 + random() * 4);
    cluster.schedule.at(Math.min(atMs, cluster.plan.faultsMs), () => {
      machine.wipe();
      cluster.tell(`node ${id} is wiped by hand`);
      machine.start();
      bringBack(cluster, random, id);
    });
  },
};

function spoil(cluster: Cluster, random: Random, machine: Machine, place: LogPlace): void {
  const { disk } = machine;
  const { file } = place;
  const misdirected = random() < 0.3;
  const bytes = misdirected ? Math.min(512, place.bytes) : 1;
  const offset = place.offset + between(random, 0, place.bytes - bytes);
  // A read that is to fail is the node's, not this one.
  const read = (): Uint8Array => disk.spare(() => disk.open(file, false).readSync(offset, bytes));
  const was = read();
  const inode = disk.fileId(file, false);
  const wrong = misdirected
    ? new Uint8Array(bytes).map(() => between(random, 0, 255))
    : was.slice();
  if (!misdirected) wrong[0] = (wrong[0] ?? 0) ^ (1 << between(random, 0, 7));
  disk.overwrite(file, offset, wrong);
  const what = misdirected ? "misdirected write" : "bit rot";
  const where = `${file} at ${offset} (entries ${place.from} to ${place.to})`;
  cluster.count(what, `${what} on node ${machine.id}: ${where}`);
  const isThere = (): boolean =>
    machine.disk === disk && disk.exists(file) && disk.fileId(file, false) === inode;
  const untilMs = cluster.nowMs + cluster.electionMs * STAYS_ELECTIONS;
  const look = (): void => {
    if (isThere() && cluster.nowMs >= untilMs) disk.overwrite(file, offset, was);
    const whole = !isThere() || Buffer.compare(read(), was) === 0;
    if (whole && isWhole(machine)) budgetOf(cluster).release(machine.id);
    else cluster.schedule.at(cluster.nowMs + cluster.electionMs * 2, look);
  };
  cluster.schedule.at(cluster.nowMs + cluster.electionMs * 2, look);
}

/** It runs as a member, has read nothing that is damaged, and may vote. */
function isWhole({ process }: Machine): boolean {
  const member = process?.member ?? null;
  return member !== null && member.log.damage.length === 0 && member.core.status().mute === null;
}

function provenOrNone(disk: MemoryDisk, limits: LogLimits): readonly LogPlace[] {
  try {
    return provenRecords(disk, limits);
  } catch {
    // What was damaged before is enough.
    return [];
  }
}
