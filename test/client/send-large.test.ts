/** Large entries: what is on its way, or waits for its turn there, is not sent beside itself. */

import { expect, it } from "vitest";
import { RaftClient } from "../../src/client/client.ts";
import { FakeCluster, KEY } from "./fake-world.ts";

const LARGE = new Uint8Array(300_000);

/** A leader that is heard and answers no append. */
async function stage() {
  const cluster = new FakeCluster(3);
  cluster.elect(1);
  const client = await RaftClient.connect({ key: KEY }, cluster.world);
  await cluster.time.settled(client.send("found"));
  const sent: number[] = [];
  cluster.node(1).script = (request) => {
    if (request.type !== "append") return undefined;
    sent.push(cluster.time.nowMs);
    return "silence";
  };
  const settled = client.send(LARGE, { timeoutMs: 60_000 }).catch(() => undefined);
  const hear = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 200) {
      for (const connection of cluster.met)
        Object.assign(connection, { lastHeardMs: cluster.time.nowMs });
      await cluster.time.run(200);
    }
  };
  return { cluster, client, sent, hear, settled };
}

it("a large request that has not arrived whole at a living node is not sent again", async () => {
  const { cluster, sent, hear } = await stage();
  cluster.isSending = () => true;
  await hear(10_000);
  expect(sent.length).toBe(1);
});

it("and has the time of an answer once it has arrived, before it is sent again", async () => {
  const { cluster, sent, hear } = await stage();
  cluster.isSending = () => true;
  await hear(5_000);
  cluster.isSending = () => false;
  const arrivedMs = cluster.time.nowMs;
  await hear(3_000);
  expect(sent.length).toBeGreaterThan(1);
  expect(sent[1]! - arrivedMs).toBeGreaterThan(200);
});

it("but goes again when nothing is heard of that node any more", async () => {
  const { cluster, sent } = await stage();
  cluster.isSending = () => true;
  cluster.node(1).heardByClient = false;
  await cluster.time.run(5_000);
  expect(sent.length).toBeGreaterThan(1);
});
