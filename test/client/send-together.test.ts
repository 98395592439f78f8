/** Calls that share one request, of which some have waited long enough and others have not. */

import { describe, expect, it } from "vitest";
import { RaftClient } from "../../src/client/client.ts";
import { RaftError } from "../../src/client/types.ts";
import { FakeCluster, KEY } from "./fake-world.ts";

describe("calls of one request", () => {
  it("whose answer is lost: the one told unknown and the one that waits on are both added once (C34)", async () => {
    const cluster = new FakeCluster(1);
    cluster.elect(1);
    const client = await RaftClient.connect({ key: KEY }, cluster.world);
    await cluster.time.settled(client.send("0"));
    cluster.node(1).heardByClient = false;
    const impatient = client.send("a", { timeoutMs: 500 }).catch((error: unknown) => error);
    const patient = client.send("b", { timeoutMs: 10_000 });
    const error = await cluster.time.settled(impatient);
    expect(error instanceof RaftError && error.exitCode).toBe(5);
    await cluster.time.run(100);
    cluster.node(1).heardByClient = true;
    expect(await cluster.time.settled(patient)).toMatchObject({ index: 4, count: 1 });
    await cluster.time.settled(client.send("c"));
    expect(cluster.committed()).toEqual(["0", "a", "b", "c"]);
  });
});
