/** Requests under a name of the user's own, against scripted nodes on virtual time. */

import { describe, expect, it } from "vitest";
import { RaftClient } from "../../src/client/client.ts";
import { parseRequestId } from "../../src/client/request-id.ts";
import { RaftError } from "../../src/client/types.ts";
import { FakeCluster, KEY } from "./fake-world.ts";

async function connected(): Promise<{
  readonly cluster: FakeCluster;
  readonly client: RaftClient;
}> {
  const cluster = new FakeCluster(3);
  cluster.elect(1);
  return { cluster, client: await RaftClient.connect({ key: KEY }, cluster.world) };
}

async function failure(cluster: FakeCluster, promise: Promise<unknown>): Promise<RaftError> {
  const error = await cluster.time.settled(promise.catch((reason: unknown) => reason));
  if (!(error instanceof RaftError)) throw new Error(`expected a RaftError, got ${String(error)}`);
  return error;
}

const NAME = { requestId: "order 66" };

describe("a name of the user's own", () => {
  it("is added once, in whichever process", async () => {
    const { cluster, client } = await connected();
    expect(await cluster.time.settled(client.send("x", NAME))).toMatchObject({ duplicate: false });
    const other = await RaftClient.connect({ key: KEY }, cluster.world);
    expect(await cluster.time.settled(other.send("x", NAME))).toMatchObject({
      index: 2,
      duplicate: true,
    });
    expect(cluster.committed()).toEqual(["x"]);
  });

  it("is what an unknown outcome tells to repeat, and the repetition finishes it once", async () => {
    const { cluster, client } = await connected();
    cluster.commitMs = 60_000;
    const error = await failure(cluster, client.send("x", { ...NAME, timeoutMs: 300 }));
    expect(error.exitCode).toBe(5);
    expect(error.requestId).toBe(NAME.requestId);
    cluster.commitMs = 2;
    const other = await RaftClient.connect({ key: KEY }, cluster.world);
    const requestId = error.requestId ?? "";
    await cluster.time.settled(other.send("x", { requestId }));
    expect(cluster.committed()).toEqual(["x"]);
  });

  it.each([
    ["a name", true],
    ["a printed id", false],
  ])(
    "that was not sent again is not called absent: an earlier call may have added it (%s)",
    async (_, isOwn) => {
      const { cluster, client } = await connected();
      cluster.commitMs = 2_000;
      const first = { ...(isOwn && NAME), timeoutMs: 300 };
      const { requestId } = await failure(cluster, client.send("x", first));
      const options = { requestId: requestId ?? "", timeoutMs: 300 };
      cluster.noLeader();
      const other = await RaftClient.connect({ key: KEY }, cluster.world);
      const error = await failure(cluster, other.send("x", options));
      expect([error.exitCode, error.requestId]).toEqual([4, requestId]);
      expect(error.message).toMatch(
        /^not added by this call: .*no leader.*\. Safe to repeat under the same id: an earlier call may have added it\.$/,
      );
      for (const node of cluster.nodes.values()) node.alive = false;
      const alone = await failure(cluster, other.send("x", { ...options, timeoutMs: 3_000 }));
      expect([alone.exitCode, alone.requestId]).toEqual([3, requestId]);
      for (const node of cluster.nodes.values()) node.alive = true;
      cluster.elect(2);
      await cluster.time.run(5_000);
      expect(cluster.committed()).toEqual(["x"]);
    },
  );

  it("never enters again by a late copy of one call, when it was forgotten meanwhile (C36)", async () => {
    const { cluster, client } = await connected();
    cluster.commitMs = 60_000;
    const sent = client.send("x", { ...NAME, timeoutMs: 5_000 });
    await cluster.time.run(20);
    const at = cluster.host.lastIndex;
    const { clientId } = parseRequestId(NAME.requestId);
    expect(cluster.host.heads.at(-1)?.clientId).toBe(clientId);
    cluster.host.forgotten.add(clientId);
    cluster.host.forgottenAt = at;
    cluster.host.commitIndex = at;
    const error = await failure(cluster, sent);
    expect(error.exitCode).toBe(8);
    expect(error.message).toContain("look in the log");
    expect(cluster.host.lastIndex).toBe(at);
  });

  it("is born anew where nothing of it is open and all that was heard is too old", async () => {
    const { cluster, client } = await connected();
    await cluster.time.settled(client.send("first"));
    for (let at = 0; at < 20; at++) cluster.host.noop();
    cluster.host.commitIndex = cluster.host.lastIndex;
    cluster.host.forgottenAt = cluster.host.lastIndex;
    await cluster.time.settled(client.send("x", NAME));
    expect(cluster.committed()).toEqual(["first", "x"]);
  });

  it("waits for a birth where nobody knows of anything committed, and asks 50 times a second at most", async () => {
    const cluster = new FakeCluster(3);
    cluster.commitMs = 300;
    cluster.elect(1);
    const client = await RaftClient.connect({ key: KEY }, cluster.world);
    const sent = client.send("x", NAME);
    await cluster.time.run(250);
    const asked = cluster.requests.filter(({ request }) => request.type === "leader").length;
    expect(asked).toBeGreaterThan(5);
    expect(asked).toBeLessThan(20);
    expect(cluster.committed()).toEqual([]);
    await cluster.time.settled(sent);
    expect(cluster.committed()).toEqual(["x"]);
  });
});
