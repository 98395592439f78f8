/** Records and the words around them. */

import { array, assert as check, constantFrom, nat, oneof, property, uint8Array } from "fast-check";
import { unpack } from "msgpackr/unpack";
import { describe, expect, it } from "vitest";
import { ENTRY_BYTES_MAX } from "../../src/base/limits.ts";
import { endOfBytes } from "../../src/storage/bytes.ts";
import { clusterIdOf, foundingText } from "../../src/storage/founding.ts";
import {
  chainSeed,
  checkPayloads,
  decodeMembers,
  encodeMembers,
  encodePayloads,
  encodeRecord,
  payloadAt,
  payloadsOf,
  PAYLOADS_OFFSET,
  readHead,
  verifyRecords,
} from "../../src/storage/record.ts";
import { SessionTable } from "../../src/storage/sessions.ts";
import { CLIENT, CLUSTER_ID, FOUNDING } from "./fixture.ts";

const FIELDS = {
  firstIndex: 2 ** 40,
  term: 7,
  kind: 0,
  timeMs: 1_700_000_000_000,
  clientId: CLIENT,
  firstSequence: 3,
} as const;
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

describe("a record", () => {
  it("is read by any MessagePack decoder from its ninth byte on", () => {
    const record = encodeRecord(FIELDS, encodePayloads([text("a"), text("bb")]), 5);
    const [index, term, kind, timeMs, client, sequence, payloads] = unpack(
      record.subarray(8),
    ) as unknown[];
    expect([Number(index), Number(term), kind, Number(timeMs), Number(sequence)]).toEqual([
      2 ** 40,
      7,
      0,
      FIELDS.timeMs,
      3,
    ]);
    expect(Buffer.from(client as Uint8Array).toString("hex")).toBe(CLIENT);
    expect((payloads as Uint8Array[]).map((payload) => Buffer.from(payload).toString())).toEqual([
      "a",
      "bb",
    ]);
  });

  it("gives back every field and every payload, of any width", () => {
    const sizes = array(oneof(nat(300), constantFrom(0, 255, 256, 65_535, 65_536)), {
      minLength: 1,
      maxLength: 6,
    });
    check(
      property(sizes, (lengths) => {
        const payloads = lengths.map((length, at) => new Uint8Array(length).fill(at + 1));
        const array = encodePayloads(payloads);
        expect(checkPayloads(array, ENTRY_BYTES_MAX)).toBe(lengths.length);
        const record = encodeRecord(FIELDS, array, 9);
        const head = readHead(record, 0);
        expect(head).toMatchObject({ ...FIELDS, count: lengths.length, bytes: record.length });
        expect(payloadsOf(record, 0)?.map((payload) => payload.length)).toEqual(lengths);
        const last = FIELDS.firstIndex + lengths.length - 1;
        expect(payloadAt(record, 0, last)?.length).toBe(lengths.at(-1));
        expect(payloadAt(record, 0, last + 1)).toBeNull();
        expect(verifyRecords(record, 9, FIELDS.firstIndex)).toMatchObject({
          lastChain: typeof head === "string" ? 0 : head.chain,
        });
      }),
      { numRuns: 60 },
    );
  });

  it("with one bit flipped anywhere does not verify; nor does a run with a gap (24)", () => {
    const first = encodeRecord({ ...FIELDS, firstIndex: 1 }, encodePayloads([text("one")]), 1);
    for (let bit = 0; bit < first.length * 8; bit += 1) {
      const bad = first.slice();
      bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(verifyRecords(bad, 1, 1)).toHaveProperty("reason");
    }
    const head = readHead(first, 0);
    const chain = typeof head === "string" ? 0 : head.chain;
    const third = encodeRecord(
      { ...FIELDS, firstIndex: 3 },
      encodePayloads([text("three")]),
      chain,
    );
    expect(verifyRecords(Buffer.concat([first, third]), 1, 1)).toMatchObject({
      offset: first.length,
    });
  });

  it("is never made of zeros, and reading any bytes never throws", () => {
    expect(typeof readHead(new Uint8Array(4_096), 0)).toBe("string");
    check(
      property(uint8Array({ maxLength: 200 }), (bytes) => {
        readHead(bytes, 0);
        verifyRecords(bytes, 0, 1);
        checkPayloads(bytes, 100);
        decodeMembers(bytes);
      }),
      { numRuns: 500 },
    );
  });

  it("refuses payloads that are not in their one shortest form, too large or too many", () => {
    const bad: readonly (readonly number[])[] = [
      [0xdd, 0, 0, 0, 0],
      [0xdd, 0, 0, 0, 1, 0xc5, 0, 1, 65],
      [0xdd, 0, 0, 0, 1, 0xc6, 0, 0, 0, 1, 65],
      [0xdd, 0, 0, 0, 1, 0xa1, 65, 0],
      [0xdd, 0, 0, 0, 1, 0xc4, 2, 65],
      [0xdd, 0, 0, 0, 1, 0xc4, 1, 65, 66],
      [0xdd, 255, 255, 255, 255, 0xc4, 0],
      [0x91, 0xc4, 1, 65, 0, 0, 0],
    ];
    for (const bytes of bad)
      expect(checkPayloads(new Uint8Array(bytes), ENTRY_BYTES_MAX)).toBeTypeOf("string");
    expect(checkPayloads(encodePayloads([new Uint8Array(101)]), 100)).toBeTypeOf("string");
    expect(checkPayloads(encodePayloads([new Uint8Array(ENTRY_BYTES_MAX)]), ENTRY_BYTES_MAX)).toBe(
      1,
    );
    expect(encodeRecord(FIELDS, encodePayloads([text("x")]), 0).length).toBe(
      PAYLOADS_OFFSET + 5 + 3,
    );
  });
});

