/** The datagrams and bodies of the hot path: the same bytes and the same values as by the general
 *  codec. */

import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeAppend,
  decodeAppended,
  decodeExchange,
  encodeAppend,
  encodeAppended,
} from "../../src/transport/exchange-codec.ts";
import { bytesOf } from "../../src/transport/key.ts";
import { pack, unpack, type Wire } from "../../src/transport/messagepack.ts";
import type { AppendRequest, Response } from "../../src/transport/requests.ts";

type Appended = Extract<Response, { type: "appended" }>;

/** Every width of an integer. */
const integer = (min: number): fc.Arbitrary<number> =>
  fc.oneof(
    fc.integer({ min, max: 300 }),
    fc.integer({ min, max: 70_000 }),
    fc.integer({ min, max: 2 ** 33 }),
    fc.integer({ min, max: Number.MAX_SAFE_INTEGER }),
  );
const count = fc.integer({ min: 1, max: 16_384 });
const appends: fc.Arbitrary<AppendRequest> = fc.record({
  type: fc.constant("append" as const),
  clientId: fc
    .uint8Array({ minLength: 16, maxLength: 16 })
    .map((bytes) => Buffer.from(bytes).toString("hex")),
  firstSequence: integer(1),
  count,
  bornAt: integer(0),
  ifLast: fc.option(integer(0), { nil: null }),
  payloads: fc
    .oneof(fc.nat({ max: 300 }), fc.constantFrom(65_535, 65_536))
    .map((length) => new Uint8Array(length).fill(7)),
});
const answers: fc.Arbitrary<Appended> = fc.record({
  type: fc.constant("appended" as const),
  index: integer(1),
  count,
  term: integer(0),
  timeMs: integer(0),
  duplicate: fc.boolean(),
  holders: fc.array(fc.integer({ min: 1, max: 999 }), { maxLength: 16 }),
  commitIndex: integer(0),
});

function fieldsOfAppend(request: AppendRequest): readonly Wire[] {
  const { clientId, firstSequence, count: entries, bornAt, ifLast, payloads } = request;
  return [0, bytesOf(clientId), firstSequence, entries, bornAt, ifLast, payloads];
}

function fieldsOfAnswer(answer: Appended): readonly Wire[] {
  const { index, count: entries, term, timeMs, duplicate, holders, commitIndex } = answer;
  return [0, index, entries, term, timeMs, duplicate, holders, commitIndex];
}

/** With byte strings as text: they may be Buffers or not. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plain(field)]));
}

const change = fc.array(fc.tuple(fc.nat({ max: 60 }), fc.integer({ min: 0, max: 255 })), {
  minLength: 1,
  maxLength: 3,
});
const spoil = (whole: Uint8Array, changes: [number, number][], cut: number): Uint8Array => {
  const bytes = new Uint8Array(whole.slice(0, whole.length - cut));
  for (const [at, byte] of changes) if (at < bytes.length) bytes[at] = byte;
  return bytes;
};

describe("an append and its answer", () => {
  it("are the bytes that the packer makes", () => {
    fc.assert(
      fc.property(appends, answers, (request, answer) => {
        const packed = [pack(fieldsOfAppend(request)), pack(fieldsOfAnswer(answer))];
        const made = [encodeAppend(request), encodeAppended(answer)];
        expect(made.map((bytes) => Buffer.from(bytes).toString("hex"))).toEqual(
          packed.map((bytes) => Buffer.from(bytes).toString("hex")),
        );
      }),
      { numRuns: 300 },
    );
  });

  it("are read as they were, from an array of bytes and from a Buffer", () => {
    fc.assert(
      fc.property(appends, (request) => {
        const bytes = encodeAppend(request);
        expect(plain(decodeAppend(bytes))).toEqual(plain(request));
        expect(plain(decodeAppend(Buffer.from(bytes)))).toEqual(plain(request));
      }),
      { numRuns: 300 },
    );
    fc.assert(
      fc.property(answers, (answer) => {
        const few = { ...answer, holders: answer.holders.slice(0, 15) };
        expect(decodeAppended(encodeAppended(few))).toEqual(few);
      }),
      { numRuns: 300 },
    );
  });

  it("changed or cut anywhere are read as the general decoder reads them, or not at all", () => {
    let read = 0;
    fc.assert(
      fc.property(appends, answers, change, fc.nat({ max: 2 }), (request, answer, changes, cut) => {
        const small = { ...request, payloads: request.payloads.subarray(0, 300) };
        const append = spoil(encodeAppend(small), changes, cut);
        const decoded = decodeAppend(append);
        if (decoded !== null) {
          read++;
          expect(plain(unpack(append))).toEqual(plain(fieldsOfAppend(decoded)));
        }
        const appended = spoil(encodeAppended(answer), changes, cut);
        const told = decodeAppended(appended);
        if (told !== null) {
          read++;
          expect(plain(unpack(appended))).toEqual(plain(fieldsOfAnswer(told)));
        }
      }),
      { numRuns: 1_000 },
    );
    expect(read).toBeGreaterThan(100);
  });

  it("in a datagram are read as the general decoder reads them, whole, changed or cut, or not at all", () => {
    const frames = fc.array(
      fc.oneof(
        fc.tuple(fc.constant(3), integer(0), fc.nat({ max: 9 }), fc.uint8Array({ maxLength: 40 })),
        fc.tuple(fc.constant(4), integer(0), fc.uint8Array({ maxLength: 40 })),
      ),
      { maxLength: 20 },
    );
    const times = fc.tuple(integer(0), fc.option(integer(0), { nil: null }));
    let read = 0;
    fc.assert(
      fc.property(times, frames, change, fc.nat({ max: 8 }), (clocks, list, changes, cut) => {
        const whole = new Uint8Array(pack([...clocks, ...list]));
        for (const bytes of [whole, spoil(whole, changes, Math.max(0, cut - 6))]) {
          const body = decodeExchange(bytes);
          if (body === null) continue;
          read++;
          const fields = body.frames.map((frame): Wire => {
            if (frame.type === "request") return [3, frame.requestId, frame.hops, frame.body];
            return frame.type === "response" ? [4, frame.requestId, frame.body] : null;
          });
          expect(plain(unpack(bytes))).toEqual(plain([body.timeUs, body.echoUs, ...fields]));
        }
      }),
      { numRuns: 1_000 },
    );
    expect(read).toBeGreaterThan(100);
    expect(
      decodeExchange(new Uint8Array(pack([1, null, [3, 1, 9, new Uint8Array(1)]]))),
    ).toBeNull();
    expect(decodeExchange(new Uint8Array(pack([1, null, [2, 1, 1, 1]])))).toBeNull();
    expect(decodeExchange(new Uint8Array(pack([2 ** 32, null])))).toBeNull();
  });
});
