/** The frame of the benchmark: what runs when, and what is said of it. */
import { describe, expect, it } from "vitest";
import { type Setting, workHash } from "./machine.ts";
import { plan } from "./plan.ts";
import { numberText, outcomeOf, renderReport, type Run } from "./report.ts";
import { higher, lower, type Scenario } from "./scenario.ts";
import { SCENARIOS } from "./scenarios/index.ts";

function scenario(name: string, settings: Scenario["settings"] = {}): Scenario {
  const run = () => Promise.reject(new Error("not run here"));
  return { name, about: name, main: true, settings, run };
}

const THREE = ["a", "b", "c"].map((name) => scenario(name));
const SETTING: Setting = {
  ...{ cpu: "some CPU", cores: 2, memoryGiB: 8, kernel: "Linux 6 x64", fileSystem: "ext4" },
  ...{
    version: "raft 1.0.0 (commit 99)",
    runtime: "Bun 1",
    commit: "0123456789ab+",
    executable: "abcdef012345",
    work: "fedcba987654",
  },
};

describe("the plan", () => {
  it("has every scenario once in every round, in orders that follow from the seed", () => {
    const names = (seed: number) =>
      plan(THREE, 20, seed).map(({ round, scenario: { name } }) => `${round}${name}`);
    expect(names(1)).toEqual(names(1));
    expect(names(1)).not.toEqual(names(2));
    const rounds = Array.from({ length: 20 }, (_, round) =>
      names(1).slice(3 * round, 3 * round + 3),
    );
    for (const [round, turns] of rounds.entries())
      expect(turns.toSorted()).toEqual(["a", "b", "c"].map((name) => `${round}${name}`));
    const firsts = new Set(rounds.map(([first]) => first?.slice(-1)));
    expect(firsts.size).toBe(3);
  });

  it("is told apart by a hash of the work", () => {
    const hash = workHash(THREE, 3, 1);
    expect(workHash([...THREE], 3, 1)).toBe(hash);
    const others = [
      workHash(THREE.slice(1), 3, 1),
      workHash(THREE, 4, 1),
      workHash(THREE, 3, 2),
      workHash([scenario("a", { size: 1 }), ...THREE.slice(1)], 3, 1),
    ];
    expect(new Set([hash, ...others]).size).toBe(5);
  });
});

describe("the scenarios", () => {
  it("have names of their own, that can be typed", () => {
    const names = SCENARIOS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[a-z][a-z0-9-]*$/);
  });

  it("differ in their settings or in what they do, and fit a line of help", () => {
    for (const { about } of SCENARIOS) expect(about.length).toBeLessThan(90);
  });
});

describe("the report", () => {
  const run = (round: number, entries: number, p50: number): Run => ({
    round,
    isQuiet: round !== 1,
    figures: [higher("entries", entries, "/s"), lower("p50", p50, "ms")],
    verified: 100,
  });
  const runs = [run(0, 31_000, 1.5), run(1, 28_000, 2.25), run(2, 90_000, 12.34)];
  const report = { setting: SETTING, seed: 1, seconds: 3, runs: 3 };

  it("shows medians and ranges, what ran on what, and what was verified", () => {
    const outcomes = [outcomeOf(scenario("a"), runs, [], null)];
    const text = renderReport({ ...report, outcomes });
    expect(text).toMatch(/^a +entries +31,000 \/s +28,000 \.\. 90,000 +3$/m);
    expect(text).toMatch(/^ +p50 +2\.25 ms +1\.5 \.\. 12\.3 +3$/m);
    expect(text).toContain(
      "raft 1.0.0 (commit 99), SHA-256 abcdef012345...; measured by commit 0123456789ab+",
    );
    expect(text).toContain("fedcba987654 (seed 1, 3 s of measuring, 3 rounds in random order)");
    expect(text).toContain("verified: all 300 acknowledged entries of the loads were read back");
    expect(text).not.toContain("sampled");
    expect(text).toContain("1 of 3 runs began on a machine that was not quiet");
  });

  it("says that nothing was finished, or that nothing was written", () => {
    const none = renderReport({ ...report, outcomes: [outcomeOf(scenario("a"), [], [], null)] });
    expect(none).toMatch(/\n\nnothing was finished$/);
    const floors = runs.slice(0, 1).map((one) => ({ ...one, verified: 0 }));
    const unwritten = {
      ...report,
      runs: 1,
      outcomes: [outcomeOf(scenario("a"), floors, [], null)],
    };
    expect(renderReport(unwritten)).toContain("1 round in random order");
    expect(renderReport(unwritten)).toMatch(/\n\nverified: nothing, as nothing was written$/);
  });

  it("says of how many entries only a part was read back", () => {
    const sampled = runs.map((one) => ({ ...one, sampled: { compared: 250, of: 10_000 } }));
    const outcomes = [outcomeOf(scenario("a"), runs, [], null)];
    const more = [...outcomes, outcomeOf(scenario("b"), sampled, [], null)];
    const text = renderReport({ ...report, outcomes: more });
    expect(text).toContain("verified: all 600 acknowledged entries");
    expect(text).toContain("sampled:  750 of 30,000 in logs that were made beforehand");
  });

  it("says what failed and what was not measured, and then not that all is verified", () => {
    const skipped = outcomeOf(scenario("b"), [], [], "install it");
    const failed = outcomeOf(scenario("c"), runs.slice(1), ["round 1: an entry is missing"], null);
    const text = renderReport({ ...report, outcomes: [skipped, failed] });
    expect(text).toContain("b: not measured: install it");
    expect(text).toContain("c: FAILED: round 1: an entry is missing");
    expect(text).not.toContain("verified: all");
  });

  it("shows three digits that count", () => {
    expect([0.1234, 1.234, 12.34, 123.4, 1_234.5, NaN].map(numberText)).toEqual([
      ...["0.123", "1.23", "12.3", "123", "1,235", "-"],
    ]);
  });
});
