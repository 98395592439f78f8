/** Founding, with a founder wiped after each event of it. The whole space of orders is searched
 *  elsewhere; this is the production code. */

import { describe, expect, it } from "vitest";
import { Stage } from "./stage.ts";

/** 1: after every event. The default keeps a test run short. */
const STRIDE = Number(process.env["RAFT_STRIDE"] ?? 23);

describe("a founding", () => {
  it("with a founder wiped after any event never splits, and loses nothing", async () => {
    const calm = await Stage.founded();
    const events = calm.cluster.schedule.ran;
    calm.cluster.end();
    const outcomes = new Map<string, number>();
    let at = 1;
    for (; at <= events; at += STRIDE) {
      const outcome = await wipedAfter(at, 1 + (at % 3));
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    expect([...outcomes.keys()].filter((outcome) => outcome.startsWith("split"))).toEqual([]);
    expect(outcomes.get("founded") ?? 0).toBeGreaterThan(0);
    expect([...outcomes.values()].reduce((sum, count) => sum + count, 0)).toBe(
      Math.ceil(events / STRIDE),
    );
  });

  it("comes to the same whether all start at once or one by one", async () => {
    for (const pauseElections of [0, 0.1, 3, 30]) {
      const stage = new Stage();
      for (const machine of stage.cluster.machines.values()) {
        machine.start();
        await stage.pass(pauseElections);
      }
      await stage.until("founded", () => stage.members().length === 3 && stage.leader() !== null);
      expect(new Set(stage.members().map(({ log }) => log.clusterId)).size).toBe(1);
      stage.cluster.end();
    }
  });
});

/** Wipes founder `id` after so many events, lets things go on, and says how they ended. */
async function wipedAfter(events: number, id: number): Promise<string> {
  const stage = new Stage();
  const { cluster } = stage;
  for (const machine of cluster.machines.values()) machine.start();
  const goal = events;
  await cluster.run(Infinity, () => cluster.schedule.ran >= goal);
  stage.machine(id).wipe();
  stage.machine(id).start();
  await stage.pass(20);
  const ids = new Set(stage.members().map(({ log }) => log.clusterId));
  if (ids.size > 1) return `split after event ${events}`;
  const leader = stage.leader();
  if (leader === null) {
    cluster.end();
    return ids.size === 0 ? "waiting" : "stuck";
  }
  const client = await stage.client();
  await stage.send(client, "entry 1");
  const holders = stage.members().filter(({ core }) => core.commitIndex >= 2);
  cluster.end();
  return holders.length >= 1 ? "founded" : "split: acknowledged by nobody";
}
