/** Which cluster is meant, where its data is, and which key is used. */

import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { chooseCluster } from "../../src/cli/cluster-choice.ts";
import { CommandError } from "../../src/cli/exit-codes.ts";
import { Hints } from "../../src/cli/hints.ts";
import { findKey, usualKeyPaths } from "../../src/cli/key-file.ts";
import { stateDirectory, typedPath, usualDirectory } from "../../src/cli/places.ts";
import { flagsFor } from "../../src/cli/target.ts";
import { newKey, renderKeyFile } from "../../src/transport/key.ts";
import { linuxMachine } from "./context.ts";

const noHome = (): string => {
  throw new Error("no passwd entry");
};

describe("which cluster", () => {
  const nothing = { named: null, fromKeyFile: null, runningHere: () => [] };
  it.each([
    [{ ...nothing, named: "g4", fromKeyFile: "g5" }, "g4", true],
    [{ ...nothing, named: "raft" }, "raft", false],
    [{ ...nothing, fromKeyFile: "g5" }, "g5", false],
    [{ ...nothing, named: "g5", fromKeyFile: "g5" }, "g5", false],
    [{ ...nothing, runningHere: () => ["local"] }, "local", false],
    [{ ...nothing, runningHere: () => ["g5", "g5"] }, "g5", true],
    [nothing, "raft", false],
  ])("%#", (clues, cluster, needsFlag) =>
    expect(chooseCluster(clues)).toEqual({ cluster, needsFlag }),
  );

  it("is asked for when two run here", () => {
    const runningHere = () => ["raft", "g4"];
    expect(() => chooseCluster({ ...nothing, runningHere })).toThrow(
      "nodes of g4 and raft run here; which one is meant?  --cluster g4  or  --cluster raft",
    );
  });

  it("does not look around when it was named", () => {
    const runningHere = (): never => {
      throw new Error("looked");
    };
    expect(chooseCluster({ ...nothing, named: "g4", runningHere }).cluster).toBe("g4");
  });
});

describe("a hint names the cluster", () => {
  const node = (cluster: string, runs: boolean) => ({
    cluster,
    held: runs ? { holder: null } : null,
  });
  const usual = { cluster: "raft", needsFlag: false };
  const local = { cluster: "local", needsFlag: false };
  it.each([
    ["not where nothing else is here", usual, null, [node("raft", true)], ["", "", ""]],
    ["for wipe, where the name is not the usual one", local, null, [], ["", "", "local"]],
    [
      "for wipe, where other data is here",
      usual,
      null,
      [node("raft", false), node("g4", false)],
      ["", "", "raft"],
    ],
    ["for clients, where another one runs", usual, null, [node("g4", true)], ["", "raft", "raft"]],
    [
      "for all, where it was typed",
      { cluster: "g4", needsFlag: true },
      null,
      [],
      ["g4", "g4", "g4"],
    ],
    [
      "for clients, where the data is not where they look",
      local,
      null,
      [],
      ["", "local", "local"],
      true,
    ],
    [
      "never where the key file does",
      { cluster: "g4", needsFlag: false },
      "g4",
      [node("g5", true)],
      ["", "", ""],
    ],
  ] as const)("%s", (_, choice, keyed, here, names, isElsewhere?: boolean) => {
    const { up, client, data } = flagsFor(choice, keyed, here, isElsewhere);
    expect([up, client, data]).toEqual(names.map((name) => name && ` --cluster ${name}`));
    const hints = new Hints("./raft", up, null, { client, data });
    expect(hints.forLocal(3).wipe(1)).toBe(`./raft wipe 1${data}`);
    expect(hints.command("status")).toBe(`./raft status${client}`);
  });
});

describe("where the data is", () => {
  it.each([
    [linuxMachine(), "/home/ana/.local/state/raft/raft/1"],
    [
      linuxMachine({ environment: { XDG_STATE_HOME: "/var/state" }, homeDirectory: noHome }),
      "/var/state/raft/raft/1",
    ],
    [
      linuxMachine({ environment: { XDG_STATE_HOME: "relative" } }),
      "/home/ana/.local/state/raft/raft/1",
    ],
    [
      linuxMachine({ platform: "darwin", homeDirectory: () => "/Users/ana" }),
      "/Users/ana/Library/Application Support/raft/raft/1",
    ],
    [
      linuxMachine({
        platform: "win32",
        environment: { LOCALAPPDATA: "C:\\Users\\ana\\AppData\\Local" },
      }),
      "C:\\Users\\ana\\AppData\\Local\\raft\\raft\\1",
    ],
  ])("%#", (machine, directory) => expect(usualDirectory(machine, "raft", 1)).toBe(directory));

  it.each([noHome, () => "", () => "nowhere"])(
    "is asked for when the account has no home (%#)",
    (homeDirectory) => {
      expect(() => stateDirectory(linuxMachine({ homeDirectory }))).toThrow(
        "this account has no home directory, so there is no usual place for the data: name one with --data-dir DIR",
      );
    },
  );
});

