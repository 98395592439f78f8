/** What an operator asks of a cluster, against scripted nodes, on virtual time. */

import { describe, expect, it } from "vitest";
import { RaftClient } from "../../src/client/client.ts";
import type { Request, Response } from "../../src/transport/requests.ts";
import { FakeCluster, KEY } from "./fake-world.ts";

async function setUp(size = 3): Promise<{ cluster: FakeCluster; client: RaftClient }> {
  const cluster = new FakeCluster(size);
  cluster.elect(1);
  return {
    cluster,
    client: await RaftClient.connect({ key: KEY, userHost: "ana@lab-07" }, cluster.world),
  };
}

const refused = (code: Extract<Response, { type: "refused" }>["code"], text = ""): Response => ({
  type: "refused",
  code,
  text,
  leader: null,
  number: null,
});

describe("an operator", () => {
  it("stops the process that runs now, and says who asked", async () => {
    const { cluster, client } = await setUp();
    await cluster.time.settled(client.stop(2));
    await cluster.time.run(10);
    expect(cluster.node(2).alive).toBe(false);
    const stops = cluster.requests
      .map(({ request }) => request)
      .filter((request) => request.type === "stop");
    expect(stops).toMatchObject([{ by: "ana@lab-07", kill: false }]);
  });

  it("never stops the successor: a repeated request is bound to the boot id", async () => {
    const { cluster, client } = await setUp();
    await cluster.time.run(20);
    let copies = 0;
    cluster.node(2).script = (request) => {
      if (request.type !== "stop") return undefined;
      if (copies++ > 0) return undefined;
      // It stops, its answer is lost, and another process takes its place.
      cluster.node(2).boot++;
      return "silence";
    };
    await cluster.time.settled(client.stop(2));
    expect(cluster.node(2).alive).toBe(true);
  });

  it("a node that does not answer cannot be stopped: exit code 3 or 4, in time", async () => {
    const { cluster, client } = await setUp();
    cluster.node(3).alive = false;
    await expect(cluster.time.settled(client.stop(3))).rejects.toMatchObject({ exitCode: 4 });
    expect(cluster.time.nowMs).toBeLessThanOrEqual(2_100);
  });

  it("a node that is no member, and one that fell silent, are named as such", async () => {
    const { cluster, client } = await setUp();
    await expect(cluster.time.settled(client.stop(9))).rejects.toMatchObject({
      exitCode: 4,
      message: "not done: node 9 is no member (members: 1, 2, 3) and does not answer",
    });
    cluster.node(3).alive = false;
    await expect(cluster.time.settled(client.stop(3))).rejects.toMatchObject({
      message: expect.stringMatching(
        /^not done: node 3 does not answer(; last heard \d\d:\d\d:\d\d)?$/,
      ),
    });
  });

  it("a node that has said goodbye is not called silent", async () => {
    const { cluster, client } = await setUp();
    cluster.node(3).alive = false;
    cluster.node(3).stopped = true;
    await expect(cluster.time.settled(client.stop(3))).rejects.toMatchObject({
      exitCode: 4,
      message: expect.stringMatching(/^not done: node 3 has stopped already, at \d\d:\d\d:\d\d$/),
    });
  });

  it("a stale read at a node that is down says so, not that there is no leader", async () => {
    const { cluster, client } = await setUp();
    cluster.node(2).alive = false;
    const reading = client.log({ node: 2, stale: true }).next();
    await expect(cluster.time.settled(reading)).rejects.toMatchObject({
      message: expect.stringMatching(/^not done: node 2 does not answer/),
    });
  });

  it("stopLeader stops the leader that is, and names it", async () => {
    const { cluster, client } = await setUp();
    expect(await cluster.time.settled(client.stopLeader({ kill: true }))).toMatchObject({ id: 1 });
    await cluster.time.run(10);
    expect([1, 2, 3].filter((id) => cluster.node(id).alive)).toEqual([2, 3]);
  });

  it("transfers to a term that is new, binds the order to the old one, and is told soon", async () => {
    const { cluster, client } = await setUp();
    const terms: number[] = [];
    let doneMs = Infinity;
    cluster.node(1).script = (request) => {
      if (request.type !== "transfer") return undefined;
      terms.push(request.term);
      doneMs = cluster.time.nowMs + 12;
      cluster.time.after(12, () => cluster.elect(2));
      return { type: "done", text: "node 2 takes over", configuration: null };
    };
    expect(await cluster.time.settled(client.transfer(2))).toMatchObject({ id: 2, term: 3 });
    expect(terms).toEqual([2]);
    expect(cluster.time.nowMs - doneMs).toBeLessThan(10);
  });

  it("a transfer that another election overtook is not done (exit code 4)", async () => {
    const { cluster, client } = await setUp();
    cluster.node(1).script = (request) => {
      if (request.type !== "transfer") return undefined;
      cluster.elect(3);
      return refused("outdated", "the leader changed meanwhile");
    };
    await expect(cluster.time.settled(client.transfer(2))).rejects.toMatchObject({
      exitCode: 4,
      message: "not done: node 3 leads, in term 3",
    });
  });

  it("a transfer that the leader gave up is ordered again, for the same term", async () => {
    const { cluster, client } = await setUp();
    const terms: number[] = [];
    cluster.node(1).script = (request) => {
      if (request.type !== "transfer") return undefined;
      if (terms.push(request.term) === 3) cluster.elect(2);
      return { type: "done", text: "node 2 takes over", configuration: null };
    };
    expect(await cluster.time.settled(client.transfer(2))).toMatchObject({ id: 2, term: 3 });
    expect(terms).toEqual([2, 2, 2]);
  });

  it("a transfer is ordered three times at most: each order closes the log for a while", async () => {
    const { cluster, client } = await setUp();
    let orders = 0;
    cluster.node(1).script = (request) => {
      if (request.type !== "transfer") return undefined;
      orders += 1;
      return { type: "done", text: "node 2 takes over", configuration: null };
    };
    const transfer = client.transfer(2, { timeoutMs: 20_000 });
    await expect(cluster.time.settled(transfer)).rejects.toMatchObject({ exitCode: 4 });
    expect(orders).toBe(3);
  });

  it("a transfer that comes to nothing says why the last order was refused (exit code 4)", async () => {
    const { cluster, client } = await setUp();
    let orders = 0;
    cluster.node(1).script = (request) => {
      if (request.type !== "transfer") return undefined;
      return (orders += 1) === 1
        ? { type: "done", text: "node 2 takes over", configuration: null }
        : refused("bad request", "node 2 does not answer, or cannot take over now");
    };
    await expect(cluster.time.settled(client.transfer(2))).rejects.toMatchObject({
      exitCode: 4,
      message: "node 1 still leads: node 2 does not answer, or cannot take over now",
    });
  });

  it("a transfer whose answer was lost is done when the node that was meant leads", async () => {
    const { cluster, client } = await setUp();
    cluster.node(1).script = (request) => {
      if (request.type !== "transfer") return undefined;
      cluster.elect(2);
      return refused("outdated", "the leader changed meanwhile");
    };
    expect(await cluster.time.settled(client.transfer(2))).toMatchObject({ id: 2, term: 3 });
  });

  it("a lost answer to a change is recognised in the newer configuration", async () => {
    const { cluster, client } = await setUp();
    let index = 0;
    const members = [1, 2, 3].map((id) => ({
      id,
      incarnation: id.toString(16).padStart(32, "0"),
      role: "voter" as const,
    }));
    const asked: Request[] = [];
    cluster.node(1).script = (request) => {
      if (request.type === "status") {
        const configuration = { index, members: index === 0 ? members : members.slice(0, 2) };
        return { type: "status", report: { ...cluster.report(cluster.node(1)), configuration } };
      }
      if (request.type !== "members") return undefined;
      asked.push(request);
      if (request.configurationIndex !== index)
        return refused("configuration changed", "the members changed meanwhile");
      index = 7;
      return "silence";
    };
    const done = await cluster.time.settled(client.removeMember(3));
    expect(done).toMatchObject({ index: 7, members: [{ id: 1 }, { id: 2 }] });
    expect(
      asked.every((request) => request.type === "members" && request.configurationIndex === 0),
    ).toBe(true);
  });

  it("waits a moment while the leader is not ready for a change, and says why when that lasts", async () => {
    const { cluster, client } = await setUp();
    let tries = 0;
    cluster.node(1).script = (request) => {
      if (request.type !== "members") return undefined;
      if (tries++ < 3)
        return refused(
          "configuration changed",
          "this leader has not committed an entry of its term yet",
        );
      return { type: "done", text: "", configuration: { index: 9, members: [] } };
    };
    expect(await cluster.time.settled(client.promoteMember(3))).toMatchObject({ index: 9 });
    cluster.node(1).script = (request) =>
      request.type === "members"
        ? refused("configuration changed", "node 3 is no learner")
        : undefined;
    await expect(cluster.time.settled(client.promoteMember(3))).rejects.toMatchObject({
      exitCode: 4,
      message: "not done: node 3 is no learner",
    });
  });

  it("is told where such requests are taken (exit code 8)", async () => {
    const { cluster, client } = await setUp();
    for (const node of cluster.nodes.values())
      node.script = (request) =>
        request.type === "stop" ? refused("forbidden", "make a key, or type it there") : undefined;
    await expect(cluster.time.settled(client.stop(2))).rejects.toMatchObject({
      exitCode: 8,
      message: "refused by node 2: make a key, or type it there",
    });
  });
});

