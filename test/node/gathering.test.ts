/** When a follower's disk may wait: never while the leader may need it. */

import { expect, it } from "vitest";
import { Gathering } from "../../src/node/gathering.ts";
import type { Core, Role } from "../../src/raft/types.ts";
import type { LogStore } from "../../src/storage/types.ts";

/** A follower that holds 1,000 bytes which are not written, all of them committed. */
class Stage {
  readonly gathering = new Gathering(2_097_152);
  role: Role = "follower";
  commitIndex = 7;
  unflushedBytes = 1_000;
  writing = false;

  goesOn(nowMs: number): boolean {
    const { role, commitIndex, unflushedBytes, writing } = this;
    const core = { role, commitIndex, lastIndex: 7 } as Core;
    return this.gathering.goesOn(core, { unflushedBytes, writing } as LogStore, nowMs);
  }
}

it("lets what is committed wait for more, and for 4 ms at most", () => {
  const stage = new Stage();
  expect(stage.goesOn(100)).toBe(true);
  expect(stage.gathering.nextDeadlineMs()).toBe(104);
  expect(stage.goesOn(103)).toBe(true);
  expect(stage.goesOn(104)).toBe(false);
  expect(stage.gathering.nextDeadlineMs()).toBe(Infinity);
});

it("begins anew with what comes after a write", () => {
  const stage = new Stage();
  expect(stage.goesOn(100)).toBe(true);
  expect(stage.goesOn(104)).toBe(false);
  stage.writing = true;
  expect(stage.goesOn(105)).toBe(false);
  expect(stage.gathering.nextDeadlineMs()).toBe(Infinity);
  stage.writing = false;
  expect(stage.goesOn(106)).toBe(true);
  expect(stage.gathering.nextDeadlineMs()).toBe(110);
});

it.each([
  ["an entry that is not known to be committed is here", { commitIndex: 6 }],
  ["this node leads", { role: "leader" }],
  ["this node campaigns", { role: "candidate" }],
  ["a large batch is here", { unflushedBytes: 262_144 }],
  ["nothing is to be written but what replaces the log", { unflushedBytes: 0 }],
] as const)("ends at once when %s", (_, change) => {
  const stage = new Stage();
  expect(stage.goesOn(100)).toBe(true);
  Object.assign(stage, change);
  expect(stage.goesOn(101)).toBe(false);
  expect(stage.gathering.nextDeadlineMs()).toBe(Infinity);
});

it("never waits for as much as the leader may have in flight to it", () => {
  const gathering = new Gathering(212_992);
  const core = { role: "follower", commitIndex: 7, lastIndex: 7 } as Core;
  const goesOn = (unflushedBytes: number): boolean =>
    gathering.goesOn(core, { unflushedBytes, writing: false } as LogStore, 100);
  expect(goesOn(50_000)).toBe(true);
  expect(goesOn(212_992 / 4)).toBe(false);
});
