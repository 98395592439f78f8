/** Every invariant can fail: each is shown what must never be, and says so. */

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { Vote } from "../../src/raft/types.ts";
import { boundedMemory } from "../../src/sim/invariants/bounded-memory.ts";
import { boundedTraffic } from "../../src/sim/invariants/bounded-traffic.ts";
import { chain } from "../../src/sim/invariants/chain.ts";
import { committedIsDurable } from "../../src/sim/invariants/committed-is-durable.ts";
import { durableIndex } from "../../src/sim/invariants/durable-index.ts";
import { durableVotes } from "../../src/sim/invariants/durable-votes.ts";
import { electionSafety } from "../../src/sim/invariants/election-safety.ts";
import { hardState } from "../../src/sim/invariants/hard-state.ts";
import { INVARIANTS } from "../../src/sim/invariants/index.ts";
import { knownTerms } from "../../src/sim/invariants/known-terms.ts";
import { leaderAppendOnly } from "../../src/sim/invariants/leader-append-only.ts";
import { leaderCompleteness } from "../../src/sim/invariants/leader-completeness.ts";
import { logMatching } from "../../src/sim/invariants/log-matching.ts";
import { matchIndex } from "../../src/sim/invariants/match-index.ts";
import { monotonicCommitIndex, monotonicTerm } from "../../src/sim/invariants/monotonic.ts";
import { oneVoter } from "../../src/sim/invariants/one-voter.ts";
import { sessions } from "../../src/sim/invariants/sessions.ts";
import { stateMachineSafety } from "../../src/sim/invariants/state-machine-safety.ts";
import {
  commitOf,
  configurationOf,
  doctoredDisks,
  doctoredMachine,
  doctoredMember,
  incarnationOf,
  recordOf,
  watchDoctored,
} from "./doctored.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

