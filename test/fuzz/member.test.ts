/** A small share of the frames given to live members; the measure in test/prove/fuzz.ts gives
 *  more. */

import { expect, it } from "vitest";
import { MemberFuzz } from "./member-fuzz.ts";

it("throws nothing and agrees when frames are lost, doubled, late and out of order", () => {
  const fuzz = new MemberFuzz(1, false);
  for (let step = 0; step < 3_000 && fuzz.next(); step++);
  expect(fuzz.failures).toEqual([]);
  expect(fuzz.counts.frames).toBeGreaterThan(500);
});

it("stops at liars with an alarm that is listed, or goes on, and fails in no other way", () => {
  const fuzz = new MemberFuzz(1, true);
  for (let step = 0; step < 3_000 && fuzz.next(); step++);
  expect(fuzz.failures).toEqual([]);
  expect(fuzz.counts.hostile).toBeGreaterThan(50);
});
