/** Links that carry nothing for a while: who hears whom is any of the shapes that have broken
 *  clusters. Programs' machines are on one side or another, as chance has it. */

import type { Random } from "../../base/random.ts";
import { between, pick } from "../chance.ts";
import type { Cluster } from "../cluster.ts";
import type { Machine } from "../machine.ts";
import { later } from "./later.ts";
import type { Nemesis } from "./types.ts";

type Link = readonly [from: string, to: string];

/** Which links are cut, given all hosts in a random order, the machines first. */
type Shape = (hosts: readonly string[], random: Random) => readonly Link[];

const isolate: Shape = (hosts) => {
  const [alone = ""] = hosts;
  return linksWhere(hosts, (from, to) => from === alone || to === alone);
};

const split: Shape = (hosts, random) => {
  const side = sides(hosts, random);
  return linksWhere(hosts, (from, to) => side.get(from) !== side.get(to));
};

/** Two groups, and one host that both of them hear. */
const bridge: Shape = (hosts, random) => {
  const [middle] = hosts;
  const side = sides(hosts, random);
  return linksWhere(
    hosts,
    (from, to) => from !== middle && to !== middle && side.get(from) !== side.get(to),
  );
};

/** Each host hears its two neighbours only. */
const ring: Shape = (hosts) => {
  const place = new Map(hosts.map((host, at) => [host, at]));
  return linksWhere(hosts, (from, to) => {
    const apart = Math.abs((place.get(from) ?? 0) - (place.get(to) ?? 0));
    return apart !== 1 && apart !== hosts.length - 1;
  });
};

const oneWay: Shape = (hosts, random) => {
  const side = sides(hosts, random);
  return linksWhere(hosts, (from, to) => side.get(from) === true && side.get(to) === false);
};

/** One link in one direction. */
const oneLink: Shape = (hosts) => {
  const [from = "", to = ""] = hosts;
  return [[from, to]];
};

const SHAPES: readonly (readonly [name: string, shape: Shape])[] = [
  ["isolate", isolate],
  ["split", split],
  ["bridge", bridge],
  ["ring", ring],
  ["one-way", oneWay],
  ["one link", oneLink],
];

/** A leader whom the other machines do not hear, and programs do: another is elected, and this one
 *  may not know it. At times it stands still until then. */
export const leaderAside: Nemesis = {
  name: "leader aside",
  everyElections: 10,
  strike(cluster, random) {
    const leader = leaderIn([...cluster.machines.values()]);
    const life = leader?.life ?? null;
    if (leader === undefined || life === null || life.paused) return;
    const hosts = [...cluster.machines.values()].map(({ host }) => host);
    const links = linksWhere(hosts, (from, to) => from === leader.host || to === leader.host);
    cut(cluster, links);
    const isStill = random() < 0.5;
    if (isStill) life.pause();
    const how = isStill ? " and stands still" : "";
    cluster.count(`leader aside${how}`, `leader ${leader.id} is cut off${how}; programs hear it`);
    const lastsMs = cluster.electionMs * (1 + random() * 5);
    if (isStill) later(cluster, lastsMs, () => life.resume("sockets first"));
    later(cluster, lastsMs + cluster.electionMs * random(), () => mend(cluster, links));
  },
  relent(cluster) {
    cluster.network.mendAll();
    for (const { life } of cluster.machines.values()) life?.resume();
  },
};

export const partition: Nemesis = {
  name: "partition",
  everyElections: 15,
  strike(cluster, random) {
    const [name, shape] = pick(random, SHAPES);
    const links = shape(shuffledHosts(cluster, random), random);
    cut(cluster, links);
    cluster.count(`partition: ${name}`, `the network is cut (${name}): ${links.length} links`);
    const lastsMs = cluster.electionMs * (0.5 + random() * 12);
    later(cluster, lastsMs, () => {
      mend(cluster, links);
      cluster.tell(`the cut (${name}) is mended`);
    });
  },
  relent: (cluster) => cluster.network.mendAll(),
};

/** A cut that comes and goes, about as fast as elections do. */
export const flapping: Nemesis = {
  name: "flapping",
  everyElections: 25,
  strike(cluster, random) {
    const [name, shape] = pick(random, SHAPES);
    const links = shape(shuffledHosts(cluster, random), random);
    const times = between(random, 3, 12);
    const eachMs = cluster.electionMs * (0.1 + random() * 2);
    cluster.count(`flapping: ${name}`, `links flap (${name}), ${times} times`);
    for (let time = 0; time < times; time++) {
      const inMs = time * eachMs;
      later(cluster, inMs, () => cut(cluster, links));
      later(cluster, inMs + eachMs * (0.2 + random() * 0.7), () => mend(cluster, links));
    }
  },
  relent: (cluster) => cluster.network.mendAll(),
};

function cut(cluster: Cluster, links: readonly Link[]): void {
  for (const [from, to] of links) cluster.network.cut(from, to);
}

function mend(cluster: Cluster, links: readonly Link[]): void {
  for (const [from, to] of links) cluster.network.mend(from, to);
}

/** Machines before programs, each kind in a random order: the first ones are whom shapes single
 *  out. Half the time that is a leader. */
function shuffledHosts(cluster: Cluster, random: Random): readonly string[] {
  const all = shuffled(random, [...cluster.machines.values()]);
  const first = random() < 0.5 ? leaderIn(all) : undefined;
  const rest = all.filter((machine) => machine !== first);
  const machines = [...(first === undefined ? [] : [first]), ...rest].map(({ host }) => host);
  const programs = cluster.customers
    .map(({ host }) => host)
    .filter((host) => !machines.includes(host));
  return [...machines, ...shuffled(random, [...new Set(programs)])];
}

function leaderIn(machines: readonly Machine[]): Machine | undefined {
  return machines.find(({ process }) => process?.member?.core.role === "leader");
}

function sides(hosts: readonly string[], random: Random): ReadonlyMap<string, boolean> {
  const side = new Map(hosts.map((host) => [host, random() < 0.5]));
  // Two machines at least are apart.
  const [first = "", second = ""] = hosts;
  side.set(second, side.get(first) !== true);
  return side;
}

function linksWhere(
  hosts: readonly string[],
  isCut: (from: string, to: string) => boolean,
): readonly Link[] {
  return hosts.flatMap((from) =>
    hosts.flatMap((to): Link[] => (from !== to && isCut(from, to) ? [[from, to]] : [])),
  );
}

function shuffled<T>(random: Random, list: readonly T[]): readonly T[] {
  const places = list.map((item) => ({ item, at: random() }));
  return places.toSorted((a, b) => a.at - b.at).map(({ item }) => item);
}