test.each(INVARIANTS)("$name stands in the table of test/README.md", ({ name, source, tla }) => {
  const row = readme.split("\n").find((line) => line.startsWith(`| ${name}`));
  expect(row).toMatch(/^\| .* \| `[a-z-]+\.ts` \| /);
  expect(row).toContain(` | ${source} | ${tla === null ? "none" : `\`${tla}\``} |`);
});

const one = doctoredMachine(1);
const two = doctoredMachine(2);

function voteFor(id: number): Vote {
  return { id, incarnation: incarnationOf(id), bootId: "b".repeat(32) };
}

test("Election Safety: two leaders in a term are found, and one that was started again", () => {
  const check = watchDoctored(electionSafety, doctoredDisks());
  const { looks, member } = doctoredMember({ role: "leader" });
  const other = doctoredMember({ role: "leader" });
  expect(check.turned?.(one, member)).toBeNull();
  expect(check.turned?.(one, member)).toBeNull();
  expect(check.turned?.(two, other.member)).toContain("nodes 1 and 2 both lead in term 1");
  expect(check.turned?.(one, other.member)).toContain("started again");
  looks.term = 2;
  expect(check.turned?.(one, member)).toBeNull();
});

test("Votes are durable: a leader by votes that are on no disk is found", () => {
  const disks = doctoredDisks();
  disks.votes.set(1, new Map([[1, [voteFor(1)]]]));
  const { member } = doctoredMember({ role: "leader" });
  expect(watchDoctored(durableVotes, disks).turned?.(one, member)).toContain(
    "1 durable votes of 3",
  );
  disks.votes.set(2, new Map([[1, [voteFor(1)]]]));
  expect(watchDoctored(durableVotes, disks).turned?.(one, member)).toBeNull();
});

test("One vote a term: a second name in a term is found, and a forgotten one", () => {
  const disks = doctoredDisks();
  disks.votes.set(1, new Map([[3, [voteFor(1)]]]));
  disks.hardState = { term: 3, votedFor: voteFor(1) };
  const check = watchDoctored(hardState, disks);
  expect(check.synced?.(one, "hardstate")).toBeNull();
  disks.hardState = { term: 3, votedFor: null };
  expect(check.synced?.(one, "hardstate")).toContain("forgot it");
  disks.votes.get(1)?.set(3, [voteFor(1), voteFor(2)]);
  expect(check.synced?.(one, "hardstate")).toContain("1 (bbbbbbbb) and 2 (bbbbbbbb) in term 3");
});

test("Leader Append-Only: an entry that a leader changed or dropped is found", () => {
  const check = watchDoctored(leaderAppendOnly, doctoredDisks());
  const { looks, member } = doctoredMember({ role: "leader", chains: [11, 12] });
  expect(check.turned?.(one, member)).toBeNull();
  looks.chains = [11, 12, 13];
  expect(check.turned?.(one, member)).toBeNull();
  looks.chains = [11, 12, 14];
  expect(check.turned?.(one, member)).toContain("no longer has its entry 3");
  looks.chains = [11, 12];
  expect(check.turned?.(one, member)).toContain("no longer has its entry 3");
});

test("Log Matching: two entries of one index and term with other contents are found", () => {
  const disks = doctoredDisks();
  const check = watchDoctored(logMatching, disks);
  expect(check.synced?.(one, "")).toBeNull();
  disks.conflicts.push([recordOf(5, 2, 51), recordOf(5, 2, 52)]);
  expect(check.synced?.(one, "")).toContain("entry 5 of term 2 and differ in its contents");
});

test("Log Matching: equal entries behind different logs are found", () => {
  const disks = doctoredDisks();
  const check = watchDoctored(logMatching, disks);
  disks.conflicts.push([
    recordOf(5, 2, 51, { before: recordOf(4, 1, 41) }),
    recordOf(5, 2, 51, { before: recordOf(4, 2, 42) }),
  ]);
  expect(check.synced?.(one, "")).toContain("differ in what is before it");
});

test("Chain: equal logs with different chains are found, and are no breach of Log Matching", () => {
  const disks = doctoredDisks();
  disks.conflicts.push([
    recordOf(5, 2, 51, { bodyHash: "same" }),
    recordOf(5, 2, 52, { bodyHash: "same" }),
  ]);
  expect(watchDoctored(chain, disks).synced?.(one, "")).toContain("with different chains");
  expect(watchDoctored(logMatching, disks).synced?.(one, "")).toBeNull();
});

test("Leader Completeness: a leader without a committed entry is found", () => {
  const disks = doctoredDisks();
  disks.tip = recordOf(2, 1, 12);
  const whole = doctoredMember({ role: "leader", term: 2, chains: [11, 12, 13] });
  const short = doctoredMember({ role: "leader", term: 2, chains: [11] });
  const other = doctoredMember({ role: "leader", term: 2, chains: [11, 99] });
  const check = watchDoctored(leaderCompleteness, disks);
  expect(check.turned?.(one, whole.member)).toBeNull();
  expect(check.turned?.(one, short.member)).toContain("misses entry 2 of term 1");
  expect(check.turned?.(one, other.member)).toContain("misses entry 2 of term 1");
});

test("State Machine Safety: another committed entry is found, and half a record", () => {
  const check = watchDoctored(stateMachineSafety, doctoredDisks());
  const { member } = doctoredMember();
  expect(check.committed?.(commitOf(member, {}))).toBeNull();
  const contradicted = recordOf(1, 3, 31);
  expect(check.committed?.(commitOf(member, { contradicted }))).toContain(
    "of term 3 was committed",
  );
  expect(check.committed?.(commitOf(member, { recordEnd: 4 }))).toContain("ends at 4");
});

test("Committed is durable: an entry on a minority of disks is found, and one on none", () => {
  const disks = doctoredDisks();
  const record = recordOf(1, 1, 11);
  const { member } = doctoredMember();
  const commit = commitOf(member, { record, fresh: [record] });
  const check = watchDoctored(committedIsDurable, disks);
  disks.logs.set(1, [record]);
  expect(check.committed?.(commit)).toContain("on 1 of 3 voters' disks");
  disks.logs.set(3, [record]);
  expect(check.committed?.(commit)).toBeNull();
  expect(check.committed?.(commitOf(member, {}))).toContain("on no disk");
});

test("Durable index: what a core counts and its disk does not hold is found", () => {
  const disks = doctoredDisks();
  disks.logs.set(1, [recordOf(1, 1, 11)]);
  const check = watchDoctored(durableIndex, disks);
  const { looks, member } = doctoredMember({ durableIndex: 1, chains: [11, 12] });
  expect(check.turned?.(one, member)).toBeNull();
  looks.durableIndex = 2;
  expect(check.turned?.(one, member)).toContain("its disk holds nothing there");
});

test("Known terms: a core that takes an entry for one of another term is found", () => {
  const disks = doctoredDisks();
  disks.logs.set(1, [recordOf(1, 1, 11), recordOf(2, 2, 12)]);
  const check = watchDoctored(knownTerms, disks);
  const { looks, member } = doctoredMember({ durableIndex: 1, chains: [11, 12] });
  expect(check.turned?.(one, member)).toBeNull();
  looks.durableIndex = 2;
  expect(check.turned?.(one, member)).toBeNull();
  const wrong = "node 1 takes entry 2 for one of term 1; its disk has one of term 2";
  expect(check.sampled?.(one, member)).toBe(wrong);
  const started = doctoredMember({ durableIndex: 2, chains: [11, 12] });
  expect(check.turned?.(one, started.member)).toBe(wrong);
  const guessing = doctoredMember({ durableIndex: 2, chains: [11, 12], termsKnown: false });
  expect(check.turned?.(one, guessing.member)).toBeNull();
  guessing.looks.termsKnown = true;
  expect(check.turned?.(one, guessing.member)).toBe(wrong);
});

test.each([durableIndex, matchIndex, committedIsDurable])(
  "$name: an entry that cannot be read though nothing is damaged is found",
  (invariant) => {
    const disks = doctoredDisks();
    disks.logs.set(1, [recordOf(1, 1, 11)]);
    const check = watchDoctored(invariant, disks);
    const { looks, member } = doctoredMember({ role: "leader", chains: [11] });
    looks.durableIndex = looks.commitIndex = 1;
    looks.matched.set(1, 1);
    expect(check.turned?.(one, member)).toBeNull();
    looks.durableIndex = looks.commitIndex = 2;
    looks.matched.set(1, 2);
    expect(check.turned?.(one, member)).toContain("cannot read it, and knows of no damage");
  },
);

test("matchIndex: one that falls is found, and one that is not on that disk", () => {
  const disks = doctoredDisks();
  disks.logs.set(2, [recordOf(1, 1, 11), recordOf(2, 1, 12)]);
  const check = watchDoctored(matchIndex, disks);
  const { looks, member } = doctoredMember({ role: "leader", chains: [11, 12, 13] });
  looks.matched.set(2, 2);
  expect(check.turned?.(one, member)).toBeNull();
  looks.matched.set(2, 3);
  expect(check.turned?.(one, member)).toContain("whose disk does not hold it");
  looks.matched.set(2, 1);
  expect(check.turned?.(one, member)).toContain("from 3 to 1");
});

test("Monotonic term and commitIndex: what falls is found", () => {
  const disks = doctoredDisks();
  const terms = watchDoctored(monotonicTerm, disks);
  const commits = watchDoctored(monotonicCommitIndex, disks);
  const { looks, member } = doctoredMember({ term: 4, commitIndex: 7 });
  expect(terms.turned?.(one, member)).toBeNull();
  expect(commits.turned?.(one, member)).toBeNull();
  Object.assign(looks, { term: 3, commitIndex: 6 });
  expect(terms.turned?.(one, member)).toContain("from term 4 to 3");
  expect(commits.turned?.(one, member)).toContain("from 7 to 6");
  disks.hardState = { term: 4, votedFor: null };
  expect(terms.synced?.(one, "hardstate")).toBeNull();
  disks.hardState = { term: 3, votedFor: null };
  expect(terms.synced?.(one, "hardstate")).toContain("from term 4 to 3");
});

test("Session uniqueness: a sequence that comes twice is found, and one that is skipped", () => {
  const { member } = doctoredMember();
  const check = watchDoctored(sessions, doctoredDisks());
  const say = (index: number, sequence: number): string | null | undefined =>
    check.committed?.(commitOf(member, { fresh: [recordOf(index, 1, index, { sequence })] }));
  expect(say(1, 1)).toBeNull();
  expect(say(2, 2)).toBeNull();
  expect(say(3, 2)).toContain("again: 3 was next");
  expect(say(4, 4)).toContain("too early: 3 was next");
});

test("One voter at a time: a larger step is found, and one that comes too early", () => {
  const disks = doctoredDisks();
  const check = watchDoctored(oneVoter, disks);
  const founded = recordOf(1, 2, 11, { configuration: configurationOf(0, 1, 2, 3) });
  disks.tip = founded;
  const next = (index: number, term: number, ...ids: number[]): string | null | undefined => {
    const configuration = configurationOf(index, ...ids);
    disks.configurations.push(recordOf(index, term, index, { before: founded, configuration }));
    return check.synced?.(one, "");
  };
  expect(next(2, 2, 1, 2)).toBeNull();
  expect(next(2, 2, 1)).toContain("changes 2 voters at once");
  expect(next(2, 3, 1, 2)).toContain("before an entry of that term was committed");
  const late = recordOf(2, 2, 12, { configuration: configurationOf(2, 1, 2) });
  const after = { before: late, configuration: configurationOf(3, 1, 2, 3) };
  disks.configurations.push(recordOf(3, 2, 13, after));
  expect(check.synced?.(one, "")).toContain("follows 2, which is not committed");
});

test("Bounded memory: too much of anything is found", () => {
  const check = watchDoctored(boundedMemory, doctoredDisks());
  const { looks, member } = doctoredMember({ sizes: { sessions: 64 } });
  expect(check.sampled?.(one, member)).toBeNull();
  looks.sizes = { sessions: 65 };
  expect(check.sampled?.(one, member)).toContain("65 sessions, at most 64");
  looks.sizes = { held: 5_000 };
  expect(check.sampled?.(one, member)).toContain("5000 requests held");
});

test("Bounded traffic: a storm is found", () => {
  const disks = doctoredDisks();
  const check = watchDoctored(boundedTraffic, disks);
  const { looks, member } = doctoredMember({ sizes: { connections: 2 } });
  const after = (ms: number, datagramsOut: number): string | null | undefined => {
    disks.nowMs += ms;
    looks.sizes = { connections: 2, datagramsOut };
    return check.sampled?.(one, member);
  };
  expect(after(0, 0)).toBeNull();
  expect(after(3_000, 500)).toBeNull();
  expect(after(3_000, 100_000)).toContain("sent 99500 datagrams in 3000 ms");
});

test("Bounded traffic: what a leader appended before and has under way is no storm", () => {
  const disks = doctoredDisks();
  const check = watchDoctored(boundedTraffic, disks);
  const { looks, member } = doctoredMember({ role: "leader", chains: [1] });
  const after = (ms: number, datagramsOut: number, commitIndex: number) => {
    disks.nowMs += ms;
    looks.commitIndex = commitIndex;
    looks.sizes = { connections: 2, datagramsOut };
    return check.sampled?.(one, member);
  };
  expect(after(0, 0, 0)).toBeNull();
  expect(after(3_000, 6_000, 1)).toBeNull();
  expect(after(3_000, 12_000, 1)).toContain("idle, sent 6000 datagrams");
});
