/** Where bytes meet outlines: a follower verifies, compares chains, keeps what the core says. */

import { describe, expect, it } from "vitest";
import { ChainCheck } from "../../src/node/chain-check.ts";
import { fulfilSendOrder, takeAppend } from "../../src/node/replication.ts";
import type { AppendOrder, Core, RaftMessage } from "../../src/raft/types.ts";
import {
  chainSeed,
  encodeMembers,
  encodePayloads,
  encodeRecord,
  NO_CLIENT,
} from "../../src/storage/record.ts";
import { RECORD_KIND, type LogStore } from "../../src/storage/types.ts";
import type { Connection, Endpoint, Frame } from "../../src/transport/types.ts";

const PEER = { id: 2, incarnation: "22".repeat(16), bootId: "bb".repeat(16) };
const SEED = chainSeed("ab".repeat(16));

function record(
  firstIndex: number,
  term: number,
  text: string,
  chainBefore: number,
  members = false,
): Uint8Array {
  const payload = members
    ? encodeMembers([{ id: 1, incarnation: "11".repeat(16), role: "voter" }])
    : new TextEncoder().encode(text);
  const kind = members ? RECORD_KIND.configuration : RECORD_KIND.user;
  const fields = { firstIndex, term, kind, timeMs: 0, clientId: NO_CLIENT, firstSequence: 1 };
  return encodeRecord(fields, encodePayloads([payload]), chainBefore);
}

const chainOf = (bytes: Uint8Array): number =>
  new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);

/** A follower that holds `held`, one entry a record, and a core that answers `order`. */
function follower(
  held: readonly Uint8Array[],
  terms: readonly number[],
  order: AppendOrder | null,
) {
  const stepped: { message: RaftMessage; differsAt: number | null | undefined }[] = [];
  const done: string[] = [];
  const core = {
    lastIndex: held.length,
    commitIndex: held.length,
    termsKnown: true,
    termAt: (index: number) => (index === 0 ? 0 : terms[index - 1]),
    step(_: unknown, message: RaftMessage, __: number, differsAt?: number | null) {
      stepped.push({ message, differsAt });
      return order;
    },
  };
  const log = {
    lastIndex: held.length,
    lastChain: held.length === 0 ? SEED : chainOf(held.at(-1) ?? new Uint8Array(8)),
    chainAt: (index: number) => {
      const bytes = held[index - 1];
      return bytes === undefined ? undefined : { chain: chainOf(bytes), lastIndex: index };
    },
    read: (index: number) => {
      const bytes = held[index - 1];
      return bytes === undefined ? null : { bytes, firstIndex: index, lastIndex: index };
    },
    truncate: (index: number, chain: number) => done.push(`truncate ${index} behind ${chain}`),
    append: (bytes: Uint8Array) => done.push(`append ${bytes.length}`),
  };
  return { core: core as unknown as Core, log: log as unknown as LogStore, stepped, done };
}

function append(
  prevIndex: number,
  prevTerm: number,
  prevChain: number,
  records: readonly Uint8Array[],
): Extract<Frame, { type: "raft" }> {
  const bytes = new Uint8Array(records.flatMap((one) => [...one]));
  const message: RaftMessage = {
    type: "append",
    term: 2,
    round: 1,
    prevIndex,
    prevTerm,
    commitIndex: 0,
    records: [],
  };
  return { type: "raft", message, prevChain, bytes };
}

function take(world: ReturnType<typeof follower>, frame: Extract<Frame, { type: "raft" }>) {
  if (frame.message.type !== "append") throw new Error("an append");
  return takeAppend(PEER, frame, frame.message, world.core, world.log, 0);
}

const first = record(1, 1, "one", SEED);
const second = record(2, 1, "two", chainOf(first));
const third = record(3, 2, "three", chainOf(second));
const KEEP_ALL: AppendOrder = { truncateFrom: null, appendFrom: 1, install: false };

