/** What `up --verbose` and `simulate --trace` show of the messages. */

import { describe, expect, it } from "vitest";
import { coreEventLine, MessageTrace } from "../../src/node/trace.ts";

const heartbeat = { type: "heartbeat", term: 3, round: 1, commitIndex: 39 } as const;

describe("a trace", () => {
  it("tells who said what to whom", () => {
    const trace = new MessageTrace();
    expect(trace.line(2, 1, heartbeat)).toBe("1 -> 2  heartbeat  term 3  commit 39");
    const vote = { type: "voteReply", term: 3, round: 1, answer: "granted" } as const;
    expect(trace.line(1, 2, vote)).toBe("2 -> 1  voteReply  term 3  granted");
  });

  it("leaves out a heartbeat that says what the one before it said, of each node by itself", () => {
    const trace = new MessageTrace();
    expect(trace.line(2, 1, heartbeat)).not.toBeNull();
    expect(trace.line(2, 1, { ...heartbeat, round: 2 })).toBeNull();
    expect(trace.line(2, 3, heartbeat)).not.toBeNull();
    expect(trace.line(2, 1, { ...heartbeat, commitIndex: 40 })).not.toBeNull();
    const preVote = { type: "preVote", term: 4, round: 1, lastIndex: 1, lastTerm: 1 } as const;
    expect(trace.line(2, 1, preVote)).toBe(trace.line(2, 1, preVote));
  });

  it("names the term that a pre-candidate asks about, not the one that it is in", () => {
    const role = { type: "role", votes: [], reason: "no leader heard" } as const;
    expect(coreEventLine({ ...role, role: "pre-candidate", term: 3 })).toContain("in term 4");
    expect(coreEventLine({ ...role, role: "leader", term: 3 })).toContain("in term 3");
  });
});
