/** A few data directories, the processes that run in them, and the hellos between them: every
 *  step that the world may take, for the exhaustive search and the random one. */

import type { FoundingRecord, NodeId } from "../../src/base/types.ts";
import { DEFAULT_TIMINGS } from "../../src/node/types.ts";
import type { FormationOrder } from "../../src/node/formation.ts";
import { Formation } from "../../src/node/formation.ts";
import type { NodeHello } from "../../src/transport/types.ts";

export const CLUSTER = "raft";

/** A hello with everything that formation does not look at filled in. */
export function helloOf(parts: Partial<NodeHello> & Pick<NodeHello, "id">): NodeHello {
  return {
    incarnation: `${parts.id}a`,
    bootId: `${parts.id}a.1`,
    bootCount: 1,
    clusterId: null,
    founding: null,
    foundedMs: null,
    lastIndex: 0,
    member: false,
    founders: [1, 2, 3],
    timings: DEFAULT_TIMINGS,
    met: [],
    version: "1.0.0",
    wireMin: 1,
    wireMax: 1,
    features: 0,
    addresses: [],
    receiveWindowBytes: 1,
    userHost: `ana@lab-0${parts.id}`,
    uptimeMs: 0,
    dataDir: null,
    ...parts,
  };
}

/** One machine: a directory (incarnation, record), and the process in it, when it runs. */
export interface Machine {
  id: NodeId;
  generation: number;
  boots: number;
  disk: FoundingRecord | null;
  formation: Formation | null;
}

/** The last words of a dead process, still under way to those who had met it: they arrive late
 *  or never. */
export interface LastWords {
  hello: NodeHello;
  to: Map<NodeId, string>;
}

export interface World {
  founders: readonly NodeId[];
  machines: Machine[];
  lastWords: LastWords[];
  /** Every record under which any process has ever become a member, as text. */
  memberships: Set<string>;
  wipesLeft: number;
  crashesLeft: number;
}

export function openWorld(size: number, wipesLeft: number, crashesLeft: number): World {
  const founders = Array.from({ length: size }, (_, at) => at + 1);
  const world: World = {
    founders,
    machines: [],
    lastWords: [],
    memberships: new Set(),
    wipesLeft,
    crashesLeft,
  };
  for (const id of founders) {
    const machine: Machine = { id, generation: 0, boots: 0, disk: null, formation: null };
    world.machines.push(machine);
    boot(world, machine);
  }
  return world;
}

export function cloneWorld(world: World): World {
  return {
    ...world,
    machines: world.machines.map((machine) => ({
      ...machine,
      formation: machine.formation?.clone() ?? null,
    })),
    lastWords: world.lastWords,
    memberships: new Set(world.memberships),
  };
}

export function bootIdOf(machine: Machine): string {
  return `${machine.id}${"abc"[machine.generation]}.${machine.boots}`;
}

export function helloFrom(world: World, machine: Machine): NodeHello {
  const formation = machine.formation;
  if (formation === null) throw new Error("a dead machine says nothing");
  return helloOf({
    id: machine.id,
    incarnation: formation.incarnation,
    bootId: bootIdOf(machine),
    bootCount: machine.boots,
    founding: formation.record,
    member: formation.member,
    founders: world.founders,
    met: formation.met(),
  });
}

export function boot(world: World, machine: Machine): void {
  machine.boots += 1;
  machine.formation = new Formation({
    cluster: CLUSTER,
    id: machine.id,
    incarnation: `${machine.id}${"abc"[machine.generation]}`,
    founders: world.founders,
    record: machine.disk,
    member: false,
  });
  obey(world, machine.formation.start());
}

export function obey(world: World, orders: readonly FormationOrder[]): void {
  for (const order of orders) {
    if (order.type === "becomeMember") world.memberships.add(JSON.stringify(order.record));
  }
}

export function hear(world: World, machine: Machine, hello: NodeHello): void {
  if (machine.formation !== null) obey(world, machine.formation.heard(hello, true));
}

export function sync(world: World, machine: Machine): void {
  const formation = machine.formation;
  if (formation === null || formation.writing === null) return;
  machine.disk = formation.writing;
  obey(world, formation.recordSynced());
}

/** Ends a process and starts the next. An unsynced record may have reached the disk or not. A
 *  wipe empties the directory. What the process said last may still arrive at those who run on. */
export function crash(world: World, machine: Machine, kept: boolean, wiped: boolean): void {
  const formation = machine.formation;
  if (formation === null) return;
  const to = new Map(
    world.machines.filter((other) => other !== machine).map((other) => [other.id, bootIdOf(other)]),
  );
  world.lastWords = [...world.lastWords, { hello: helloFrom(world, machine), to }];
  if (kept && formation.writing !== null) machine.disk = formation.writing;
  if (wiped) {
    machine.disk = null;
    machine.generation += 1;
    machine.boots = 0;
  }
  boot(world, machine);
}

/** The world as text: equal texts, equal futures. */
export function fingerprint(world: World): string {
  const records = (record: FoundingRecord | null): string =>
    record === null ? "-" : record.founders.map(({ incarnation }) => incarnation).join("");
  const hello = (one: NodeHello): string =>
    `${one.bootId}${records(one.founding)}${one.member ? "m" : ""}`;
  const machines = world.machines.map((machine) => {
    const formation = machine.formation;
    if (formation === null) return "";
    const processes = [...formation.processes.values()]
      .map((process) => hello(process.hello))
      .sort();
    return [
      bootIdOf(machine),
      records(machine.disk),
      records(formation.record),
      records(formation.writing),
      formation.member ? "m" : "",
      processes.join(","),
      [...formation.signers].sort((a, b) => a - b).join(""),
    ].join(" ");
  });
  const words = world.lastWords.map((last) => {
    const still = world.machines
      .filter((one) => last.to.get(one.id) === bootIdOf(one))
      .map(({ id }) => id);
    return `${hello(last.hello)}>${still.join("")}`;
  });
  return [
    ...machines,
    words.sort().join(","),
    [...world.memberships].sort().join(),
    world.wipesLeft,
    world.crashesLeft,
  ].join("|");
}