describe("a follower's append", () => {
  it("hands the core the outline of the records, and a configuration's members", () => {
    const world = follower([], [], KEEP_ALL);
    const configuration = record(2, 1, "", chainOf(first), true);
    take(world, append(0, 0, SEED, [first, configuration]));
    expect(world.stepped[0]?.message).toMatchObject({
      records: [
        { firstIndex: 1, lastIndex: 1, term: 1 },
        { firstIndex: 2, lastIndex: 2, term: 1, members: [{ id: 1, role: "voter" }] },
      ],
    });
    expect(world.done).toEqual([`append ${first.length + configuration.length}`]);
  });

  it("truncates before it appends, and appends from where the core says only", () => {
    const world = follower([first, record(2, 1, "other", chainOf(first))], [1, 1], {
      truncateFrom: 2,
      appendFrom: 3,
      install: false,
    });
    take(world, append(0, 0, SEED, [first, second, third]));
    expect(world.done).toEqual([`truncate 2 behind ${chainOf(first)}`, `append ${third.length}`]);
  });

  it("truncates at the message's first record behind the chain that the message names", () => {
    const order = { truncateFrom: 2, appendFrom: 2, install: false };
    const world = follower([first, record(2, 1, "other", chainOf(first))], [1, 1], order);
    take(world, append(1, 1, chainOf(first), [second]));
    expect(world.done).toEqual([`truncate 2 behind ${chainOf(first)}`, `append ${second.length}`]);
  });

  it("changes nothing when the records do not chain among themselves: damage at the sender", () => {
    const world = follower([], [], KEEP_ALL);
    const rotten = second.slice();
    rotten[70] = (rotten[70] ?? 0) ^ 1;
    expect(take(world, append(0, 0, SEED, [first, rotten]))).toMatchObject({ ok: false });
    expect(world.stepped).toEqual([]);
    expect(world.done).toEqual([]);
  });

  it("changes nothing when an index is left out (B24)", () => {
    const world = follower([], [], KEEP_ALL);
    expect(take(world, append(0, 0, SEED, [first, third]))).toMatchObject({ ok: false });
    expect(world.done).toEqual([]);
  });

  it("tells the core where (index, term) agree and the chain does not", () => {
    const other = record(1, 1, "ONE", SEED);
    const world = follower([other], [1], null);
    take(world, append(0, 0, SEED, [first, second]));
    expect(world.stepped[0]?.differsAt).toBe(1);
  });

  it("does not call another term's record a divergence: that is a conflict, and the core truncates", () => {
    const other = record(1, 2, "ONE", SEED);
    const world = follower([other], [2], null);
    take(world, append(0, 0, SEED, [first, second]));
    expect(world.stepped[0]?.differsAt).toBeNull();
  });

  it("notices a differing chain at prevIndex without any record", () => {
    const world = follower([record(1, 1, "ONE", SEED)], [1], null);
    take(world, append(1, 1, chainOf(first), []));
    expect(world.stepped[0]?.differsAt).toBe(1);
  });
});

describe("a node that remembers wrong terms", () => {
  const WRONG =
    /entry \d is of term \d by its own record, and this node took it for one of term \d/;
  const TRUNCATES: AppendOrder = { truncateFrom: 2, appendFrom: 2, install: false };

  it("ends before it truncates: the record is the leader's own, only the memory differs", () => {
    const world = follower([first, second, third], [1, 1, 1], TRUNCATES);
    expect(() => take(world, append(1, 1, chainOf(first), [second, third]))).toThrow(WRONG);
    expect([world.stepped, world.done]).toEqual([[], []]);
  });

  it("ends before it refuses what follows an entry that it holds", () => {
    const world = follower([first, second, third], [1, 1, 1], null);
    expect(() => take(world, append(3, 2, chainOf(third), []))).toThrow(WRONG);
    expect(world.stepped).toEqual([]);
  });

  it("truncates all the same while damage hides entries: their terms are a guess", () => {
    const world = follower([first, second, third], [1, 1, 1], TRUNCATES);
    const core = { ...world.core, termsKnown: false };
    take({ ...world, core }, append(1, 1, chainOf(first), [second, third]));
    expect(world.done[0]).toBe(`truncate 2 behind ${chainOf(first)}`);
  });

  it("ends as a leader before it sends a record, or a term in front of one, or compares", () => {
    const held = [first, second, third];
    const wrong = (terms: readonly number[], fromIndex: number) => () => {
      const { core, log } = follower(held, terms, null);
      const leads = Object.assign(core, { role: "leader", term: 2, sent: () => {} });
      const reads = (index: number) => ({
        bytes: held[index - 1],
        firstIndex: index,
        lastIndex: index,
      });
      const order = { to: 2, term: 2, round: 7, fromIndex, bytesMax: 1_024, commitIndex: 1 };
      const endpoint = {} as Endpoint;
      fulfilSendOrder(order, leads, Object.assign(log, { read: reads }), endpoint, undefined, 1, 5);
    };
    expect(wrong([1, 1, 2], 3)).not.toThrow();
    expect(wrong([1, 1, 1], 3)).toThrow(WRONG);
    expect(wrong([2, 2, 2], 1)).toThrow(WRONG);
    expect(wrong([1, 0, 2], 3)).toThrow(WRONG);
    expect(wrong([1, 1, 1], 4)).toThrow(WRONG);
    const { core, log } = follower(held, [1, 1, 1], null);
    const check = { type: "check", index: 3, term: 2, chain: chainOf(third) } as const;
    expect(() => new ChainCheck(core, log).differs(check)).toThrow(WRONG);
  });
});

