/** `raft simulate`, as a student types it. */

import { describe, expect, it } from "vitest";
import { world } from "./harness.ts";

describe("raft simulate", () => {
  it("tells founding, an election and entries, and ends with verdict and seed", async () => {
    const { code, stdout, stderr } = await world().run(["simulate", "--seed", "5"]);
    expect(stderr).toBe("");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ +0\.000 {2}node 1 starts$/m);
    expect(stdout).toMatch(/node \d leads in term 1: elected in term 1 by nodes \d and \d$/m);
    expect(stdout).toMatch(/client: "entry 10" is acknowledged: index 11 of term 1, on the disks/);
    expect(stdout).toContain("10 of 10 entries acknowledged; every node holds the same log");
    expect(stdout).toContain("no invariant was broken");
    expect(stdout).toContain("simulate --seed 5 --nodes 3 --entries 10");
  });

  it("prints a chosen run again, byte for byte", async () => {
    const made = world();
    const typed = ["simulate", "--crash", "2", "--partition", "2", "--loss", "10%", "--trace"];
    const first = await made.run([...typed, "--seed", "11"]);
    const second = await made.run([...typed, "--seed", "11"]);
    const other = await made.run([...typed, "--seed", "12"]);
    expect(first.code).toBe(0);
    expect(second.stdout).toBe(first.stdout);
    expect(other.stdout).not.toBe(first.stdout);
  });

  it("prints a line by which an unnamed run is repeated", async () => {
    const made = world();
    const first = await made.run(["simulate", "--duplicate", "0.2", "--reorder", "7.5%"]);
    const again = /again: \S+ (simulate .*)$/m.exec(first.stdout)?.[1] ?? "";
    expect(again).toContain("--duplicate 20% --reorder 7.5%");
    expect((await made.run(again.split(" "))).stdout).toBe(first.stdout);
  });

  it("shows every message of an election with --trace", async () => {
    const { stdout } = await world().run("simulate --seed 5 --entries 1 --trace".split(" "));
    expect(stdout).toMatch(/\d -> \d {2}preVote {2}term 1 {2}last 0 of term 0$/m);
    expect(stdout).toMatch(/\d -> \d {2}voteReply {2}term 1 {2}granted$/m);
    expect(stdout).toMatch(/\d -> \d {2}append {2}term 1 {2}2 {2}commit 1$/m);
    expect(stdout).toMatch(/\d -> \d {2}appendReply {2}term 1 {2}has 2$/m);
  });

  it("shows a leader that is cut off, and the one after it", async () => {
    const made = world();
    for (const seed of ["1", "2", "3"]) {
      const typed = ["simulate", "--partition", "3", "--entries", "60", "--seed", seed];
      const { code, stdout } = await made.run(typed);
      expect(code, stdout).toBe(0);
      expect(stdout).toContain("is cut off from the other nodes");
      expect(stdout).toContain("60 of 60 entries acknowledged");
    }
  });

  it("gives one object with --json", async () => {
    const { stdout } = await world().run(["simulate", "--seed", "5", "--json"]);
    const verdict: unknown = JSON.parse(stdout);
    expect(verdict).toMatchObject({ seed: 5, nodes: 3, acknowledged: 10, lastIndex: 11 });
    expect(verdict).toMatchObject({ sound: true, violations: [] });
  });

  it.each([
    [["--loss", "110%"], "--loss 110%: this is a part of all, such as 10% or 0.1"],
    [["--nodes", "0"], "--nodes 0: a number here is 1 to 9"],
    [["--crash", "often"], "--crash often: a number here is 0 to 1000"],
    [["--nodes", "1", "--partition", "1"], "--partition: a single node cannot be cut off"],
  ])("refuses %j and says why", async (typed, why) => {
    const { code, stdout, stderr } = await world().run(["simulate", ...typed]);
    expect(code).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toContain(why);
  });

  it("ends at once at Ctrl-C, with what was told so far", async () => {
    const running = world().start(["simulate", "--entries", "100000", "--seed", "5"]);
    await running.waitForLine(/is acknowledged/);
    running.signal("SIGINT");
    expect((await running.exited).code).toBe(130);
    expect(running.stdoutLines.join("\n")).toContain("then interrupted");
  });
});
