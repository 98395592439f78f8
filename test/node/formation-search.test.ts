/** Every order of hellos, syncs, crashes and wipes among two and three founders: at most one
 *  founding ever has members, and without a wipe everybody always ends up in it. The whole search
 *  of three founders is the measure in test/prove/founding.ts; here are its smaller stages. */

import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { World } from "./formation-world.ts";
import {
  bootIdOf,
  cloneWorld,
  crash,
  fingerprint,
  hear,
  helloFrom,
  openWorld,
  sync,
} from "./formation-world.ts";
import { checkSplit, checkWorld } from "./founding-checks.ts";
import { search as searchSpace } from "./founding-search.ts";
import { FoundingSpace } from "./founding-space.ts";

/** All worlds one step away. Steps that change nothing are dropped later, by their fingerprint. */
function stepsFrom(world: World): World[] {
  const next: World[] = [];
  const step = (change: (copy: World) => void): void => {
    const copy = cloneWorld(world);
    change(copy);
    next.push(copy);
  };
  for (const [at, machine] of world.machines.entries()) {
    const writing = machine.formation?.writing ?? null;
    if (writing !== null) step((copy) => sync(copy, copy.machines[at]!));
    for (const [from] of world.machines.entries()) {
      if (from === at) continue;
      step((copy) => hear(copy, copy.machines[at]!, helloFrom(copy, copy.machines[from]!)));
    }
    for (const last of world.lastWords) {
      if (last.to.get(machine.id) === bootIdOf(machine))
        step((copy) => hear(copy, copy.machines[at]!, last.hello));
    }
    for (const gone of machine.formation?.processes.keys() ?? []) {
      const alive = world.machines.some((other) => bootIdOf(other) === gone);
      if (!alive) step((copy) => copy.machines[at]!.formation!.lost(gone));
    }
    if (world.crashesLeft > 0) {
      for (const kept of writing === null ? [false] : [false, true]) {
        step((copy) => {
          copy.crashesLeft -= 1;
          crash(copy, copy.machines[at]!, kept, false);
        });
      }
    }
    if (world.wipesLeft > 0) {
      step((copy) => {
        copy.wipesLeft -= 1;
        crash(copy, copy.machines[at]!, false, true);
      });
    }
  }
  return next;
}

/** The dead are found silent and everybody hears everybody, until nothing changes. */
function settle(world: World): World {
  const copy = cloneWorld(world);
  for (let round = 0; round < 8; round++) {
    for (const machine of copy.machines) {
      for (const gone of [...(machine.formation?.processes.keys() ?? [])]) {
        if (!copy.machines.some((other) => bootIdOf(other) === gone)) machine.formation!.lost(gone);
      }
      for (const other of copy.machines) {
        if (other !== machine) hear(copy, machine, helloFrom(copy, other));
      }
      sync(copy, machine);
    }
  }
  return copy;
}

/** Visits every world that can be reached, or stops at `worldsMax` and says so. */
function search(
  start: World,
  worldsMax: number,
  visit: (world: World) => void,
): { worlds: number; whole: boolean } {
  const seen = new Set([fingerprint(start)]);
  const queue = [start];
  for (let at = 0; at < queue.length; at++) {
    const world = queue[at]!;
    visit(world);
    for (const next of stepsFrom(world)) {
      const print = fingerprint(next);
      if (seen.has(print)) continue;
      if (seen.size >= worldsMax) return { worlds: seen.size, whole: false };
      seen.add(print);
      queue.push(next);
    }
  }
  return { worlds: seen.size, whole: true };
}

function neverSplits(world: World): void {
  if (world.memberships.size > 1)
    throw new Error(`two foundings have members: ${fingerprint(world)}`);
}

function alwaysEndsFounded(world: World): void {
  neverSplits(world);
  const settled = settle(world);
  const members = settled.machines.filter((machine) => machine.formation?.member === true);
  if (members.length !== settled.machines.length || settled.memberships.size !== 1) {
    throw new Error(
      `not everybody is a member: ${fingerprint(settled)} from ${fingerprint(world)}`,
    );
  }
}

/** A walk: each number picks one of the steps that are possible then. */
function walk(start: World, picks: readonly number[], visit: (world: World) => void): World {
  let world = start;
  for (const pick of picks) {
    const next = stepsFrom(world);
    world = next[pick % next.length]!;
    visit(world);
  }
  return world;
}

/** The looser rule "who has signed is a member", to prove that the search can fail. */
function signedIsEnough(world: World): void {
  const records = world.machines.map((machine) => machine.formation?.record ?? null);
  for (const record of records) if (record !== null) world.memberships.add(JSON.stringify(record));
  neverSplits(world);
}

const picks = fc.array(fc.nat(1_000_000), { minLength: 10, maxLength: 60, size: "max" });

describe("a founding, searched exhaustively", () => {
  it("ends with two members of one founding after two crashes at any instant", () => {
    const found = search(openWorld(2, 0, 2), 100_000, alwaysEndsFounded);
    expect(found.whole).toBe(true);
    expect(found.worlds).toBeGreaterThan(1_000);
  }, 30_000);

  it("never splits two founders when one is wiped and one crashes", () => {
    const found = search(openWorld(2, 1, 1), 100_000, neverSplits);
    expect(found.whole).toBe(true);
    expect(found.worlds).toBeGreaterThan(1_000);
  }, 30_000);

  it.each([
    { wipes: 0, crashes: 2, states: 51_596 },
    { wipes: 1, crashes: 0, states: 43_445 },
  ])(
    "keeps three founders together, $wipes wiped and $crashes restarted",
    (stage) => {
      const found = searchSpace(new FoundingSpace(), { ...stage, check: checkWorld });
      expect(found.path).toEqual([]);
      expect(found).toMatchObject({ failure: null, whole: true, states: stage.states });
    },
    30_000,
  );

  it("keeps three founders together in the first worlds of two wipes and a restart", () => {
    const enough = (states: number): boolean => states >= 150_000;
    const options = { wipes: 2, crashes: 1, enough, check: checkWorld };
    const found = searchSpace(new FoundingSpace(), options);
    expect(found.path).toEqual([]);
    expect(found.failure).toBeNull();
    expect(found.states).toBeGreaterThanOrEqual(150_000);
  }, 120_000);

  it("never splits three founders in long random histories with two wipes and two crashes", () => {
    fc.assert(
      fc.property(picks, (chosen) => void walk(openWorld(3, 2, 2), chosen, neverSplits)),
      { numRuns: 700 },
    );
  }, 120_000);

  it("ends with three members of one founding after long histories with crashes only", () => {
    fc.assert(
      fc.property(picks, (chosen) =>
        alwaysEndsFounded(walk(openWorld(3, 0, 3), chosen, neverSplits)),
      ),
      { numRuns: 700 },
    );
  }, 30_000);

  it("finds the split of a looser rule", () => {
    expect(() => search(openWorld(2, 1, 0), 100_000, signedIsEnough)).toThrow("two foundings");
    const looser = new FoundingSpace(true);
    const found = searchSpace(looser, { wipes: 1, crashes: 0, check: checkSplit });
    expect(found.failure).toContain("a split");
    expect(found.path.length).toBeGreaterThan(3);
  });
});
