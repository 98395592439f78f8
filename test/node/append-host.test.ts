/** What a leader takes is bounded by its own disk too, not only by what a majority has; and what
 *  becomes of the memory that a request came in. */

import { expect, it } from "vitest";
import { createAppendHost } from "../../src/node/append-host.ts";
import type { Core } from "../../src/raft/types.ts";
import { LOG_LIMITS } from "../../src/storage/limits.ts";
import { MemoryDisk } from "../../src/storage/memory-disk.ts";
import { encodePayloads, NO_CLIENT } from "../../src/storage/record.ts";
import { takeWireMemory } from "../../src/transport/wire-memory.ts";
import type { AppendRequest } from "../../src/transport/requests.ts";
import { create, flushed, open } from "../storage/fixture.ts";

const MIB = 1_048_576;

/** A leader with a log of its own; everything commits at once, elsewhere. */
function leader() {
  const disk = new MemoryDisk();
  create(disk, LOG_LIMITS);
  const { log } = open(disk, LOG_LIMITS);
  const core = {
    propose: (entries: number) => ({ ok: true, firstIndex: log.lastIndex + 1, term: 1, entries }),
  };
  const clock = { wallMs: () => 1, monotonicMs: () => 1 };
  const options = { clock, leaderHint: () => null, wake: () => {} };
  const host = createAppendHost(
    core as unknown as Core,
    log,
    options as unknown as Parameters<typeof createAppendHost>[2],
    () => {
      throw new Error("nothing is read");
    },
  );
  const offer = (firstSequence: number, payloads: Uint8Array) => {
    const clientId = NO_CLIENT;
    const request = { clientId, firstSequence, bornAt: 1, count: 1, ifLast: null, payloads };
    return host.append({ type: "append", ...request } satisfies AppendRequest);
  };
  return { log, offer };
}

it("a leader whose own disk is slow takes a bounded number of bytes, however fast they commit", async () => {
  const { log, offer } = leader();
  const payloads = encodePayloads([new Uint8Array(MIB)]);
  let taken = 0;
  while (taken < 200 && offer(taken + 1, payloads).ok) taken++;
  expect(taken).toBeGreaterThan(16);
  expect(taken).toBeLessThan(48);
  expect(offer(taken + 1, payloads)).toEqual({ ok: false, reason: "busy" });
  await flushed(log);
  expect(offer(taken + 1, payloads).ok).toBe(true);
  log.close();
});

it("the memory of a request is used again once it is in the log, and not before", () => {
  const { log, offer } = leader();
  const made = encodePayloads([Buffer.alloc(100_000, "a")]);
  const arrived = (): Uint8Array => {
    const bytes = takeWireMemory(made.length);
    bytes.set(made);
    return bytes;
  };
  const [first, second] = [arrived(), arrived()];
  expect(second.buffer).not.toBe(first.buffer);
  expect(offer(1, first).ok).toBe(true);
  const again = arrived();
  expect(again.buffer).toBe(first.buffer);
  again.fill(0);
  expect(Buffer.from(log.read(log.lastIndex, 0)?.bytes ?? []).includes(made)).toBe(true);
  // It was not taken: it comes again, or waits.
  const large = encodePayloads([new Uint8Array(MIB)]);
  for (let sequence = 2; offer(sequence, large).ok;) sequence++;
  expect(offer(99, second).ok).toBe(false);
  expect(arrived().buffer).not.toBe(second.buffer);
  log.close();
});
