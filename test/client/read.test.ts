/** Reading and following the log against scripted nodes, on virtual time. */

import { describe, expect, it } from "vitest";
import { RaftClient } from "../../src/client/client.ts";
import { Cursor, type Records } from "../../src/client/reader.ts";
import type { LogEntry, LogOptions } from "../../src/client/types.ts";
import { encodePayloads, encodeRecord } from "../../src/storage/record.ts";
import { RECORD_KIND } from "../../src/storage/types.ts";
import { FakeCluster, KEY } from "./fake-world.ts";

const text = ({ index, bytes }: LogEntry): string => `${index} ${new TextDecoder().decode(bytes)}`;

async function filled(
  count: number,
  seed = 1,
): Promise<{
  cluster: FakeCluster;
  client: RaftClient;
  read: (options?: LogOptions) => Promise<string[]>;
}> {
  const cluster = new FakeCluster(3, seed);
  cluster.elect(1);
  const client = await RaftClient.connect({ key: KEY }, cluster.world);
  for (let at = 0; at < count; at++) await cluster.time.settled(client.send(`e${at}`));
  const collect = async (options: LogOptions): Promise<string[]> => {
    const entries: string[] = [];
    for await (const entry of client.log(options)) entries.push(text(entry));
    return entries;
  };
  return { cluster, client, read: (options = {}) => cluster.time.settled(collect(options)) };
}

describe("log", () => {
  it("gives the users' entries in order, page by page, without no-ops", async () => {
    const { read } = await filled(12);
    expect(await read()).toEqual(Array.from({ length: 12 }, (_, at) => `${at + 2} e${at}`));
  });

  it("gives the part that is asked for, and with `all` the no-ops", async () => {
    const { cluster, client, read } = await filled(6);
    expect(await read({ from: 3, to: 4 })).toEqual(["3 e1", "4 e2"]);
    expect(await read({ from: 7 })).toEqual(["7 e5"]);
    expect(await read({ from: 100 })).toEqual([]);
    const kinds: string[] = [];
    await cluster.time.settled(
      (async () => {
        for await (const { index, kind } of client.log({ all: true, to: 2 }))
          kinds.push(`${index} ${kind}`);
      })(),
    );
    expect(kinds).toEqual(["1 noop", "2 entry"]);
  });

  it("gives parts of a record that holds several entries", async () => {
    const { cluster, client, read } = await filled(1);
    await cluster.time.settled(client.send(["a", "b", "c"]));
    expect(await read({ from: 4 })).toEqual(["4 b", "5 c"]);
    expect(await read({ from: 4, to: 4 })).toEqual(["4 b"]);
  });

  it("gives the last N, looking behind the no-ops of many elections", async () => {
    const { cluster, client, read } = await filled(5);
    for (let at = 0; at < 200; at++) cluster.elect(1 + (at % 3));
    await cluster.time.run(50);
    await cluster.time.settled(client.send("end"));
    expect(await read({ last: 3 })).toEqual(["5 e3", "6 e4", "207 end"]);
    expect(await read({ last: 100 })).toHaveLength(6);
    expect(await read({ last: 0 })).toEqual([]);
  });

  it("an empty log is no entries, and no leader is exit code 4", async () => {
    const { cluster, read } = await filled(0);
    await cluster.time.run(10);
    expect(await read()).toEqual([]);
    cluster.noLeader();
    await expect(read()).rejects.toMatchObject({ exitCode: 4 });
    expect(await read({ stale: true })).toEqual([]);
  });

  it("reads at the node that is named", async () => {
    const { cluster, read } = await filled(1);
    cluster.requests.length = 0;
    expect(await read({ node: 3 })).toEqual(["2 e0"]);
    expect(new Set(cluster.requests.map(({ node }) => node))).toEqual(new Set([3]));
  });

  it("a log that was trimmed begins where it begins, unless an earlier index was named", async () => {
    const { cluster, read } = await filled(5);
    for (const node of cluster.nodes.values()) {
      node.script = (request) => {
        const old = request.type === "read" && request.from < 4;
        return old
          ? { type: "refused", code: "trimmed", text: "", leader: null, number: 4 }
          : undefined;
      };
    }
    expect(await read()).toEqual(["4 e2", "5 e3", "6 e4"]);
    await expect(read({ from: 2 })).rejects.toMatchObject({ exitCode: 8 });
  });
});

