/** Runs the README: its commands exist, its demo starts, and what a person then types gives what
 *  the README shows, numbers and names apart. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { executable, world } from "./e2e/harness.ts";

const readme = readFileSync(fileURLToPath(new URL("../README.md", import.meta.url)), "utf8");
const manifest: { scripts: Record<string, string> } = JSON.parse(
  readFileSync(fileURLToPath(new URL("../package.json", import.meta.url)), "utf8"),
);

/** The indented blocks, as lists of lines without the indentation. */
const blocks = readme
  .split("\n")
  .reduce<string[][]>(
    (found, line) => {
      const isCode = line.startsWith("    ");
      if (isCode) found.at(-1)?.push(line.slice(4));
      else if (line.trim() !== "" && found.at(-1)?.length !== 0) found.push([]);
      return found;
    },
    [[]],
  )
  .filter((block) => block.length > 0);

/** The commands after `$ `, each with the lines that the README shows below it. */
const session = blocks
  .filter((block) => block[0]?.startsWith("$ "))
  .flatMap((block) => {
    const commands: { command: string; shown: string[] }[] = [];
    for (const line of block) {
      if (line.startsWith("$ ")) commands.push({ command: line.slice(2), shown: [] });
      else commands.at(-1)?.shown.push(line);
    }
    return commands;
  });

/** The words of `./raft send "hello"`, quotes understood, without the executable. */
function argumentsOf(command: string): string[] {
  const words = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(
    (match) => match[1] ?? match[2] ?? "",
  );
  return words.slice(1);
}

/** Numbers, durations, addresses, lists of nodes, host and cluster names replaced, columns closed
 *  up. */
function shape(text: string): string {
  return text
    .trim()
    .replace(/[ \t]+/g, " ")
    .replace(/\d+\.\d+\.\d+\.\d+:\d+ \S+/g, "ADDRESS")
    .replace(/\bcluster \S+ \((open|key)\)/g, "cluster C ($1)")
    .replace(/\d+(\.\d+)?(ms|s|m|h|d)(\d+s)?\b/g, "TIME")
    .replace(/\d+/g, "N")
    .replace(/\bnodes? N(, N)*( and N)?/g, "NODES");
}

describe("the README", () => {
  it("names npm scripts that exist", () => {
    const names = [...readme.matchAll(/npm (?:run )?(\w+)/g)].map((match) => match[1] ?? "");
    const known = ["ci", ...Object.keys(manifest.scripts)];
    expect([...new Set(names)].filter((name) => !known.includes(name) && name !== "is")).toEqual(
      [],
    );
    expect(blocks.slice(0, 2)).toEqual([["npm ci && npm run demo"], ["npm ci && npm test"]]);
  });

  it("shows commands that the demo understands, and what they print", async () => {
    const script = manifest.scripts["demo"] ?? "";
    const demo = /build\/out\/raft (.*)$/.exec(script)?.[1];
    expect(demo).toBe("up --local 3");
    const here = world();
    const nodes = here.start(argumentsOf(`raft ${demo}`));
    await nodes.waitForLine(/ready: in another terminal .*raft send .*"hello"/, 90_000);
    expect(session.map(({ command }) => command)).toEqual(['./raft send "hello"', "./raft status"]);

    const [send, status] = session;
    const sent = await here.must(argumentsOf(send?.command ?? ""));
    expect(shape(sent)).toBe(shape(send?.shown.join("\n") ?? ""));

    const shown = status?.shown ?? [];
    const lines = (await here.must(argumentsOf(status?.command ?? ""))).trimEnd().split("\n");
    expect(lines[0]?.split(/\s+/)).toEqual(shown[0]?.split(/\s+/));
    expect(rolesOf(lines)).toEqual(rolesOf(shown));
    expect(shape(lines.at(-1) ?? "")).toBe(shape(shown.at(-1) ?? ""));

    const code = await nodes.stop("SIGINT");
    expect(code, nodes.lines.slice(-5).join("\n")).toBe(0);
  });

  it("lists only commands that the executable has", async () => {
    const here = world();
    const table = [...readme.matchAll(/^\| `raft (\w+)/gm)].map((match) => match[1] ?? "");
    expect(table.length).toBeGreaterThan(10);
    for (const command of table) {
      const { code, stderr } = await here.run([command, "--help"]);
      expect(`${command} ${code} ${stderr}`).toBe(`${command} 0 `);
    }
    expect(executable).toMatch(/raft(\.exe)?$/);
  });
});

function rolesOf(lines: string[]): string[] {
  const rows = lines.filter((line) => /^\s*\d+ {2}\w/.test(line));
  return rows.map((line) => line.trim().split(/\s+/)[1] ?? "").toSorted();
}