describe("members and the cluster id", () => {
  it("survive their encoding, and nothing unsorted or doubled does", () => {
    const members = [1, 5, 999].map(
      (id) => ({ id, incarnation: "ab".repeat(16), role: id === 5 ? "learner" : "voter" }) as const,
    );
    expect(decodeMembers(encodeMembers(members))).toEqual(members);
    expect(decodeMembers(encodeMembers([...members].reverse()))).toBeNull();
    expect(unpack(encodeMembers(members.slice(0, 1)))).toMatchObject([[1, expect.anything(), 0]]);
  });

  it("do not depend on the order of the founders, only on name and record", () => {
    const turned = { ...FOUNDING, founders: [...FOUNDING.founders].reverse() };
    expect(clusterIdOf(turned)).toBe(CLUSTER_ID);
    expect(clusterIdOf({ ...FOUNDING, cluster: "g4" })).not.toBe(CLUSTER_ID);
    expect(foundingText(FOUNDING).split("\n")[0]).toBe("raft founding 1");
    expect(chainSeed(CLUSTER_ID)).not.toBe(chainSeed("0".repeat(32)));
  });
});

describe("the table of sessions", () => {
  it("is the same after any touches were taken back, eviction included (35)", () => {
    check(
      property(array(nat(9), { maxLength: 60 }), nat(60), (clients, kept) => {
        const table = new SessionTable(4);
        const undos = [];
        let before = "";
        const dump = (): string => Buffer.from(table.encode(new Map())).toString("hex");
        for (const [at, client] of clients.entries()) {
          if (at === kept) before = dump();
          const undo = table.touch(String(client).repeat(32), at, at + 1);
          if (at >= kept) undos.push(undo);
        }
        if (clients.length <= kept) return;
        for (const undo of undos.reverse()) table.undo(undo);
        expect(dump()).toBe(before);
      }),
      { numRuns: 200 },
    );
  });
});

it("the end of the bytes is found through whole blocks of zeros, and not before `from`", () => {
  const bytes = new Uint8Array(300_000);
  expect(endOfBytes(bytes, 100)).toBe(100);
  for (const last of [100, 65_535, 65_536, 131_071, 168_928, 299_999]) {
    bytes.fill(0);
    bytes[last] = 1;
    expect(endOfBytes(bytes, 100)).toBe(last + 1);
  }
});
