/** A small share of the datagram fuzzing, and the structure of what decoders accept. The whole is
 *  the measure in test/prove/fuzz.ts. */

import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeDiscovery } from "../../src/discovery/beacon.ts";
import { decodeBody, decodeLargeFrame, encodeFrame } from "../../src/transport/codec.ts";
import { decodeIntroduction } from "../../src/transport/hello.ts";
import { type Wire, pack, unpack } from "../../src/transport/messagepack.ts";
import { decodeRequest, decodeResponse } from "../../src/transport/request-codec.ts";
import { Rolls } from "./bytes.ts";
import { frames } from "./frames.ts";
import { type HostileWire, packHostile } from "./hostile-pack.ts";
import { type FuzzKind, WireFuzz } from "./wire-fuzz.ts";

const decoders = {
  unpack,
  decodeBody,
  decodeLargeFrame,
  decodeRequest,
  decodeResponse,
  decodeDiscovery,
  decodeIntroduction: (bytes: Uint8Array) => {
    const values = unpack(bytes);
    return typeof values === "string" ? values : decodeIntroduction(values);
  },
};

/** Anything that MessagePack can say, and some things that it cannot. */
const { value: hostile } = fc.letrec<{ value: HostileWire }>((tie) => ({
  value: fc.oneof(
    { depthSize: "large" },
    fc.maxSafeNat(),
    fc.double(),
    fc.constantFrom(null, true, false),
    fc.string({ maxLength: 40 }),
    fc.uint8Array({ maxLength: 40 }),
    fc.uint8Array({ minLength: 1, maxLength: 12 }).map((raw) => ({ raw })),
    fc.array(tie("value"), { maxLength: 24 }),
  ),
}));

/** What our own frames are made of. */
const { value: ours } = fc.letrec<{ value: Wire }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.maxSafeNat(),
    fc.constantFrom(null, true, false),
    fc.string({ maxLength: 40 }).filter((text) => text.isWellFormed()),
    fc.uint8Array({ maxLength: 600 }),
    fc.array(tie("value"), { maxLength: 24 }),
  ),
}));

describe("datagrams from an enemy", () => {
  it("drops every hostile datagram, counts it, and goes on with honest ones", () => {
    const fuzz = new WireFuzz(1);
    for (let round = 0; round < 250 && fuzz.round(); round++);
    expect(fuzz.failures).toEqual([]);
    expect(fuzz.total).toBe(16_000);
    expect(fuzz.world.delivered).toBeGreaterThan(1_000);
    expect(fuzz.world.decoded).toBeGreaterThan(100);
  });

  it("throws the same datagrams under the same seed", () => {
    const runs = [7, 7, 8].map((seed) => {
      const fuzz = new WireFuzz(seed);
      for (let i = 0; i < 60; i++) fuzz.round();
      return JSON.stringify(fuzz.world.node.endpoint.counters);
    });
    expect(runs[0]).toBe(runs[1]);
    expect(runs[0]).not.toBe(runs[2]);
  });

  it("notices an altered datagram that is not counted", () => {
    const fuzz = new WireFuzz(1);
    const { endpoint } = fuzz.world.node;
    const receive = endpoint.receive.bind(endpoint);
    endpoint.receive = (datagram, from, nowMs) => {
      if (datagram.length > 20) receive(datagram, from, nowMs);
    };
    const kinds: readonly FuzzKind[] = ["random", "mutated", "truncated"];
    expect(
      kinds.every((kind) => Array.from({ length: 9 }, () => fuzz.round(kind)).every(Boolean)),
    ).toBe(false);
  });
});

describe("decoders", () => {
  it.each(Object.entries(decoders))("%s gives a value or a reason for any bytes", (_, decode) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400, size: "max" }), (bytes) => void decode(bytes)),
      { numRuns: 300 },
    );
  });

  it.each(Object.entries(decoders))(
    "%s gives a value or a reason for any MessagePack",
    (_, decode) => {
      const target = new Uint8Array(65_507);
      fc.assert(
        fc.property(fc.array(hostile, { maxLength: 30 }), (values) => {
          decode(target.subarray(0, packHostile(target, 0, values)));
        }),
        { numRuns: 300 },
      );
    },
  );

  it("give back what was packed, as deep and wide as frames go", () => {
    fc.assert(
      fc.property(fc.array(ours, { maxLength: 30 }), (values) => {
        expect(unpack(new Uint8Array(pack(values)))).toEqual(values);
      }),
      { numRuns: 200 },
    );
  });

  it("read the largest and deepest bodies in little time", () => {
    const bombs = [
      Uint8Array.from({ length: 65_507 }, () => 0x91),
      Uint8Array.from({ length: 65_507 }, (_, at) => (at === 0 ? 0xdd : 0xff)),
      Uint8Array.from({ length: 65_507 }, (_, at) => (at === 0 ? 0xdc : at < 3 ? 0xff : 0x90)),
      Uint8Array.from({ length: 65_507 }, (_, at) => (at === 0 ? 0xc6 : 0xff)),
      Uint8Array.from({ length: 2_621_440 }, (_, at) => (at === 0 ? 0xdc : at < 3 ? 0xff : 0xc0)),
    ];
    const startedMs = performance.now();
    for (const bomb of bombs) for (const decode of Object.values(decoders)) decode(bomb);
    expect(performance.now() - startedMs).toBeLessThan(15_000);
  });

  it("read frames of every type that mutations start from", () => {
    for (const frame of frames(new Rolls(3))) {
      const body = decodeBody(new Uint8Array(pack([7, null, encodeFrame(frame)])));
      expect(body, frame.type).not.toBeTypeOf("string");
    }
  });
});
