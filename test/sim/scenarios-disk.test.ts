/** Disks that rot, hang, are lost or replaced, in scripted worlds. */

import { afterEach, describe, expect, it } from "vitest";
import { seededRandom } from "../../src/base/random.ts";
import { bitRot, isHardStateAtRest, provenRecords } from "../../src/sim/nemesis/rot.ts";
import { bringBack } from "../../src/sim/nemesis/operator.ts";
import { budgetOf } from "../../src/sim/nemesis/budget.ts";
import { INVARIANTS } from "../../src/sim/invariants/index.ts";
import { knownTerms } from "../../src/sim/invariants/known-terms.ts";
import { Member } from "../../src/node/member.ts";
import { HARD_STATE_FILE, readHardState } from "../../src/storage/hard-state.ts";
import { Stage } from "./stage.ts";

let stage: Stage;

afterEach(() => stage.cluster.end());

async function sendSome(from: number, to: number): Promise<void> {
  const client = await stage.client();
  for (let number = from; number <= to; number++) await stage.send(client, `entry ${number}`);
  await client.close();
}

function numbered(to: number): readonly string[] {
  return Array.from({ length: to }, (_, at) => `entry ${at + 1}`);
}

describe("a disk", () => {
  it("whose last batch rots while its node is idle is healed, not cut", async () => {
    stage = await Stage.founded();
    await sendSome(1, 10);
    await stage.pass(5);
    const machine = stage.follower();
    machine.cutPower(seededRandom(1), 0);
    const place = provenRecords(machine.disk, stage.cluster.plan.limits).at(-1);
    if (place === undefined) throw new Error("nothing is sealed");
    expect(place.to).toBe(stage.leader()?.process?.member?.core.lastIndex);
    machine.disk.flipBit(place.file, (place.offset + place.bytes - 1) * 8);
    machine.start();
    await stage.until("it is a member", () => machine.process?.member instanceof Member);
    expect(stage.member(machine.id).log.lastIndex).toBe(place.to);
    const isHealed = (): boolean =>
      machine.process?.member?.log.damage.length === 0 &&
      machine.process.member.core.status().mute === null;
    await stage.until("it is healed", isHealed);
    expect(stage.entries(machine.id)).toEqual(numbered(10));
  });

  it.each([0, 1] as const)("of which slot %d of term and vote rots loses neither", async (slot) => {
    stage = await Stage.founded();
    await stage.pass(5);
    for (const machine of stage.cluster.machines.values()) {
      machine.cutPower(seededRandom(1), 0);
      const before = readHardState(machine.disk);
      expect(before?.votedFor).not.toBe(null);
      expect(isHardStateAtRest(machine.disk)).toBe(true);
      machine.disk.flipBit(HARD_STATE_FILE, (slot * 4_096 + 20) * 8);
      expect(readHardState(machine.disk)).toEqual(before);
      machine.start();
    }
    await sendSome(1, 1);
    expect(stage.ends).toEqual([]);
  });

  it("with both slots gone is a wiped node's: it says so and never votes", async () => {
    stage = await Stage.founded();
    await sendSome(1, 3);
    const machine = stage.follower();
    machine.cutPower(seededRandom(1), 0);
    for (const slot of [0, 1]) machine.disk.flipBit(HARD_STATE_FILE, (slot * 4_096 + 20) * 8);
    stage.heldDown.add(machine);
    machine.start();
    await stage.until("it ends", () => stage.ends.length > 0);
    expect(stage.ends[0]).toMatch(/never vote under this identity/);
    await sendSome(4, 5);
  });

  it("that was healed has the terms that the damage hid, after further restarts too", async () => {
    stage = await Stage.founded();
    const machine = stage.follower();
    // Terms that all lie in one segment of its disk.
    for (let term = 1; term <= 3; term++) {
      await sendSome(term, term);
      const leader = stage.leader();
      leader?.kill();
      await stage.until(
        "another leads",
        () => (stage.leader()?.running ?? false) && stage.leader() !== leader,
      );
      leader?.start();
      await stage.pass(2);
    }
    await sendSome(4, 6);
    await stage.pass(5);
    machine.cutPower(seededRandom(1), 0);
    const place = provenRecords(machine.disk, stage.cluster.plan.limits).at(-2);
    if (place === undefined) throw new Error("nothing is sealed");
    machine.disk.flipBit(place.file, (place.offset + place.bytes - 1) * 8);
    machine.start();
    await stage.until("it is healed", () => machine.process?.member?.log.damage.length === 0);
    for (let restart = 0; restart < 3; restart++) {
      await sendSome(7 + restart * 3, 9 + restart * 3);
      machine.cutPower(seededRandom(1), 0);
      machine.start();
      await stage.until("it is a member", () => machine.process?.member instanceof Member);
    }
    await stage.until("it has caught up", () => stage.entries(machine.id).length === 15);
    expect(stage.entries(machine.id)).toEqual(numbered(15));
    const terms = (id: number): readonly unknown[] =>
      Array.from({ length: 15 }, (_, at) => stage.member(id).core.termAt(at + 1));
    expect(terms(machine.id)).toEqual(terms(stage.leader()?.id ?? 0));
  });

  it("whose node remembers wrong terms all the same loses nothing: it ends, and truncates nothing", async () => {
    stage = await Stage.founded(
      {},
      INVARIANTS.filter((invariant) => invariant !== knownTerms),
    );
    await sendSome(1, 3);
    const first = stage.leader();
    first?.kill();
    await stage.until("another leads", () => stage.leader()?.running ?? false);
    first?.start();
    await stage.pass(2);
    // One of the second term leads, and acknowledges with one other what the third one has not.
    const leader = stage.leader();
    const [other, away] = [...stage.cluster.machines.values()].filter((at) => at !== leader);
    if (leader === null || other === undefined || away === undefined) throw new Error();
    away.kill();
    const client = await stage.client();
    const large = (number: number): string => `large ${number}${".".repeat(900)}`;
    for (let number = 1; number <= 3; number++) await stage.send(client, large(number));
    await client.close();
    const held = stage.member(leader.id).log.lastIndex;
    for (const at of [leader, other]) at.kill();
    other.start();
    await stage.until("it is a member", () => other.process?.member instanceof Member);
    // As if healing had taught it that all is of the first term.
    const { core, log } = stage.member(other.id);
    core.logHidden();
    core.logHealed([{ firstIndex: 1, term: 1 }], log.configurations, true);
    leader.start();
    const ended = stage.until("it ends", () => false);
    await expect(ended).rejects.toThrow(/of term 2 by its own record, and this node took it for/);
    stage.violations.length = 0;
    leader.kill();
    away.start();
    await stage.until("the two are led", () => stage.leader()?.running ?? false);
    expect(stage.member(other.id).log.lastIndex).toBeGreaterThan(held);
    expect(stage.entries(other.id).slice(3)).toEqual([1, 2, 3].map(large));
  });

  it("that rots keeps a failed read for its node: whoever looks at the rot uses up none", async () => {
    stage = await Stage.founded();
    await sendSome(1, 5);
    await stage.pass(3);
    for (const { disk } of stage.cluster.machines.values())
      disk.faults.push({ operation: "read", path: ".log", code: "EIO", after: 0 });
    // It is without power for 2.7 election timeouts, and looked at after two.
    bitRot.strike(stage.cluster, () => 0.9);
    await stage.pass(2.5);
    expect(stage.cluster.strikes.get("bit rot")).toBe(1);
    for (const { disk } of stage.cluster.machines.values()) expect(disk.faults).toHaveLength(1);
    for (const { disk } of stage.cluster.machines.values()) disk.faults.length = 0;
  });

  it("and another, each with one old rotten record, heal from each other", async () => {
    stage = await Stage.founded();
    await sendSome(1, 12);
    await stage.pass(5);
    const [first, second, third] = [1, 2, 3].map((id) => stage.machine(id));
    if (first === undefined || second === undefined || third === undefined) throw new Error();
    for (const [machine, at] of [
      [first, 3],
      [second, 7],
    ] as const) {
      machine.cutPower(seededRandom(1), 0);
      const place = provenRecords(machine.disk, stage.cluster.plan.limits)[at];
      if (place === undefined) throw new Error("too few records");
      machine.disk.flipBit(place.file, (place.offset + 12) * 8);
    }
    // The third is away: what is whole is whole only between the two.
    third.kill();
    first.start();
    second.start();
    const isHealed = (): boolean =>
      [first, second].every(({ process }) => process?.member?.log.damage.length === 0);
    await stage.until("both are healed", isHealed);
    third.start();
    await sendSome(13, 13);
    for (const id of [1, 2]) expect(stage.entries(id).slice(0, 12)).toEqual(numbered(12));
  });

  it("that is replaced by an older copy of itself is noticed, and its node told", async () => {
    stage = await Stage.founded();
    await sendSome(1, 5);
    await stage.pass(3);
    const machine = stage.follower();
    const leader = stage.leader()?.process?.member;
    const older = machine.disk.image();
    await sendSome(6, 10);
    await stage.pass(3);
    machine.kill();
    machine.disk = older;
    stage.heldDown.add(machine);
    machine.start();
    const seen = (): string | undefined =>
      leader?.core.status().peers.find(({ id }) => id === machine.id)?.state;
    await stage.until("the leader notices", () => seen() === "lost data");
    const mute = (): string | null => machine.process?.member?.core.status().mute ?? null;
    await stage.until("its node is told", () => mute() !== null);
    expect(mute()).toMatch(/^this disk lost entries \d+ to \d+, which this node had acknowledged$/);
    const held = stage.member(machine.id).log.lastIndex;
    // Alone with another one it would win no election, nor help anybody to win one.
    const [first, second] = [...stage.cluster.machines.values()].filter((at) => at !== machine);
    if (first === undefined || second === undefined) throw new Error("a founder is missing");
    await sendSome(11, 15);
    for (const away of [first, second]) {
      stage.heldDown.add(away);
      away.kill();
      await stage.pass(10);
      expect(stage.leader()?.running ?? false).toBe(false);
      away.start();
      stage.heldDown.delete(away);
      await stage.until("another leads", () => stage.leader() !== null);
      expect(stage.leader()).not.toBe(machine);
    }
    await sendSome(16, 20);
    expect(stage.entries(stage.leader()?.id ?? 0)).toEqual(numbered(20));
    expect([mute() === null, stage.member(machine.id).log.lastIndex]).toEqual([false, held]);
    // What its sentence says to type makes it a voter again.
    expect(budgetOf(stage.cluster).take(machine.id, "wiped")).toBe(true);
    machine.kill();
    machine.wipe();
    machine.start();
    bringBack(stage.cluster, seededRandom(1), machine.id);
    await stage.until("it votes again", () => budgetOf(stage.cluster).spoiled.size === 0);
    expect([mute(), stage.entries(machine.id)]).toEqual([null, numbered(20)]);
  });

  it("that hangs under a leader stops nobody for long, and another leads", async () => {
    stage = await Stage.founded();
    await sendSome(1, 3);
    const leader = stage.leader();
    if (leader === null) throw new Error("nobody leads");
    const hungMs = stage.cluster.electionMs * 1_000;
    leader.diskQuality = { ...leader.diskQuality, syncMinMs: hungMs, syncMaxMs: hungMs };
    const { nowMs, electionMs } = stage.cluster;
    await sendSome(4, 20);
    // Four of its election timeouts without a write, and an election.
    const anotherLeads = (): boolean => {
      const now = stage.leader();
      return now !== null && now !== leader;
    };
    const passed = (stage.cluster.nowMs - nowMs) / electionMs;
    await stage.until("another leads", anotherLeads, Math.max(0, 7 - passed));
    expect(leader.process?.member?.core.role).not.toBe("leader");
    await sendSome(21, 22);
  });

  it("whose sync fails ends its node, and the next process trusts nothing it read", async () => {
    stage = await Stage.founded();
    await sendSome(1, 3);
    const machine = stage.follower();
    machine.disk.faults.push({ operation: "sync", path: ".log", code: "EIO", after: 0 });
    await sendSome(4, 6);
    await stage.until("its node ends", () => stage.ends.length > 0);
    await stage.until("the next one runs", () => machine.process?.member instanceof Member);
    machine.cutPower(seededRandom(1), 0);
    machine.start();
    await sendSome(7, 8);
    await stage.until(
      "it has everything",
      () => machine.process?.member?.log.lastIndex === lastIndex(),
    );
    expect(stage.entries(machine.id)).toEqual(numbered(8));
  });

  it("finds its log again after an end before any one of its operations", async () => {
    stage = await Stage.founded();
    await sendSome(1, 3);
    const machine = stage.follower();
    const random = seededRandom(1);
    let ends = 0;
    for (let operation = 1; operation <= 40; operation++) {
      machine.kill();
      const before = ends;
      machine.onLastOperation = () => {
        ends += 1;
        machine.cutPower(random, [0, 0.5, 1][operation % 3] ?? 0);
      };
      machine.start(operation);
      await sendSome(3 + operation, 3 + operation);
      await stage.pass(2);
      expect(machine.running).toBe(ends === before);
      machine.start();
      await stage.until("it has everything", () => {
        return machine.process?.member?.log.lastIndex === lastIndex();
      });
    }
    // A start has more than a few operations, and each of them was the last one once.
    expect(ends).toBeGreaterThan(10);
    expect(stage.entries(machine.id)).toEqual(numbered(43));
    expect(stage.ends).toEqual([]);
  });

  it("that is empty comes back as a voter once an operator said so", async () => {
    stage = await Stage.founded();
    await sendSome(1, 5);
    const machine = stage.follower();
    const { incarnation } = memberRow(machine.id);
    expect(budgetOf(stage.cluster).take(machine.id, "wiped")).toBe(true);
    machine.wipe();
    machine.start();
    await stage.pass(5);
    expect(machine.process?.member ?? null).toBe(null);
    bringBack(stage.cluster, seededRandom(1), machine.id);
    await stage.until("it votes again", () => budgetOf(stage.cluster).spoiled.size === 0);
    expect(memberRow(machine.id)).toMatchObject({ role: "voter" });
    expect(memberRow(machine.id).incarnation).not.toBe(incarnation);
    expect(stage.entries(machine.id)).toEqual(numbered(5));
  });
});

function lastIndex(): number {
  return stage.leader()?.process?.member?.log.lastIndex ?? -1;
}

function memberRow(id: number): { readonly role: string; readonly incarnation: string } {
  const members = stage.leader()?.process?.member?.core.configuration.members ?? [];
  const row = members.find((member) => member.id === id);
  if (row === undefined) throw new Error(`node ${id} is not in the configuration`);
  return row;
}
