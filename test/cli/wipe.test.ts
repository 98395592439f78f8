/** `raft wipe` asks, and says what it did. */

import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { CommandContext } from "../../src/cli/command.ts";
import { plain } from "../../src/cli/terminal.ts";
import { wipeCommand } from "../../src/cli/wipe.ts";
import { writeIdentity } from "../../src/storage/identity.ts";
import { openRealDisk } from "../../src/storage/real-disk.ts";
import { systemClock } from "../../src/transport/clock.ts";
import { FOUNDING, FRESH_IDENTITY } from "../storage/fixture.ts";
import { linuxMachine } from "./context.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A machine with the data of node 7 of cluster g4, a member; `answer` null: nobody to ask. */
async function wipe(answer: string | null) {
  const folder = mkdtempSync(join(tmpdir(), "raft-wipe-"));
  folders.push(folder);
  const directory = join(folder, "raft", "g4", "7");
  mkdirSync(directory, { recursive: true });
  writeIdentity(openRealDisk(directory, true), {
    ...FRESH_IDENTITY,
    cluster: "g4",
    id: 7,
    founding: FOUNDING,
    foundedMs: 0,
    member: true,
  });
  const said: string[] = [];
  const context: CommandContext = {
    typed: ["wipe", "7", "--cluster", "g4"],
    executable: "./raft",
    selfCommand: [],
    version: "1.0.0",
    machine: linuxMachine({ environment: { XDG_STATE_HOME: folder } }),
    clock: systemClock,
    signal: new AbortController().signal,
    terminal: {
      out: async () => {},
      flush: async () => {},
      say: (line) => void said.push(line),
      progress: () => {},
      ask: async (question) => {
        said.push(question);
        return answer;
      },
      input: (async function* () {})(),
      endInput: () => {},
      inputIsTerminal: answer !== null,
      outIsTerminal: false,
      talkIsTerminal: false,
      paintOut: plain,
      paintTalk: plain,
    },
  };
  const ended = await wipeCommand.run({ _: ["7"], cluster: "g4" }, context).then(
    (code) => ({ code, error: "" }),
    (error: unknown) => ({ code: null, error: String(error) }),
  );
  return { ...ended, said, isThere: existsSync(join(directory, "identity")) };
}

describe("raft wipe", () => {
  it.each(["yes", "7"])("deletes on %s", async (answer) => {
    const { code, said, isThere } = await wipe(answer);
    expect([code, isThere]).toEqual([0, false]);
    expect(said).toContain("delete it all? type yes (or 7): ");
    expect(said.join("\n")).toContain("let it back in (./raft members replace 7 --cluster g4)");
  });

  it.each(["no", "", "1"])("deletes nothing on %j, and its exit code says so", async (answer) => {
    const { code, said, isThere } = await wipe(answer);
    expect([code, isThere, said.at(-1)]).toEqual([4, true, "nothing was deleted"]);
  });

  it("repeats what was typed where nobody can be asked", async () => {
    const { error, isThere } = await wipe(null);
    expect(error).toContain("nobody can be asked here: ./raft wipe --yes 7 --cluster g4");
    expect(isThere).toBe(true);
  });
});
