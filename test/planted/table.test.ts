/** That the measure of the planted bugs can fail: a bug that nothing finds, and one that is not
 *  found by the suite which must find it, are failures. */
import { describe, expect, it } from "vitest";
import { fromPlace, plantedFigure } from "../prove/planted.ts";
import { BUGS } from "./bugs.ts";
import { bugNamed } from "./planting.ts";
import type { Finding } from "./suites.ts";
import { renderRow } from "./table.ts";
import type { Row } from "./table.ts";

const bug = bugNamed("answer-when-appended");
const unit: Finding = { suite: "unit", outcome: "found", by: "a test", seeds: null, cpuSeconds: 1 };
const silent: Finding = { ...unit, suite: "simulator", outcome: "missed", by: "nothing broke" };
const seen: Finding = { ...unit, suite: "simulator", by: "seed 4: Chain: two", seeds: 4 };

function row(findings: readonly Finding[], owed: readonly Finding[]): Row {
  const finding = findings.find(({ outcome }) => outcome === "found") ?? null;
  return { bug, findings, finding, owed, cpuSeconds: 1 };
}

describe("the figure of the planted bugs", () => {
  it("names every suite that found one", () => {
    const figure = plantedFigure([row([unit, seen], [])]);
    expect(figure).toMatchObject({ done: 1, bad: 0, ok: true, failures: [] });
    expect(figure.text).toContain("by one suite alone: simulator 1 of 1");
    expect(figure.planted?.[0]?.foundBy).toBe(
      "unit, 1.0 CPU-s: a test; simulator, seed 4, 1.0 CPU-s: seed 4: Chain: two",
    );
  });

  it("is bad when a suite does not find what it must find, whatever else does", () => {
    const missed = row([unit, silent], [silent]);
    const figure = plantedFigure([missed]);
    expect(figure).toMatchObject({ bad: 1, ok: false });
    expect(figure.failures[0]).toMatch(/^simulator does not find answer-when-appended \(missed/);
    expect(figure.planted?.[0]?.foundBy).toContain("; not by simulator (missed)");
    expect(renderRow(missed)).toMatch(/^MISSED/);
  });

  it("is bad when nothing finds one", () => {
    const figure = plantedFigure([row([silent], [silent])]);
    expect(figure).toMatchObject({ bad: 1, ok: false });
    expect(figure.failures[0]).toMatch(/^nothing finds answer-when-appended/);
  });
});

describe("the order of the bugs", () => {
  it("holds each once, begins elsewhere another day, and reaches every place", () => {
    const day = (at: number) => fromPlace(at * 1_000_000);
    for (const at of [0, 1, 20_000]) expect(new Set(day(at)).size).toBe(BUGS.length);
    const firsts = new Set(BUGS.map((_, at) => day(at)[0]?.name));
    expect(firsts.size).toBe(BUGS.length);
  });

  it("shows what a suite must find by itself in every stretch of it", () => {
    const order = fromPlace(0);
    const several = BUGS.filter(({ alsoFoundBy }) => alsoFoundBy !== undefined).length;
    const stretch = 2 * Math.ceil(BUGS.length / several);
    for (let from = 0; from + stretch <= order.length; from++)
      expect(order.slice(from, from + stretch).some((one) => one.alsoFoundBy)).toBe(true);
  });
});
