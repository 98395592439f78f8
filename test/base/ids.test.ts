/** Ids as text: whatever was read before, the text is that of these bytes. */

import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { idAt } from "../../src/base/ids.ts";

describe("the text of an id", () => {
  it("is that of its own bytes, whatever came before and wherever it lies", () => {
    // Few values a byte: many ids share a place, and many come twice.
    const byte = fc.constantFrom(0, 1, 0x80, 0xff);
    const bytes = fc.uint8Array({ minLength: 16, maxLength: 60 });
    const narrow = fc.array(byte, { minLength: 16, maxLength: 60 });
    const whole = fc.oneof(
      bytes,
      narrow.map((list) => Uint8Array.from(list)),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(whole, fc.nat(44)), { maxLength: 60 }), (reads) => {
        for (const [list, wish] of reads) {
          const at = Math.min(wish, list.length - 16);
          const expected = Buffer.from(list.slice(at, at + 16)).toString("hex");
          expect(idAt(list, at)).toBe(expected);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("stays right when ids that share a place alternate", () => {
    const place = Uint8Array.from({ length: 16 }, (_, at) => (at < 8 ? 7 : at));
    for (let byte = 8; byte < 16; byte++) {
      const other = place.with(byte, 0xee);
      for (const one of [place, other, place, other])
        expect(idAt(one, 0)).toBe(Buffer.from(one).toString("hex"));
    }
  });
});
