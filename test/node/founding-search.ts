/** Breadth first through the space of foundings, with a visited set of four numbers a world. */

import type { FoundingSpace, Outcome } from "./founding-space.ts";
import { PERMUTATIONS } from "./founding-space.ts";

/** Three machines and the rest, as numbers of the space. */
export type World = readonly [number, number, number, number];

export interface SearchOptions {
  readonly wipes: number;
  readonly crashes: number;
  /** Asked now and then with the states so far; true ends the search. */
  readonly enough?: (states: number) => boolean;
  /** What must hold in every world: a sentence about what does not, or null. */
  readonly check: (space: FoundingSpace, world: World) => string | null;
}

export interface SearchResult {
  /** Worlds visited; those that differ in their ids only are one. */
  readonly worlds: number;
  /** The same, each counted once for every way to give the ids. */
  readonly states: number;
  /** True when there was nothing left to visit. */
  readonly whole: boolean;
  readonly failure: string | null;
  /** The path to the failure, a step a line. */
  readonly path: readonly string[];
}

export function search(space: FoundingSpace, options: SearchOptions): SearchResult {
  const visited = new Visited();
  const { wipes: wipesLeft, crashes: crashesLeft } = options;
  const rest = space.rests.number({ memberships: [], wipesLeft, crashesLeft });
  visited.add(canonical(space, [...space.fresh(), rest]), 0);
  let states = 0;
  for (let at = 0; at < visited.size; at++) {
    const world = visited.world(at);
    const failure = options.check(space, world);
    states += renamings(space, world);
    const ended = { worlds: at + 1, states, whole: false };
    if (failure !== null) return { ...ended, failure, path: visited.path(space, at) };
    if ((at & 1_023) === 0 && options.enough?.(states) === true)
      return { ...ended, failure: null, path: [] };
    for (const next of stepsFrom(space, world)) visited.add(canonical(space, next), at);
  }
  return { worlds: visited.size, states, whole: true, failure: null, path: [] };
}

/** Every other world that one step leads to. */
function stepsFrom(space: FoundingSpace, world: World): World[] {
  const next: World[] = [];
  const { wipesLeft, crashesLeft } = space.rests.values[world[3]]!;
  for (let at = 0; at < 3; at++) {
    const number = world[at]!;
    const step = (outcome: Outcome): void => {
      if (outcome.machine !== number || outcome.founded !== null)
        next.push(put(space, world, at, outcome));
    };
    for (const outcome of space.alone(number)) step(outcome);
    for (let from = 0; from < 3; from++)
      if (from !== at) step(space.heard(number, space.said(world[from]!)));
    if (crashesLeft > 0) {
      const hows = space.machine(number).writing === null ? NOT_KEPT : EITHER;
      for (const how of hows)
        next.push(spend(space, put(space, world, at, space.crashed(number, how)), false));
    }
    if (wipesLeft > 0)
      next.push(spend(space, put(space, world, at, space.crashed(number, "wiped")), true));
  }
  return next;
}

const NOT_KEPT = ["not kept"] as const;
const EITHER = ["kept", "not kept"] as const;

/** One machine is another; what its process said until now is still under way to the others. */
function put(space: FoundingSpace, world: World, at: number, outcome: Outcome): World {
  const { machine, founded } = outcome;
  const before = world[at]!;
  if (machine === before && founded === null) return world;
  const made: [number, number, number, number] = [...world];
  made[at] = machine;
  const said = space.said(before);
  if (space.said(machine) !== said) {
    for (let other = 0; other < 3; other++)
      if (other !== at) made[other] = space.mailed(made[other]!, said);
  }
  if (founded !== null) made[3] = space.joined(made[3], founded, at + 1);
  return made;
}

function spend(space: FoundingSpace, world: World, wipe: boolean): World {
  const rest = space.rests.values[world[3]]!;
  const wipesLeft = rest.wipesLeft - (wipe ? 1 : 0);
  const crashesLeft = rest.crashesLeft - (wipe ? 0 : 1);
  const [a, b, c] = world;
  return [a, b, c, space.rests.number({ ...rest, wipesLeft, crashesLeft })];
}

/** No further fault: the dead are found silent, what was said late is lost, everybody hears
 *  everybody, until nothing changes. */
export function settled(space: FoundingSpace, world: World): World {
  let now = world;
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const before = now;
    for (let at = 0; at < 3; at++) {
      for (const said of space.machine(now[at]!).processes) {
        const number = space.saids.number(said);
        const isAlive = now.slice(0, 3).some((other) => isSameProcess(space, other, number));
        if (!isAlive) now = put(space, now, at, space.lost(now[at]!, number));
      }
      for (let from = 0; from < 3; from++) {
        if (from === at) continue;
        now = put(space, now, at, space.heard(now[at]!, space.said(now[from]!)));
      }
      if (space.machine(now[at]!).writing !== null)
        now = put(space, now, at, space.synced(now[at]!));
    }
    if (before.every((number, at) => number === now[at])) return now;
  }
  return now;
}

