/** The door of the append queue: large requests take turns, small ones pass. */

import { describe, expect, it } from "vitest";
import { Entrance } from "../../src/node/entrance.ts";
import { encodePayloads } from "../../src/storage/record.ts";
import type { AppendRequest } from "../../src/transport/requests.ts";

const MIB = 1_048_576;

function request(firstSequence: number, bytes: number): AppendRequest {
  const payloads = encodePayloads([new Uint8Array(bytes)]);
  const clientId = "aa".repeat(16);
  return { type: "append", clientId, firstSequence, bornAt: 1, count: 1, ifLast: null, payloads };
}

/** An entrance before a log in which everything that enters stays uncommitted until `commit`. */
function stage() {
  const entered: number[] = [];
  const refused: string[] = [];
  let uncommitted = 0;
  const entrance = new Entrance({
    uncommittedBytes: () => uncommitted,
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
    offer: (sequence: number, bytes: number) => entrance.offer(request(sequence, bytes), answer, 0),
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

  it("lets no large request past one that waits", () => {
    const { entered, entrance, offer } = stage();
    offer(1, MIB);
    offer(2, MIB);
    offer(3, MIB);
    expect(entered).toEqual([1]);
    entrance.release(false, 0);
    expect(entered).toEqual([1, 2, 3]);
  });

  it("keeps its own copy of what waits: the bytes that came are used again", () => {
    const seen: number[] = [];
    let uncommitted = MIB;
    const entrance = new Entrance({
      uncommittedBytes: () => uncommitted,
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
    expect(entered.length).toBe(24);
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
