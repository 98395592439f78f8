/** Large frames that nobody waits for. */

import { expect, it } from "vitest";
import { metPair } from "./harness.ts";

it("leave behind the flush, a few datagrams a turn, and arrive whole", () => {
  const { network, a, b, toB } = metPair({ delayMs: [0.2, 0.2] });
  const bytes = Uint8Array.from({ length: 60_000 }, (_, i) => (i * 31 + (i >> 8)) & 255);
  const message = { type: "append", term: 1, round: 1, prevIndex: 4, prevTerm: 1 } as const;
  const rest = { commitIndex: 9, records: [] } as const;
  a.endpoint.send(
    toB,
    { type: "raft", message: { ...message, ...rest }, prevChain: 7, bytes },
    true,
  );
  const { counters } = a.endpoint;
  const leftIn = (run: () => void): number => {
    const before = counters.datagramsOut;
    run();
    return counters.datagramsOut - before;
  };
  expect(leftIn(() => network.run(5))).toBe(0);
  const turns: boolean[] = [];
  const turn = (): void => {
    turns.push(a.endpoint.flushPatient(network.nowMs));
  };
  for (let count = 0; count < 4; count++) {
    expect(leftIn(turn)).toBeLessThanOrEqual(16);
    expect(leftIn(() => network.run(5))).toBe(0);
  }
  expect(turns).toEqual([true, true, true, false]);
  expect(a.endpoint.flushPatient(network.nowMs)).toBe(false);
  const arrived = b.frames.flatMap(({ frame }) => (frame.type === "raft" ? [frame.bytes] : []));
  expect(arrived.map((whole) => Buffer.compare(whole ?? new Uint8Array(0), bytes))).toEqual([0]);
});