/** Three steps to a record, one to membership, each may need everybody to hear of it. */
const ROUNDS_MAX = 12;

function isSameProcess(space: FoundingSpace, machine: number, said: number): boolean {
  const { id, generation, boots } = space.saids.values[said]!;
  const process = space.machine(machine);
  return process.id === id && process.generation === generation && process.boots === boots;
}

/** The smallest of the six worlds that differ in their ids only. */
function canonical(space: FoundingSpace, world: World): World {
  const [one, two, three, rest] = world;
  const numbers = [space.permuted(one), space.permuted(two), space.permuted(three)] as const;
  const rests = space.permutedRest(rest);
  let [a, b, c, d] = world;
  for (let permutation = 1; permutation < 6; permutation++) {
    const from = INVERSES[permutation]!;
    const first = numbers[from[0]][permutation]!;
    if (first > a) continue;
    const second = numbers[from[1]][permutation]!;
    if (first === a && second > b) continue;
    const third = numbers[from[2]][permutation]!;
    if (first === a && second === b && third > c) continue;
    const fourth = rests[permutation]!;
    if (first === a && second === b && third === c && fourth >= d) continue;
    [a, b, c, d] = [first, second, third, fourth];
  }
  return [a, b, c, d];
}

/** How many worlds differ from this one in their ids only, itself included. */
function renamings(space: FoundingSpace, world: World): number {
  const rests = space.permutedRest(world[3]);
  const numbers = [0, 1, 2].map((at) => space.permuted(world[at]!));
  let same = 0;
  for (let permutation = 0; permutation < 6; permutation++) {
    const from = INVERSES[permutation]!;
    const isSame = from.every((source, at) => numbers[source]![permutation] === world[at]);
    if (isSame && rests[permutation] === world[3]) same += 1;
  }
  return 6 / same;
}

/** Whose number becomes the first, the second and the third one. */
const INVERSES = PERMUTATIONS.map((to) => {
  const from = [0, 1, 2].map((at) => to.indexOf(at) as 0 | 1 | 2);
  return [from[0]!, from[1]!, from[2]!] as const;
});

/** Worlds in the order of their discovery, each with the one it was found from: 20 bytes a world
 *  and 4 to 8 bytes of index. */
class Visited {
  size = 0;
  #worlds = new Uint32Array(5 << 12);
  #index = new Uint32Array(1 << 13);

  world(at: number): World {
    const from = at * 5;
    const worlds = this.#worlds;
    return [worlds[from]!, worlds[from + 1]!, worlds[from + 2]!, worlds[from + 3]!];
  }

  add(world: World, from: number): void {
    const slot = this.#slot(world);
    if (this.#index[slot] !== 0) return;
    if (this.#worlds.length < (this.size + 1) * 5) {
      const grown = new Uint32Array(this.#worlds.length * 2);
      grown.set(this.#worlds);
      this.#worlds = grown;
    }
    this.#worlds.set([...world, from], this.size * 5);
    this.size += 1;
    this.#index[slot] = this.size;
    if (this.size * 2 > this.#index.length) this.#grow();
  }

  /** How a world was reached, oldest first. */
  path(space: FoundingSpace, at: number): readonly string[] {
    const lines: string[] = [];
    for (let now = at; ; now = this.#worlds[now * 5 + 4]!) {
      const [a, b, c, rest] = this.world(now);
      const { memberships } = space.rests.values[rest]!;
      lines.push(`${space.render([a, b, c])} members of: ${memberships.join(" ") || "nothing"}`);
      if (now === 0) return lines.reverse();
    }
  }

  /** Where the world is, or where it belongs. */
  #slot(world: World): number {
    const mask = this.#index.length - 1;
    let hash = 0;
    for (const number of world) {
      hash = Math.imul(hash ^ number, 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const there = this.#index[slot]!;
      if (there === 0) return slot;
      const from = (there - 1) * 5;
      const worlds = this.#worlds;
      if (
        worlds[from] === world[0] &&
        worlds[from + 1] === world[1] &&
        worlds[from + 2] === world[2] &&
        worlds[from + 3] === world[3]
      )
        return slot;
    }
  }

  #grow(): void {
    this.#index = new Uint32Array(this.#index.length * 2);
    for (let at = 0; at < this.size; at++) this.#index[this.#slot(this.world(at))] = at + 1;
  }
}
