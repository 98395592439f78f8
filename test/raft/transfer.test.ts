/** Leadership transfer by the sentences of thesis §3.10. */

import { describe, expect, it } from "vitest";
import { Cluster } from "./cluster.ts";
import { TIMINGS } from "./test-node.ts";
import { heartbeat, Solo } from "./solo.ts";

describe("thesis §3.10 leadership transfer", () => {
  it("the target campaigns at once and wins, one term later", () => {
    const cluster = new Cluster({ voters: [1, 2, 3] });
    cluster.elect(1);
    cluster.run(100);
    const before = cluster.nowMs;
    cluster.transfer(1, 3);
    cluster.deliverAll();
    expect([cluster.core(3).role, cluster.core(3).term, cluster.nowMs - before]).toEqual([
      "leader",
      2,
      0,
    ]);
    cluster.run(100);
    expect(cluster.node(1).events).toContainEqual({ type: "transfer", to: 3, outcome: "done" });
  });

  it("takes no entries while it is open, and again after one election timeout", () => {
    const solo = new Solo().lead();
    solo.ack(2, 1);
    expect(solo.core.transferLeadership(2, solo.nowMs)).toMatchObject({ ok: true, to: 2 });
    expect(solo.core.propose(1, 1)).toMatchObject({ ok: false, reason: "transferring" });
    for (let i = 0; i < TIMINGS.electionMaxMs / 50; i++) {
      solo.answerHeartbeat(2);
      solo.pass(50);
    }
    expect(solo.events).toContainEqual({ type: "transfer", to: 2, outcome: "timed out" });
    expect(solo.core.propose(1, 1).ok).toBe(true);
  });

  it("orders the campaign only when the target holds the whole log", () => {
    const solo = new Solo().lead();
    solo.ack(2, 1);
    solo.core.propose(1, 100);
    solo.core.transferLeadership(2, solo.nowMs);
    solo.settle();
    expect(solo.lastTo(2, "timeoutNow")).toBeUndefined();
    solo.ack(2, 2);
    expect(solo.lastTo(2, "timeoutNow")).toBeDefined();
    expect(solo.events).toContainEqual({ type: "transfer", to: 2, outcome: "ordered" });
  });

  it("without a wish it takes the voter with the longest log", () => {
    const solo = new Solo({ learners: [4] }).lead();
    solo.core.propose(1, 100);
    solo.settle();
    solo.ack(2, 1);
    solo.ack(3, 2);
    solo.ack(4, 2);
    expect(solo.core.transferLeadership(null, solo.nowMs).to).toBe(3);
  });

  it("refuses a learner, a stranger, itself and a second transfer", () => {
    const solo = new Solo({ learners: [4] }).lead();
    for (const id of [1, 4, 9]) expect(solo.core.transferLeadership(id, solo.nowMs).ok).toBe(false);
    expect(solo.core.transferLeadership(2, solo.nowMs).ok).toBe(true);
    expect(solo.core.transferLeadership(3, solo.nowMs)).toMatchObject({ ok: false, to: 2 });
  });

  it("a node obeys only the leader of its term", () => {
    const solo = new Solo();
    solo.step(2, heartbeat(3, 0));
    solo.step(3, { type: "timeoutNow", term: 3, round: 1 });
    solo.step(2, { type: "timeoutNow", term: 2, round: 1 });
    expect(solo.core.role).toBe("follower");
    solo.step(2, { type: "timeoutNow", term: 3, round: 1 });
    expect(solo.core.role).toBe("candidate");
    expect(solo.lastTo(3, "vote")).toMatchObject({ term: 4, ordered: true });
  });

  it("a lost TimeoutNow is sent again, a doubled one changes nothing", () => {
    const cluster = new Cluster({ voters: [1, 2, 3] });
    cluster.elect(1);
    cluster.run(100);
    cluster.transfer(1, 2);
    cluster.drop();
    cluster.run(60);
    expect(cluster.core(2).role).toBe("leader");
    expect(cluster.core(2).term).toBe(2);
  });
});
