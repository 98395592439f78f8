/** What is let in as a node id. */

import { expect, it } from "vitest";
import { isNodeId, NODE_ID_MAX } from "../../src/base/limits.ts";

it("a node id is a whole number from 1 to 999", () => {
  for (const id of [1, 2, NODE_ID_MAX]) expect(isNodeId(id)).toBe(true);
  for (const value of [0, -1, 1.5, NODE_ID_MAX + 1, Number.NaN, Infinity, "1", null, [1], 1n])
    expect([value, isNodeId(value)]).toEqual([value, false]);
});
