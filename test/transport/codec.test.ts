/** Frames as bytes: what was sent comes back, and nothing else passes. */

import * as fc from "fast-check";
import { Packr } from "msgpackr/pack";
import { describe, expect, it } from "vitest";
import type { RaftMessage } from "../../src/raft/types.ts";
import {
  type WireFrame,
  decodeBody,
  decodeLargeFrame,
  encodeFrame,
} from "../../src/transport/codec.ts";
import { WIRE_VERSION } from "../../src/transport/datagram.ts";
import { FieldReader } from "../../src/transport/fields.ts";
import { encodeHello, readHello } from "../../src/transport/hello.ts";
import { introductionOf } from "../../src/transport/meeting.ts";
import { type Wire, pack, packBody, packedBytesMax } from "../../src/transport/messagepack.ts";
import type { Frame, NodeHello } from "../../src/transport/types.ts";
import { hex16, seeded } from "./harness.ts";

/** A packer of other people. */
const general = new Packr({ useRecords: false });
const count = fc.oneof(fc.nat(1_000), fc.maxSafeNat());
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const id16 = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((bytes) => Buffer.from(bytes).toString("hex"));
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.uint8Array({ minLength: 500, maxLength: 700 }),
);
const nodeId = fc.integer({ min: 1, max: 999 });
const answer = fc.constantFrom("granted", "refused", "withheld");
const at = { term: count, round: count };
const configuration = fc.record({
  index: count,
  members: fc.array(
    fc.record({ id: nodeId, incarnation: id16, role: fc.constantFrom("voter", "learner") }),
    { maxLength: 16 },
  ),
});
const k = fc.constant;

const message: fc.Arbitrary<RaftMessage> = fc.oneof(
  fc.record({ type: k("preVote" as const), ...at, lastIndex: count, lastTerm: count }),
  fc.record({ type: k("preVoteReply" as const), ...at, answer, askedTerm: count }),
  fc.record({
    type: k("vote" as const),
    ...at,
    lastIndex: count,
    lastTerm: count,
    ordered: fc.boolean(),
  }),
  fc.record({ type: k("voteReply" as const), ...at, answer }),
  fc.record({
    type: k("appendReply" as const),
    ...at,
    result: fc.constantFrom("matched", "conflict", "diverged", "lost data"),
    prevIndex: count,
    matchIndex: count,
    hintIndex: count,
    hintTerm: count,
    durableIndex: count,
  }),
  fc.record({ type: k("heartbeat" as const), ...at, commitIndex: count }),
  fc.record({ type: k("heartbeatReply" as const), ...at, durableIndex: count, commitIndex: count }),
  fc.record({ type: k("lostData" as const), ...at, matchIndex: count }),
  fc.record({ type: k("timeoutNow" as const), ...at }),
);

const append = fc.record({
  type: k("append" as const),
  ...at,
  prevIndex: count,
  prevTerm: count,
  commitIndex: count,
  records: k([]),
});
const snapshot = fc.record({
  type: k("installSnapshot" as const),
  ...at,
  lastIndex: count,
  lastTerm: count,
  configuration,
});

const pair = fc.record({ id: nodeId, incarnation: id16 });
const founding = fc.record({
  cluster: fc.constantFrom("raft", "g4"),
  founders: fc.array(pair, { maxLength: 16 }),
  parent: fc.option(fc.record({ clusterId: id16, index: count, term: count, chain: u32 })),
});
const host = fc
  .tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255))
  .map((parts) => parts.join("."));
const ms = fc.integer({ min: 1, max: 600_000 });
const hello: fc.Arbitrary<NodeHello> = fc
  .record({
    id: nodeId,
    incarnation: id16,
    bootId: id16,
    bootCount: count,
    clusterId: fc.option(id16),
    founding: fc.option(founding),
    foundedMs: fc.option(count),
    lastIndex: count,
    member: fc.boolean(),
    founders: fc.array(nodeId, { maxLength: 16 }),
    timings: fc.record({ heartbeatMs: ms, electionMinMs: ms, electionMaxMs: ms }),
    met: fc.array(pair, { maxLength: 16 }),
    version: fc.constantFrom("1.0.0", "ø"),
    wireMin: fc.nat(255),
    wireMax: fc.nat(255),
    features: u32,
    addresses: fc.array(fc.record({ host, port: fc.integer({ min: 1, max: 65_535 }) }), {
      maxLength: 4,
    }),
    receiveWindowBytes: u32,
    userHost: fc.string({ maxLength: 64 }).filter((text) => text.isWellFormed()),
    uptimeMs: count,
    dataDir: fc.option(fc.string({ maxLength: 128 }).filter((text) => !/\p{C}/u.test(text))),
  })
  // In a crowd there is no room for a directory.
  .map((said) => (said.met.length > 8 ? { ...said, dataDir: null } : said));

