/** How a node that stops hands over. */

import { expect, it } from "vitest";
import { handOver } from "../../src/node/ending.ts";
import type { Core } from "../../src/raft/types.ts";
import { systemClock } from "../../src/transport/clock.ts";
import { VirtualTime } from "../client/virtual-time.ts";

it("a stopping leader hands over to another one when the node that was to take over has died", async () => {
  const time = new VirtualTime();
  const core = {
    role: "leader" as string,
    leader: 1,
    /** The order that is under way ends after 400 ms; the next one is fulfilled. */
    transferLeadership(_: null, nowMs: number) {
      if (nowMs < 400) return { ok: false, reason: "handed to node 3 already", to: 3 };
      Object.assign(core, { role: "follower", leader: 2 });
      return { ok: true, reason: "", to: 2 };
    },
  };
  let wakes = 0;
  const heir = handOver(
    core as unknown as Core,
    { ...systemClock, monotonicMs: () => time.nowMs, after: (ms, run) => time.after(ms, run) },
    () => (wakes += 1),
    () => false,
  );
  expect(await time.settled(heir)).toBe(2);
  expect(wakes).toBe(2);
});
