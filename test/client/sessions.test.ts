/** Many sessions over one client, against scripted nodes on virtual time: each has its own order
 *  and its own fate, and they share everything else. */

import { describe, expect, it } from "vitest";
import { RaftClient } from "../../src/client/client.ts";
import { RaftError } from "../../src/client/types.ts";
import { FakeCluster, KEY } from "./fake-world.ts";

const SESSIONS = 50;

async function connected(
  seed = 1,
): Promise<{ readonly cluster: FakeCluster; readonly client: RaftClient }> {
  const cluster = new FakeCluster(3, seed);
  cluster.elect(1);
  return { cluster, client: await RaftClient.connect({ key: KEY }, cluster.world) };
}

function exitCodeOf(error: unknown): number {
  return error instanceof RaftError ? error.exitCode : 0;
}

/** The entries of one session, in the order of the log. */
function entriesOf(cluster: FakeCluster, session: number): string[] {
  return cluster.committed().filter((text) => text.startsWith(`${session}:`));
}

describe("sessions of one client", () => {
  it("are a client of the cluster each, and the requests of one turn leave together", async () => {
    const { cluster, client } = await connected();
    const sessions = Array.from({ length: SESSIONS }, () => client.session());
    const all = sessions.map((session, at) => session.send(`${at}:0`));
    await cluster.time.settled(Promise.all(all));
    const appends = cluster.requests.filter(({ request }) => request.type === "append");
    expect(appends).toHaveLength(SESSIONS);
    const clientIds = appends.map(({ request }) => request.type === "append" && request.clientId);
    expect(new Set(clientIds).size).toBe(SESSIONS);
    const births = cluster.requests.filter(({ request }) => request.type === "leader");
    expect(births.length).toBeLessThan(SESSIONS / 5);
    // The wire delays each by 1 to 2 ms.
    const times = appends.map(({ atMs }) => atMs);
    expect(Math.max(...times) - Math.min(...times)).toBeLessThan(1);
  });

  it("lose nothing, double nothing and keep each its order through loss, copies and a new leader", async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const { cluster, client } = await connected(seed);
      cluster.loss = 0.1;
      cluster.doubling = 0.1;
      const all: Promise<unknown>[] = [];
      for (let session = 0; session < SESSIONS; session++) {
        const writer = client.session();
        for (let at = 0; at < 20; at++)
          all.push(writer.send(`${session}:${at}`, { timeoutMs: 30_000 }));
      }
      await cluster.time.run(20);
      cluster.elect(2, 0);
      await cluster.time.settled(Promise.all(all));
      for (let session = 0; session < SESSIONS; session++) {
        const expected = Array.from({ length: 20 }, (_, at) => `${session}:${at}`);
        expect(entriesOf(cluster, session), `seed ${seed}`).toEqual(expected);
      }
    }
  });

  it("fail each for itself: an unknown outcome in one holds up no other", async () => {
    const { cluster, client } = await connected();
    const [one, other] = [client.session(), client.session()];
    await cluster.time.settled(Promise.all([one.send("1:0"), other.send("2:0")]));
    const silenced = cluster.requests.find(
      ({ request }) => request.type === "append" && decoded(request.payloads) === "1:0",
    )?.request;
    const { clientId = "" } = silenced?.type === "append" ? silenced : {};
    for (const node of cluster.nodes.values())
      node.script = (request) =>
        request.type === "append" && request.clientId === clientId ? "silence" : undefined;
    const lost = one.send("1:1", { timeoutMs: 500 }).then(() => 0, exitCodeOf);
    const receipts = [];
    for (let at = 1; at <= 5; at++)
      receipts.push(await cluster.time.settled(other.send(`2:${at}`, { timeoutMs: 100 })));
    expect(receipts.map(({ tookMs }) => tookMs < 100)).toEqual(receipts.map(() => true));
    expect(await cluster.time.settled(lost)).toBe(5);
    await cluster.time.settled(one.send("1:2"));
    expect(entriesOf(cluster, 1)).toEqual(["1:0", "1:2"]);
    expect(entriesOf(cluster, 2)).toHaveLength(6);
  });

  it("that the cluster forgot begin anew, and those that it knows go on meanwhile", async () => {
    const { cluster, client } = await connected();
    const [idle, busy] = [client.session(), client.session()];
    await cluster.time.settled(idle.send("1:0"));
    const { clientId = "" } = cluster.host.heads.at(-1) ?? {};
    await cluster.time.settled(busy.send("2:0"));
    for (let at = 0; at < 20; at++) cluster.host.noop();
    cluster.host.commitIndex = cluster.host.lastIndex;
    cluster.host.forgotten.add(clientId);
    cluster.host.forgottenAt = 15;
    const before = cluster.requests.length;
    await cluster.time.settled(Promise.all([idle.send("1:1"), busy.send("2:1")]));
    expect(cluster.committed()).toEqual(["1:0", "2:0", "2:1", "1:1"]);
    expect(cluster.requests.length - before).toBe(4);
  });

  it("close each for itself: what waits in it is rejected, the others go on", async () => {
    const { cluster, client } = await connected();
    const [one, other] = [client.session(), client.session()];
    await cluster.time.settled(Promise.all([one.send("1:0"), other.send("2:0")]));
    cluster.node(1).hearsClient = false;
    const open = one.send("1:1").then(() => 0, exitCodeOf);
    await cluster.time.run(5);
    one.close();
    expect(await cluster.time.settled(open)).toBe(5);
    expect(await cluster.time.settled(one.send("1:2").then(() => 0, exitCodeOf))).toBe(4);
    cluster.node(1).hearsClient = true;
    await cluster.time.settled(other.send("2:1"));
    expect(entriesOf(cluster, 2)).toEqual(["2:0", "2:1"]);
    expect(entriesOf(cluster, 1)).toEqual(["1:0"]);
  });

  it("share what their client may hold: more is refused, and taken once there is room", async () => {
    const { cluster, client } = await connected();
    await cluster.time.settled(client.send("0:0"));
    cluster.node(1).hearsClient = false;
    const entry = new Uint8Array(1 << 20);
    const code = (): Promise<number> =>
      client
        .session()
        .send(entry)
        .then(() => 0, exitCodeOf);
    const taken = Array.from({ length: 64 }, code);
    // Held as well when all of it is on its way.
    await cluster.time.run(100);
    expect(await cluster.time.settled(code())).toBe(4);
    expect(await cluster.time.settled(code())).toBe(4);
    cluster.node(1).hearsClient = true;
    expect(new Set(await cluster.time.settled(Promise.all(taken)))).toEqual(new Set([0]));
    expect(await cluster.time.settled(code())).toBe(0);
  });

  it("that close in the turn of a call send nothing of it", async () => {
    const { cluster, client } = await connected();
    const [one, other] = [client.session(), client.session()];
    await cluster.time.settled(one.send("1:0"));
    const outcome = one.send("1:1").then(() => 0, exitCodeOf);
    one.close();
    expect(await cluster.time.settled(outcome)).toBe(4);
    await cluster.time.settled(other.send("2:0"));
    expect(cluster.committed()).toEqual(["1:0", "2:0"]);
  });

  it("end with their client", async () => {
    const { cluster, client } = await connected();
    const session = client.session();
    await cluster.time.settled(session.send("1:0"));
    cluster.node(1).hearsClient = false;
    const open = session.send("1:1").then(() => 0, exitCodeOf);
    await cluster.time.run(5);
    await client.close();
    expect(await open).toBe(5);
    expect(await session.send("1:2").then(() => 0, exitCodeOf)).toBe(4);
  });
});

/** The one entry of a small request. */
function decoded(payloads: Uint8Array): string {
  return new TextDecoder().decode(payloads.subarray(7));
}
