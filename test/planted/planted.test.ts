/** That a planted bug is a bug and nothing else: its patch fits the source as it is today, what
 *  comes out is sound TypeScript, and nothing of it is in a program that did not ask for it. */
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CAMPAIGNS, filesOf, plantInto } from "./bug.ts";
import { BUGS } from "./bugs.ts";
import { bugNamed, plantedBug, plantedSource, root, vitePlugins } from "./planting.ts";

/** The least that the simulator must find without help. */
const SIMULATOR_BUGS_MIN = 12;

const sourceOf = (file: string): string => readFileSync(join(root, file), "utf8");

describe("the table of planted bugs", () => {
  it("has names of its own, a sentence for each, and at least 45 rows", () => {
    expect(BUGS.length).toBeGreaterThanOrEqual(45);
    expect(new Set(BUGS.map(({ name }) => name)).size).toBe(BUGS.length);
    for (const { name, knownBug, sentence } of BUGS) {
      expect(name).toMatch(/^[a-z]+(-[a-z]+)+$/);
      expect(knownBug, name).toMatch(/^(own|H?\d+(, H?\d+)*)$/);
      expect(sentence, name).toMatch(/^\S.{10,}\.$/);
    }
  });

  it("has bugs that each suite behind the unit tests must find by itself", () => {
    const must = BUGS.flatMap(({ alsoFoundBy }) => alsoFoundBy ?? []);
    const count = (suite: string): number => must.filter((one) => one === suite).length;
    expect(count("simulator")).toBeGreaterThanOrEqual(SIMULATOR_BUGS_MIN);
    for (const suite of ["random", ...CAMPAIGNS]) expect(count(suite), suite).toBeGreaterThan(0);
    for (const { name, random, alsoFoundBy } of BUGS)
      if (alsoFoundBy?.includes("random")) expect(random.length, name).toBeGreaterThan(0);
  });

  it("names test files that there are", () => {
    for (const { name, unit, random, processes } of BUGS) {
      for (const file of [...unit, ...random, ...(processes ?? [])])
        expect(existsSync(join(root, file)), `${name}: ${file}`).toBe(true);
    }
  });
});

describe.each(BUGS.map((bug) => [bug.name, bug] as const))("%s", (_, bug) => {
  it.each(filesOf(bug))("fits %s once, changes it, and it still parses", (file) => {
    const planted = plantedSource(bug, file);
    expect(planted).not.toBe(sourceOf(file));
    new Bun.Transpiler({ loader: "ts" }).transformSync(planted);
  });
});

describe("a patch", () => {
  const bug = {
    ...bugNamed("commit-older-term"),
    also: [{ file: "other.ts", find: "b", replace: "$&" }],
  };

  it("whose text stands nowhere, or twice, is refused", () => {
    expect(() => plantInto(bug, bug.file, "nothing")).toThrow("stands 0 times");
    expect(() => plantInto(bug, "other.ts", "b b")).toThrow("stands 2 times");
  });

  it("leaves other files alone, and its text is taken as it is", () => {
    expect(plantInto(bug, "third.ts", "b")).toBe("b");
    expect(plantInto(bug, "other.ts", "a b c")).toBe("a $& c");
  });
});

describe("without the flag", () => {
  it("nothing is planted, and an unknown name is an error", () => {
    expect(plantedBug({})).toBeNull();
    expect(plantedBug({ RAFT_PLANT: "" })).toBeNull();
    expect(plantedBug({ RAFT_PLANT: "commit-older-term" })?.knownBug).toBe("13");
    expect(() => plantedBug({ RAFT_PLANT: "no-such-bug" })).toThrow("no planted bug");
    if (process.env["RAFT_PLANT"] === undefined) expect(vitePlugins()).toEqual([]);
  });

  it("no source and no build script knows of planted bugs or of test code", () => {
    for (const folder of ["src", "build"]) {
      const names = readdirSync(join(root, folder), { recursive: true, encoding: "utf8" });
      for (const name of names.filter((path) => path.endsWith(".ts"))) {
        const text = sourceOf(join(folder, name));
        expect(text, name).not.toMatch(/RAFT_PLANT|from "[./]*\/test\//);
      }
    }
  });

  it("what is bundled holds neither the flag nor the name of a bug", async () => {
    const directory = mkdtempSync(join(tmpdir(), "raft-planted-"));
    try {
      const entrypoints = [join(root, "src", "cli", "main.ts")];
      const made = await Bun.build({ entrypoints, outdir: directory, target: "bun" });
      const bundles = await Promise.all(made.outputs.map((output) => output.text()));
      const text = bundles.join("\n");
      expect(text.length).toBeGreaterThan(100_000);
      expect(text).not.toContain("RAFT_PLANT");
      expect(BUGS.filter(({ name }) => text.includes(name))).toEqual([]);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
