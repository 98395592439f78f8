/** The recent records: where they are made, and how long a view of them is good. */

import { describe, expect, it } from "vitest";
import { encodePayloads, encodeRecord, NO_CLIENT, readHead } from "../../src/storage/record.ts";
import { Tail } from "../../src/storage/tail.ts";
import { RECORD_KIND } from "../../src/storage/types.ts";

const LIMITS = { tailBytesMax: 1_048_576, tailPageBytes: 4_096 };
/** Two of them do not fit into one page. */
const PAYLOADS = encodePayloads([new Uint8Array(3_000).fill(7)]);

function fieldsAt(firstIndex: number) {
  const kind = RECORD_KIND.user;
  return { firstIndex, term: 1, kind, timeMs: 1, clientId: NO_CLIENT, firstSequence: firstIndex };
}

describe("records in memory", () => {
  it("are the same bytes whether they are made in place or copied", () => {
    const made = new Tail(0, 5, LIMITS);
    const copied = new Tail(0, 5, LIMITS);
    let chain = 5;
    for (const index of [1, 2, 3]) {
      const record = encodeRecord(fieldsAt(index), PAYLOADS, chain);
      const head = readHead(record, 0);
      if (typeof head === "string") throw new Error(head);
      copied.push(record, [head]);
      expect(made.make(fieldsAt(index), PAYLOADS)).toEqual(head);
      chain = head.chain;
      expect(made.read(index, 0)).toEqual(copied.read(index, 0));
    }
    expect(made.take(1, 3, Infinity)).toEqual(copied.take(1, 3, Infinity));
    expect(made.bytes).toBe(copied.bytes);
  });

  it("do not change before the second sync after they fell out, and are used again then", () => {
    const tail = new Tail(0, 5, { ...LIMITS, tailBytesMax: 1 });
    for (const index of [1, 2]) tail.make(fieldsAt(index), PAYLOADS);
    const view = tail.read(1, 0)?.bytes ?? new Uint8Array(0);
    const before = view.slice();
    tail.evict(2);
    expect(tail.read(1, 0)).toBeNull();
    tail.make(fieldsAt(3), PAYLOADS);
    expect(view).toEqual(before);
    tail.evict(2);
    tail.make(fieldsAt(4), PAYLOADS);
    expect(tail.read(4, 0)?.bytes.buffer).toBe(view.buffer);
  });
});
