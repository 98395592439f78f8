/** Who leads, and how that changes: stop, kill, transfer, and the commands that ask. */
import { describe, expect, it } from "vitest";
import { cluster, until } from "./harness.ts";
import { leaderOf, statusOf } from "./observe.ts";

/** Three of the longest election timeouts. */
const SUSPENDED_MS = 1_200;

describe("a follower", () => {
  it("is stopped by its id, with raft stop or raft down, and the leader stays", async () => {
    const { world, nodes } = await cluster(3);
    const before = await leaderOf(world);
    const [first = 0, second = 0] = [1, 2, 3].filter((id) => id !== before.id);
    const which = await world.run(["stop"]);
    expect(which.code).toBe(2);
    expect(which.stderr).toMatch(
      /nodes 1, 2 and 3 of cluster \S+ run on this machine; which one\?/,
    );
    expect((await world.run(["stop", String(first)])).stderr).toBe(`node ${first} has stopped\n`);
    expect((await nodes[first - 1]?.exited)?.code).toBe(0);
    expect(await leaderOf(world)).toMatchObject({ id: before.id, term: before.term });
    world.up(first);
    await until("all well again", async () => (await statusOf(world)).healthy);
    const crashed = await world.run(["down", String(second), "--kill"]);
    expect(crashed).toMatchObject({ code: 0, stderr: `node ${second} was killed\n` });
    expect((await nodes[second - 1]?.exited)?.code).toBe(0);
    expect(await leaderOf(world)).toMatchObject({ id: before.id, term: before.term });
  });
});

describe("a follower that was suspended for several election timeouts", () => {
  it("reads what its leader sent meanwhile before it believes that the leader is silent", async () => {
    const { world, nodes } = await cluster(3, { flags: ["--verbose"] });
    const leader = await leaderOf(world);
    const follower = nodes[leader.id % 3];
    if (follower === undefined) throw new Error("three nodes were started");
    for (let again = 0; again < 3; again++) {
      follower.signal("SIGSTOP");
      await new Promise((resolve) => setTimeout(resolve, SUSPENDED_MS));
      const from = follower.lines.length;
      follower.signal("SIGCONT");
      await world.must(["send", `entry ${again}`]);
      await follower.waitForLine(/-> \d {2}append /, undefined, from);
      expect(
        follower.lines.slice(from).filter((line) => line.includes("would be elected")),
      ).toEqual([]);
    }
    expect(await leaderOf(world)).toMatchObject({ id: leader.id, term: leader.term });
  });
});

describe("the leader", () => {
  it("hands over when it is stopped, and the log goes on", async () => {
    const { world, nodes } = await cluster(3);
    await world.must(["send", "before"]);
    const before = await leaderOf(world);
    const said = await world.run(["stop", "leader"]);
    expect(said).toMatchObject({ code: 0, stdout: "" });
    expect(said.stderr).toBe(`node ${before.id}, the leader, has stopped\n`);
    const stopped = nodes[before.id - 1];
    expect((await stopped?.exited)?.code).toBe(0);
    await stopped?.waitForLine(/stopped by ana@\S+ \(raft stop leader\)/);
    const over = await stopped?.waitForLine(
      /stopping: node (\d) leads now \(handed over in \d+ ms\)/,
    );
    const after = await leaderOf(world);
    expect(after.id).toBe(Number(over?.[1]));
    expect(after.term).toBe(before.term + 1);
    await world.must(["send", "after"]);
    expect(await world.must(["log", "--raw"])).toBe("before\nafter\n");
    // By its id: its words are those that were typed.
    await world.must(["stop", String(after.id)]);
    const byId = new RegExp(`stopped by ana@\\S+ \\(raft stop ${after.id}\\)`);
    await nodes[after.id - 1]?.waitForLine(byId);
  });

  it("is followed by another within seconds when it is killed", async () => {
    const { world, nodes } = await cluster(3);
    await world.must(["send", "before"]);
    const before = await leaderOf(world);
    const said = await world.run(["stop", "leader", "--kill"]);
    expect(said.code).toBe(0);
    expect(said.stderr).toBe(`node ${before.id}, the leader, was killed\n`);
    const killedMs = performance.now();
    await nodes[before.id - 1]?.exited;
    await world.must(["send", "after"]);
    expect(performance.now() - killedMs).toBeLessThan(4_000);
    const after = await leaderOf(world);
    expect(after.id).not.toBe(before.id);
    expect(after.term).toBeGreaterThan(before.term);
    const heir = nodes[after.id - 1];
    await heir?.waitForLine(/this node leads in term \d+ \(votes: \d, \d\)/);
    expect(await world.must(["log", "--raw"])).toBe("before\nafter\n");
    expect(await statusOf(world)).toMatchObject({ reachableVoters: 2, canLose: 0, healthy: false });
  });

  it("changes on request, to a node that is named or to the best one", async () => {
    const { world } = await cluster(3);
    const before = await leaderOf(world);
    const to = (before.id % 3) + 1;
    expect(await world.must(["transfer", String(to)])).toMatch(
      new RegExp(`^${to} {2}term ${before.term + 1}, [\\d.]+:\\d+\\n$`),
    );
    await until("all follow", async () => (await leaderOf(world)).id === to);
    const stranger = await world.run(["transfer", "9"]);
    expect(stranger).toMatchObject({ code: 8, stdout: "" });
    expect(stranger.stderr).toMatch(/node 9 is no member \(members: 1, 2, 3\)\n$/);
    const successor = Number.parseInt(await world.must(["transfer"]), 10);
    expect(successor).not.toBe(to);
    expect(await statusOf(world)).toMatchObject({ leader: successor, healthy: true });
  });

  it("is waited for by raft leader --wait, and not by raft leader", async () => {
    const { world, nodes } = await cluster(3);
    await nodes[1]?.kill();
    await nodes[2]?.kill();
    await until("no leader", async () => (await statusOf(world)).leader === null);
    const now = await world.run(["leader", "--timeout", "1s"]);
    expect(now).toMatchObject({ code: 4, stdout: "" });
    expect(now.stderr).toMatch(
      /there is no leader \(2 of 3 voters are needed; 2 and 3 are silent\)/,
    );
    const waiting = world.run(["leader", "--wait", "--timeout", "30s"]);
    world.up(2);
    const found = await waiting;
    expect(found.stdout).toMatch(/^[12] {2}term \d+, /);
    expect(found.code).toBe(0);
  });

  it("that loses its majority says so, adds nothing, and loses nothing", async () => {
    const { world, nodes } = await cluster(3);
    const { id } = await leaderOf(world);
    await world.must(["send", "kept"]);
    const others = [1, 2, 3].filter((other) => other !== id);
    for (const other of others) await nodes[other - 1]?.kill();
    await nodes[id - 1]?.waitForLine(/this node no longer leads: nodes \d and \d are unreachable/);
    const refused = await world.run(["send", "--timeout", "1s", "not added"]);
    expect(refused.code).toBe(4);
    expect(refused.stderr).toMatch(
      /not added: node \d answers but there is no leader .*Safe to send again\./,
    );
    expect(await world.must(["log", "--node", String(id), "--stale", "--raw"])).toBe("kept\n");
    for (const other of others) world.up(other);
    await world.must(["send", "--timeout", "20s", "added"]);
    expect(await world.must(["log", "--raw"])).toBe("kept\nadded\n");
  });
});
