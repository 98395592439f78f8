/** Whoever waits for an entry does not wait for old records that leave in the same turn. */

import { expect, it } from "vitest";
import { Rolls } from "../fuzz/bytes.ts";
import { MemberWorld, type Sent } from "../fuzz/member-world.ts";

/** Places in an append: where its records begin after, what it says is committed, its records. */
const PREV_INDEX = 4;
const COMMIT_INDEX = 6;
const RECORDS = 8;
const APPEND_FIELDS = 9;

/** "old": records that are committed already; "new": others; null: no records. */
function ageOf({ fields }: Sent): "old" | "new" | null {
  const records = fields[RECORDS];
  if (fields.length !== APPEND_FIELDS || !(records instanceof Uint8Array)) return null;
  if (records.length === 0) return null;
  return Number(fields[PREV_INDEX]) < Number(fields[COMMIT_INDEX]) ? "old" : "new";
}

it("sends a follower that is behind its old records last", () => {
  const world = new MemberWorld(new Rolls(3));
  const leader = () =>
    world.parts.find(({ member: { core } }) => core.role === "leader" && core.commitIndex > 0);
  let mixed = 0;
  for (let step = 0; step < 2_000; step++) {
    world.turn(1);
    const led = leader();
    // The first of the others is cut off again and again, and is behind when it is back.
    const cut = world.parts.find((part) => part !== led)?.self.id;
    const mine = world.flying.filter(({ from }) => from === led?.self.id);
    const ages = mine.flatMap((sent) =>
      ageOf(sent) === (sent.to === cut ? "old" : "new") ? [ageOf(sent)] : [],
    );
    if (ages.includes("old") && ages.includes("new")) {
      mixed++;
      expect(ages.join(" ")).toMatch(/^(new ?)+(old ?)+$/);
    }
    const isCut = led !== undefined && step % 200 < 100;
    const arriving = world.flying.splice(0);
    for (const sent of arriving)
      if (!isCut || (sent.to !== cut && sent.from !== cut)) world.deliver(sent);
    world.append();
  }
  expect(mixed).toBeGreaterThan(20);
});
