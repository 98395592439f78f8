/** Entries that are added only behind a certain one: compare and set, as the leader decides it. */

import { describe, expect, it } from "vitest";
import { A, B, setUp } from "./queue-stage.ts";

describe("--if-last", () => {
  it("appends behind the entry it names, committed or not, and not counting no-ops", () => {
    const { host, offer } = setUp();
    host.noop();
    offer(A, 1, { ifLast: 0 });
    host.noop();
    offer(B, 1, { ifLast: 2 });
    expect(host.lastIndex).toBe(4);
  });

  it.each([0, 9])(
    "refuses %i when the last user entry is committed at 1 and a majority confirms the leader",
    (ifLast) => {
      const { host, offer, commit, answers } = setUp();
      offer(A, 1);
      commit();
      answers();
      offer(B, 1, { ifLast });
      expect(answers()).toEqual([]);
      host.answerRounds();
      expect(answers()).toEqual(["b1 if last 1"]);
    },
  );

  it.each([0, 9])("%i: a leader that was deposed unawares says nothing that is final", (ifLast) => {
    const { host, queue, offer, commit, answers } = setUp();
    offer(A, 1);
    commit();
    answers();
    offer(B, 1, { ifLast, name: "patient" });
    queue.tick(200);
    expect(answers()).toEqual(["patient busy"]);
    host.answerRounds();
    offer(B, 1, { ifLast, name: "unheard" });
    host.answerRounds(null);
    expect(answers()).toEqual(["unheard busy"]);
    offer(B, 1, { ifLast, name: "deposed" });
    queue.leadershipLost(0);
    host.answerRounds();
    expect(answers()).toEqual(["deposed not leader"]);
    expect(queue.sizes).toEqual({ held: 0, waiting: 0 });
  });

  it("decides anew once the leader is confirmed, each request by a round of its own", () => {
    const { host, offer, commit, answers } = setUp();
    offer(A, 1);
    commit();
    answers();
    offer(B, 1, { ifLast: 2, name: "first" });
    offer(A, 2);
    host.answerRounds();
    expect(host.lastIndex).toBe(3);
    offer(B, 1, { ifLast: 2, name: "again" });
    commit();
    expect(answers()).toEqual(["a2 at 2 t1", "first at 3 t1", "again at 3 t1 again"]);
    offer("c".repeat(32), 1, { ifLast: 2 });
    host.answerRounds(4);
    expect(answers()).toEqual([]);
    host.noop();
    commit();
    expect(answers()).toEqual(["c1 if last 3"]);
  });

  it("waits while the later entry is not committed, then refuses", () => {
    const { host, offer, commit, answers } = setUp();
    offer(A, 1);
    offer(B, 1, { ifLast: 0 });
    host.answerRounds();
    expect(answers()).toEqual([]);
    commit();
    expect(answers()).toEqual(["a1 at 1 t1", "b1 if last 1"]);
  });

  it("waits after a restart until the entries of the last head are known to be committed", () => {
    const { host, offer, commit, answers } = setUp();
    for (const first of [1, 2, 3]) host.push(A, first, 1);
    // The segment's head tells of entry 2, and nothing older; a new leader knows of no commit
    // yet.
    const lastUserIndexAt = host.lastUserIndexAt.bind(host);
    host.lastUserIndexAt = (index) => Math.max(2, lastUserIndexAt(index));
    offer(B, 1, { ifLast: 1 });
    host.answerRounds();
    expect(answers()).toEqual([]);
    commit(2);
    expect(answers()).toEqual(["b1 if last 2"]);
  });

  it("recognises a duplicate first", () => {
    const { offer, commit, answers } = setUp();
    offer(A, 1, { ifLast: 0 });
    offer(B, 1);
    commit();
    answers();
    offer(A, 1, { ifLast: 0, name: "again" });
    expect(answers()).toEqual(["again at 1 t1 again"]);
  });

  it("says busy when the earlier entry stays undecided", () => {
    const { queue, offer, answers } = setUp();
    offer(A, 1);
    offer(B, 1, { ifLast: 0 });
    queue.tick(200);
    expect(answers()).toEqual(["b1 busy"]);
  });
});