describe("a path in a command", () => {
  const machine = linuxMachine({ workingDirectory: "/home/ana/lab" });
  it.each([
    ["/home/ana/lab/d2", "d2"],
    ["/home/ana/lab/my data/d2", '"my data/d2"'],
    ["/home/ana/lab/-d", "./-d"],
    ["/home/ana/raft/d2", "~/raft/d2"],
    // A quoted ~ is no home.
    ["/home/ana/my data", '"/home/ana/my data"'],
    ["/srv/raft/d2", "/srv/raft/d2"],
    ["/home/ana/lab2", "~/lab2"],
    ["/home/anabel/d2", "/home/anabel/d2"],
  ])("%s is typed %s", (path, typed) => expect(typedPath(machine, path)).toBe(typed));

  it("is not relative to the root", () => {
    expect(typedPath(linuxMachine({ workingDirectory: "/" }), "/srv/d2")).toBe("/srv/d2");
  });
});

describe("a hint names the directory", () => {
  const hints = new Hints("./raft").withPlaces({
    typed: (path) => typedPath(linuxMachine(), path),
    host: "lab-07",
    directoryOf: (id) => (id === 1 ? "/home/ana/d1" : null),
    areElsewhere: true,
  });
  it.each([
    ["of its own node", hints.up(1), "./raft up --id 1 --data-dir d1"],
    ["that is wiped", hints.wipe(1), "./raft wipe 1 --data-dir d1"],
    ["not of a new node", hints.up(4), "./raft up --id 4"],
    [
      "of a node on this machine",
      hints.up(2, { place: { dataDir: "/home/ana/d2", host: "lab-07" } }),
      "./raft up --id 2 --data-dir d2",
    ],
    [
      "of a node on another machine, in full",
      hints.up(2, { place: { dataDir: "/home/ana/d2", host: "lab-08" } }),
      "./raft up --id 2 --data-dir /home/ana/d2",
    ],
    [
      "not of one in the usual place",
      hints.up(2, { place: { dataDir: null, host: "lab-08" } }),
      "./raft up --id 2",
    ],
    [
      "that a person fills in, of one that nobody knows",
      hints.up(2, { place: { dataDir: null, host: null } }),
      "./raft up --id 2 --data-dir DIR",
    ],
    [
      "of all nodes of --local",
      hints.forLocal(3).withPlaces({ localDirectory: "/home/ana/d" }).up(2),
      "./raft up --local 3 --data-dir d",
    ],
  ])("%s", (_, hint, text) => expect(hint).toBe(text));
});

describe("the key file", () => {
  const folder = mkdtempSync(join(tmpdir(), "raft-key-"));
  const machine = linuxMachine({
    environment: { XDG_CONFIG_HOME: folder },
    executableDirectory: join(folder, "beside"),
  });
  const [beside = "", own = ""] = usualKeyPaths(machine);
  mkdirSync(join(folder, "beside"));
  mkdirSync(join(folder, "raft"));
  afterAll(() => rmSync(folder, { recursive: true }));

  function write(path: string, cluster: string, mode = 0o600): void {
    writeFileSync(path, renderKeyFile(newKey(cluster, (count) => new Uint8Array(count).fill(7))));
    chmodSync(path, mode);
  }

  function failure(path: string | null): CommandError {
    try {
      findKey(path, machine);
    } catch (error) {
      if (error instanceof CommandError) return error;
    }
    throw new Error("it was taken");
  }

  it("is looked for beside the executable, then in the configuration folder", () => {
    expect([beside, own]).toEqual([
      join(folder, "beside", "raft.key"),
      join(folder, "raft", "raft.key"),
    ]);
    expect(findKey(null, machine)).toBe(null);
    write(own, "g5");
    expect(findKey(null, machine)?.key.cluster).toBe("g5");
    write(beside, "g4");
    expect(findKey(null, machine)?.key.cluster).toBe("g4");
  });

  it("that was typed counts before the usual ones, and must be there", () => {
    const typed = join(folder, "typed.key");
    expect(failure(typed)).toMatchObject({
      message: `${typed}: there is no such key file`,
      exitCode: 2,
    });
    write(typed, "g6");
    expect(findKey(typed, machine)?.key.cluster).toBe("g6");
  });

  it("is refused when everybody can read it, with the command that helps", () => {
    const open = join(folder, "open.key");
    write(open, "g7", 0o644);
    expect(failure(open)).toMatchObject({
      message: `${open}: everybody on this machine can read this key. Make it yours alone:  chmod 600 ${open}`,
      exitCode: 8,
    });
  });

  it.each([
    ["", "the key file is empty"],
    ["hello", 'not a key file: the first line is not "raft key 1"'],
    [
      "raft key 1\ncluster g4\nsecret 12",
      'the third line is not "secret" and 64 hexadecimal digits',
    ],
  ])("is refused with the reason when it holds %j", (text, reason) => {
    const path = join(folder, "bad.key");
    writeFileSync(path, text, { mode: 0o600 });
    expect(failure(path)).toMatchObject({ message: `${path}: ${reason}`, exitCode: 2 });
  });

  it("is a sentence when it is no file", () => {
    expect(failure(folder)).toMatchObject({ exitCode: 2 });
    expect(failure(folder).message).toMatch(/^the key file cannot be read: /);
  });
});
