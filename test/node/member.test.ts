/** A member's one timer: the smallest deadline of all its parts. */

import { expect, it } from "vitest";
import { encodePayloads } from "../../src/storage/record.ts";
import { Rolls } from "../fuzz/bytes.ts";
import { MemberWorld } from "../fuzz/member-world.ts";

/** Heartbeats so rare that no other timer of a leader hides what is looked for. */
const RARE = { heartbeatMs: 5_000, electionMinMs: 15_000, electionMaxMs: 20_000 };

it("wakes up for the large request that waits at its entrance, with nothing else to do", () => {
  const world = new MemberWorld(new Rolls(1), RARE);
  const leader = () =>
    world.parts.find(({ member: { core } }) => core.role === "leader" && core.commitIndex > 0)
      ?.member;
  for (let step = 0; leader() === undefined && step < 10_000; step++) {
    world.turn(10);
    for (const sent of world.flying.splice(0)) world.deliver(sent);
  }
  const member = leader();
  if (member === undefined) throw new Error("nobody leads");
  const offer = (client: string, bytes: number): void =>
    member.offerAppend(
      {
        type: "append",
        clientId: client.repeat(16),
        firstSequence: 1,
        count: 1,
        bornAt: 0,
        ifLast: null,
        payloads: encodePayloads([new Uint8Array(bytes)]),
      },
      () => {},
      world.nowMs,
    );
  // Nothing is delivered any more: much stays uncommitted, and retries become rare.
  for (const client of ["a1", "a2"]) offer(client, 300_000);
  const rest = () => member.nextDeadlineMs() - world.nowMs;
  for (let step = 0; (step < 100 || rest() <= 100) && step < 20_000; step++) world.turn(10);
  expect(member.core.role).toBe("leader");
  expect(member.core.uncommittedBytes).toBeGreaterThan(600_000);
  expect(rest()).toBeGreaterThan(100);
  offer("b1", 500_000);
  expect(rest()).toBe(100);
  const { lastIndex } = member.log;
  world.turn(100);
  expect(member.log.lastIndex).toBe(lastIndex + 1);
});