const frame: fc.Arbitrary<WireFrame> = fc.oneof(
  fc.record({ type: k("raft" as const), message }),
  fc.record({ type: k("raft" as const), message: append, prevChain: u32, bytes }),
  fc.record({ type: k("raft" as const), message: snapshot, bytes }),
  fc.record({ type: k("check" as const), index: count, term: count, chain: u32 }),
  fc.record({ type: k("request" as const), requestId: count, hops: fc.nat(8), body: bytes }),
  fc.record({ type: k("response" as const), requestId: count, body: bytes }),
  fc.record({ type: k("fence" as const), clusterId: id16, term: count, configuration }),
  fc.record({ type: k("needRecords" as const), from: count, to: count }),
  fc.record({ type: k("heal" as const), firstIndex: count, bytes }),
  fc.record({ type: k("bye" as const), reason: fc.constantFrom("", "stopped by ana") }),
  fc.record({
    type: k("introduction" as const),
    sequence: count,
    introduction: fc
      .tuple(fc.option(hello), u32)
      .map(([said, window]) => introductionOf(said, window)),
  }),
  fc.record({ type: k("introductionAck" as const), sequence: count }),
  fc.record({
    type: k("chunk" as const),
    stream: count,
    totalBytes: fc.integer({ min: 1, max: 2_621_440 }),
    partBytes: fc.integer({ min: 1, max: 65_507 }),
    part: u32,
    bytes,
  }),
  fc.record({
    type: k("chunkAck" as const),
    stream: count,
    base: u32,
    windowBytes: u32,
    bits: bytes,
  }),
  fc.record({
    type: fc.constantFrom("addressAsk", "addressAnswer"),
    challenge: fc.uint8Array({ minLength: 8, maxLength: 8 }),
  }),
);

describe("every frame", () => {
  it("reads back as it was, alone and among others", () => {
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 20 }),
        u32,
        fc.option(u32),
        (frames, timeUs, echoUs) => {
          const body = packBody([timeUs, echoUs, ...frames.map(encodeFrame)]);
          expect(decodeBody(Uint8Array.from(body))).toEqual({ timeUs, echoUs, frames });
        },
      ),
      { numRuns: 250 },
    );
  });

  it("is packed as by any packer, into no more bytes than were reckoned for it", () => {
    fc.assert(
      fc.property(frame, (one) => {
        const encoded = encodeFrame(one);
        const packed = pack(encoded);
        expect(packed.length).toBeLessThanOrEqual(packedBytesMax(encoded));
        expect(Buffer.compare(packed, general.pack(encoded))).toBe(0);
      }),
      { numRuns: 250 },
    );
  });

  it.each([
    [16, null],
    [12, "d".repeat(128)],
  ])("of a hello of %d founders fits one datagram of 1,200 bytes", (count, told) => {
    const pairs = Array.from({ length: count }, (_, i) => ({ id: 984 + i, incarnation: hex16(i) }));
    const big = 2 ** 40;
    const parent = { clusterId: hex16(1), index: big, term: big, chain: 0xffff_ffff };
    const said: NodeHello = {
      id: 999,
      incarnation: hex16(1),
      bootId: hex16(2),
      bootCount: big,
      clusterId: hex16(3),
      founding: { cluster: "x".repeat(32), founders: pairs, parent },
      foundedMs: big,
      lastIndex: big,
      member: true,
      founders: pairs.map((p) => p.id),
      timings: { heartbeatMs: 5_000, electionMinMs: 60_000, electionMaxMs: 60_000 },
      met: pairs,
      version: "1".repeat(32),
      wireMin: 1,
      wireMax: 255,
      features: 0xffff,
      addresses: pairs.slice(0, 4).map(() => ({ host: "255.255.255.255", port: 65_535 })),
      receiveWindowBytes: 0xffff_ffff,
      userHost: "x".repeat(64),
      uptimeMs: big,
      dataDir: "d".repeat(128),
    };
    const encoded = encodeFrame({
      type: "introduction",
      sequence: big,
      introduction: introductionOf(said, 0xffff_ffff),
    });
    expect(pack([0xffff_ffff, 0xffff_ffff, encoded]).length).toBeLessThan(1_200 - 44 - 16);
    const read = readHello(new FieldReader([encodeHello(said)], "hello"));
    expect(read).toEqual({ ...said, dataDir: told });
  });
});

