/** The door of the append queue: large requests take turns, small ones pass. */

import { describe, expect, it } from "vitest";
import { AppendQueue } from "../../src/node/append-queue.ts";
import { Entrance } from "../../src/node/entrance.ts";
import { encodePayloads } from "../../src/storage/record.ts";
import type { AppendRequest, Response } from "../../src/transport/requests.ts";
import { FakeHost } from "./fake-host.ts";

const MIB = 1_048_576;
const NOTHING = { text: "", leader: null, number: null };

function request(firstSequence: number, bytes: number, client = "aa"): AppendRequest {
  const payloads = encodePayloads([new Uint8Array(bytes)]);
  const clientId = client.repeat(16);
  return { type: "append", clientId, firstSequence, bornAt: 1, count: 1, ifLast: null, payloads };
}

/** An entrance before a log in which everything that enters stays uncommitted until `commit`. */
function stage() {
  const entered: number[] = [];
  const refused: string[] = [];
  let uncommitted = 0;
  const entrance = new Entrance({
    pendingBytes: () => uncommitted,
    leaderHint: () => null,
    offer: ({ firstSequence, payloads }) => {
      entered.push(firstSequence);
      uncommitted += payloads.length;
    },
  });
  const answer = (response: unknown): void => void refused.push(JSON.stringify(response));
  return {
    entered,
    refused,
    entrance,
    offer: (sequence: number, bytes: number, nowMs = 0) =>
      entrance.offer(request(sequence, bytes), answer, nowMs),
    commit: () => {
      uncommitted = 0;
      return entrance.release(true, 0);
    },
  };
}

describe("the entrance of the append queue", () => {
  it("lets large requests in one after another, and small ones past them", () => {
    const { entered, offer, commit } = stage();
    for (const sequence of [1, 2, 3]) offer(sequence, MIB);
    offer(4, 100);
    expect(entered).toEqual([1, 4]);
    expect(commit()).toBe(true);
    expect(entered).toEqual([1, 4, 2]);
    commit();
    expect(entered).toEqual([1, 4, 2, 3]);
    expect(commit()).toBe(false);
  });

  it("knows what it holds when a request that waits comes again with other bytes", () => {
    const { entrance, offer, commit } = stage();
    offer(1, MIB);
    commit();
    const before = entrance.heldBytes;
    offer(2, MIB);
    offer(3, MIB);
    offer(3, MIB / 2);
    commit();
    commit();
    commit();
    expect(entrance.heldBytes).toBe(before);
  });

  it("lets no large request past one that waits", () => {
    const { entered, offer, commit } = stage();
    for (const sequence of [1, 2, 3]) offer(sequence, MIB);
    expect(entered).toEqual([1]);
    commit();
    offer(4, MIB);
    expect(entered).toEqual([1, 2]);
  });

  it("lets the first one in after 100 ms though others' entries never leave a gap", () => {
    const { entered, entrance, offer } = stage();
    expect(entrance.nextDeadlineMs()).toBe(Infinity);
    for (const sequence of [1, 2, 3]) offer(sequence, MIB, 40);
    expect(entrance.nextDeadlineMs()).toBe(140);
    expect(entrance.release(true, 139)).toBe(false);
    expect(entrance.release(true, 141)).toBe(true);
    expect(entered).toEqual([1, 2]);
    expect(entrance.nextDeadlineMs()).toBe(241);
    entrance.release(true, 241);
    expect(entered).toEqual([1, 2, 3]);
    expect(entrance.nextDeadlineMs()).toBe(Infinity);
  });

  it("keeps one copy of a request that comes again, in its place, and answers the last", () => {
    const answered: string[] = [];
    let uncommitted = MIB;
    const entrance = new Entrance({
      pendingBytes: () => uncommitted,
      leaderHint: () => null,
      offer: (_, answer) => answer({ type: "refused", ...NOTHING, code: "busy" }),
    });
    const offer = (client: string, name: string): void =>
      entrance.offer(request(1, MIB, client), () => void answered.push(name), 0);
    for (let copy = 1; copy <= 40; copy++) offer("aa", `a${copy}`);
    offer("bb", "b");
    offer("aa", "a41");
    expect(answered).toEqual([]);
    uncommitted = 0;
    entrance.release(true, 1);
    expect(answered).toEqual(["a41", "b"]);
  });

  it("refuses what waits once it does not lead, and leaves what is in the log its time", () => {
    const host = new FakeHost();
    const queue = new AppendQueue<(response: Response) => void>(host);
    const leader = { id: 2 } as never;
    const entrance = new Entrance({
      pendingBytes: () => MIB,
      leaderHint: () => leader,
      offer: (...taken) => queue.offer(...taken),
    });
    const heard: string[] = [];
    const offer = (sequence: number, bytes: number, client: string): void =>
      entrance.offer(
        request(sequence, bytes, client),
        (response) => {
          heard.push(`${client} ${response.type === "refused" ? response.code : response.type}`);
          if (client === "bb") expect(response).toHaveProperty("leader", leader);
        },
        0,
      );
    offer(1, 8, "aa");
    offer(1, MIB, "bb");
    host.refuse = "not leader";
    queue.leadershipLost(10);
    expect(entrance.release(false, 10)).toBe(false);
    expect(heard).toEqual(["bb not leader"]);
    expect(queue.nextDeadlineMs()).toBe(1_010);
    queue.tick(1_010);
    for (const { requester, response } of queue.takeAnswers()) requester(response);
    expect(heard).toEqual(["bb not leader", "aa unknown"]);
  });

  it("keeps its own copy of what waits: the bytes that came are used again", () => {
    const seen: number[] = [];
    let uncommitted = MIB;
    const entrance = new Entrance({
      pendingBytes: () => uncommitted,
      leaderHint: () => null,
      offer: ({ payloads }) => void seen.push(payloads.at(-1) ?? -1),
    });
    const large = request(1, MIB);
    entrance.offer(large, () => {}, 0);
    large.payloads.fill(7);
    uncommitted = 0;
    entrance.release(true, 0);
    expect(seen).toEqual([0]);
  });

  it("waits with a bounded number of requests", () => {
    const { entered, offer } = stage();
    for (let sequence = 1; sequence <= 40; sequence++) offer(sequence, MIB);
    expect(entered).toEqual(Array.from({ length: 24 }, (_, at) => at + 1));
  });

  it("refuses what is not an array of that many payloads", () => {
    const { entered, refused, entrance } = stage();
    const answer = (response: unknown): void => void refused.push(JSON.stringify(response));
    entrance.offer({ ...request(1, 10), count: 2 }, answer, 0);
    entrance.offer({ ...request(1, 10), payloads: new Uint8Array(9) }, answer, 0);
    expect(entered).toEqual([]);
    expect(refused.map((text) => JSON.parse(text).code)).toEqual(["bad request", "bad request"]);
  });
});
