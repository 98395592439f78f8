/** Sending against scripted nodes, on virtual time: redirects, losses, leader changes, outcomes. */

import { describe, expect, it } from "vitest";
import { RaftClient } from "../../src/client/client.ts";
import { RaftError, type Receipt } from "../../src/client/types.ts";
import { RECORD_KIND } from "../../src/storage/types.ts";
import { FakeCluster, KEY } from "./fake-world.ts";

async function connect(cluster: FakeCluster): Promise<RaftClient> {
  return RaftClient.connect({ key: KEY }, cluster.world);
}

async function failure(cluster: FakeCluster, promise: Promise<unknown>): Promise<RaftError> {
  const error = await cluster.time.settled(
    promise.then(
      () => null,
      (reason: unknown) => reason,
    ),
  );
  if (!(error instanceof RaftError)) throw new Error(`expected a RaftError, got ${String(error)}`);
  return error;
}

describe("send", () => {
  it("finds the leader and returns where the entry stands", async () => {
    const cluster = new FakeCluster(3);
    cluster.elect(2);
    const client = await connect(cluster);
    const receipt = await cluster.time.settled(client.send("hello"));
    expect(receipt).toMatchObject({
      index: 2,
      count: 1,
      term: 2,
      duplicate: false,
      holders: [1, 2],
    });
    expect(cluster.committed()).toEqual(["hello"]);
  });

  it("several entries of one call are one record", async () => {
    const cluster = new FakeCluster(3);
    cluster.elect(1);
    const client = await connect(cluster);
    const receipt = await cluster.time.settled(client.send(["a", "", "c"]));
    expect(receipt).toMatchObject({ index: 2, count: 3 });
    expect(cluster.host.heads).toHaveLength(2);
  });

  it("calls of one turn share a record, in the order of the calls, and at most four requests are under way", async () => {
    const cluster = new FakeCluster(3);
    cluster.elect(1);
    const client = await connect(cluster);
    await cluster.time.settled(client.send("warm"));
    cluster.commitMs = 1_000;
    const all: Promise<Receipt>[] = [];
    for (let at = 0; at < 5_000; at++) all.push(client.send(`${at}`));
    await cluster.time.run(50);
    const sequences = new Set(
      cluster.requests.map(({ request }) =>
        request.type === "append" ? request.firstSequence : 0,
      ),
    );
    expect(sequences.size).toBeLessThanOrEqual(2 + 4);
    const receipts = await cluster.time.settled(Promise.all(all));
    expect(receipts.map(({ index }) => index)).toEqual(receipts.map((_, at) => 3 + at));
    expect(cluster.committed().slice(1)).toEqual(receipts.map((_, at) => `${at}`));
    expect(cluster.host.heads.length).toBe(2 + 5);
  });

  it("a leader change with 1,000 outstanding loses nothing, doubles nothing and keeps the order", async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const cluster = new FakeCluster(3, seed);
      cluster.loss = 0.1;
      cluster.doubling = 0.1;
      cluster.elect(1);
      const client = await connect(cluster);
      const done: string[] = [];
      const all: Promise<unknown>[] = [];
      for (let at = 0; at < 1_000; at++) {
        all.push(client.send(`${at}`, { timeoutMs: 30_000 }).then(() => done.push(`${at}`)));
        if (at % 100 === 99) await cluster.time.run(1);
      }
      await cluster.time.run(3 + seed);
      cluster.kill(1);
      await cluster.time.run(200);
      cluster.elect(2, seed % 3 === 0 ? 0 : seed * 20);
      await cluster.time.run(20);
      cluster.elect(3, seed % 2 === 0 ? 0 : 300);
      await cluster.time.settled(Promise.all(all));
      expect(cluster.committed()).toEqual(all.map((_, at) => `${at}`));
      expect(done).toHaveLength(1_000);
    }
  });

  it("lost replies end in one entry and an ordinary receipt (C34)", async () => {
    const cluster = new FakeCluster(3);
    cluster.elect(1);
    const client = await connect(cluster);
    let lost = 0;
    await cluster.time.run(20);
    cluster.node(1).heardByClient = false;
    const sent = client.send("once");
    await cluster.time.run(400);
    lost = cluster.requests.filter(({ request }) => request.type === "append").length;
    cluster.node(1).heardByClient = true;
    const receipt = await cluster.time.settled(sent);
    expect(lost).toBeGreaterThan(1);
    expect(receipt.duplicate).toBe(false);
    expect(cluster.committed()).toEqual(["once"]);
  });

  it("a leader that cannot be met gets the request through another node, one hop", async () => {
    const cluster = new FakeCluster(3);
    cluster.elect(3);
    Object.assign(cluster.node(3), { hearsClient: false, heardByClient: false });
    const client = await connect(cluster);
    await cluster.time.settled(client.send("over a friend"));
    expect(cluster.time.nowMs).toBeLessThan(700);
    expect(
      cluster.requests.some(
        ({ request, hops, node }) => request.type === "append" && hops === 1 && node !== 3,
      ),
    ).toBe(true);
    expect(cluster.committed()).toEqual(["over a friend"]);
  });

  it.each([1, 2])(
    "asks another node when the one that it reaches does not hear the leader either (node %i)",
    async (deaf) => {
      const cluster = new FakeCluster(3);
      cluster.elect(3);
      Object.assign(cluster.node(3), { hearsClient: false, heardByClient: false });
      const refusal = { type: "refused", code: "no leader", text: "", leader: null } as const;
      cluster.node(deaf).script = ({ type }) =>
        type === "append" ? { ...refusal, number: null } : undefined;
      const client = await connect(cluster);
      await cluster.time.settled(client.send("the other way round"));
      expect(cluster.time.nowMs).toBeLessThan(1_000);
      expect(cluster.committed()).toEqual(["the other way round"]);
    },
  );

  it("two nodes that name each other as leader do not make a loop (C37)", async () => {
    const cluster = new FakeCluster(2);
    const hint = (id: number) => ({ id, term: 5, address: cluster.node(id).address });
    cluster.node(1).leader = hint(2);
    cluster.node(2).leader = hint(1);
    const client = await connect(cluster);
    const error = await failure(cluster, client.send("x", { timeoutMs: 2_000 }));
    expect(error.exitCode).toBe(4);
    expect(cluster.requests.filter(({ request }) => request.type === "append").length).toBeLessThan(
      60,
    );
  });

  it("a stale hint of an older term loses against a newer one", async () => {
    const cluster = new FakeCluster(3);
    cluster.elect(1);
    cluster.elect(2);
    cluster.node(1).leader = { id: 1, term: 2, address: cluster.node(1).address };
    cluster.node(3).leader = { id: 1, term: 2, address: cluster.node(1).address };
    const client = await connect(cluster);
    await cluster.time.settled(client.send("x"));
    expect(cluster.committed()).toEqual(["x"]);
  });

  describe("outcomes", () => {
    it("nobody answers: exit code 3, with what was tried and heard", async () => {
      const cluster = new FakeCluster(0);
      const client = await connect(cluster);
      const error = await failure(cluster, client.send("x", { timeoutMs: 2_000 }));
      expect(error.exitCode).toBe(3);
      expect(error.nobody).toMatchObject({
        cluster: "raft",
        seconds: 2,
        interfaces: ["127.0.0.1"],
      });
      expect(cluster.time.nowMs).toBe(2_000);
    });

    it("no leader: exit code 4 and why", async () => {
      const cluster = new FakeCluster(3);
      cluster.node(2).alive = false;
      cluster.node(3).alive = false;
      const client = await connect(cluster);
      const error = await failure(cluster, client.send("x", { timeoutMs: 3_000 }));
      expect(error.exitCode).toBe(4);
      expect(error.message).toBe(
        "not added: node 1 answers but there is no leader (2 of 3 voters are needed; 2 and 3 are silent). Safe to send again.",
      );
    });

    it.each([
      [[], "the leader, node 3, was not reached in 20 ms"],
      [["status"], "the leader, node 3, was not reached in 20 ms"],
      [["status", "leader"], "20 ms were too short to learn who leads"],
    ])("no time to find a leader is not called no leader (silence: %j)", async (silent, why) => {
      const cluster = new FakeCluster(3);
      cluster.elect(3);
      cluster.node(3).heardByClient = false;
      for (const node of cluster.nodes.values())
        node.script = ({ type }) => (silent.includes(type) ? "silence" : undefined);
      const client = await connect(cluster);
      const error = await failure(cluster, client.send("x", { timeoutMs: 20 }));
      const said = `not added: nodes 1 and 2 answer but ${why}. Safe to send again.`;
      expect([error.exitCode, error.message]).toEqual([4, said]);
    });

    it("not founded: exit code 4 and whom it waits for", async () => {
      const cluster = new FakeCluster(3);
      cluster.founded = false;
      cluster.node(3).alive = false;
      const client = await connect(cluster);
      const error = await failure(cluster, client.send("x", { timeoutMs: 3_000 }));
      expect(error.exitCode).toBe(4);
      expect(error.message).toMatch(/^not added: nodes 1 and 2 answer but cluster raft is/);
    });

    it("taken and never answered: exit code 5 with a request id, and its repetition finishes it once", async () => {
      const cluster = new FakeCluster(3);
      cluster.elect(2);
      const client = await connect(cluster);
      await cluster.time.run(20);
      cluster.commitMs = 60_000;
      const hurry = await failure(cluster, client.send("soon", { timeoutMs: 300 }));
      expect(hurry.message).toMatch(/^unknown: node 2 took .* not answered within 30\d ms$/);
      const error = await failure(cluster, client.send("once", { timeoutMs: 1_000 }));
      expect(error.exitCode).toBe(5);
      expect(error.message).toBe("unknown: node 2 took the entry and fell silent (1.0 s)");
      cluster.commitMs = 2;
      const other = await connect(cluster);
      const requestId = error.requestId ?? "";
      const receipt = await cluster.time.settled(other.send("once", { requestId }));
      expect(receipt).toMatchObject({ index: 3, duplicate: true });
      expect(cluster.committed()).toEqual(["soon", "once"]);
    });

    it("a copy handed on counts as sent until its refusal came back", async () => {
      const cluster = new FakeCluster(3);
      cluster.elect(3);
      Object.assign(cluster.node(3), { hearsClient: false, heardByClient: false });
      cluster.node(1).script = (request) => (request.type === "append" ? "silence" : undefined);
      cluster.node(2).script = cluster.node(1).script;
      const client = await connect(cluster);
      const error = await failure(cluster, client.send("x", { timeoutMs: 2_000 }));
      expect(error.exitCode).toBe(5);
    });

    it("every copy refused: exit code 4; one of them unanswered: 5", async () => {
      for (const [silent, exitCode] of [
        [false, 4],
        [true, 5],
      ] as const) {
        const cluster = new FakeCluster(1);
        cluster.elect(1);
        let copies = 0;
        cluster.node(1).script = (request) => {
          if (request.type !== "append") return undefined;
          if (silent && copies++ === 0) return "silence";
          return { type: "refused", code: "busy", text: "", leader: null, number: null };
        };
        const client = await connect(cluster);
        const error = await failure(cluster, client.send("x", { timeoutMs: 1_000 }));
        expect(error.exitCode).toBe(exitCode);
      }
    });

    it("a session that was forgotten while idle goes on as a new one; a named request is refused (C36)", async () => {
      const cluster = new FakeCluster(3);
      cluster.elect(1);
      const client = await connect(cluster);
      await cluster.time.settled(client.send("first"));
      const { clientId = "" } = cluster.host.heads.at(-1) ?? {};
      for (let at = 0; at < 20; at++) cluster.host.noop();
      cluster.host.commitIndex = cluster.host.lastIndex;
      cluster.host.forgotten.add(clientId);
      cluster.host.forgottenAt = 2;
      await cluster.time.settled(client.send("second"));
      expect(cluster.committed()).toEqual(["first", "second"]);
      const error = await failure(
        cluster,
        client.send("first", { requestId: `${clientId.slice(0, 16)}-1-1` }),
      );
      expect(error.exitCode).toBe(8);
      expect(cluster.committed()).toEqual(["first", "second"]);
    });

    it("a session is born anew after what the leader has committed, when all that was heard is older (C36)", async () => {
      const cluster = new FakeCluster(3);
      cluster.elect(1);
      const client = await connect(cluster);
      await cluster.time.settled(client.send("first"));
      const { clientId = "" } = cluster.host.heads.at(-1) ?? {};
      for (let at = 0; at < 20; at++) cluster.host.noop();
      cluster.host.commitIndex = cluster.host.lastIndex;
      cluster.host.forgotten.add(clientId);
      cluster.host.forgottenAt = 15;
      await cluster.time.settled(client.send("second"));
      cluster.host.forgottenAt = cluster.host.lastIndex + 5;
      for (let at = 0; at < 20; at++) cluster.host.noop();
      cluster.host.commitIndex = cluster.host.lastIndex;
      const last = cluster.host.heads.findLast(({ kind }) => kind === RECORD_KIND.user)?.lastIndex;
      await cluster.time.settled(client.send("third", { ifLast: last ?? 0 }));
      expect(cluster.committed()).toEqual(["first", "second", "third"]);
    });

    it("what failed as safe is not added later, and the calls behind it still are", async () => {
      const cluster = new FakeCluster(1);
      cluster.elect(1);
      const client = await connect(cluster);
      await cluster.time.settled(client.send("0"));
      cluster.node(1).script = (request) =>
        request.type === "append"
          ? { type: "refused", code: "busy", text: "", leader: null, number: null }
          : undefined;
      const short = client.send("short", { timeoutMs: 500 });
      const long = client.send("long", { timeoutMs: 5_000 });
      const error = await failure(cluster, short);
      expect(error.exitCode).toBe(4);
      cluster.node(1).script = null;
      await cluster.time.settled(long);
      await cluster.time.settled(client.send("after"));
      expect(cluster.committed()).toEqual(["0", "long", "after"]);
    });

    it("after an unknown outcome the client goes on in a new session", async () => {
      const cluster = new FakeCluster(1);
      cluster.elect(1);
      const client = await connect(cluster);
      await cluster.time.settled(client.send("0"));
      cluster.node(1).script = (request) => (request.type === "append" ? "silence" : undefined);
      const error = await failure(cluster, client.send("lost", { timeoutMs: 500 }));
      expect(error.exitCode).toBe(5);
      cluster.node(1).script = null;
      await cluster.time.settled(client.send("after"));
      expect(cluster.committed()).toEqual(["0", "after"]);
    });

    it("what may be in the log already stays in its session: a call behind an unknown one is never doubled", async () => {
      const cluster = new FakeCluster(1);
      cluster.elect(1);
      const client = await connect(cluster);
      await cluster.time.settled(client.send("0"));
      cluster.node(1).heardByClient = false;
      const first = client.send("a", { timeoutMs: 500 });
      await cluster.time.run(1);
      const second = client.send("b", { timeoutMs: 10_000 });
      expect((await failure(cluster, first)).exitCode).toBe(5);
      await cluster.time.run(100);
      cluster.node(1).heardByClient = true;
      expect(await cluster.time.settled(second)).toMatchObject({ index: 4 });
      await cluster.time.settled(client.send("c"));
      expect(cluster.committed()).toEqual(["0", "a", "b", "c"]);
    });

    it("--if-last that does not hold is exit code 8 with the last index", async () => {
      const cluster = new FakeCluster(3);
      cluster.elect(1);
      const client = await connect(cluster);
      await cluster.time.settled(client.send("a", { ifLast: 0 }));
      const error = await failure(cluster, client.send("b", { ifLast: 0 }));
      expect(error.exitCode).toBe(8);
      expect(error.message).toBe("not added: the last entry is 2");
      expect(error.lastIndex).toBe(2);
    });

    it("two clusters under one name are refused, with both named", async () => {
      const cluster = new FakeCluster(2);
      cluster.elect(1);
      cluster.node(2).clusterId = "77".repeat(16);
      const client = await connect(cluster);
      await cluster.time.run(100);
      const error = await failure(cluster, client.send("x"));
      expect(error.exitCode).toBe(8);
      expect(error.message).toContain("5f5f5f5f on node 1 (ana@lab-01, 10.0.0.1)");
      expect(error.message).toContain("77777777 on node 2");
    });

    it("an abort before anything was sent is safe, after that unknown", async () => {
      const cluster = new FakeCluster(1);
      const client = await connect(cluster);
      const early = new AbortController();
      const first = client.send("x", { signal: early.signal });
      await cluster.time.run(50);
      early.abort();
      expect((await failure(cluster, first)).exitCode).toBe(4);
      cluster.elect(1);
      cluster.commitMs = 10_000;
      const late = new AbortController();
      const second = client.send("y", { signal: late.signal });
      await cluster.time.run(1_000);
      late.abort();
      const error = await failure(cluster, second);
      expect(error.exitCode).toBe(5);
      expect(error.requestId).not.toBe(null);
    });

    it("closing the client settles every call", async () => {
      const cluster = new FakeCluster(1);
      const client = await connect(cluster);
      const sent = client.send("x");
      await cluster.time.run(50);
      await client.close();
      expect((await failure(cluster, sent)).exitCode).toBe(4);
    });

    it("refuses what no record can hold, and more than its queue holds", async () => {
      const cluster = new FakeCluster(1);
      const client = await connect(cluster);
      expect((await failure(cluster, client.send(new Uint8Array(1_048_577)))).exitCode).toBe(8);
      expect((await failure(cluster, client.send([]))).exitCode).toBe(8);
      const big = new Uint8Array(1_048_576);
      const waiting = Array.from({ length: 64 }, () => client.send(big));
      const error = await failure(
        cluster,
        Promise.any(
          waiting.map((sent) =>
            sent.then(
              () => null,
              (reason: unknown) => reason,
            ),
          ),
        ).then((reason) => Promise.reject(reason)),
      );
      expect(error.exitCode).toBe(4);
      await client.close();
      await Promise.allSettled(waiting);
    });
  });
});
