/** `raft bench` against running clusters, as it is typed. */
import { describe, expect, it } from "vitest";
import { cluster, world } from "./harness.ts";

interface Told {
  entriesPerSecond: number;
  p50Us: number;
  p99Us: number;
  maxUs: number;
  leaderMoves: number;
  longestPauseUs: number;
  verified: boolean;
  acknowledged: number;
  firstIndex: number;
  lastIndex: number;
  interrupted: boolean;
  unsent?: number;
}

const SHORT = ["--seconds", "0.5"];

describe("raft bench", () => {
  it("measures closed and open loops of one and of many clients, beside entries of others, and verifies", async () => {
    const { world: made } = await cluster(3);
    await made.must(["send", "somebody's", "entries"]);
    const bench = async (...flags: string[]) =>
      JSON.parse(await made.must(["bench", "--json", ...SHORT, ...flags])) as Told;
    const loads = [
      ["--outstanding", "1"],
      ["--outstanding", "200", "--size", "16"],
      ["--clients", "100"],
      ["--rate", "300", "--clients", "2"],
      ["--outstanding", "8", "--size", "65536"],
    ];
    let last = 3;
    for (const flags of loads) {
      const told = await bench(...flags);
      expect(told, flags.join(" ")).toMatchObject({ verified: true, interrupted: false });
      expect(told.entriesPerSecond).toBeGreaterThan(10);
      expect(told.p99Us).toBeGreaterThanOrEqual(told.p50Us);
      expect(told.p50Us).toBeGreaterThan(50);
      expect(told.firstIndex).toBeGreaterThan(last);
      expect(told.lastIndex - told.firstIndex + 1).toBe(told.acknowledged);
      last = told.lastIndex;
    }
  });

  it("tells people the same, and says that the entries stay", async () => {
    const { world: made } = await cluster(3);
    const { code, stdout, stderr } = await made.run(["bench", ...SHORT]);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^cluster \S+: 64 entries of 100 bytes under way from 1 client, 0\.5 s$/m,
    );
    expect(stdout).toMatch(/^ENTRIES\/S +MB\/S +P50 +P90 +P99 +P99\.9 +MAX$/m);
    expect(stdout).toMatch(/verified: all \d+ entries that were acknowledged are in the log/);
    expect(stdout).toMatch(/they stay there, \d+\.\d+ MB on each node$/m);
    expect(stderr).toBe("warming up\nmeasuring\nwaiting for the last receipts\nreading back\n");
  });

  it("ends early on Ctrl-C, prints what was measured, verified, with 130", async () => {
    const { world: made } = await cluster(3);
    const running = made.start(["bench", "--seconds", "600", "--json"]);
    await running.waitForLine(/^measuring/);
    const code = await running.stop("SIGINT", 30_000);
    expect(code).toBe(130);
    const told = JSON.parse(running.stdoutLines.join("")) as Told;
    expect(told).toMatchObject({ verified: true, interrupted: true });
    expect(told.acknowledged).toBeGreaterThan(0);
  });

  it("goes on while the leader is killed", async () => {
    const { world: made, nodes } = await cluster(3);
    const { id } = JSON.parse(await made.must(["leader", "--json"])) as { id: number };
    const running = made.start(["bench", "--seconds", "4", "--rate", "200", "--json"]);
    await running.waitForLine(/^measuring/);
    await nodes[id - 1]?.kill();
    expect((await running.exited).code).toBe(0);
    const told = JSON.parse(running.stdoutLines.join("")) as Told;
    expect(told).toMatchObject({ verified: true, unsent: 0 });
    // All that was due meanwhile waited, not only the one entry that was under way.
    expect(told.p99Us).toBeGreaterThan(50_000);
    expect(told.leaderMoves).toBeGreaterThanOrEqual(1);
    expect(told.longestPauseUs).toBeGreaterThan(50_000);
    expect(told.longestPauseUs).toBeLessThanOrEqual(told.maxUs + 50_000);
  });

  it("tells what was measured before the cluster fell silent", async () => {
    const { world: made, nodes } = await cluster(3);
    const running = made.start(["bench", "--seconds", "600", "--timeout", "2s", "--json"]);
    await running.waitForLine(/^measuring/);
    // Something is measured first.
    await made.must(["send", "--timeout", "10s", "somebody's"]);
    for (const node of nodes.slice(0, 2)) await node.kill();
    expect([3, 4, 5]).toContain((await running.exited).code);
    const told = JSON.parse(running.stdoutLines.join("")) as Told & { error: string };
    expect(told).toMatchObject({ verified: false, interrupted: false });
    expect(told.error).toMatch(/^ended early: /);
    expect(told.acknowledged).toBeGreaterThan(0);
  });

  it("ends with what it heard when nobody answers, and with what is wrong with its flags", async () => {
    const made = world();
    const nobody = await made.run(["bench", "--timeout", "300ms"]);
    expect(nobody.code).toBe(3);
    expect(nobody.stderr).toContain("nobody answers");
    const typed = ["--outstanding", "10", "--rate", "5", "--size", "15", "--seconds", "0"];
    const wrong = await made.run(["bench", ...typed]);
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain("--size 15: this is 16 to 1048576");
    expect(wrong.stderr).toContain("--seconds 0: this is 0.1 to 3600 seconds");
    expect(wrong.stderr).toContain("--outstanding and --rate");
    const few = await made.run(["bench", "--clients", "10", "--outstanding", "9"]);
    expect(few.stderr).toContain("--outstanding 9: 10 clients need one entry each");
    const large = await made.run(["bench", "--size", "65536", "--outstanding", "10000"]);
    expect(large.stderr).toContain("at most 67108864 bytes may be under way");
  });
});
