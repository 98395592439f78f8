/** A share of the hostile responses to the client library. */

import { expect, it } from "vitest";
import { ClientFuzz } from "./client-fuzz.ts";

it("ends every call in time with a result or a refusal, whatever nodes answer", async () => {
  const fuzz = new ClientFuzz(1);
  while (fuzz.counts.calls < 240 && (await fuzz.next()));
  expect(fuzz.failures).toEqual([]);
  expect(fuzz.counts.hostile).toBeGreaterThan(500);
  expect(fuzz.counts.results).toBeGreaterThan(100);
});
