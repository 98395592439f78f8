/** Holds the rules of the house by reading the sources: what may import what, where the outside
 *  world may be touched, how long and how wide things may be, and what must never be committed.
 *
 *  Each rule is a function from one file to its violations. Every rule is also shown a planted
 *  violation, so that a rule which has stopped seeing anything fails. */
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { rules, unpinned } from "./tidy/rules.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The whole top level, dotfiles aside. */
const topLevel = [
  ...["LICENSE", "README.md", "build", "package-lock.json", "package.json"],
  ...["src", "test", "tsconfig.json"],
];
const topLevelIgnored = ["node_modules"];

const files = ["src", "test", "build"].flatMap((folder) => filesUnder(join(root, folder)));

const sourceFolders = [
  ...new Set(files.map(({ path }) => /^src\/([^/]+)\/.*\.ts$/.exec(path)?.[1] ?? "")),
].filter((folder) => folder !== "");

describe.each(rules)("$sentence", (rule) => {
  it("holds in every file", () => {
    const violations = files.flatMap(({ path, text }) =>
      rule.check(path, text).map((violation) => `${path}: ${violation}`),
    );
    expect(violations.join("\n")).toBe("");
  });

  it.each(rule.planted)("is seen broken in planted file %#: %s", (path, text) => {
    expect(rule.check(path, text)).not.toEqual([]);
  });

  it.each(rule.allowed)("is seen kept in look-alike %#: %s", (path, text) => {
    expect(rule.check(path, text)).toEqual([]);
  });
});

describe("the tree", () => {
  it("has a fixed top level", () => {
    const names = readdirSync(root).filter((name) => !name.startsWith("."));
    expect(names.filter((name) => !topLevelIgnored.includes(name)).toSorted()).toEqual(
      topLevel.toSorted(),
    );
  });

  it.each(sourceFolders)("explains src/%s in a README.md", (folder) => {
    expect(existsSync(join(root, "src", folder, "README.md"))).toBe(true);
  });

  it("was read at all", () => {
    expect(files.length).toBeGreaterThan(10);
  });
});

describe("package.json", () => {
  const manifest: Manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

  it("depends on three packages at run time", () => {
    expect(Object.keys(manifest.dependencies)).toEqual(["citty", "consola", "msgpackr"]);
  });

  it("pins every version exactly", () => {
    expect(unpinned({ ...manifest.dependencies, ...manifest.devDependencies })).toEqual([]);
    expect(unpinned({ a: "^1.0.0", b: "1.0.0", c: "latest" })).toEqual(["a", "c"]);
  });

  it("is locked without the address of any registry", () => {
    const lock = readFileSync(join(root, "package-lock.json"), "utf8");
    expect(lock).not.toContain('"resolved"');
  });
});

interface Manifest {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
}

function filesUnder(directory: string): { path: string; text: string }[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .map((name) => join(directory, name))
    .filter((file) => !file.startsWith(join(root, "build", "out")) && statSync(file).isFile())
    .map((file) => ({
      path: relative(root, file).replaceAll("\\", "/"),
      text: readFileSync(file, "utf8"),
    }));
}
