/** The help: it names what exists, all of it, and nothing else. */

import { describe, expect, it } from "vitest";
import { checkArguments } from "../../src/cli/arguments.ts";
import type { RaftCommand } from "../../src/cli/command.ts";
import { COMMAND_NAMES, loadCommand, TYPED_NAMES } from "../../src/cli/commands.ts";
import { renderCommandHelp, renderMainHelp, renderShortScreen } from "../../src/cli/help.ts";
import { FLAG_ENVIRONMENT, FLAGS } from "../../src/cli/settings.ts";
import { lines } from "./context.ts";

const commands = (await Promise.all(COMMAND_NAMES.map(loadCommand))).filter(
  (command) => command !== null,
);

/** Words of a command line, without quotes. */
function words(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2] ?? "");
}

describe("bare raft", () => {
  it("prints the short screen", () => {
    expect(renderShortScreen("./raft", "1.0.0", COMMAND_NAMES)).toBe(
      lines(
        "raft 1.0.0: the same log on a few machines",
        "",
        "  ./raft up --id 1        a node here; then --id 2 and --id 3 on other machines or in other terminals",
        "  ./raft up --local 3     three nodes in this terminal, to try it",
        '  ./raft send "hello"     ./raft log      ./raft status      ./raft leader',
        "",
        "  also: stop transfer members wipe key clusters simulate bench verify version          ./raft COMMAND --help",
      ),
    );
  });
});

describe("raft --help", () => {
  const help = renderMainHelp("./raft", "1.0.0", commands);
  it("names every command with its summary", () => {
    for (const command of commands) expect(help).toMatch(new RegExp(`^  ${command.name}[, ]`, "m"));
  });
  it("names every variable and every exit code", () => {
    for (const variable of Object.values(FLAG_ENVIRONMENT)) expect(help).toContain(variable);
    for (const code of [0, 1, 2, 3, 4, 5, 6, 7, 8, 130])
      expect(help).toMatch(new RegExp(`^ +${code}  `, "m"));
  });
});

describe.each(commands.map((command) => [command.name, command] as const))(
  "raft %s --help",
  (_name, command: RaftCommand) => {
    const help = renderCommandHelp("./raft", command);

    it("fits 100 columns", () =>
      expect(Math.max(...help.split("\n").map((line) => line.length))).toBeLessThanOrEqual(100));

    it("names all its flags, their variables, its exit codes, and examples", () => {
      for (const flag of Object.keys(command.args)) expect(help).toContain(`--${flag}`);
      for (const [flag, variable] of Object.entries(FLAG_ENVIRONMENT))
        expect(help.includes(variable)).toBe(flag in command.args);
      for (const code of [0, 1, 2, ...command.exits])
        expect(help).toMatch(new RegExp(`^ +${code}  `, "m"));
      expect(command.examples.length).toBeGreaterThan(0);
    });

    it("has no flag that is not in the table", () => {
      for (const flag of help.match(/(?<=\s)--[a-z-]+/g) ?? [])
        expect(["--help", "--version", ...Object.keys(FLAGS).map((name) => `--${name}`)]).toContain(
          flag,
        );
    });

    it("names only commands that exist", () => {
      for (const [, name] of help.matchAll(/\.\/raft ([a-z]+)/g))
        expect(TYPED_NAMES).toContain(name);
      expect(help).not.toMatch(/backup|restore|doctor/);
    });

    it("has examples that would be accepted", async () => {
      for (const [line] of command.examples) {
        const [name = "", ...rest] = words(line.split(/ \|\| | < /)[0] ?? "");
        const meant = await loadCommand(name);
        expect(meant?.name).toBe(command.name);
        expect(checkArguments(rest, command.args, command.words, `./raft ${name}`)).toMatchObject({
          type: "ok",
        });
      }
    });
  },
);

describe("the commands", () => {
  it("are known by their names and aliases, and by nothing that every object has", async () => {
    expect((await loadCommand("down"))?.name).toBe("stop");
    expect(await loadCommand("toString")).toBe(null);
    expect(await loadCommand("constructor")).toBe(null);
  });

  it("name each letter once", () => {
    for (const command of commands) {
      const letters = Object.values(command.args).flatMap(({ alias }) => alias ?? []);
      expect(new Set(letters).size).toBe(letters.length);
      expect(letters).not.toContain("h");
    }
  });
});
