/** That a campaign notices every end of a process that it did not cause itself. */
import { describe, expect, it } from "vitest";
import { until } from "../e2e/world.ts";
import { Nodes, QUICK_FLAGS } from "./nodes.ts";

describe("the nodes of a campaign", () => {
  it("end as they are told, and any other end is an accident", async () => {
    const nodes = await Nodes.found({ flags: QUICK_FLAGS });
    try {
      await nodes.kill(1);
      await nodes.stop(2);
      expect(nodes.accidents).toEqual([]);
      // Somebody else's SIGKILL, as the kernel sends it when memory runs out.
      nodes.process(3).signal("SIGKILL");
      await until("an accident", () => nodes.accidents.length === 1);
      expect(nodes.accidents[0]).toMatch(/^node 3 ended with SIGKILL: /);
      nodes.start(2);
      await nodes.process(2).waitForLine(/./);
      nodes.process(2).signal("SIGTERM");
      await until("another", () => nodes.accidents.length === 2);
      expect(nodes.accidents[1]).toMatch(/^node 2 ended with (0|SIGTERM): /);
    } finally {
      await nodes.end();
    }
    expect(nodes.accidents).toHaveLength(2);
  });
});
