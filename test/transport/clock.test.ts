/** The one clock of the program: what may be set by hand and what may not. */

import { expect, it, vi } from "vitest";
import { systemClock } from "../../src/transport/clock.ts";

it("times by a clock that nobody sets, whatever the wall clock says (KNOWN-BUGS G70)", () => {
  const beforeMs = systemClock.monotonicMs();
  const wall = vi.spyOn(Date, "now");
  try {
    for (const wallMs of [0, 4_000_000_000_000]) {
      wall.mockReturnValue(wallMs);
      expect(systemClock.wallMs()).toBe(wallMs);
      const elapsedMs = systemClock.monotonicMs() - beforeMs;
      expect(elapsedMs).toBeGreaterThanOrEqual(0);
      expect(elapsedMs).toBeLessThan(600_000);
    }
  } finally {
    wall.mockRestore();
  }
});
