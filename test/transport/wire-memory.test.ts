/** Memory that the socket gives back is lent again, and no other. */

import { describe, expect, it } from "vitest";
import {
  giveBackWireMemory,
  keepWireMemory,
  takeWireMemory,
} from "../../src/transport/wire-memory.ts";

describe("memory of datagrams", () => {
  it("is used again after it was given back, and not before", () => {
    const first = takeWireMemory(60_000);
    const second = takeWireMemory(60_000);
    expect(second.buffer).not.toBe(first.buffer);
    giveBackWireMemory(first);
    expect(takeWireMemory(50_000).buffer).toBe(first.buffer);
  });

  it("is lent to one at a time, even if it is given back twice", () => {
    const lent = takeWireMemory(100);
    giveBackWireMemory(lent);
    giveBackWireMemory(lent);
    const [one, other] = [takeWireMemory(100), takeWireMemory(100)];
    expect(other.buffer).not.toBe(one.buffer);
  });

  it("is not lent again when somebody keeps it", () => {
    const lent = takeWireMemory(100_000);
    keepWireMemory(lent);
    giveBackWireMemory(lent);
    expect(takeWireMemory(100_000).buffer).not.toBe(lent.buffer);
  });

  it("is kept up to a bound, for large frames in bytes", () => {
    const lent = Array.from({ length: 5 }, () => takeWireMemory(1_000_000));
    for (const one of lent) giveBackWireMemory(one);
    const again = Array.from({ length: 5 }, () => takeWireMemory(1_000_000));
    const known = new Set(lent.map(({ buffer }) => buffer));
    expect(again.filter(({ buffer }) => known.has(buffer))).toHaveLength(4);
  });

  it("does not take in memory of others", () => {
    const foreign = new Uint8Array(65_536);
    giveBackWireMemory(foreign);
    expect(takeWireMemory(65_536).buffer).not.toBe(foreign.buffer);
  });

  it("has the length that was asked for, whatever that is", () => {
    for (const bytes of [1, 2_048, 2_049, 65_507, 100_000, 2_600_000])
      expect(takeWireMemory(bytes)).toHaveLength(bytes);
  });
});
