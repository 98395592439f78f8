/** A node whose disk lost entries that it had acknowledged, in scripted worlds: it must not help to
 *  elect a leader that lacks them, however often it ends. */

import { afterEach, describe, expect, it } from "vitest";
import { seededRandom } from "../../src/base/random.ts";
import { Member } from "../../src/node/member.ts";
import type { Machine } from "../../src/sim/machine.ts";
import { FAST_DISK } from "../../src/sim/disk.ts";
import { provenRecords } from "../../src/sim/nemesis/rot.ts";
import { DAMAGE_FILE } from "../../src/storage/damage-note.ts";
import { Stage } from "./stage.ts";

let stage: Stage;

afterEach(() => stage.cluster.end());

/** Who leads the second term, one that acknowledges with it, and one that is away meanwhile; the
 *  log is the same on all three up to `common`. */
interface Cast {
  readonly leader: Machine;
  readonly other: Machine;
  readonly away: Machine;
  readonly common: number;
}

async function secondTerm(): Promise<Cast> {
  stage = await Stage.founded();
  await sendAll([1, 2, 3].map((number) => `entry ${number}`));
  const first = stage.leader();
  first?.kill();
  await stage.until("another leads", () => stage.leader()?.running ?? false);
  first?.start();
  await stage.pass(4);
  const leader = stage.leader();
  // Whoever heals asks the lower id first: that one is away.
  const [away, other] = [...stage.cluster.machines.values()].filter((at) => at !== leader);
  if (leader === null || other === undefined || away === undefined) throw new Error();
  for (const machine of [other, away]) stage.heldDown.add(machine);
  return { leader, other, away, common: stage.member(away.id).log.lastIndex };
}

async function sendAll(entries: readonly string[]): Promise<void> {
  const client = await stage.client();
  for (const entry of entries) await stage.send(client, entry);
  await client.close();
}

function large(number: number): string {
  return `large ${number}${".".repeat(900)}`;
}

/** Power is cut there, and all that is of the second term rots: its terms are a guess then. */
function cutAndRot({ other, common }: Cast): void {
  other.cutPower(seededRandom(1), 0);
  for (const place of provenRecords(other.disk, stage.cluster.plan.limits)) {
    if (place.to >= common) other.disk.flipBit(place.file, (place.offset + place.bytes - 1) * 8);
  }
}

describe("a node whose acknowledged entries rotted and were truncated", () => {
  it("has no vote after a restart either", async () => {
    const cast = await secondTerm();
    const { leader, other, away } = cast;
    away.kill();
    await sendAll([1, 2, 3].map(large));
    await stage.pass(4);
    const held = stage.member(leader.id).log.lastIndex;
    leader.kill();
    cutAndRot(cast);
    // The leader is elected by the third one, which goes again before it hears more.
    leader.start();
    away.start();
    await stage.until("it leads", () => leader.process?.member?.core.role === "leader");
    away.kill();
    other.start();
    await stage.until("it is a member", () => other.process?.member instanceof Member);
    const { log } = stage.member(other.id);
    expect(stage.member(other.id).core.status().mute).toMatch(/^entries were damaged here/);
    await stage.until("what was guessed is truncated", () => log.lastIndex < held, 20);
    leader.kill();
    await stage.pass(3);
    // No damage is left, and not all that it acknowledged.
    expect([log.damage, log.lastIndex < held]).toEqual([[], true]);
    other.kill();
    other.start();
    away.start();
    await stage.pass(20);
    expect(stage.member(other.id).core.status().mute).toMatch(/no vote before index \d+/);
    expect(stage.leader()?.running ?? false).toBe(false);
    leader.start();
    await stage.until("it votes again", () => stage.member(other.id).core.status().mute === null);
    await sendAll(["entry 4"]);
    await stage.pass(4);
    expect(stage.entries(other.id).slice(3)).toEqual([...[1, 2, 3].map(large), "entry 4"]);
    other.kill();
    expect(other.disk.exists(DAMAGE_FILE)).toBe(false);
  });

  // By these seeds a power cut keeps the removal of the note, if there was one, not the batch;
  // whether they still do is held by the planted bug damage-forgotten-by-commit-index.
  it.each([4, 12])(
    "has none when power is cut (%d) with them known committed and not yet durable",
    async (seed) => {
      const cast = await secondTerm();
      const { leader, other, away } = cast;
      const { network } = stage.cluster;
      const cutOff = [leader.host, other.host].flatMap((host) => [
        [host, away.host] as const,
        [away.host, host] as const,
      ]);
      for (const [from, to] of cutOff) network.cut(from, to);
      const entries = Array.from({ length: 12 }, (_, at) => large(at + 1));
      await sendAll(entries);
      await stage.pass(0.6);
      const held = stage.member(leader.id).log.lastIndex;
      cutAndRot(cast);
      // Alone, the leader steps down, and knows what is committed all the same. The third one
      // elects it again and is sent nothing by it.
      await stage.until("it steps down", () => stage.member(leader.id).core.role !== "leader");
      for (const [from, to] of cutOff) if (from !== leader.host) network.mend(from, to);
      network.mend(leader.host, away.host);
      await stage.until("it leads", () => stage.member(leader.id).core.role === "leader");
      network.cut(leader.host, away.host);
      other.diskQuality = { ...FAST_DISK, syncMinMs: 3, syncMaxMs: 4 };
      other.start();
      await stage.until("it knows what is committed", () => {
        const core = other.process?.member?.core;
        return core !== undefined && core.commitIndex >= held - 1;
      });
      // To the end of the turn.
      await stage.pass(0.001);
      expect(stage.member(other.id).core.durableIndex).toBeLessThan(held - 1);
      other.cutPower(seededRandom(seed), 0.5);
      leader.kill();
      network.mendAll();
      other.start();
      await stage.pass(20);
      expect(stage.member(other.id).core.status().mute).toMatch(/no vote before index \d+/);
      expect(stage.leader()?.running ?? false).toBe(false);
      leader.start();
      await stage.until("all have all", () =>
        [leader, other, away].every(({ id }) => stage.member(id).core.commitIndex > held),
      );
      expect(stage.entries(other.id).slice(3)).toEqual(entries);
      expect(stage.entries(away.id).slice(3)).toEqual(entries);
      expect(stage.violations).toEqual([]);
    },
  );
});
