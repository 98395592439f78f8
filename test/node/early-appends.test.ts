/** Appends that come before the ones they follow. */

import { describe, expect, it } from "vitest";
import { EarlyAppends } from "../../src/node/early-appends.ts";
import { createCore } from "../../src/raft/core.ts";
import type { Append, Core } from "../../src/raft/types.ts";
import { chainSeed, encodePayloads, encodeRecord, NO_CLIENT } from "../../src/storage/record.ts";
import { RECORD_KIND, type LogStore } from "../../src/storage/types.ts";
import { giveBackWireMemory, takeWireMemory } from "../../src/transport/wire-memory.ts";

const SELF = { id: 1, incarnation: "11".repeat(16), bootId: "aa".repeat(16) };
const LEADER = { id: 2, incarnation: "22".repeat(16), bootId: "bb".repeat(16) };
const SEED = chainSeed("ab".repeat(16));

const chainOf = (bytes: Uint8Array): number =>
  new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);

/** Records 1..6 of term 1. */
const records = Array.from({ length: 6 }).reduce<Uint8Array[]>((made, _, at) => {
  const chain = at === 0 ? SEED : chainOf(made[at - 1] ?? new Uint8Array(4));
  const payloads = encodePayloads([Buffer.from(`entry ${at + 1}`)]);
  const fields = { term: 1, kind: RECORD_KIND.user, timeMs: 0, clientId: NO_CLIENT };
  return [
    ...made,
    encodeRecord({ firstIndex: at + 1, firstSequence: 1, ...fields }, payloads, chain),
  ];
}, []);

function follower() {
  const core = createCore({
    self: SELF,
    hardState: { term: 1, votedFor: null },
    baseIndex: 0,
    baseTerm: 0,
    runs: [],
    lastIndex: 0,
    configurations: [
      {
        index: 0,
        members: [SELF, LEADER].map(({ id, incarnation }) => ({ id, incarnation, role: "voter" })),
      },
    ],
    commitIndex: 0,
    voteFromCommitIndex: 0,
    timings: { heartbeatMs: 50, electionMinMs: 300, electionMaxMs: 600 },
    limits: {
      inflightBytesMax: 1_000_000,
      appendBytesMax: 100_000,
      uncommittedBytesMax: 1_000_000,
      uncommittedEntriesMax: 1_000,
    },
    seed: 1,
    nowMs: 0,
  });
  const held: Uint8Array[] = [];
  const log = {
    append: (bytes: Uint8Array) => void held.push(new Uint8Array(bytes)),
    truncate: () => {},
    get lastIndex() {
      return held.length;
    },
    get lastChain() {
      return held.length === 0 ? SEED : chainOf(held.at(-1) ?? new Uint8Array(4));
    },
    chainAt: (index: number) =>
      index === 0 ? { chain: SEED } : { chain: chainOf(held[index - 1] ?? new Uint8Array(4)) },
  } as unknown as LogStore;
  return { core, log, early: new EarlyAppends(), held };
}

type Follower = ReturnType<typeof follower>;

function take({ core, log, early }: Follower, index: number, term = 1): void {
  const message: Append = {
    type: "append",
    term,
    round: index,
    prevIndex: index - 1,
    prevTerm: index === 1 ? 0 : 1,
    commitIndex: 0,
    records: [],
  };
  const prevChain = index === 1 ? SEED : chainOf(records[index - 2] ?? new Uint8Array(4));
  const record = records[index - 1] ?? new Uint8Array(0);
  const bytes = takeWireMemory(record.length);
  bytes.set(record);
  early.takeAppend(LEADER, { type: "raft", message, prevChain, bytes }, message, core, log, 1);
  // As the transport does: the memory is written to again if nobody keeps it.
  giveBackWireMemory(bytes);
}

/** The acknowledgement that would leave now. */
function verified(core: Core): number | null {
  const reply = core.takeReady().messages.findLast(({ message }) => message.type === "appendReply");
  return reply?.message.type === "appendReply" ? reply.message.hintIndex : null;
}

describe("an append that comes too early", () => {
  it("is refused at once and taken when what it follows is here", () => {
    const made = follower();
    for (const index of [1, 3, 4, 6]) take(made, index);
    expect(made.core.lastIndex).toBe(1);
    expect(verified(made.core)).toBe(1);
    take(made, 2);
    expect([made.core.lastIndex, made.held.length]).toEqual([4, 4]);
    take(made, 5);
    expect(made.held).toEqual(records);
  });

  it("in any order, doubled, ends in the same log", () => {
    for (const order of [
      [6, 5, 4, 3, 2, 1],
      [2, 2, 6, 4, 4, 1, 3, 5, 1],
      [3, 1, 5, 6, 2, 4],
    ]) {
      const made = follower();
      for (const index of order) take(made, index);
      expect(made.held).toEqual(records);
    }
  });

  it("is forgotten with its term", () => {
    const made = follower();
    for (const index of [1, 3]) take(made, index);
    take(made, 2, 2);
    expect(made.core.lastIndex).toBe(2);
  });
});