describe("a leader's send order", () => {
  const order = { to: 2, term: 2, round: 7, fromIndex: 2, bytesMax: 1 << 20, commitIndex: 1 };

  function leader(term: number) {
    const sent: unknown[][] = [];
    const frames: Frame[] = [];
    const asked: unknown[] = [];
    const core = {
      role: "leader",
      term,
      termAt: () => 1,
      sent: (...report: unknown[]) => sent.push(report),
    } as unknown as Core;
    const log = {
      lastIndex: 3,
      read: (index: number, bytesMax: number) => {
        asked.push([index, bytesMax]);
        return { bytes: second, firstIndex: 2, lastIndex: 2, prevChain: 9 };
      },
      chainAt: (index: number) => ({ chain: 77, lastIndex: index }),
    } as unknown as LogStore;
    const endpoint = {
      send: (_: unknown, frame: Frame, isPatient: boolean) => {
        frames.push(frame);
        asked.push(isPatient ? "patient" : "at once");
      },
    } as unknown as Endpoint;
    return { core, log, endpoint, sent, frames, asked };
  }

  it("becomes one frame, and the core learns what really went out", () => {
    const { core, log, endpoint, sent, frames } = leader(2);
    fulfilSendOrder(order, core, log, endpoint, {} as Connection, 1_200, 5);
    expect(frames).toMatchObject([
      {
        type: "raft",
        prevChain: 9,
        message: { prevIndex: 1, prevTerm: 1, round: 7 },
        bytes: second,
      },
    ]);
    expect(sent).toEqual([[2, 2, 1, 2, second.length, 5]]);
  });

  it("takes what a datagram holds, and more of what is committed already, which nobody waits for", () => {
    const { core, log, endpoint, asked } = leader(2);
    const fulfil = (commitIndex: number, datagramBytes: number): unknown[] => {
      asked.length = 0;
      const given = { ...order, commitIndex };
      fulfilSendOrder(given, core, log, endpoint, {} as Connection, datagramBytes, 5);
      return [...asked];
    };
    expect(fulfil(1, 1_200)).toEqual([[2, 1_040], "at once"]);
    expect(fulfil(2, 1_200)).toEqual([[2, 32_768], "patient"]);
    expect(fulfil(2, 60_000)).toEqual([[2, 59_840], "patient"]);
  });

  it("is dropped when the term has passed", () => {
    const { core, log, endpoint, sent, frames } = leader(3);
    fulfilSendOrder(order, core, log, endpoint, {} as Connection, 1_200, 5);
    expect([frames, sent]).toEqual([[], []]);
  });

  it("beyond the log becomes an empty probe with the chain at prevIndex", () => {
    const { core, log, endpoint, sent, frames } = leader(2);
    fulfilSendOrder({ ...order, fromIndex: 4 }, core, log, endpoint, {} as Connection, 1_200, 5);
    expect(frames).toMatchObject([{ prevChain: 77, message: { prevIndex: 3 } }]);
    expect(sent).toEqual([[2, 2, 3, 3, 0, 5]]);
  });

  it("without a connection counts as an unanswered probe, so that the core tries again later", () => {
    const { core, log, endpoint, sent, frames } = leader(2);
    fulfilSendOrder(order, core, log, endpoint, undefined, 1_200, 5);
    expect(frames).toEqual([]);
    expect(sent).toHaveLength(1);
  });
});

describe("the comparison of committed chains", () => {
  it("sees a difference only where both know the index committed", () => {
    const { core, log } = follower([first, second], [1, 1], null);
    const check = new ChainCheck(core, log);
    const at = (index: number, chain: number): Extract<Frame, { type: "check" }> => ({
      type: "check",
      index,
      term: 1,
      chain,
    });
    expect(check.differs(at(2, chainOf(second)))).toBe(false);
    expect(check.differs(at(2, chainOf(second) ^ 1))).toBe(true);
    expect(check.differs(at(3, 1))).toBe(false);
  });
});
