/** Linearizable reads and long polls against a scripted core and log. */

import { describe, expect, it } from "vitest";
import type { LogIndex } from "../../src/base/types.ts";
import { Reads } from "../../src/node/reads.ts";
import type { Core } from "../../src/raft/types.ts";
import { chainSeed, encodePayloads, encodeRecord, NO_CLIENT } from "../../src/storage/record.ts";
import { RECORD_KIND, type LogStore } from "../../src/storage/types.ts";
import type { ReadRequest, Response } from "../../src/transport/requests.ts";

const CLUSTER = "ab".repeat(16);

/** Records of `sizes` entries each, chained, as one run of bytes. */
function recordsOf(sizes: readonly number[]): Uint8Array[] {
  const records: Uint8Array[] = [];
  let chain = chainSeed(CLUSTER);
  let firstIndex = 1;
  for (const size of sizes) {
    const payloads = encodePayloads(Array.from({ length: size }, (_, at) => new Uint8Array([at])));
    const fields = {
      firstIndex,
      term: 1,
      kind: RECORD_KIND.user,
      timeMs: 0,
      clientId: NO_CLIENT,
      firstSequence: 1,
    };
    const record = encodeRecord(fields, payloads, chain);
    chain = new DataView(record.buffer).getUint32(0);
    records.push(record);
    firstIndex += size;
  }
  return records;
}

function world(sizes: readonly number[]) {
  const records = recordsOf(sizes);
  const core = { role: "leader", commitIndex: 0, leader: 1, term: 1, asked: [] as number[] };
  const startOf = (index: LogIndex): number => {
    let first = 1;
    for (const [at, size] of sizes.entries()) {
      if (index < first + size) return at;
      first += size;
    }
    return sizes.length;
  };
  const log = {
    baseIndex: 0,
    read(index: LogIndex) {
      const at = startOf(index);
      const firstIndex = 1 + sizes.slice(0, at).reduce((sum, size) => sum + size, 0);
      const bytes = new Uint8Array(records.slice(at).flatMap((record) => [...record]));
      return { bytes, firstIndex, lastIndex: 0, prevChain: 0 };
    },
  };
  const answers: Response[] = [];
  const leaderAsked: number[] = [];
  const reads = new Reads({
    core: {
      ...core,
      get commitIndex() {
        return core.commitIndex;
      },
      get role() {
        return core.role;
      },
      readIndex(readId: number) {
        core.asked.push(readId);
        return { ok: true, leader: 1 };
      },
    } as unknown as Core,
    log: log as unknown as LogStore,
    askLeader: (id) => leaderAsked.push(id) > 0,
    leaderHint: () => null,
    staleMs: () => 0,
  });
  return {
    core,
    reads,
    answers,
    leaderAsked,
    answer: (response: Response) => answers.push(response),
  };
}

const read = (change: Partial<ReadRequest> = {}): ReadRequest => ({
  type: "read",
  from: 1,
  last: null,
  bytesMax: 1 << 20,
  consistency: "linearizable",
  waitMs: 0,
  ...change,
});

describe("a linearizable read", () => {
  it("waits for its round and shows nothing beyond commitIndex", () => {
    const { core, reads, answers, answer } = world([2, 3, 1]);
    core.commitIndex = 5;
    reads.offer(read(), answer, 0);
    expect(answers).toEqual([]);
    reads.indexKnown(core.asked[0] ?? -1, 5, 1);
    expect(answers[0]).toMatchObject({
      type: "records",
      firstIndex: 1,
      lastIndex: 5,
      commitIndex: 5,
    });
  });

  it("is not answered before commitIndex has reached its read index", () => {
    const { core, reads, answers, answer } = world([2, 3, 1]);
    core.role = "follower";
    core.commitIndex = 2;
    const asked: number[] = [];
    reads.offer(read(), answer, 0);
    void asked;
    reads.indexKnown(1, 5, 1);
    expect(answers).toEqual([]);
    core.commitIndex = 6;
    reads.sweep(2);
    expect(answers[0]).toMatchObject({ type: "records", lastIndex: 6 });
  });

  it("asks the leader where this node does not lead", () => {
    const { core, reads, leaderAsked, answer } = world([1]);
    core.role = "follower";
    reads.offer(read(), answer, 0);
    expect(leaderAsked).toEqual([1]);
    expect(core.asked).toEqual([]);
  });

  it("is refused when leadership is lost before its round (C32)", () => {
    const { core, reads, answers, answer } = world([1]);
    core.commitIndex = 1;
    reads.offer(read(), answer, 0);
    reads.indexKnown(core.asked[0] ?? -1, null, 1);
    expect(answers[0]).toMatchObject({ type: "refused", code: "no leader" });
  });

  it("is given up in time when no majority confirms the leader", () => {
    const { reads, answers, answer } = world([1]);
    reads.offer(read(), answer, 0);
    const deadlineMs = reads.nextDeadlineMs();
    expect(deadlineMs).toBeLessThanOrEqual(2_000);
    reads.sweep(deadlineMs);
    expect(answers[0]).toMatchObject({ type: "refused" });
    expect(reads.nextDeadlineMs()).toBe(Infinity);
  });
});

describe("a stale read", () => {
  it("is answered at once with what this node has committed", () => {
    const { core, reads, answers, answer } = world([2, 3]);
    core.commitIndex = 2;
    reads.offer(read({ consistency: "stale" }), answer, 0);
    expect(answers[0]).toMatchObject({ type: "records", lastIndex: 2, commitIndex: 2 });
  });

  it("of the last N starts at the record that holds them", () => {
    const { core, reads, answers, answer } = world([2, 3, 1]);
    core.commitIndex = 6;
    reads.offer(read({ consistency: "stale", last: 2 }), answer, 0);
    expect(answers[0]).toMatchObject({ type: "records", firstIndex: 3, lastIndex: 6 });
  });
});

describe("a long poll", () => {
  it("is answered when something at or after its index commits", () => {
    const { core, reads, answers, answer } = world([2, 3]);
    core.commitIndex = 2;
    reads.offer(read({ consistency: "stale", from: 3, waitMs: 1_000 }), answer, 0);
    expect(answers).toEqual([]);
    core.commitIndex = 5;
    reads.sweep(10);
    expect(answers[0]).toMatchObject({ firstIndex: 3, lastIndex: 5 });
  });

  it("is answered empty when its time is over", () => {
    const { core, reads, answers, answer } = world([2]);
    core.commitIndex = 2;
    reads.offer(read({ consistency: "stale", from: 3, waitMs: 1_000 }), answer, 0);
    expect(reads.nextDeadlineMs()).toBe(1_000);
    reads.sweep(1_000);
    expect(answers[0]).toMatchObject({ type: "records", firstIndex: 3, lastIndex: 2 });
  });
});
