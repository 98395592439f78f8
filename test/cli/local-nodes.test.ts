/** The nodes whose data lies on this machine, in the usual place and where people work. */

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { nodesHere, nodesNear } from "../../src/cli/local-nodes.ts";
import { writeIdentity } from "../../src/storage/identity.ts";
import { openRealDisk } from "../../src/storage/real-disk.ts";
import { FRESH_IDENTITY } from "../storage/fixture.ts";
import { linuxMachine } from "./context.ts";

const folder = mkdtempSync(join(tmpdir(), "raft-near-"));
afterAll(() => rmSync(folder, { recursive: true }));

function makeNode(id: number, ...path: string[]): string {
  const directory = join(folder, ...path);
  mkdirSync(directory, { recursive: true });
  writeIdentity(openRealDisk(directory, true), { ...FRESH_IDENTITY, cluster: "raft", id });
  return directory;
}

const usual = makeNode(1, "state", "raft", "raft", "1");
const below = makeNode(2, "work", "d2");
const further = makeNode(3, "work", "ours", "3");

function near(workingDirectory: string): readonly string[] {
  const environment = { XDG_STATE_HOME: join(folder, "state") };
  const machine = linuxMachine({ environment, workingDirectory });
  expect(nodesHere(machine).map(({ directory }) => directory)).toEqual([usual]);
  return nodesNear(machine).map(({ directory }) => directory);
}

describe("nodes near a person", () => {
  it("are those in the usual place, below the working directory, and one further down", () => {
    expect(near(join(folder, "work"))).toEqual([usual, below, further]);
    expect(near(join(folder, "nowhere"))).toEqual([usual]);
  });

  it("are also one whose data is the working directory itself, each once", () => {
    expect(near(below)).toEqual([usual, below]);
    expect(near(usual)).toEqual([usual]);
  });
});
