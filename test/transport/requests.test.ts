/** Requests and responses on the wire: round trips, hostile bytes, reports. */

import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { pack } from "../../src/transport/messagepack.ts";
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from "../../src/transport/request-codec.ts";
import type { NodeReport, Request, Response } from "../../src/transport/requests.ts";

const id16 = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((bytes) => Buffer.from(bytes).toString("hex"));
const count = fc.maxSafeNat();
const nodeId = fc.integer({ min: 1, max: 999 });
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => new Uint8Array(array));
const text = fc.string({ maxLength: 40 });
const address = fc.record({
  host: fc.constantFrom("10.0.0.7", "127.0.0.1"),
  port: fc.integer({ min: 1, max: 65_535 }),
});
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> =>
  fc.option(value, { nil: null });
const configuration = fc.record({
  index: count,
  members: fc.array(
    fc.record({
      id: nodeId,
      incarnation: id16,
      role: fc.constantFrom("voter" as const, "learner" as const),
    }),
    { maxLength: 16 },
  ),
});
const hint = maybe(fc.record({ id: nodeId, term: count, address: maybe(address) }));

const requests: fc.Arbitrary<Request> = fc.oneof(
  fc.record({
    type: fc.constant("append" as const),
    clientId: id16,
    firstSequence: fc.integer({ min: 1, max: 2 ** 40 }),
    count: fc.integer({ min: 1, max: 16_384 }),
    bornAt: count,
    ifLast: maybe(count),
    payloads: bytes,
  }),
  fc.record({
    type: fc.constant("read" as const),
    from: count,
    last: maybe(count),
    bytesMax: count,
    consistency: fc.constantFrom("linearizable" as const, "stale" as const),
    waitMs: fc.nat(),
  }),
  fc.constantFrom({ type: "readIndex" as const }, { type: "leader" as const }),
  fc.record({ type: fc.constant("status" as const), of: maybe(nodeId) }),
  fc.record({
    type: fc.constant("stop" as const),
    bootId: id16,
    kill: fc.boolean(),
    by: text,
    asLeader: fc.boolean(),
  }),
  fc.record({ type: fc.constant("transfer" as const), term: count, to: maybe(nodeId) }),
  fc.record({
    type: fc.constant("members" as const),
    configurationIndex: count,
    change: fc.oneof(
      fc.record({
        type: fc.constantFrom("addLearner" as const, "replace" as const),
        id: nodeId,
        incarnation: fc.oneof(id16, fc.constant("")),
      }),
      fc.record({
        type: fc.constantFrom("promote" as const, "demote" as const, "remove" as const),
        id: nodeId,
      }),
    ),
  }),
);

const report: NodeReport = {
  cluster: "raft",
  auth: "open",
  clusterId: "a".repeat(32),
  foundedMs: 1_700_000_000_000,
  id: 2,
  incarnation: "b".repeat(32),
  bootId: "c".repeat(32),
  version: "1.0.0",
  state: "member",
  role: "leader",
  term: 7,
  votedFor: 2,
  leader: 2,
  leaderSinceMs: 12.5,
  firstIndex: 1,
  lastIndex: 42,
  commitIndex: 42,
  configuration: { index: 0, members: [{ id: 1, incarnation: "d".repeat(32), role: "voter" }] },
  founders: [1, 2, 3],
  syncMs: 0.4,
  address: { host: "10.0.0.8", port: 7402 },
  userHost: "ana@lab-08",
  uptimeMs: 1000,
  executable: "./raft",
  mute: null,
  lostData: false,
  networkDisk: false,
  acceptsEntries: true,
  dataDir: "/x",
  peers: [
    {
      id: 1,
      incarnation: null,
      userHost: null,
      address: null,
      rttMs: null,
      lastContactMs: null,
      lastHeardWallMs: null,
      stopped: false,
      dataDir: null,
      matchIndex: null,
      term: null,
      member: true,
    },
    {
      id: 3,
      incarnation: "e".repeat(32),
      userHost: "bob@lab-09",
      address: { host: "10.0.0.9", port: 7403 },
      rttMs: 0.2,
      lastContactMs: 3,
      lastHeardWallMs: 5,
      stopped: true,
      dataDir: "/home/bob/d3",
      matchIndex: 42,
      term: 7,
      member: true,
    },
  ],
};

const responses: fc.Arbitrary<Response> = fc.oneof(
  fc.record({
    type: fc.constant("appended" as const),
    index: fc.integer({ min: 1, max: 2 ** 50 }),
    count: fc.integer({ min: 1, max: 16_384 }),
    term: count,
    timeMs: count,
    duplicate: fc.boolean(),
    holders: fc.array(nodeId, { maxLength: 16 }),
    commitIndex: count,
  }),
  fc.record({
    type: fc.constant("records" as const),
    bytes,
    firstIndex: count,
    lastIndex: count,
    prevChain: fc.integer({ min: 0, max: 0xffff_ffff }),
    commitIndex: count,
    staleMs: maybe(fc.nat()),
  }),
  fc.record({ type: fc.constant("readIndex" as const), index: count, term: count }),
  fc.constant({ type: "status" as const, report }),
  fc.record({
    type: fc.constant("leader" as const),
    leader: hint,
    commitIndex: count,
    bootId: id16,
    configurationIndex: count,
  }),
  fc.record({ type: fc.constant("done" as const), text, configuration: maybe(configuration) }),
  fc.record({
    type: fc.constant("refused" as const),
    code: fc.constantFrom(
      "not leader" as const,
      "expected" as const,
      "if last" as const,
      "stopping" as const,
      "bad request" as const,
    ),
    text,
    leader: hint,
    number: maybe(count),
  }),
);