describe("leader and status", () => {
  it("name the leader of the highest term, whoever is asked", async () => {
    const { cluster, client } = await setUp();
    cluster.elect(3);
    cluster.node(1).leader = { id: 1, term: 2, address: cluster.node(1).address };
    expect(await cluster.time.settled(client.leader())).toEqual({
      id: 3,
      term: 3,
      address: { host: "10.0.0.3", port: 7403 },
    });
  });

  it("without a leader: exit code 4 at once, or with `wait` as soon as there is one", async () => {
    const { cluster, client } = await setUp();
    cluster.noLeader();
    await expect(cluster.time.settled(client.leader())).rejects.toMatchObject({ exitCode: 4 });
    expect(cluster.time.nowMs).toBeLessThan(1_000);
    const waiting = client.leader({ wait: true, timeoutMs: 60_000 });
    await cluster.time.run(5_000);
    cluster.elect(2);
    expect(await cluster.time.settled(waiting)).toMatchObject({ id: 2 });
  });

  it("status does not wait for nodes that the leader knows to be gone", async () => {
    const { cluster, client } = await setUp();
    cluster.node(3).alive = false;
    const status = await cluster.time.settled(client.status());
    expect(cluster.time.nowMs).toBeLessThan(200);
    expect(status).toMatchObject({ leader: 1, reachableVoters: 2, voters: 3, healthy: false });
    expect(status.rows.map(({ id, role }) => `${id} ${role}`)).toEqual([
      "1 leader",
      "2 follower",
      "3 unreachable",
    ]);
  });

  it("status says that nobody answers (exit code 3) after its time, not before", async () => {
    const cluster = new FakeCluster(0);
    const client = await RaftClient.connect({ key: KEY, timeoutMs: 1_500 }, cluster.world);
    await expect(cluster.time.settled(client.status())).rejects.toMatchObject({ exitCode: 3 });
    expect(cluster.time.nowMs).toBeGreaterThanOrEqual(1_500);
    expect(cluster.time.nowMs).toBeLessThan(1_600);
  });

  it("clusters lists what is heard", async () => {
    const { cluster, client } = await setUp();
    const heard = await cluster.time.settled(client.clusters());
    expect(heard.map(({ cluster: name, nodes }) => [name, nodes.length])).toEqual([["raft", 3]]);
  });
});
