/** Who may speak for a member: one process, with the data that the cluster knows. Copies, wiped
 *  directories and other clusters are noticed, and none of them can vote. */
import { cpSync, linkSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { golden, goldenLines } from "./golden.ts";
import { cluster, type Running, until, type World, world } from "./harness.ts";

function directoryOf(made: World, id: number): string {
  return join(made.directory, "state", "raft", made.cluster, String(id));
}

async function leaderOf(made: World): Promise<number> {
  return (JSON.parse(await made.must(["leader", "--wait", "--json"])) as { id: number }).id;
}

function node(nodes: readonly Running[], id: number): Running {
  const found = nodes[id - 1];
  if (found === undefined) throw new Error(`there is no node ${id}`);
  return found;
}

describe("a copied data directory", () => {
  it("is refused beside the original, which goes on", async () => {
    const { world: made, nodes } = await cluster(3);
    await made.must(["send", "before"]);
    const id = (await leaderOf(made)) === 3 ? 2 : 3;
    await node(nodes, id).stop();
    const copy = join(made.directory, "copy");
    cpSync(directoryOf(made, id), copy, { recursive: true });
    const original = made.up(id);
    const clone = made.up(id, "--data-dir", copy);
    await clone.waitForLine(/is a copy of another one.*may not speak as node \d/);
    expect((await clone.exited).code).toBe(8);
    const verified = await made.run(["verify", copy]);
    expect(verified.code).toBe(7);
    expect(verified.stdout).toMatch(
      /Start the original, or make this one fresh: .* wipe --data-dir/,
    );
    expect(verified.stdout).not.toContain("members replace");
    await original.waitForLine(/ready:/);
    await until("three voters", async () => (await made.run(["status", "--check"])).code === 0);
    expect(await made.must(["log", "--raw"])).toBe("before\n");
  });

  it("that the files do not give away, as of a cloned machine, stops that identity on both sides", async () => {
    const { world: made, nodes } = await cluster(3);
    await made.must(["send", "before"]);
    const id = (await leaderOf(made)) === 3 ? 2 : 3;
    await node(nodes, id).stop();
    const copy = join(made.directory, "copy");
    cpSync(directoryOf(made, id), copy, { recursive: true });
    // The same file in both directories: what a clone of the whole disk looks like.
    rmSync(join(copy, "identity"));
    linkSync(join(directoryOf(made, id), "identity"), join(copy, "identity"));
    const both = [made.up(id), made.up(id, "--data-dir", copy)];
    for (const running of both) {
      expect((await running.exited).code).toBe(8);
      expect(golden(running.lines.join("\n"), made)).toMatch(
        new RegExp(`node ${id} of cluster raft is already running: ana@HOST`),
      );
    }
    await made.must(["send", "after"]);
    expect(await made.must(["log", "--raw"])).toBe("before\nafter\n");
  });

  it("started alone, elsewhere than it was born, is noticed", async () => {
    const { world: made, nodes } = await cluster(3);
    const id = (await leaderOf(made)) === 3 ? 2 : 3;
    await node(nodes, id).stop();
    const copy = join(made.directory, "copy");
    cpSync(directoryOf(made, id), copy, { recursive: true });
    const clone = made.up(id, "--data-dir", copy);
    await clone.waitForLine(/cop(y|ied)/);
  });
});

describe("a wiped voter", () => {
  it("waits, cannot vote, and votes again once it was replaced", async () => {
    const { world: made, nodes } = await cluster(3);
    await made.must(["send", "one", "two"]);
    const leader = await leaderOf(made);
    const [wiped, other] = [1, 2, 3].filter((id) => id !== leader) as [number, number];
    await node(nodes, wiped).stop();
    rmSync(directoryOf(made, wiped), { recursive: true });
    const fresh = made.up(wiped);
    await fresh.waitForLine(/is known by other data than this machine has/);
    expect(goldenLines(fresh.lines, made)).toEqual(
      expect.arrayContaining([
        `node ${wiped} of cluster raft (founded D Mon HH:MM) is known by other data than this machine has: wiped, reinstalled, or another seat. It cannot vote.`,
        `Let it back in, on any node of the cluster: ./raft members replace ${wiped} (this node waits)`,
        `Not your cluster? ./raft up --id ${wiped} --cluster NAME`,
      ]),
    );
    const status = golden(await made.must(["status"]), made);
    expect(status).toMatch(new RegExp(`members replace ${wiped}`));
    // With the other follower gone, the leader and the wiped node are no majority.
    await node(nodes, other).stop();
    const refused = await made.run(["send", "three", "--timeout", "2s"]);
    expect([4, 5]).toContain(refused.code);
    const back = made.up(other);
    await back.waitForLine(/data in .*entries/);
    await until("a leader again", async () => (await made.run(["leader"])).code === 0);
    await made.must(["members", "replace", String(wiped)]);
    await fresh.waitForLine(/this node is a voter now/);
    await until("three voters", async () => (await made.run(["status", "--check"])).code === 0);
    await back.stop();
    await made.must(["send", "four"]);
    expect(await made.must(["log", "--node", String(wiped)])).toMatch(/one\n.*two\n[^]*four/);
  });
});

describe("founders of whom most were wiped", () => {
  it("do not found a second time over the one that holds data: both sides say how to go on", async () => {
    const { world: made, nodes } = await cluster(3);
    await made.must(["send", "precious"]);
    await Promise.all(nodes.map((each) => each.stop()));
    for (const id of [2, 3]) await made.must(["wipe", String(id), "--yes"]);
    const [one, two] = [made.up(1), made.up(2), made.up(3)];
    await two?.waitForLine(/still belongs to an older cluster/);
    expect(goldenLines(two?.lines ?? [], made)).toEqual(
      expect.arrayContaining([
        expect.stringMatching(
          /^node 1 \(ana@HOST\) still belongs to an older cluster raft, founded D Mon, \d entries; this node is new\.$/,
        ),
        "To start anew, on HOST: ./raft wipe 1",
        "To go on with the old one: only with the old data of nodes 2 or 3; keep that of node 1 until then",
      ]),
    );
    expect(two?.lines.join("\n")).not.toContain("known by other data");
    await one?.waitForLine(/this node belongs to an older cluster .*; node \d.* is new/);
    expect([...(one?.lines ?? []), ...(two?.lines ?? [])].join("\n")).not.toMatch(
      /founded cluster|leads in term/,
    );
    expect((await made.run(["send", "x", "--timeout", "1s"])).code).toBe(4);
  });
});

describe("two clusters of different names on one machine", () => {
  it("do not mix", async () => {
    const made = [world(), world()] as const;
    await Promise.all(made.map((each) => each.founded(3)));
    await Promise.all(made.map((each, at) => each.must(["send", `of cluster ${at}`])));
    const logs = await Promise.all(made.map((each) => each.must(["log"])));
    for (const [at, log] of logs.entries()) {
      expect(log).toMatch(new RegExp(`of cluster ${at}\n$`));
      expect(log.trim().split("\n")).toHaveLength(1);
    }
    const clusters = await made[0].must(["clusters"]);
    for (const each of made) expect(clusters).toContain(each.cluster);
  });
});

describe("one directory", () => {
  it("has one process however many are started at once", async () => {
    const made = world();
    const started = Array.from({ length: 4 }, () => made.up(1, "--size", "1"));
    await until(
      "three of four have ended",
      () => started.filter((running) => !running.isRunning).length === 3,
    );
    const [holder] = started.filter((running) => running.isRunning);
    for (const running of started.filter((one) => one !== holder)) {
      expect((await running.exited).code).toBe(8);
      expect(running.lines.join("\n")).toMatch(/already runs here|in use by another process/);
    }
    await holder?.waitForLine(/ready:/);
    await made.must(["send", "mine"]);
  });

  it("is free again the moment its process was killed", async () => {
    const { world: made, nodes } = await cluster(1);
    await made.must(["send", "kept"]);
    await node(nodes, 1).kill();
    await made.up(1).waitForLine(/ready:/);
    expect(await made.must(["log"])).toMatch(/kept/);
  });
});
