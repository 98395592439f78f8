/** Asking other members for what this disk lost. */

import { describe, expect, it } from "vitest";
import { Healer } from "../../src/node/healer.ts";
import type { LogStore } from "../../src/storage/types.ts";
import type { Connection } from "../../src/transport/types.ts";

const PEERS = [{}, {}] as unknown as readonly Connection[];
const ANSWER = { type: "heal", firstIndex: 5, bytes: new Uint8Array(0) } as const;

/** A log whose entries `from` to 7 are missing; an answer brings `brings` of them. */
function setUp(): { healer: Healer; log: { from: number; brings: number } } {
  const log = { from: 5, brings: 0 };
  const store = {
    get damage() {
      return log.from > 7 ? [] : [{ from: log.from, to: 7 }];
    },
    heal() {
      log.from += log.brings;
      return log.from > 7;
    },
  };
  return { healer: new Healer(store as unknown as LogStore), log };
}

describe("healing", () => {
  it("asks on at once as long as answers bring something", () => {
    const { healer, log } = setUp();
    log.brings = 2;
    expect(healer.ask(PEERS, 0)?.frame).toMatchObject({ from: 5, to: 7 });
    expect(healer.take(ANSWER)).toBeNull();
    expect(healer.ask(PEERS, 1)?.frame).toMatchObject({ from: 7, to: 7 });
    expect(healer.take(ANSWER)).toEqual({ from: 7, to: 7 });
    expect(healer.ask(PEERS, 2)).toBeNull();
    expect(healer.nextDeadlineMs()).toBe(Infinity);
  });

  it("asks the next member a second later when an answer brought nothing", () => {
    const { healer } = setUp();
    const first = healer.ask(PEERS, 0)?.connection;
    expect(healer.take(ANSWER)).toBeNull();
    expect(healer.ask(PEERS, 1)).toBeNull();
    expect(healer.nextDeadlineMs()).toBe(1_000);
    expect(healer.ask(PEERS, 1_000)?.connection).not.toBe(first);
  });
});
