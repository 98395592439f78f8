/** Nasty places: off unless the simulator turns them on, and turned on by nobody else. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { beNasty, nasty } from "../../src/base/buggify.ts";

const SOURCES = join(import.meta.dirname, "../../src");

describe("nasty places", () => {
  afterEach(() => beNasty(null));

  it("are never nasty unless a simulation says so", () => {
    expect(nasty("small batch")).toBe(false);
    beNasty((place) => place === "small batch");
    expect([nasty("small batch"), nasty("yield")]).toEqual([true, false]);
    beNasty(null);
    expect(nasty("small batch")).toBe(false);
  });

  it("are decided upon by src/sim alone", () => {
    const deciders = readdirSync(SOURCES, { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .filter((file) => readFileSync(join(SOURCES, file), "utf8").includes("beNasty"));
    expect(deciders.filter((file) => !file.startsWith("sim/")).toSorted()).toEqual([
      "base/buggify.ts",
    ]);
  });
});
