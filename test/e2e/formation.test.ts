/** Nodes find each other and found a cluster: by multicast alone, by addresses alone, in an empty
 *  directory with an empty environment, and in one terminal. */
import { mkdirSync, readdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cluster, executable, until, world } from "./harness.ts";
import { clientOf, equalLogs, freePort, leaderOf, statusOf } from "./observe.ts";

const READY_MS = 60_000;

describe("a cluster on one machine", () => {
  it.each([3, 4])("of %i nodes is found by multicast alone and takes an entry", async (size) => {
    const { world: made, nodes } = await cluster(size);
    const status = await statusOf(made);
    expect(status).toMatchObject({ voters: size, healthy: true, canLose: 1, founded: true });
    expect(status.nodes.map(({ id }) => id)).toEqual(Array.from({ length: size }, (_, i) => i + 1));
    expect(await made.must(["send", "hello"])).toMatch(/^\d+ {2}term \d+, on the disks of nodes/);
    expect(await made.must(["log"])).toMatch(/^\d+ {2}hello\n$/);
    for (const node of nodes) expect(await node.stop("SIGINT")).toBe(0);
  });

  it.each([3, 4])("of %i nodes is found by --peers where no multicast is heard", async (size) => {
    const made = world();
    const ports: number[] = [];
    for (let id = 1; id <= size; id++) ports.push(await freePort());
    const others = (id: number) =>
      ports.flatMap((port, at) => (at + 1 === id ? [] : [`${at + 1}=127.0.0.1:${port}`])).join();
    // Every process has a multicast port of its own, so that none hears another.
    const deaf = async () => ({ RAFT_MULTICAST_PORT: String(await freePort()) });
    const nodes = [];
    for (const [at, port] of ports.entries()) {
      const flags = ["--size", String(size), "--port", String(port), "--peers", others(at + 1)];
      nodes.push(made.start(["up", "--id", String(at + 1), ...flags], { env: await deaf() }));
    }
    for (const node of nodes) await node.waitForLine(/\bready:/, READY_MS);
    const peers = ["--peers", `127.0.0.1:${ports[1]}`];
    const options = { env: await deaf() };
    expect(await made.must(["send", ...peers, "hello"], options)).toMatch(/^\d+ {2}term/);
    expect(await made.must(["log", ...peers], options)).toMatch(/^\d+ {2}hello\n$/);
    const status = await made.must(["status", "--json", ...peers], options);
    expect(JSON.parse(status)).toMatchObject({ voters: size, healthy: true });
    // Without an address such a client reaches nobody only when nothing on this machine is
    // remembered.
    const stranger = await made.run(["status", "--timeout", "1s"], {
      env: { ...options.env, XDG_STATE_HOME: join(made.directory, "elsewhere") },
    });
    expect(stranger).toMatchObject({ code: 3, timedOut: false });
  });

  it("is founded from an empty directory with an empty environment", async () => {
    const made = world();
    const directory = join(made.directory, "empty");
    mkdirSync(directory);
    const name = ["--cluster", made.cluster];
    const bare = { cwd: directory, within: ["env", "-i"] };
    const nodes = [1, 2, 3].map((id) =>
      made.start(["up", "--id", String(id), ...name, "--data-dir", `data-${id}`], bare),
    );
    for (const node of nodes) await node.waitForLine(/\bready:/, READY_MS);
    expect(await made.must(["send", ...name, "hello"], bare)).toMatch(/^\d+ {2}term/);
    expect(await made.must(["log", ...name], bare)).toMatch(/^\d+ {2}hello\n$/);
    expect(readdirSync(directory).toSorted()).toEqual(["data-1", "data-2", "data-3"]);
  });
});

describe("raft up --local", () => {
  it.each([3, 4])("%i runs them in one terminal, and Ctrl-C ends them all", async (count) => {
    const made = world();
    const up = made.start(["up", "--local", String(count)]);
    await up.waitForLine(/\bready: in another terminal .* send/, READY_MS);
    await up.waitForLine(/^\d \| \d\d:\d\d:\d\d {2}node \d leads in term \d/);
    expect(await made.must(["send", "hello"])).toMatch(/^\d+ {2}term/);
    expect(await statusOf(made)).toMatchObject({ voters: count, healthy: true });
    expect(await up.stop("SIGINT")).toBe(0);
    const after = await made.run(["status", "--timeout", "500ms"]);
    expect(after.code).toBe(3);
  });

  it("ends its nodes when its own process is killed, and starts those that are missing", async () => {
    const made = world();
    const up = made.start(["up", "--local", "3"]);
    await up.waitForLine(/\bready:/, READY_MS);
    await made.must(["send", "before"]);
    await up.kill();
    await until("nobody answers", async () => {
      return (await made.run(["status", "--timeout", "500ms"])).code === 3;
    });
    const again = made.start(["up", "--local", "3"]);
    await again.waitForLine(/\bready:/, READY_MS);
    await made.must(["send", "after"]);
    expect(await made.must(["log", "--raw"])).toBe("before\nafter\n");
    const third = await made.run(["up", "--local", "3"]);
    expect(third).toMatchObject({ code: 0, timedOut: false });
    expect(third.stderr).toMatch(/nodes 1, 2 and 3 .* run here already/);
  });
});

