/** Doubled ids and other clusters on the same network, in scripted worlds. */

import { afterEach, describe, expect, it } from "vitest";
import { diceOf } from "../../src/sim/chance.ts";
import { seededRandom } from "../../src/base/random.ts";
import type { Machine } from "../../src/sim/machine.ts";
import { Member } from "../../src/node/member.ts";
import { newKey, openKey } from "../../src/transport/key.ts";
import type { ClusterKey } from "../../src/transport/types.ts";
import { Stage } from "./stage.ts";

let stage: Stage;

afterEach(() => stage.cluster.end());

async function sendSome(from: number, to: number): Promise<void> {
  const client = await stage.client();
  for (let number = from; number <= to; number++) await stage.send(client, `entry ${number}`);
}

function foreigners(key: ClusterKey): readonly Machine[] {
  return [1, 2, 3].map((id) => stage.cluster.addStranger(id, `10.1.0.${id}`, key));
}

const clusterIds = (machines: Iterable<Machine>): readonly unknown[] => [
  ...new Set([...machines].map(({ process }) => process?.member?.log.clusterId)),
];

describe("on one network", () => {
  it.each([
    ["with another name", openKey("other")],
    ["of the same name under another key", newKey("sim", diceOf(seededRandom(7)))],
  ])("a second cluster %s founds beside this one, and no entry crosses", async (_, key) => {
    stage = new Stage();
    const others = foreigners(key);
    const all = [...stage.cluster.machines.values(), ...others];
    for (const machine of all) machine.start();
    await stage.until("both are founded", () =>
      all.every(({ process }) => process?.member instanceof Member),
    );
    const own = clusterIds(stage.cluster.machines.values());
    const theirs = clusterIds(others);
    expect([own.length, theirs.length]).toEqual([1, 1]);
    expect(own).not.toEqual(theirs);
    await sendSome(1, 5);
    await stage.pass(5);
    const last = stage.leader()?.process?.member?.log.lastIndex ?? 0;
    expect(last).toBeGreaterThanOrEqual(6);
    for (const { process } of others) expect(process?.member?.log.lastIndex).toBeLessThan(6);
  });

  it("a fresh machine with the id of a member ends, and the member goes on", async () => {
    stage = await Stage.founded();
    const double = stage.cluster.addStranger(2, "10.2.0.2", stage.cluster.key);
    double.start();
    await stage.until("it ends", () => double.ended !== null);
    expect(double.ended?.type).toBe("id in use");
    await sendSome(1, 3);
    expect(stage.ends).toEqual([]);
    expect(stage.machine(2).process?.member).not.toBe(null);
  });

  it("a fresh machine with the id of a member that is away gets nothing of it", async () => {
    stage = await Stage.founded();
    await sendSome(1, 3);
    stage.machine(2).kill();
    const double = stage.cluster.addStranger(2, "10.2.0.2", stage.cluster.key);
    double.start();
    await stage.pass(20);
    expect(double.process?.member ?? null).toBe(null);
    await sendSome(4, 5);
    stage.machine(2).start();
    await stage.until("it ends", () => double.ended !== null);
    await stage.until("the member is back", () => stage.members().length === 3);
    await sendSome(6, 7);
  });

  it("a copy of a member's directory on another machine is refused", async () => {
    stage = await Stage.founded();
    await sendSome(1, 3);
    const double = stage.cluster.addStranger(2, "10.2.0.2", stage.cluster.key);
    double.disk = stage.machine(2).disk.copy();
    double.start();
    await stage.until("it ends", () => double.ended !== null);
    expect(double.ended).toMatchObject({ type: "refused" });
    await sendSome(4, 5);
    expect(stage.ends).toEqual([]);
  });

  it("an image of a member's disk that runs beside it costs its identity at most", async () => {
    stage = await Stage.founded();
    await sendSome(1, 3);
    const double = stage.cluster.addStranger(2, "10.2.0.2", stage.cluster.key);
    double.disk = stage.machine(2).disk.image();
    stage.heldDown.add(stage.machine(2));
    double.start();
    const isNoticed = (): boolean => double.ended !== null || stage.machine(2).ended !== null;
    await stage.until("one of them ends", isNoticed);
    await sendSome(4, 6);
  });

  it("two fresh machines with one founder's id found with one of them, or not at all", async () => {
    let founded = 0;
    for (let seed = 1; seed <= 10; seed++) {
      stage = new Stage({ seed }, []);
      const double = stage.cluster.addStranger(2, "10.2.0.2", stage.cluster.key);
      const all = [...stage.cluster.machines.values(), double];
      stage.heldDown.add(stage.machine(2));
      for (const machine of all) machine.start();
      await stage.until("one of the two ends", () => {
        return double.ended !== null || stage.machine(2).ended !== null;
      });
      await stage.pass(20);
      const members = all.filter(({ process }) => process?.member instanceof Member);
      // None where two records met: a person has to wipe those who signed with the one that ended.
      expect([0, 3]).toContain(members.length);
      expect(clusterIds(members).length).toBeLessThanOrEqual(1);
      founded += members.length === 3 ? 1 : 0;
      stage.cluster.end();
    }
    expect(founded).toBeGreaterThan(0);
  });
});
