/** Frames that the core must not see: a leader's disk may have rotted, and holders of the key may
 *  say anything. */

import { describe, expect, it } from "vitest";
import { raftProblem } from "../../src/node/door.ts";
import type { RaftMessage } from "../../src/raft/types.ts";
import { MemoryDisk } from "../../src/storage/memory-disk.ts";
import { decodeSegmentHead, encodeSegmentHead } from "../../src/storage/segment-head.ts";
import { create, open } from "../storage/fixture.ts";

const disk = new MemoryDisk();
create(disk);
const { log } = open(disk);
const whole = log.snapshotHead();
const configuration = { index: 0, members: [] };

function snapshot(bytes: Uint8Array, lastIndex = 0, lastTerm = 0): string | null {
  const message: RaftMessage = {
    type: "installSnapshot",
    term: 1,
    round: 1,
    lastIndex,
    lastTerm,
    configuration,
  };
  return raftProblem({ type: "raft", message, bytes }, log);
}

describe("a snapshot's head", () => {
  it("passes when it is whole, of this cluster, and the one that the message names", () => {
    expect(snapshot(whole)).toBeNull();
    expect(snapshot(whole, 9)).toContain("another than the message says");
    expect(snapshot(whole, 0, 3)).toContain("another than the message says");
  });

  it("is dropped when any bit of it has rotted on the leader's disk", () => {
    for (let bit = 0; bit < whole.length * 8; bit += 3) {
      const rotten = whole.slice();
      rotten[bit >> 3]! ^= 1 << (bit & 7);
      expect(snapshot(rotten), `bit ${bit}`).not.toBeNull();
    }
    expect(snapshot(new Uint8Array(0))).not.toBeNull();
  });

  it("is dropped when it is another cluster's, or says nothing of what lies before it", () => {
    const head = decodeSegmentHead(whole);
    if (typeof head === "string") throw new Error(head);
    const foreign = encodeSegmentHead({ ...head, clusterId: "ab".repeat(16) });
    expect(snapshot(foreign)).toContain("another cluster");
    expect(snapshot(encodeSegmentHead({ ...head, derived: null }))).toContain("lacks");
  });
});

it("a term or a round that no cluster reaches is dropped before anybody counts on from it", () => {
  const far = 2 ** 53 - 1;
  for (const at of [
    { term: far, round: 1 },
    { term: 1, round: far },
  ]) {
    const message: RaftMessage = { type: "heartbeat", ...at, commitIndex: 0 };
    expect(raftProblem({ type: "raft", message }, log)).toContain("impossible");
  }
  const message: RaftMessage = { type: "heartbeat", term: 2 ** 40, round: 1, commitIndex: 0 };
  expect(raftProblem({ type: "raft", message }, log)).toBeNull();
});
