/** The datagram: header, seal and replay window. */

import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  REPLAY_WINDOW,
  ReplayWindow,
  kinds,
  WIRE_VERSION,
  openDatagram,
  readHeader,
  sealDatagram,
} from "../../src/transport/datagram.ts";
import { clusterTag, hexOf, openKey } from "../../src/transport/key.ts";
import { pack } from "../../src/transport/messagepack.ts";
import { hex16, seededDice } from "./harness.ts";

const tag = clusterTag(openKey("test"));
const key = seededDice(1)(32);
const header = {
  kind: kinds.peer,
  from: 1,
  to: 2,
  fromConnection: 0x01020304,
  toConnection: 0x05060708,
  counter: 2 ** 32 + 9,
  bootId: null,
};
const sealed = sealDatagram(key, tag, header, pack([1_000, null, [6, 5, 7]]));

describe("a sealed datagram", () => {
  it("has these bytes, and only a new wire version may change them", () => {
    expect(hexOf(sealed)).toBe(
      "724602031892d41e0001000201020304050607080000000100000009f9d9aa4e982fd6038135e12f28fb52ccf6e6fca392e1107cf7",
    );
    expect(readHeader(sealed, tag)).toEqual(header);
    expect(hexOf(openDatagram(key, sealed, header)!)).toBe(hexOf(pack([1_000, null, [6, 5, 7]])));
  });

  it("is refused after any one bit of it changed, or one byte is missing", () => {
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const changed = Uint8Array.from(sealed);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      const read = readHeader(changed, tag);
      if (typeof read !== "string") expect(openDatagram(key, changed, read)).toBeNull();
    }
    for (let length = 0; length < sealed.length; length++) {
      const cut = sealed.slice(0, length);
      const read = readHeader(cut, tag);
      if (typeof read !== "string") expect(openDatagram(key, cut, read)).toBeNull();
    }
  });

  it("carries the boot id in clear when it is a greeting", () => {
    const greeting = { ...header, kind: kinds.greeting, bootId: hex16(7) };
    const datagram = sealDatagram(key, tag, greeting, pack([1]));
    expect(readHeader(datagram, tag)).toEqual(greeting);
    expect(openDatagram(key, datagram, greeting)).not.toBeNull();
  });

  it.each([
    ["short", (d: Uint8Array) => d.slice(0, 43)],
    ["not raft", (d: Uint8Array) => d.with(0, 0)],
    ["version", (d: Uint8Array) => d.with(2, WIRE_VERSION + 1)],
    ["kind", (d: Uint8Array) => d.with(3, 9)],
    ["other cluster or key", (d: Uint8Array) => d.with(7, d[7]! ^ 1)],
    ["counter", (d: Uint8Array) => d.with(20, 255)],
    ["short", (d: Uint8Array) => d.with(3, kinds.greeting).slice(0, 50)],
  ])("is dropped before any crypto: %s", (reason, change) => {
    expect(readHeader(change(sealed), tag)).toBe(reason);
  });
});

describe("the replay window", () => {
  it("lets each counter through once, as a set of all counters would, unless it is older than the window", () => {
    const steps = fc.array(
      fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 30_000 })),
      { maxLength: 400, size: "max" },
    );
    fc.assert(
      fc.property(steps, (counters) => {
        const window = new ReplayWindow();
        const seen = new Set<number>();
        let highest = 0;
        for (const counter of counters) {
          const fresh = !seen.has(counter) && counter + REPLAY_WINDOW > highest;
          expect(window.isFresh(counter)).toBe(fresh);
          if (!fresh) continue;
          window.record(counter);
          seen.add(counter);
          highest = Math.max(highest, counter);
        }
      }),
      { numRuns: 100 },
    );
  });

  it("never lets counter 0 through", () => {
    expect(new ReplayWindow().isFresh(0)).toBe(false);
  });
});
