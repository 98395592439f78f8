/** One timer that is set as seldom as possible. */

import { describe, expect, it } from "vitest";
import { Alarm } from "../../src/node/alarm.ts";
import type { Clock } from "../../src/transport/clock.ts";

function setUp() {
  const timers: { readonly delayMs: number; readonly run: () => void; cancelled: boolean }[] = [];
  const rung: number[] = [];
  const clock: Clock = {
    monotonicMs: () => 0,
    wallMs: () => 0,
    after(delayMs, run) {
      const timer = { delayMs, run, cancelled: false };
      timers.push(timer);
      return () => {
        timer.cancelled = true;
      };
    },
    soon: (run) => run(),
  };
  return { alarm: new Alarm(clock, () => rung.push(timers.length)), timers, rung };
}

describe("the alarm", () => {
  it("keeps a timer that is due earlier, and is set anew after it rang", () => {
    const { alarm, timers, rung } = setUp();
    alarm.by(100, 0);
    alarm.by(150, 10);
    expect(timers.map(({ delayMs }) => delayMs)).toEqual([100]);
    timers[0]?.run();
    expect(rung).toEqual([1]);
    alarm.by(250, 100);
    expect(timers.map(({ delayMs }) => delayMs)).toEqual([100, 150]);
  });

  it("is moved to an earlier deadline", () => {
    const { alarm, timers } = setUp();
    alarm.by(100, 0);
    alarm.by(50, 10);
    expect(timers.map(({ delayMs, cancelled }) => [delayMs, cancelled])).toEqual([
      [100, true],
      [40, false],
    ]);
  });

  it("rings no more once it was stopped", () => {
    const { alarm, timers } = setUp();
    alarm.by(100, 0);
    alarm.stop();
    alarm.by(50, 10);
    expect(timers.map(({ cancelled }) => cancelled)).toEqual([true]);
  });
});
