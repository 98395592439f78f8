/** A share of the command lines; the compiled executable gets some in
 *  test/e2e/arguments.test.ts. */

import { expect, it } from "vitest";
import { ArgumentsFuzz } from "./arguments-fuzz.ts";
import { Rolls } from "./bytes.ts";

it("takes a command line or refuses it in sentences, and names the flag that was meant", async () => {
  const fuzz = await ArgumentsFuzz.load(new Rolls(1));
  while (fuzz.counts.lines < 300 && fuzz.next());
  expect(fuzz.failures).toEqual([]);
  expect(fuzz.counts.taken).toBeGreaterThan(30);
  expect(fuzz.counts.refused).toBeGreaterThan(100);
  expect(fuzz.counts.nearest).toBeGreaterThan(100);
});
