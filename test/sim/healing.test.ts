/** The oracle after the faults demands what is owed, and nothing else. */

import { expect, test } from "vitest";
import { Healer, type Healing } from "../../src/sim/healing.ts";
import { Workload } from "../../src/sim/workload.ts";
import { Stage } from "./stage.ts";

/** What the healing says of three voters and a learner that is caught up. `promotes`: an operator's
 *  order to make it a voter is on its way when the quorum is chosen. */
async function healing(seed: number, promotes: boolean): Promise<Healing> {
  const stage = await Stage.founded({ seed });
  const { cluster, evidence } = stage;
  cluster.addMachine(4).start();
  const client = await stage.client(stage.machine(1).host);
  await stage.settled("a learner", client.addMember(4, { learner: true }));
  const { core } = stage.member(stage.leader()?.id ?? 0);
  await stage.until("it has caught up", () => core.matchIndexOf(4) === core.lastIndex);
  if (promotes) client.promoteMember(4).catch(() => {});
  const workload = new Workload(cluster, cluster.nowMs);
  const isBroken = (): boolean => stage.violations.length > 0;
  const healed = await new Healer(evidence, workload, isBroken).heal();
  expect(stage.violations).toEqual([]);
  return healed;
}

test("a quorum goes on while the others do not", async () => {
  for (let seed = 1; seed <= 2; seed++)
    expect(await healing(seed, false)).toMatchObject({ problems: [], liveness: { ok: true } });
});

test("nothing is owed by nodes that an operator's order on its way leaves in the minority", async () => {
  const owed = new Set<string>();
  // The order reaches a leader that was chosen, or one that was not.
  for (let seed = 1; seed <= 40 && owed.size < 2; seed++) {
    const { problems, liveness } = await healing(seed, true);
    expect([seed, problems]).toEqual([seed, []]);
    owed.add(liveness === null ? "nothing" : "liveness");
  }
  expect(owed).toEqual(new Set(["nothing", "liveness"]));
});
