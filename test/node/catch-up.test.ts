/** How fast old records are read while clients wait. */

import { describe, expect, it } from "vitest";
import { CatchUpPace } from "../../src/node/catch-up.ts";
import type { SendOrder } from "../../src/raft/types.ts";

const RATE = 65_536;

function order(to: number, fromIndex = 1): SendOrder {
  return { to, term: 1, round: 1, fromIndex, bytesMax: 60_000, commitIndex: 0 };
}

/** Bytes that one follower gets in `forMs`, asked every `stepMs`. */
function sentWithin(forMs: number, stepMs: number): number {
  const pace = new CatchUpPace();
  let sent = 0;
  for (let nowMs = 1_000; nowMs < 1_000 + forMs; nowMs += stepMs) {
    while (!pace.postpones(order(2), nowMs)) {
      pace.noteSent(60_000, nowMs);
      sent += 60_000;
    }
  }
  return sent;
}

describe("the pace of catching up", () => {
  it.each([0.1, 1, 5])("is kept whether turns come every %d ms or not", (stepMs) => {
    const perMs = sentWithin(1_000, stepMs) / 1_000;
    expect(perMs).toBeGreaterThan(RATE * 0.95);
    expect(perMs).toBeLessThan(RATE * 1.05);
  });

  it("does not make up for a long pause", () => {
    const pace = new CatchUpPace();
    let sent = 0;
    while (!pace.postpones(order(2), 60_000)) {
      pace.noteSent(60_000, 60_000);
      sent += 60_000;
    }
    expect(sent).toBeLessThan(RATE * 10);
  });

  it("brings a postponed order back when its time has come, the newest of each follower", () => {
    const pace = new CatchUpPace();
    pace.noteSent(2_000_000, 100);
    expect(pace.postpones(order(2, 5), 100)).toBe(true);
    expect(pace.postpones(order(2, 9), 100)).toBe(true);
    expect(pace.postpones(order(3, 7), 100)).toBe(true);
    const dueMs = pace.nextDeadlineMs();
    expect(pace.due(dueMs - 0.1)).toEqual([]);
    expect(pace.due(dueMs).map(({ fromIndex }) => fromIndex)).toEqual([9, 7]);
    expect(pace.postpones(order(2, 9), dueMs)).toBe(false);
    expect(pace.postpones(order(3, 7), dueMs)).toBe(false);
    expect(pace.nextDeadlineMs()).toBe(Infinity);
  });
});
