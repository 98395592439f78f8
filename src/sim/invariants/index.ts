/** All invariants. */

import { boundedMemory } from "./bounded-memory.ts";
import { boundedTraffic } from "./bounded-traffic.ts";
import { chain } from "./chain.ts";
import { committedIsDurable } from "./committed-is-durable.ts";
import { durableIndex } from "./durable-index.ts";
import { durableVotes } from "./durable-votes.ts";
import { electionSafety } from "./election-safety.ts";
import { hardState } from "./hard-state.ts";
import { knownTerms } from "./known-terms.ts";
import { leaderAppendOnly } from "./leader-append-only.ts";
import { leaderCompleteness } from "./leader-completeness.ts";
import { logMatching } from "./log-matching.ts";
import { matchIndex } from "./match-index.ts";
import { monotonicCommitIndex, monotonicTerm } from "./monotonic.ts";
import { oneVoter } from "./one-voter.ts";
import { sessions } from "./sessions.ts";
import { stateMachineSafety } from "./state-machine-safety.ts";
import type { Invariant } from "./types.ts";

export const INVARIANTS: readonly Invariant[] = [
  electionSafety,
  durableVotes,
  leaderAppendOnly,
  logMatching,
  chain,
  leaderCompleteness,
  stateMachineSafety,
  committedIsDurable,
  durableIndex,
  knownTerms,
  matchIndex,
  monotonicTerm,
  monotonicCommitIndex,
  hardState,
  sessions,
  oneVoter,
  boundedMemory,
  boundedTraffic,
];
