/** How soon a client goes on when another node leads, against scripted nodes on virtual time. */

import { describe, expect, it } from "vitest";
import { RaftClient } from "../../src/client/client.ts";
import type { ClientWorld } from "../../src/client/world.ts";
import type { Hint } from "../../src/discovery/types.ts";
import { hintOf } from "./fake-identity.ts";
import { FakeCluster, KEY } from "./fake-world.ts";

async function connect(cluster: FakeCluster): Promise<RaftClient> {
  return RaftClient.connect({ key: KEY }, cluster.world);
}

/** Node 2 leads after a while, node 3 tells the client, and what it was sending is added then. */
async function expectGoesOn(cluster: FakeCluster, client: RaftClient): Promise<void> {
  const sent = client.send("after");
  await cluster.time.run(300);
  cluster.elect(2);
  const electedMs = cluster.time.nowMs;
  cluster.tell(3);
  await cluster.time.settled(sent);
  expect(cluster.time.nowMs - electedMs).toBeLessThan(10);
  expect(cluster.committed()).toEqual(["before", "after"]);
}

describe("a client whose leader has died", () => {
  it("goes on at once when a node tells who leads now, unasked", async () => {
    const cluster = new FakeCluster(3);
    cluster.elect(1);
    const client = await connect(cluster);
    await cluster.time.settled(client.send("before"));
    cluster.kill(1);
    await expectGoesOn(cluster, client);
  });

  it("goes on as soon as it has met the new process of a node that was started anew and leads now", async () => {
    const cluster = new FakeCluster(3);
    cluster.elect(1);
    const client = await connect(cluster);
    await cluster.time.settled(client.send("before"));
    cluster.kill(2);
    cluster.node(2).alive = true;
    cluster.kill(1);
    await expectGoesOn(cluster, client);
  });

  it("sends to the new one directly, however long the one before was silent", async () => {
    for (let silentMs = 60; silentMs < 900; silentMs += 60) {
      const cluster = new FakeCluster(3);
      cluster.elect(1);
      const client = await connect(cluster);
      await cluster.time.settled(client.send("before"));
      cluster.kill(1);
      const sent = client.send("after");
      await cluster.time.run(silentMs);
      cluster.elect(2);
      const before = cluster.requests.length;
      cluster.tell(3);
      await cluster.time.settled(sent);
      const first = cluster.requests.slice(before).findLast((one) => one.request.type === "append");
      expect(first).toMatchObject({ node: 2, hops: 0 });
      await client.close();
    }
  });

  it("asks every node now and then, so that none forgets it while only the leader is needed", async () => {
    const cluster = new FakeCluster(3);
    cluster.elect(1);
    const client = await connect(cluster);
    await cluster.time.settled(client.send("first"));
    const sinceMs = cluster.time.nowMs;
    await cluster.time.run(60_000);
    for (const id of [1, 2, 3]) {
      const asked = cluster.requests.filter(({ node, atMs }) => node === id && atMs > sinceMs);
      expect(asked.map(({ request }) => request.type)).toContain("leader");
      expect(asked.length).toBeLessThan(10);
    }
    await client.close();
  });
});

describe("a client whose cluster was founded anew under the same name", () => {
  it("believes neither the old one's leader nor how far its log went", async () => {
    const cluster = new FakeCluster(3);
    for (let term = 1; term <= 9; term++) cluster.elect(1);
    const client = await connect(cluster);
    await cluster.time.settled(client.send("before"));
    const { host } = cluster;
    cluster.kill(1);
    cluster.met = [];
    Object.assign(host, { commitIndex: 0, term: 0 });
    host.truncate(1);
    for (const node of [cluster.node(2), cluster.node(3)]) {
      cluster.kill(node.id);
      Object.assign(node, { alive: true, clusterId: "77".repeat(16) });
    }
    cluster.elect(2);
    expect(await cluster.time.settled(client.leader({ wait: true }))).toMatchObject({ id: 2 });
    const sent = client.send("after", { requestId: "order 67" });
    const { index } = await cluster.time.settled(sent);
    expect(cluster.committed()).toEqual(["after"]);
    const born = cluster.requests.flatMap(({ request }) =>
      request.type === "append" ? [request.bornAt] : [],
    );
    expect(born.at(-1)).toBe(index - 1);
  });
});

describe("a client that meets a second cluster of the same name", () => {
  it.each(["order 67", undefined])(
    "asks it for nothing that is under way, and believes nothing of it (id: %s)",
    async (requestId) => {
      const cluster = new FakeCluster(4);
      const other = cluster.node(4);
      Object.assign(other, { alive: false, clusterId: "77".repeat(16), leader: null });
      cluster.elect(1);
      other.leader = null;
      const { world } = cluster;
      let hear: (hint: Hint) => void = () => {};
      const openWire: ClientWorld["openWire"] = (options, listener) => {
        hear = (hint) => listener.onHint(hint);
        return world.openWire(options, listener);
      };
      const client = await RaftClient.connect({ key: KEY }, { ...world, openWire });
      await cluster.time.settled(client.send("before"));
      let appends = 0;
      other.script = (request) => {
        if (request.type === "append") appends += 1;
        if (request.type !== "leader") return undefined;
        return {
          type: "leader",
          leader: { id: 4, term: 99, address: other.address },
          commitIndex: 500_000,
          bootId: "ab".repeat(16),
          configurationIndex: 0,
        };
      };
      const own = [1, 2, 3].map((id) => cluster.node(id));
      for (const node of own)
        node.script = (request) => (request.type === "append" ? "silence" : undefined);
      const sent = client.send("meanwhile", requestId === undefined ? {} : { requestId });
      await cluster.time.run(20);
      other.alive = true;
      hear(hintOf(other));
      await cluster.time.run(3_000);
      await expect(cluster.time.settled(client.send("new"))).rejects.toMatchObject({ exitCode: 8 });
      expect(appends).toBe(0);
      // It ends, and what is under way goes on where it began.
      cluster.kill(4);
      cluster.met = cluster.met.filter(({ remote }) => remote.address !== other.address);
      for (const node of own) node.script = null;
      await cluster.time.settled(sent);
      const { index } = await cluster.time.settled(client.send("after", { requestId: "order 68" }));
      expect(cluster.committed()).toEqual(["before", "meanwhile", "after"]);
      const born = cluster.requests.flatMap(({ request }) =>
        request.type === "append" ? [request.bornAt] : [],
      );
      expect(born.at(-1)).toBeLessThan(index);
      await client.close();
    },
  );
});