describe("the members", () => {
  it("grow by a node that was let in, and get a wiped one back by replacing it", async () => {
    const { world: made, nodes } = await cluster(3);
    await made.must(["send", "-q", "-"], { stdin: "entry\n".repeat(500) });

    const fourth = made.up(4);
    await fourth.waitForLine(/node 4 is not a(?: member| founder)/);
    const added = await made.must(["members", "add", "4", "--timeout", "20s"]);
    expect(added).toMatch(/^ *4 +voter/m);
    expect(await statusOf(made)).toMatchObject({ voters: 4, healthy: true, canLose: 1 });

    // Losing a disk: the node is new, and cannot vote under the old identity.
    const { id: leader } = await leaderOf(made);
    const wiped = leader === 2 ? 3 : 2;
    expect(await nodes[wiped - 1]?.stop("SIGTERM")).toBe(0);
    expect((await made.run(["wipe", String(wiped), "--yes"])).code).toBe(0);
    const anew = made.up(wiped);
    await anew.waitForLine(/is known by other data than this machine has/);
    await made.must(["send", "while it waits"]);
    const replaced = await made.must(["members", "replace", String(wiped), "--timeout", "20s"]);
    expect(replaced).toMatch(new RegExp(`^ *${wiped} +voter`, "m"));
    const last = Number.parseInt(await made.must(["send", "after"]), 10);
    await equalLogs(made, [1, 2, 3, 4], last);
    expect(await statusOf(made)).toMatchObject({ voters: 4, healthy: true });

    // And shrink again.
    expect(await made.must(["members", "remove", "4"])).not.toMatch(/^ *4 +voter/m);
    await until("three voters, all well", async () => {
      const { voters, reachableVoters } = await statusOf(made);
      return voters === 3 && reachableVoters === 3;
    });
  });

  it("show a node that was let in as a learner as one that is there, at once", async () => {
    const { world: made } = await cluster(3);
    const fourth = made.up(4);
    await fourth.waitForLine(/node 4 is not a(?: member| founder)/);
    await until("node 4 is heard seldom", async () => {
      const row = (await statusOf(made)).nodes.find(({ id }) => id === 4);
      return (row?.lastContactMs ?? 0) > 500;
    });
    const added = await made.must(["members", "add", "4", "--learner"]);
    expect(added).toMatch(/^ *4 +learner +(follower|outside) /m);
    await fourth.waitForLine(/this node is a learner now/);
    expect((await statusOf(made)).nodes).toContainEqual(
      expect.objectContaining({ id: 4, member: "learner", role: "follower" }),
    );
  });

  it("refuse a change in a node that no longer runs, and wiping a node that does", async () => {
    const { world: made } = await cluster(3);
    const refused = await made.run(["wipe", "1", "--yes"]);
    expect(refused).toMatchObject({ code: 8, stdout: "" });
    expect(refused.stderr).toMatch(/already runs here: pid \d+/);
    const nobody = await made.run(["members", "add", "9", "--timeout", "1s"]);
    expect(nobody.code).not.toBe(0);
    expect(nobody.code).not.toBe(1);
  });
});

describe("a node with --http", () => {
  it("answers GET /status as JSON, and anything else with 404", async () => {
    const made = world();
    const port = await freeTcpPort();
    const nodes = [1, 2, 3].map((id) => made.up(id, ...(id === 1 ? ["--http", String(port)] : [])));
    for (const node of nodes) await node.waitForLine(/\bready:/, READY_MS);
    const answer = await fetch(`http://127.0.0.1:${port}/status`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toMatch(/json/);
    const body = (await answer.json()) as Record<string, unknown>;
    expect(body["id"]).toBe(1);
    expect(body["state"]).toMatch(/^(Leader|Follower|Candidate)$/);
    expect(body["term"]).toBe((await statusOf(made)).term);
    expect(body).toHaveProperty("voted_for");
    expect((await fetch(`http://127.0.0.1:${port}/else`)).status).toBe(404);
  });
});

describe("the executable", () => {
  it("is found by a client of the library in another process", async () => {
    expect(executable).toBeTruthy();
    const { world: made } = await cluster(3);
    const client = await clientOf(made);
    const receipt = await client.send("from a program");
    expect(await made.must(["log", "--from", String(receipt.index), "--raw"])).toBe(
      "from a program\n",
    );
  });
});

async function freeTcpPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
