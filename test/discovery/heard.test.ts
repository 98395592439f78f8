/** The tables and limits of discovery, with time as an argument. */

import { describe, expect, it } from "vitest";
import {
  AnswerLimit,
  HEARD_MAX,
  HEARD_MS_MAX,
  HeardTable,
  SelfHearing,
} from "../../src/discovery/heard.ts";
import type { Beacon } from "../../src/discovery/types.ts";
import { beaconOf, bootId } from "./discovery-world.ts";

function hint(beacon: Beacon, heardMs: number) {
  return { beacon, address: { host: "10.0.0.8", port: beacon.port }, heardMs };
}

describe("what was heard", () => {
  it("is the latest of each process, and two claims of one id stand side by side", () => {
    const table = new HeardTable();
    table.add(hint(beaconOf(1), 1));
    table.add(hint(beaconOf(1, { bootId: bootId(77) }), 2));
    table.add(hint(beaconOf(1, { state: { type: "leader", term: 3 } }), 3));
    expect(table.list(4).map(({ heardMs }) => heardMs)).toEqual([2, 3]);
  });

  it("keeps the address that others than this machine reach, however the voice comes", () => {
    const table = new HeardTable();
    const hosts = ["127.0.0.1", "10.0.0.8", "127.0.0.1", "10.0.0.9", "127.0.0.1"].map(
      (host, at) => {
        table.add({ ...hint(beaconOf(1), at), address: { host, port: 7_401 } });
        return table.list(at)[0]?.address.host;
      },
    );
    expect(hosts).toEqual(["127.0.0.1", "10.0.0.8", "10.0.0.8", "10.0.0.9", "10.0.0.9"]);
  });

  it("is forgotten after a BYE and after two minutes of silence", () => {
    const table = new HeardTable();
    table.add(hint(beaconOf(1), 0));
    table.add(hint(beaconOf(2), 0));
    table.add(hint(beaconOf(2, { bye: true }), 1));
    expect(table.list(HEARD_MS_MAX).map(({ beacon }) => beacon.id)).toEqual([1]);
    expect(table.list(HEARD_MS_MAX + 1)).toEqual([]);
  });

  it("is bounded: the one heard longest ago makes room", () => {
    const table = new HeardTable();
    for (let at = 0; at < 1_000; at++) table.add(hint(beaconOf(1, { bootId: bootId(at) }), at));
    expect(table.list(1_000)).toHaveLength(HEARD_MAX);
    expect(table.list(1_000)[0]?.heardMs).toBe(1_000 - HEARD_MAX);
  });
});

describe("answers", () => {
  const answered = (limit: AnswerLimit, host: string, asked: number, nowMs: number): number =>
    Array.from({ length: asked }, () => limit.allows(host, nowMs)).filter(Boolean).length;

  it("to one host are limited, and others are not held up by it", () => {
    const limit = new AnswerLimit(0);
    expect(answered(limit, "10.0.0.8", 1_000, 0)).toBe(64);
    expect(answered(limit, "10.0.0.9", 10, 0)).toBe(10);
    expect(answered(limit, "10.0.0.8", 1_000, 500)).toBe(32);
    expect(answered(limit, "10.0.0.8", 1_000, 400)).toBe(0);
  });

  it("to all hosts together are limited, so that forged sources gain nothing", () => {
    const limit = new AnswerLimit(0);
    let sum = 0;
    for (let host = 0; host < 10_000; host++)
      sum += answered(limit, `10.0.${host >> 8}.${host & 255}`, 1, 0);
    expect(sum).toBe(512);
  });
});

describe("a machine that does not hear itself", () => {
  it("is reported after two tries, each with time to come back", () => {
    const hearing = new SelfHearing();
    hearing.sent("10.0.0.7", 0);
    expect(hearing.deaf(["10.0.0.7"], 10_000)).toEqual([]);
    hearing.sent("10.0.0.7", 1_000);
    expect(hearing.deaf(["10.0.0.7"], 1_100)).toEqual([]);
    expect(hearing.deaf(["10.0.0.7"], 1_250)).toEqual(["10.0.0.7"]);
    expect(hearing.deaf(["127.0.0.1"], 1_250)).toEqual([]);
  });

  it("counts tries in quick succession as one", () => {
    const hearing = new SelfHearing();
    for (let at = 0; at < 100; at++) hearing.sent("10.0.0.7", at);
    expect(hearing.deaf(["10.0.0.7"], 1_000)).toEqual([]);
  });

  it("is not reported any more once it heard itself, nor when its interface is gone", () => {
    const hearing = new SelfHearing();
    for (const atMs of [0, 1_000, 2_000])
      for (const address of ["10.0.0.7", "10.1.0.7"]) hearing.sent(address, atMs);
    hearing.heard("10.0.0.7");
    expect(hearing.deaf(["10.0.0.7", "10.1.0.7"], 9_000)).toEqual(["10.1.0.7"]);
    hearing.keep([]);
    expect(hearing.deaf(["10.0.0.7", "10.1.0.7"], 9_000)).toEqual([]);
  });
});