describe("follow", () => {
  it("misses and repeats nothing over leader changes, losses and long silences", async () => {
    for (let seed = 1; seed <= 5; seed++) {
      const { cluster, client } = await filled(3, seed);
      cluster.loss = 0.2;
      const seen: string[] = [];
      const stop = new AbortController();
      const following = (async () => {
        for await (const entry of client.follow({ signal: stop.signal })) seen.push(text(entry));
      })();
      const expected = ["2 e0", "3 e1", "4 e2"];
      for (let round = 0; round < 12; round++) {
        await cluster.time.run(round % 4 === 3 ? 9_000 : 200);
        if (round === 5) cluster.kill(1);
        if (round === 6) cluster.elect(2, 1);
        if (round === 9) cluster.elect(3, 0);
        const sent = client
          .send(`f${round}`, { timeoutMs: 120_000 })
          .then(({ index }) => expected.push(`${index} f${round}`));
        if (round !== 5) await cluster.time.settled(sent, 120_000);
      }
      await cluster.time.run(120_000, () => seen.length >= 15);
      stop.abort();
      await cluster.time.settled(following);
      expect(seen).toEqual(
        expected.toSorted((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10)),
      );
      expect(new Set(seen).size).toBe(15);
    }
  });

  it("starts at the last N, and ends at `to`", async () => {
    const { cluster, client } = await filled(5);
    const seen: string[] = [];
    const following = (async () => {
      for await (const entry of client.follow({ last: 2, to: 8 })) seen.push(text(entry));
    })();
    await cluster.time.run(100);
    expect(seen).toEqual(["5 e3", "6 e4"]);
    await cluster.time.settled(client.send("g"));
    await cluster.time.settled(client.send("h"));
    await cluster.time.settled(following);
    expect(seen).toEqual(["5 e3", "6 e4", "7 g", "8 h"]);
  });

  it("says that nobody answers when it never reached anybody", async () => {
    const cluster = new FakeCluster(0);
    const client = await RaftClient.connect({ key: KEY }, cluster.world);
    await expect(cluster.time.settled(client.follow().next())).rejects.toMatchObject({
      exitCode: 3,
    });
  });
});

describe("a page", () => {
  /** Entries first..last, each a record of its own, behind `prevChain`. */
  function page(
    first: number,
    last: number,
    prevChain: number,
  ): Records & { readonly chain: number } {
    const records: number[] = [];
    let chain = prevChain;
    for (let index = first; index <= last; index++) {
      const fields = {
        firstIndex: index,
        term: 1,
        kind: RECORD_KIND.user,
        timeMs: 1,
        clientId: "a".repeat(32),
        firstSequence: index,
      };
      const record = encodeRecord(fields, encodePayloads([Uint8Array.of(index)]), chain);
      chain = new DataView(record.buffer).getUint32(0);
      records.push(...record);
    }
    return {
      type: "records",
      bytes: Uint8Array.from(records),
      firstIndex: first,
      lastIndex: last,
      prevChain,
      commitIndex: last,
      staleMs: 0,
      chain,
    };
  }
  const one = page(1, 5, 7);
  const two = page(6, 9, one.chain);

  it("that follows gives its entries once, also when it overlaps the one before", () => {
    const cursor = new Cursor(3);
    expect(cursor.take(one).map(({ index }) => index)).toEqual([3, 4, 5]);
    expect(cursor.take(one)).toEqual([]);
    expect(cursor.take(two).map(({ index }) => index)).toEqual([6, 7, 8, 9]);
    expect(cursor.next).toBe(10);
  });

  it("that is damaged, leaves a hole, or contradicts the one before is an error", () => {
    const damaged = new Uint8Array(one.bytes);
    damaged[90] = (damaged[90] ?? 0) ^ 1;
    expect(() => new Cursor(1).take({ ...one, bytes: damaged })).toThrow(/damaged/);
    expect(() => new Cursor(1).take(two)).toThrow(/hole/);
    const cursor = new Cursor(1);
    cursor.take(one);
    expect(() => cursor.take(page(6, 9, (one.chain ^ 1) >>> 0))).toThrow(/another log/);
    expect(cursor.next).toBe(6);
  });
});
