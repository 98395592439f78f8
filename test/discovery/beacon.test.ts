/** Beacons and questions as bytes: what is sent, and what strangers may send instead. */

import { createCipheriv, createHash } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  DISCOVERY_BYTES_MAX,
  decodeDiscovery,
  encodeBeacon,
  encodeQuery,
  isDiscoveryDatagram,
} from "../../src/discovery/beacon.ts";
import type { Query } from "../../src/discovery/beacon.ts";
import type { Beacon } from "../../src/discovery/types.ts";
import type { Wire } from "../../src/transport/messagepack.ts";
import { pack } from "../../src/transport/messagepack.ts";
import { beaconOf } from "./discovery-world.ts";

const term = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const id = fc.integer({ min: 1, max: 999 });
const hex16 = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((bytes) => Buffer.from(bytes).toString("hex"));
const beacons: fc.Arbitrary<Beacon> = fc.record({
  cluster: fc.stringMatching(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,31}$/),
  auth: fc.constantFrom("open", "key"),
  keyTag: fc.integer({ min: 0, max: 0xffff_ffff }),
  clusterId: fc.option(hex16),
  wireVersion: fc.integer({ min: 0, max: 255 }),
  id,
  bootId: hex16,
  userHost: fc.constantFrom("", "ana@lab-08", "zoë@große-kiste", "x".repeat(64)),
  host: fc.option(fc.ipV4()),
  port: fc.integer({ min: 1, max: 65_535 }),
  state: fc.oneof(
    fc.record({ type: fc.constant("waiting" as const), for: fc.array(id, { maxLength: 16 }) }),
    fc.record({ type: fc.constant("outside" as const) }),
    fc.record({ type: fc.constant("member" as const), term, leader: fc.option(id) }),
    fc.record({ type: fc.constant("leader" as const), term }),
  ),
  bye: fc.boolean(),
});
const queries: fc.Arbitrary<Query> = fc.record({
  voice: hex16,
  interface: fc.ipV4(),
  way: fc.constantFrom("multicast", "broadcast", "unicast"),
  beacon: fc.option(beacons),
});

/** Bytes as a stranger who has read the source can make them. */
function forged(fields: readonly Wire[] | Uint8Array, kind: number): Uint8Array {
  const header = Buffer.alloc(16);
  header.set([0x72, 0x42, 1, kind]);
  const cipher = createCipheriv(
    "aes-256-gcm",
    createHash("sha256").update("raft discovery 1").digest(),
    header.subarray(4),
  );
  cipher.setAAD(header);
  const body = cipher.update(fields instanceof Uint8Array ? fields : pack(fields));
  return Buffer.concat([header, body, cipher.final(), cipher.getAuthTag()]);
}

/** The fields of a good beacon, as packed. */
function fieldsOf(): Wire[] {
  return ["raft", 0, 7, null, 1, 1, new Uint8Array(16), "ana@lab-07", null, 7_401, [1], false];
}

describe("beacons and questions", () => {
  it("come back as they were sent, within one small datagram", () => {
    fc.assert(
      fc.property(beacons, queries, (beacon, query) => {
        const bytes = encodeBeacon(beacon);
        expect(decodeDiscovery(bytes)).toEqual({ type: "beacon", beacon });
        const question = encodeQuery(query);
        expect(decodeDiscovery(question)).toEqual({ type: "query", query });
        expect(Math.max(bytes.length, question.length)).toBeLessThanOrEqual(DISCOVERY_BYTES_MAX);
      }),
    );
  });

  it("are told apart from data datagrams by their first bytes", () => {
    expect(isDiscoveryDatagram(encodeBeacon(beaconOf(1)))).toBe(true);
    expect(isDiscoveryDatagram(Buffer.from("rF\u0001\u0001"))).toBe(false);
    expect(isDiscoveryDatagram(new Uint8Array(0))).toBe(false);
    expect(decodeDiscovery(Buffer.from("rF\u0001\u0001"))).toBe("not discovery");
  });

  it("are dropped with a reason when any bit is damaged or the end is missing", () => {
    const bytes = encodeBeacon(beaconOf(1));
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = Uint8Array.from(bytes);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      expect(decodeDiscovery(damaged)).toBeTypeOf("string");
    }
    for (let length = 0; length < bytes.length; length++) {
      expect(decodeDiscovery(bytes.subarray(0, length))).toBeTypeOf("string");
    }
  });

  it("never throw and never are taken from random bytes, well sealed or not", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 1_200 }),
        fc.integer({ min: 0, max: 3 }),
        (bytes, kind) => {
          expect(decodeDiscovery(bytes)).toBeTypeOf("string");
          expect(decodeDiscovery(forged(bytes, kind))).toBeTypeOf("string");
        },
      ),
    );
  });

  it("are refused when a well sealed field is wrong", () => {
    expect(decodeDiscovery(forged(fieldsOf(), 2))).toMatchObject({ type: "beacon" });
    const wrong: readonly (readonly [number, Wire])[] = [
      [0, ""],
      [0, "-raft"],
      [0, "a/b"],
      [0, "x".repeat(33)],
      [0, 1],
      [1, 2],
      [1, "open"],
      [2, -1],
      [2, 2 ** 32],
      [2, 0.5],
      [3, new Uint8Array(15)],
      [3, "00"],
      [4, 256],
      [5, 0],
      [5, 1_000],
      [6, null],
      [6, new Uint8Array(17)],
      [7, "x".repeat(65)],
      [7, null],
      [8, "lab-07"],
      [8, "1.2.3.256"],
      [9, 0],
      [9, 65_536],
      [10, []],
      [10, [4]],
      [10, [0]],
      [10, [0, [0]]],
      [10, [0, [1_000]]],
      [10, [0, Array(17).fill(1)]],
      [10, [1, 1]],
      [10, [2, 1]],
      [10, [2, 1, 0]],
      [10, [2, Number.NaN, 1]],
      [10, [3]],
      [10, [3, -1]],
      [11, 0],
      [11, null],
    ];
    for (const [at, value] of wrong) {
      const fields = fieldsOf();
      fields[at] = value;
      expect([at, value, typeof decodeDiscovery(forged(fields, 2))]).toEqual([at, value, "string"]);
    }
    expect(decodeDiscovery(forged(fieldsOf().slice(0, -1), 2))).toBeTypeOf("string");
    expect(decodeDiscovery(forged([...fieldsOf(), 1], 2))).toBeTypeOf("string");
    expect(decodeDiscovery(forged(fieldsOf(), 3))).toBe("unknown kind");
  });

  it("carry no character that would move a reader's terminal", () => {
    const bytes = encodeBeacon(beaconOf(1, { userHost: "a\u001b[2J@b\u202e\n\u2028" }));
    expect(decodeDiscovery(bytes)).toMatchObject({ beacon: { userHost: "a?[2J@b???" } });
    const fields = fieldsOf();
    fields[7] = "\u001b]0;x\u0007";
    expect(decodeDiscovery(forged(fields, 2))).toMatchObject({ beacon: { userHost: "?]0;x?" } });
  });
});