it.each([["d\nd"], ["d".repeat(129)], [7], [["d"]], ["\u202ed"]])(
  "a directory that cannot be shown is none, and the greeting stands: %j",
  (directory) => {
    const [said] = fc.sample(hello, { numRuns: 1, seed: 1 });
    if (said === undefined) throw new Error("no hello");
    const fields = encodeHello({ ...said, dataDir: null });
    if (!Array.isArray(fields)) throw new Error("no array");
    const reader = new FieldReader([[...fields.slice(0, -1), directory]], "hello");
    expect(readHello(reader)).toEqual({ ...said, dataDir: null });
    expect(reader.end()).toBe(null);
  },
);

describe("hostile bytes (KNOWN-BUGS G71)", () => {
  const random = seeded(3);
  const randomBytes = (length: number) =>
    Uint8Array.from({ length }, () => Math.floor(random() * 256));

  it("of every length decode to a reason and never throw", () => {
    for (let length = 0; length < 3_000; length++) {
      const body = decodeBody(randomBytes(length % 300));
      expect(typeof body).toBe("string");
    }
  });

  it("made of real frames by changing, cutting or doubling bytes give a reason or sound frames", () => {
    fc.assert(
      fc.property(
        fc.array(frame, { minLength: 1, maxLength: 5 }),
        fc.nat(),
        fc.nat(255),
        fc.nat(2),
        (frames, where, value, how) => {
          const good = Uint8Array.from(packBody([1, null, ...frames.map(encodeFrame)]));
          const place = where % good.length;
          if (how === 0) good[place] = value;
          const bad =
            how === 1
              ? good.slice(0, place)
              : how === 2
                ? Uint8Array.of(...good.slice(0, place), value, ...good.slice(place))
                : good;
          const body = decodeBody(bad);
          if (typeof body !== "string")
            for (const one of body.frames) expect(typeof one.type).toBe("string");
        },
      ),
      { numRuns: 1_500 },
    );
  });

  const nested = (depth: number) =>
    Uint8Array.from({ length: depth + 1 }, (_, i) => (i < depth ? 0x91 : 0xc0));
  const inBody = (...tail: number[]) => Uint8Array.of(0x93, 1, 0xc0, ...tail);
  it.each([
    ["65,000 nested arrays", nested(65_000), "nested too deep"],
    ["an array of 65,535 in three bytes", inBody(0xdc, 0xff, 0xff), "truncated"],
    ["an array of 4,294,967,295", inBody(0xdd, 0xff, 0xff, 0xff, 0xff), "forbidden type"],
    ["a byte string of 4 GiB", inBody(0xc6, 0xff, 0xff, 0xff, 0xff), "truncated"],
    ["a text of 64 KiB in four bytes", inBody(0xda, 0xff, 0xff, 0x41), "truncated"],
    ["a map", inBody(0x81, 0xa1, 0x61, 1), "forbidden type"],
    ["a map of 4 Gi pairs", inBody(0xdf, 0xff, 0xff, 0xff, 0xff), "forbidden type"],
    ["a record definition", inBody(0xd4, 0x72, 0x40), "forbidden type"],
    ["a date", inBody(0xd6, 0xff, 0, 0, 0, 0), "forbidden type"],
    ["a regular expression", inBody(0xc7, 3, 0x78, 0x92, 0xa0, 0xa0), "forbidden type"],
    ["an error", inBody(0xc7, 1, 0x65, 0xc0), "forbidden type"],
    ["a typed array", inBody(0xc7, 2, 0x74, 1, 2), "forbidden type"],
    ["bundled strings", inBody(0xd6, 0x62, 0, 0, 0, 1), "forbidden type"],
    ["a 64-bit integer", inBody(0xcf, 1, 2, 3, 4, 5, 6, 7, 8), "forbidden type"],
    ["a negative integer", inBody(0xff), "forbidden type"],
    ["a never-used type", inBody(0xc1), "forbidden type"],
    ["bytes after the end", Uint8Array.of(0x92, 1, 0xc0, 0xc0), "trailing bytes"],
    ["nothing", new Uint8Array(0), "truncated"],
    ["a number alone", Uint8Array.of(1), "not an array"],
  ])("%s are refused with a reason, at once", (_, body, reason) => {
    const startMs = performance.now();
    expect(decodeBody(body)).toBe(reason);
    expect(decodeLargeFrame(body)).toBe(reason);
    expect(performance.now() - startMs).toBeLessThan(50);
  });

  it("of 2.5 MiB of the smallest elements cost milliseconds", () => {
    const bomb = new Uint8Array(2_621_440).fill(0x90);
    bomb.set([0xdc, 0xff, 0xff]);
    const startMs = performance.now();
    expect(typeof decodeLargeFrame(bomb)).toBe("string");
    expect(performance.now() - startMs).toBeLessThan(250);
  });

  it("of many elements, each list within its length, never reach the decoder", () => {
    const list = new Uint8Array(3 + 65_535).fill(0x90);
    list.set([0xdc, 0xff, 0xff]);
    const bomb = new Uint8Array(3 + 40 * list.length);
    bomb.set([0xdc, 0, 40]);
    for (let at = 0; at < 40; at++) bomb.set(list, 3 + at * list.length);
    expect(decodeLargeFrame(bomb)).toMatch("too many elements");
  });

  it.each<[string, Wire, string]>([
    ["an unknown code", [99], "frame: integer out of range"],
    ["a missing field", [2, 1, 2], "frame: integer out of range"],
    ["a field too many", [2, 1, 2, 3, 4], "frame: wrong length"],
    ["an index that is no integer", [2, 1.5, 2, 3], "frame: integer out of range"],
    ["an index of 2^53", [2, 2 ** 53, 2, 3], "frame: integer out of range"],
    ["an index that is not a number", [2, Number.NaN, 2, 3], "frame: integer out of range"],
    ["a chain of 2^32", [2, 1, 2, 2 ** 32], "frame: integer out of range"],
    ["a text for an index", [2, "1", 2, 3], "frame: integer out of range"],
    ["an incarnation of 15 bytes", [5, new Uint8Array(15), 1, [1, []]], "frame: not 16 bytes"],
    [
      "17 members",
      [5, new Uint8Array(16), 1, [1, Array.from({ length: 17 }, () => [1, new Uint8Array(16), 0])]],
      "frame: not a list within its limit",
    ],
    [
      "a node 1,000",
      [5, new Uint8Array(16), 1, [1, [[1_000, new Uint8Array(16), 0]]]],
      "frame: integer out of range",
    ],
    [
      "a role that is none",
      [5, new Uint8Array(16), 1, [1, [[1, new Uint8Array(16), 2]]]],
      "frame: integer out of range",
    ],
    ["a number for a flag", [1, 2, 1, 1, 1, 1, 1], "frame: not a boolean"],
    ["a long reason", [8, "x".repeat(257)], "frame: not a short text"],
    ["a frame that is no array", 7, "frame: not an array"],
    [
      "another wire version",
      [9, 1, [WIRE_VERSION + 1, WIRE_VERSION + 2, 0, 0, null]],
      "frame: greeting: no common wire version",
    ],
    [
      "a feature that must be known",
      [9, 1, [WIRE_VERSION, WIRE_VERSION, 2 ** 31, 0, null]],
      "frame: greeting: unknown required feature",
    ],
  ])("%s is refused with its reason", (_, wire, reason) => {
    expect(decodeBody(Uint8Array.from(pack([1, null, wire])))).toBe(reason);
  });

  it("one bad frame drops its whole datagram, and no frame of it is delivered", () => {
    const good: Frame = { type: "check", index: 1, term: 1, chain: 1 };
    expect(decodeBody(Uint8Array.from(pack([1, null, encodeFrame(good), [99]])))).toBe(
      "frame: integer out of range",
    );
  });
});
