/** Medians, ranges and ratios over rounds. */
import { expect, it } from "vitest";
import type { Floors } from "../floor.ts";
import { compare, renderComparison, type Round } from "./comparison.ts";
import type { Level, Sample } from "./drivers.ts";

const levels: readonly Level[] = [
  { name: "1 outstanding", outstanding: 1, clients: 1, processes: 1 },
  { name: "64 outstanding", outstanding: 64, clients: 1, processes: 1 },
  { name: "64 over two processes", outstanding: 64, clients: 2, processes: 2 },
];

function floorsOf(entryMs: number): Floors {
  const times = { fdatasyncMs: 1, fdatasyncOfThreeMs: 2, roundTripMs: 3, sealedRoundTripMs: 4 };
  return { ...times, entryMs, sealedDatagramUs: 5, writeMBps: 6 };
}

function sampleOf(entriesPerSecond: number): Sample {
  const p50Ms = 1_000 / entriesPerSecond;
  return { entriesPerSecond, p50Ms, p99Ms: 2 * p50Ms, clientCores: 0.1, serverCores: 1.5 };
}

/** A round in which a side reached these rates at the three levels. */
function roundOf(entryMs: number, rates: Record<string, readonly number[]>): Round {
  const samples = Object.entries(rates).map(([side, own]) => [
    side,
    Object.fromEntries(own.map((rate, at) => [levels[at]?.name, sampleOf(rate)])),
  ]);
  return {
    floors: floorsOf(entryMs),
    samples: Object.fromEntries(samples),
    verified: {},
    notQuiet: [],
  };
}

const rounds = [
  roundOf(1, { raft: [500, 6_000, 12_000], etcd: [1_000, 2_000, 2_000] }),
  roundOf(2, { raft: [250, 9_000, 9_000], etcd: [250, 1_000, 1_100] }),
  roundOf(4, { raft: [125, 2_000, 2_000], etcd: [500, 400, 360] }),
];

it("a ratio is made within its round, before the median is taken", () => {
  const { levels: compared } = compare(rounds, ["raft", "etcd"], levels);
  const many = compared.find(({ level }) => level === "64 outstanding");
  // 3, 9 and 5; the ratio of the medians is 6.
  const paired = { median: 5, least: 3, most: 9, rounds: 3 };
  expect(many?.ratios[0]?.figures.entriesPerSecond).toEqual(paired);
  const one = compared[0]?.ratios[0];
  expect(one?.to).toBe("etcd");
  expect(one?.figures.entriesPerSecond).toEqual({ median: 0.5, least: 0.25, most: 1, rounds: 3 });
  expect(one?.figures.p50Ms).toEqual({ median: 2, least: 1, most: 4, rounds: 3 });
});

it("a median and a range are shown for every side", () => {
  const { levels: compared } = compare(rounds, ["raft", "etcd"], levels);
  const sides = compared[1]?.sides.map(({ side, figures }) => [side, figures.entriesPerSecond]);
  expect(sides).toEqual([
    ["raft", { median: 6_000, least: 2_000, most: 9_000, rounds: 3 }],
    ["etcd", { median: 1_000, least: 400, most: 2_000, rounds: 3 }],
  ]);
});

it("the latency of one entry is told in floors of its own round", () => {
  // 2 ms over 1 ms, 4 over 2, 8 over 4.
  const { floorsOfOne } = compare(rounds, ["raft", "etcd"], levels);
  expect(floorsOfOne).toEqual({ median: 2, least: 2, most: 2, rounds: 3 });
});

it("two client processes are compared with one, side by side", () => {
  const { twoProcesses } = compare(rounds, ["raft", "etcd"], levels);
  expect(twoProcesses.map(({ side, ratio }) => [side, ratio.median])).toEqual([
    ["raft", 1],
    ["etcd", 1],
  ]);
  expect(twoProcesses[0]?.ratio.most).toBe(2);
  expect(twoProcesses[1]?.ratio.least).toBe(0.9);
});

it("a round without a side counts for the others only", () => {
  const lone = roundOf(1, { raft: [1_000, 2_000, 2_000] });
  const { levels: compared } = compare([...rounds, lone], ["raft", "etcd"], levels);
  expect(compared[1]?.sides[0]?.figures.entriesPerSecond.rounds).toBe(4);
  expect(compared[1]?.sides[1]?.figures.entriesPerSecond.rounds).toBe(3);
  expect(compared[1]?.ratios[0]?.figures.entriesPerSecond.rounds).toBe(3);
});

it("the report names both sides, their ratio and the floors", () => {
  const text = renderComparison(compare(rounds, ["raft", "etcd"], levels), "raft").join("\n");
  expect(text).toMatch(/^64 outstanding +entries\/s/m);
  expect(text).toMatch(/^ {2}raft \/ etcd +5 \(3 \.\. 9\)/m);
  expect(text).toMatch(/floor of one entry.* 2 \(1 \.\. 4\) ms/);
  expect(text).toContain("p50 is 2 (2 .. 2) floors of one entry");
  expect(text).toContain("about 1 or less: the client is not the limit");
});

it("a side of which nothing was finished has no row", () => {
  const lone = roundOf(1, { raft: [1_000, 2_000, 2_000] });
  const text = renderComparison(compare([lone], ["raft", "etcd"], levels), "raft").join("\n");
  expect(text).toMatch(/^ {2}raft +1,000/m);
  expect(text).not.toContain("etcd");
  expect(text).not.toMatch(/ -$| - /m);
});
