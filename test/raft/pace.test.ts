/** How fast a follower that is behind catches up while others commit. */

import { describe, expect, it } from "vitest";
import { CatchUpPace } from "../../src/raft/pace.ts";
import { conflict, Solo } from "./solo.ts";

const ENTRY_BYTES = 100;
const UNUSED_MS = 64;
const OLD_ENTRIES = 2_000;
const LIMITS = {
  inflightBytesMax: 1_000_000,
  appendBytesMax: 400,
  uncommittedBytesMax: 1_000_000,
  uncommittedEntriesMax: 10_000,
};

/** A leader of three with old entries that 1 and 2 hold; 3 has none of them and may be sent `rate`
 *  bytes of them in a millisecond. Every order sends one entry. */
class Stage {
  readonly solo = new Solo({ log: Array<number>(OLD_ENTRIES).fill(1), limits: LIMITS }).lead();
  /** How often each index was sent to 3. */
  readonly sentTo3 = new Map<number, number>();
  #last2 = 0;

  constructor(rate: number) {
    const { solo } = this;
    for (const id of [2, 3]) solo.core.setPeerWindow(id, 1_000_000, rate);
    const [probe] = solo.sends.filter(({ to }) => to === 3);
    solo.sendAll();
    solo.ack(2, OLD_ENTRIES + 1);
    conflict(solo, 3, probe?.round ?? 0, OLD_ENTRIES, 0, 0);
    solo.sendAll();
    solo.ack(3, 1);
    this.send();
  }

  get lastTo3(): number {
    return Math.max(1, ...this.sentTo3.keys());
  }

  /** Sends all that is ordered; 2 acknowledges at once if it is there. */
  send(has2 = true): void {
    const { solo } = this;
    for (let orders = solo.sendAll(ENTRY_BYTES); orders.length > 0;) {
      for (const { to, fromIndex } of orders) {
        if (to === 2) this.#last2 = fromIndex;
        else this.sentTo3.set(fromIndex, (this.sentTo3.get(fromIndex) ?? 0) + 1);
      }
      if (has2 && this.#last2 > 0) solo.ack(2, this.#last2);
      orders = solo.sendAll(ENTRY_BYTES);
    }
  }

  /** A millisecond in which so many entries are proposed; 3 acknowledges what it has. */
  pass(proposed: number, has2 = true): void {
    const { solo } = this;
    const last3 = this.lastTo3;
    solo.pass(1);
    for (let at = 0; at < proposed; at++) solo.core.propose(1, ENTRY_BYTES);
    solo.settle();
    this.send(has2);
    solo.ack(3, last3);
    this.send(has2);
  }
}

describe("a follower that is behind", () => {
  it("is sent old records at its pace while others commit", () => {
    const stage = new Stage(200);
    const first = stage.lastTo3;
    for (let ms = 0; ms < 100; ms++) stage.pass(1);
    // 200 bytes a millisecond, and the 100 by which the log grows.
    expect(stage.lastTo3 - first).toBeGreaterThan(290);
    expect(stage.lastTo3 - first).toBeLessThan(310);
  });

  it("is sent each record once, however long its turn does not come", () => {
    const stage = new Stage(2);
    for (let ms = 0; ms < 2_000; ms++) stage.pass(ms % 40 === 0 ? 1 : 0);
    expect(Math.max(...stage.sentTo3.values())).toBe(1);
    expect(stage.lastTo3).toBeLessThan(200);
  });

  it("is sent everything at once when nothing is committed for a while", () => {
    const stage = new Stage(2);
    stage.pass(1);
    expect(stage.lastTo3).toBeLessThan(100);
    for (let ms = 0; ms < 60; ms++) stage.pass(0);
    expect(stage.lastTo3).toBe(OLD_ENTRIES + 2);
  });

  it("is sent everything at once when commitment waits for it", () => {
    const stage = new Stage(2);
    for (let ms = 0; ms < 60; ms++) stage.pass(1, false);
    stage.pass(0, false);
    expect(stage.solo.core.commitIndex).toBe(stage.lastTo3);
    expect(stage.lastTo3).toBe(OLD_ENTRIES + 1 + 60);
  });

  it("is sent what is not committed at once, whatever it was sent before", () => {
    const stage = new Stage(2);
    for (let ms = 0; ms < 60; ms++) stage.pass(0);
    stage.pass(0);
    const { core } = stage.solo;
    // It owes 100 ms now, and an entry has just been committed.
    for (let entry = 0; entry < 2; entry++) stage.pass(1);
    expect(stage.lastTo3).toBe(core.lastIndex);
    expect(core.commitIndex).toBe(core.lastIndex);
  });

  it("reaches the end however fast the log grows", () => {
    const stage = new Stage(1_000);
    let ms = 0;
    for (; stage.lastTo3 < stage.solo.core.lastIndex && ms < 1_000; ms++) stage.pass(50);
    expect(ms).toBeGreaterThan(120);
    expect(ms).toBeLessThan(250);
    expect(Math.max(...stage.sentTo3.values())).toBe(1);
  });

  it("goes on when its time has come: the core asks to be called then", () => {
    const stage = new Stage(50);
    stage.pass(1);
    const { solo, lastTo3 } = stage;
    const waitMs = solo.core.nextDeadlineMs() - solo.nowMs;
    expect(waitMs).toBeGreaterThan(0);
    expect(waitMs).toBeLessThanOrEqual(2);
    solo.pass(waitMs);
    expect(solo.sends).toMatchObject([{ to: 3, fromIndex: lastTo3 + 1 }]);
    expect(solo.core.nextDeadlineMs()).toBeGreaterThan(solo.nowMs);
  });
});

describe("an allowance", () => {
  it("what is not used within 64 ms is lost, what the log grew by within a second", () => {
    const pace = new CatchUpPace();
    pace.begin(0, 0);
    expect(pace.readyAtMs(10, 0, 1_000)).toBe(1_000);
    pace.sent(641, 10, 0, 1_000);
    expect(pace.readyAtMs(10, 0, 1_000)).toBeCloseTo(1_000.1);
    expect(pace.readyAtMs(10, 5_640, 1_000)).toBe(1_000);
    pace.sent(5_000, 10, 5_640, 1_010);
    expect(pace.readyAtMs(10, 5_640, 1_010)).toBe(1_010);
    expect(pace.readyAtMs(10, 10_640, 1_010)).toBe(1_010);
    pace.sent(5_000, 10, 10_640, 2_010);
    expect(pace.readyAtMs(10, 10_640, 2_010)).toBeGreaterThan(2_050);
  });

  it("a follower that could take little for a minute is not sent all of it at once then", () => {
    const grownAMs = 100_000;
    const pace = new CatchUpPace();
    pace.begin(0, 0);
    const minuteMs = 60_000;
    for (let ms = 1; ms <= minuteMs; ms++) pace.sent(grownAMs / 2, 65_536, grownAMs * ms, ms);
    let bytes = 0;
    while (pace.readyAtMs(65_536, grownAMs * minuteMs, minuteMs) <= minuteMs) {
      pace.sent(60_000, 65_536, grownAMs * minuteMs, minuteMs);
      bytes += 60_000;
    }
    expect(bytes).toBeGreaterThan(UNUSED_MS * 65_536);
    expect(bytes).toBeLessThan(UNUSED_MS * 65_536 + 1_000 * grownAMs);
  });

  it("what was sent while there was no bound is made up for within 100 ms", () => {
    const pace = new CatchUpPace();
    pace.begin(0, 0);
    pace.sent(1_000_000, 10, 0, 0);
    expect(pace.readyAtMs(10, 0, 0)).toBe(100);
  });
});
