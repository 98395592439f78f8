/** Nodes that are killed and come back, and one that does not. */
import { utimesSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cluster, until } from "./harness.ts";
import { clientOf, equalLogs, leaderOf, statusOf } from "./observe.ts";

describe("all nodes killed at once and started again", () => {
  it("have everything that was acknowledged, under the same indexes", async () => {
    const { world, nodes } = await cluster(3);
    const client = await clientOf(world);
    const acknowledged = new Map<string, number>();
    const run = { over: false };
    const workers = Array.from({ length: 16 }, async (_, worker) => {
      for (let number = 0; !run.over; number++) {
        const entry = `${worker}-${number}`;
        try {
          acknowledged.set(entry, (await client.send(entry, { timeoutMs: 1_000 })).index);
        } catch {
          // Nobody is there to answer: the outcome is unknown, and asks nothing of the log.
          return;
        }
      }
    });
    await until("2,000 acknowledged", () => acknowledged.size > 2_000, 60_000, 5);
    await Promise.all(nodes.map((node) => node.kill()));
    run.over = true;
    await Promise.all(workers);

    const again = [1, 2, 3].map((id) => world.up(id));
    for (const node of again) await node.waitForLine(/\bready:/, 30_000);
    const last = Number.parseInt(await world.must(["send", "--timeout", "20s", "the last"]), 10);
    const log = await equalLogs(world, [1, 2, 3], last);
    const missing = [...acknowledged].filter(([entry, index]) => log[index - 1]?.entry !== entry);
    expect(missing).toEqual([]);
    const users = log.filter(({ kind }) => kind === "entry").map(({ entry }) => entry);
    expect(new Set(users).size).toBe(users.length);
  });
});

describe("a node that was killed", () => {
  it("was last used when its log was last written to, not when it was started", async () => {
    const { world, nodes } = await cluster(1);
    await world.must(["send", "the last"]);
    await nodes[0]?.kill();
    // As if it had run for two days since its start.
    const directory = join(world.directory, "state", "raft", world.cluster, "1");
    const last = new Date(Date.now() + 2 * 86_400_000);
    utimesSync(join(directory, "0000000001.log"), last, last);
    const day = `${last.getDate()} ${last.toLocaleString("en", { month: "short" })}`;
    expect((await world.run(["status"])).stderr).toContain(`entries, last used ${day} `);
    expect((await world.run(["wipe", "1"])).stderr).toContain(`, last used ${day} `);
    await world
      .up(1, "--size", "1")
      .waitForLine(new RegExp(`, last used ${day} \\d\\d:\\d\\d \\(to`));
  });
});

describe("a follower that is dead for the whole run on the same machine", () => {
  it("does not move the leader's term while entries flow for ten seconds", async () => {
    const { world, nodes } = await cluster(3);
    const before = await leaderOf(world);
    const dead = before.id === 3 ? 2 : 3;
    await nodes[dead - 1]?.kill();
    const client = await clientOf(world);
    const deadlineMs = performance.now() + 10_000;
    let slowestMs = 0;
    let sent = 0;
    const workers = Array.from({ length: 4 }, async () => {
      while (performance.now() < deadlineMs) {
        const { term, tookMs } = await client.send("x");
        expect(term).toBe(before.term);
        slowestMs = Math.max(slowestMs, tookMs);
        sent++;
      }
    });
    await Promise.all(workers);
    const after = await statusOf(world);
    expect(after).toMatchObject({ leader: before.id, term: before.term, reachableVoters: 2 });
    expect(sent).toBeGreaterThan(1_000);
    expect(slowestMs).toBeLessThan(2_000);

    // And it catches up when it comes back.
    const back = world.up(dead);
    await back.waitForLine(/\bready:/);
    await until("all caught up", async () => {
      const { healthy, nodes: rows } = await statusOf(world);
      return healthy && rows.every(({ commitIndex }) => (commitIndex ?? 0) > sent);
    });
    await equalLogs(world, [1, 2, 3], sent);
    expect(await leaderOf(world)).toMatchObject({ id: before.id, term: before.term });
  });
});