describe("requests and responses as bytes", () => {
  it("every request comes back as it was", () => {
    fc.assert(
      fc.property(requests, (request) => {
        const decoded = decodeRequest(encodeRequest(request));
        expect(plain(decoded)).toEqual(plain(request));
      }),
      { numRuns: 500 },
    );
  });

  it("every response comes back as it was", () => {
    fc.assert(
      fc.property(responses, (response) => {
        expect(plain(decodeResponse(encodeResponse(response)))).toEqual(plain(response));
      }),
      { numRuns: 500 },
    );
  });

  it("bytes with damage decode to a value or a reason and never throw", () => {
    fc.assert(
      fc.property(requests, responses, fc.nat(), fc.nat(255), (request, response, at, value) => {
        for (const [encoded, decode] of [
          [encodeRequest(request), decodeRequest],
          [encodeResponse(response), decodeResponse],
        ] as const) {
          const damaged = encoded.slice();
          damaged[at % damaged.length] = value;
          expect(["string", "object"]).toContain(typeof decode(damaged));
          expect(typeof decode(encoded.subarray(0, at % encoded.length))).toBe("string");
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it("arbitrary bytes never throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        decodeRequest(noise);
        decodeResponse(noise);
      }),
      { numRuns: 2_000 },
    );
  });

  const hostile: readonly (readonly [string, Parameters<typeof pack>[0]])[] = [
    ["an unknown type", [99]],
    ["a type that is text", ["append"]],
    ["no type", []],
    ["a sequence of 0", [0, new Uint8Array(16), 0, 1, 0, null, new Uint8Array(7)]],
    ["a count of 0", [0, new Uint8Array(16), 1, 0, 0, null, new Uint8Array(7)]],
    ["too many entries", [0, new Uint8Array(16), 1, 16_385, 0, null, new Uint8Array(7)]],
    ["a short client id", [0, new Uint8Array(15), 1, 1, 0, null, new Uint8Array(7)]],
    ["a fraction", [0, new Uint8Array(16), 1.5, 1, 0, null, new Uint8Array(7)]],
    ["text in place of bytes", [0, new Uint8Array(16), 1, 1, 0, null, "payloads"]],
    ["a field too many", [3, 1, 1]],
    ["a node id of 1000", [6, 1, 1_000]],
    ["an incarnation of 5 bytes", [7, 1, [0, 1, new Uint8Array(5)]]],
    ["a promotion with an incarnation", [7, 1, [1, 1, new Uint8Array(16)]]],
  ];
  it.each(hostile)("a request with %s is refused with a reason", (_, fields) => {
    expect(typeof decodeRequest(Uint8Array.from(pack(fields)))).toBe("string");
  });

  it("maps, extensions, deep nesting and bombs are refused", () => {
    for (const bomb of [
      [0x81, 0xa1, 0x61, 1],
      [0xd4, 0x01, 0x01],
      [0xdd, 0xff, 0xff, 0xff, 0xff],
      [0x91, 0xc7, 1, 0x72, 0],
      Array.from({ length: 5_000 }, () => 0x91),
    ]) {
      expect(typeof decodeRequest(Uint8Array.from(bomb))).toBe("string");
      expect(typeof decodeResponse(Uint8Array.from(bomb))).toBe("string");
    }
  });

  it("byte strings alias the input", () => {
    const encoded = encodeRequest({
      type: "append",
      clientId: "0".repeat(32),
      firstSequence: 1,
      count: 1,
      bornAt: 1,
      ifLast: null,
      payloads: Uint8Array.of(1, 2, 3),
    });
    const decoded = decodeRequest(encoded);
    if (typeof decoded === "string" || decoded.type !== "append") throw new Error("not an append");
    expect(decoded.payloads.buffer).toBe(encoded.buffer);
  });

  it("a report with any field missing or of another type is refused", () => {
    for (const name of Object.keys(report)) {
      for (const wrong of [undefined, {}, "x".repeat(5_000)]) {
        const broken = new TextEncoder().encode(JSON.stringify({ ...report, [name]: wrong }));
        expect(
          typeof decodeResponse(Uint8Array.from(pack([3, broken]))),
          `${name} ${typeof wrong}`,
        ).toBe("string");
      }
    }
  });

  it("fields that this version does not know are left out of a report", () => {
    const newer = new TextEncoder().encode(JSON.stringify({ ...report, invented: 1 }));
    expect(decodeResponse(Uint8Array.from(pack([3, newer])))).toEqual({ type: "status", report });
  });
});

/** Byte strings may come back as another class over the same bytes. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Array.from(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plain(field)]));
}
