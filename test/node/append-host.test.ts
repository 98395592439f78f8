/** What a leader takes is bounded by its own disk too, not only by what a majority has. */

import { expect, it } from "vitest";
import { createAppendHost } from "../../src/node/append-host.ts";
import type { Core } from "../../src/raft/types.ts";
import { LOG_LIMITS } from "../../src/storage/limits.ts";
import { MemoryDisk } from "../../src/storage/memory-disk.ts";
import { encodePayloads, NO_CLIENT } from "../../src/storage/record.ts";
import type { AppendRequest } from "../../src/transport/requests.ts";
import { create, flushed, open } from "../storage/fixture.ts";

const MIB = 1_048_576;

it("a leader whose own disk is slow takes a bounded number of bytes, however fast they commit", async () => {
  const disk = new MemoryDisk();
  create(disk, LOG_LIMITS);
  const { log } = open(disk, LOG_LIMITS);
  // Everything commits at once, elsewhere.
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
  const payloads = encodePayloads([new Uint8Array(MIB)]);
  const clientId = NO_CLIENT;
  const offer = (firstSequence: number) => {
    const request = { clientId, firstSequence, bornAt: 1, count: 1, ifLast: null, payloads };
    return host.append({ type: "append", ...request } satisfies AppendRequest);
  };
  let taken = 0;
  while (taken < 200 && offer(taken + 1).ok) taken++;
  expect(taken).toBeGreaterThan(16);
  expect(taken).toBeLessThan(48);
  expect(offer(taken + 1)).toEqual({ ok: false, reason: "busy" });
  await flushed(log);
  expect(offer(taken + 1).ok).toBe(true);
  log.close();
});
