/** What became of what was sent in advance, told by rounds. */

import { describe, expect, it } from "vitest";
import { seededRandom } from "../../src/base/random.ts";
import { Inflight } from "../../src/raft/inflight.ts";

/** Entries 1..5, one a round: 1 in round 11, 2 in round 12... */
function five(): Inflight {
  const inflight = new Inflight();
  for (let index = 1; index <= 5; index++) inflight.push(index, index, 100, 10 + index);
  return inflight;
}

function takeDue(inflight: Inflight, round: number): number[] {
  const taken: number[] = [];
  for (let due = inflight.nextDue(); due !== null; due = inflight.nextDue()) {
    taken.push(due.firstIndex);
    inflight.sentAgain(due.firstIndex, due.firstIndex, due.bytes, round++);
  }
  return taken;
}

describe("what is in flight", () => {
  it("is due when a later sending was refused for a gap, and what was refused is not", () => {
    const inflight = five();
    inflight.heard(13, 1, true);
    expect(takeDue(inflight, 20)).toEqual([2]);
    inflight.heard(15, 1, true);
    expect(takeDue(inflight, 21)).toEqual([4]);
    expect(inflight.bytes).toBe(500);
  });

  it("is due once for each sending, however often the same is heard", () => {
    const inflight = five();
    for (let again = 0; again < 3; again++) inflight.heard(13, 1, true);
    expect(takeDue(inflight, 20)).toEqual([2]);
    inflight.heard(13, 1, true);
    inflight.heard(14, 1, true);
    expect(inflight.nextDue()).toBeNull();
    // Its second sending was overtaken as well.
    inflight.push(6, 6, 100, 21);
    inflight.heard(21, 1, true);
    expect(takeDue(inflight, 22)).toContain(2);
  });

  it("is due when an answer to a later round verifies less", () => {
    const inflight = five();
    inflight.heard(16, 3, false);
    expect(takeDue(inflight, 20)).toEqual([4, 5]);
  });

  it("is due again when a gap shows that what an older reply verified is not there", () => {
    const inflight = five();
    // The process before this one had all of it in memory; its reply came late.
    inflight.heard(15, 5, false);
    expect(inflight.firstUnknownBytes).toBeNull();
    inflight.push(6, 6, 100, 16);
    inflight.heard(16, 2, true);
    expect(takeDue(inflight, 20)).toEqual([3, 4, 5]);
    expect(inflight.bytes).toBe(600);
  });

  it("of unknown size is due as well, and counts nothing before it is sent again", () => {
    const inflight = new Inflight();
    inflight.pushVerified(1, 4, 10);
    inflight.push(5, 5, 100, 11);
    inflight.heard(11, 0, true);
    expect(inflight.nextDue()).toMatchObject({ firstIndex: 1, bytes: 0 });
    inflight.sentAgain(1, 2, 50, 12);
    expect(inflight.nextDue()).toMatchObject({ firstIndex: 3, bytes: 0 });
    inflight.sentAgain(3, 4, 60, 13);
    expect(inflight.bytes).toBe(210);
    inflight.dropThrough(5);
    expect(inflight.bytes).toBe(0);
  });

  it("is due again where the peer did not keep what it refused", () => {
    const inflight = five();
    inflight.heard(13, 1, true);
    inflight.heard(14, 1, true);
    expect(takeDue(inflight, 20)).toEqual([2]);
    // Entry 2 came, 3 and 4 were not taken with it.
    inflight.heard(20, 2, false);
    expect(takeDue(inflight, 21)).toEqual([5, 3, 4]);
  });

  it("is not due once it is acknowledged", () => {
    const inflight = five();
    inflight.heard(15, 0, true);
    inflight.dropThrough(3);
    expect(takeDue(inflight, 20)).toEqual([4]);
    inflight.dropThrough(5);
    expect([inflight.isEmpty, inflight.bytes, inflight.nextDue()]).toEqual([true, 0, null]);
  });

  it("that went out in part leaves the rest due", () => {
    const inflight = new Inflight();
    inflight.push(1, 10, 1_000, 1);
    inflight.retryFirst();
    inflight.sentAgain(1, 4, 400, 2);
    expect(inflight.nextDue()).toMatchObject({ firstIndex: 5, bytes: 600 });
    inflight.sentAgain(5, 10, 600, 3);
    inflight.heard(4, 4, false);
    expect(inflight.nextDue()).toMatchObject({ firstIndex: 5, bytes: 600 });
    expect(inflight.bytes).toBe(1_000);
  });

  it("reaches a peer through any loss, and is sent little more often than it is lost", () => {
    for (const keeps of [true, false]) {
      for (let seed = 1; seed <= 40; seed++) {
        const sendings = deliverAll(seed, 100, 0.3, keeps);
        expect(sendings, `seed ${seed}`).toBeLessThan(keeps ? 240 : 20_000);
      }
    }
  });
});

/** Sends `count` entries through a network that loses this share both ways; the number of
 *  sendings. */
function deliverAll(seed: number, count: number, loss: number, keeps: boolean): number {
  const random = seededRandom(seed);
  const inflight = new Inflight();
  const early = new Set<number>();
  let round = 0;
  let sendings = 0;
  let end = 0;
  const deliver = (index: number): void => {
    sendings += 1;
    if (random() < loss) return;
    const isGap = index > end + 1;
    if (isGap && keeps) early.add(index);
    if (index === end + 1) end += 1;
    while (early.delete(end + 1)) end += 1;
    if (random() >= loss) inflight.heard(round, end, isGap);
  };
  for (let index = 1; index <= count; index++) {
    inflight.push(index, index, 1, ++round);
    deliver(index);
  }
  for (let turn = 0; turn < 10_000; turn++) {
    if (end === count) return sendings;
    const due = inflight.nextDue();
    if (due === null) {
      inflight.retryFirst();
      continue;
    }
    inflight.sentAgain(due.firstIndex, due.firstIndex, 1, ++round);
    deliver(due.firstIndex);
  }
  throw new Error(`seed ${seed}: not delivered`);
}
