/** What an assertion says when it breaks, and that it says nothing else. */

import { expect, it } from "vitest";
import { assert, InvariantError } from "../../src/base/assert.ts";

it.each([
  ["a text", "7 is beyond 6"],
  ["a function that makes it", () => "7 is beyond 6"],
])("a broken invariant stops with its text, given as %s", (_, message) => {
  expect(() => assert(false, message)).toThrow(new InvariantError("7 is beyond 6"));
});

it("a text is not made for an invariant that holds", () => {
  assert(true, () => {
    throw new Error("it was made");
  });
});
