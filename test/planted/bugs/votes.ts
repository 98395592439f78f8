/** Votes and elections (known bugs, section A). */
import type { Bug, Row } from "../bug.ts";

const RANDOM = ["test/raft/random.test.ts"];
const VOTES = ["test/raft/known-bugs-votes.test.ts"];
const ELECTION = ["test/raft/election.test.ts"];

const FORGET_VOTE = {
  file: "src/raft/hard-state.ts",
  find: "  /** The next write, if one is needed and none is under way. */",
  replace:
    "  forgetVote(): void {\n    this.#current = { term: this.#current.term, votedFor: null };\n  }\n\n" +
    "  /** The next write, if one is needed and none is under way. */",
} as const;

const rows: readonly Row[] = [
  {
    name: "vote-before-durable",
    knownBug: "1",
    file: "src/raft/state.ts",
    find: "if (state.hard.pending) state.outbox.hold(outgoing);\n  else state.outbox.message(outgoing);",
    replace: "state.outbox.message(outgoing);",
    sentence: "A vote leaves before it is on the disk: after a crash the node votes again.",
    unit: VOTES,
  },
  {
    name: "own-vote-before-durable",
    knownBug: "1",
    file: "src/raft/roles.ts",
    find: "    granted: new Map(),\n",
    replace: "    granted: new Map([[id, incarnation]]),\n",
    also: [
      { find: "} else if (!state.hard.pending) {", replace: "} else {" },
      {
        find: `  assert(state.role === "candidate" && !state.hard.pending, "only an elected candidate leads");\n`,
        replace: "",
      },
    ],
    sentence: "A candidate leads before its own vote is on its disk.",
    unit: VOTES,
  },
  {
    name: "vote-counted-per-datagram",
    knownBug: "4, H1",
    file: "src/raft/election.ts",
    find: "  candidacy.granted.set(from.id, from.incarnation);\n",
    replace:
      "  const next = candidacy.granted.has(from.id)\n" +
      `    ? state.configurations.inForce.members.find((m) => m.role === "voter" && !candidacy.granted.has(m.id))\n` +
      "    : from;\n" +
      "  if (next !== undefined) candidacy.granted.set(next.id, next.incarnation);\n",
    sentence: "Votes are counted, not who voted: a doubled datagram is a second vote.",
    unit: VOTES,
  },
  {
    name: "vote-of-older-term",
    knownBug: "5, H2",
    file: "src/raft/election.ts",
    find: "if (reply.term === state.hard.term) countReply(state, from, reply, false);",
    replace: "countReply(state, from, reply, false);",
    also: [{ find: " || candidacy.round !== reply.round)", replace: ")" }],
    sentence: "A vote granted in an older term counts for the present candidacy.",
    unit: VOTES,
  },
  {
    name: "step-down-forgets-vote",
    knownBug: "6, H3",
    alsoFoundBy: ["simulator"],
    file: "src/raft/roles.ts",
    find: '  state.candidacy = null;\n  changeRole(state, "follower", reason, []);',
    replace:
      "  if (!entersTerm) state.hard.forgetVote();\n" +
      '  state.candidacy = null;\n  changeRole(state, "follower", reason, []);',
    also: [FORGET_VOTE],
    sentence: "Following within the same term frees the vote, which is then given twice.",
    unit: VOTES,
  },
  {
    name: "vote-kept-into-new-term",
    knownBug: "H3",
    file: "src/raft/roles.ts",
    find: "state.hard.enterTerm(term, vote);",
    replace: "state.hard.enterTerm(term, vote ?? state.hard.votedFor);",
    sentence: "A new term begins with the vote of the old one, and everybody else is refused.",
    unit: VOTES,
  },
  {
    name: "pre-vote-takes-vote-back",
    knownBug: "7",
    file: "src/raft/roles.ts",
    find: '  changeRole(state, "pre-candidate", reason, []);',
    replace: '  state.hard.forgetVote();\n  changeRole(state, "pre-candidate", reason, []);',
    also: [FORGET_VOTE],
    sentence: "Trying an election out frees the vote of the present term.",
    unit: VOTES,
  },
  {
    name: "pre-vote-counts-as-vote",
    knownBug: "7",
    file: "src/raft/roles.ts",
    find: "    granted: new Map(),\n",
    replace: "    granted: new Map(state.candidacy?.granted ?? []),\n",
    sentence: "Whoever would have voted counts as having voted.",
    unit: VOTES,
  },
  {
    name: "vote-not-repeated",
    knownBug: "8",
    file: "src/raft/election.ts",
    find: "if (votedFor !== null) return isVoteFor(votedFor, from);",
    replace: "if (votedFor !== null) return false;",
    sentence: "A candidate that asks again because the answer was lost is refused its own vote.",
    unit: VOTES,
  },
  {
    name: "vote-without-log-check",
    knownBug: "9",
    file: "src/raft/election.ts",
    find: "return state.leader === null && isUpToDate(state, request);",
    replace: "return state.leader === null;",
    sentence: "A candidate whose log is behind gets the vote.",
    unit: VOTES,
  },
  {
    name: "log-check-by-length",
    knownBug: "9",
    file: "src/raft/election.ts",
    find: "  if (last.lastTerm !== lastTerm) return last.lastTerm > lastTerm;\n",
    replace: "",
    sentence: "A longer log passes for a more complete one, whatever its last term.",
    unit: ELECTION,
  },
  {
    name: "log-check-by-term",
    knownBug: "9",
    file: "src/raft/election.ts",
    find: "return last.lastIndex >= state.log.lastIndex;",
    replace: "return true;",
    sentence: "Among logs of one last term a shorter one passes for as complete.",
    unit: VOTES,
  },
  {
    name: "pre-vote-delays-election",
    knownBug: "11",
    file: "src/raft/pre-vote.ts",
    find: "  const answer = preVoteAnswer(state, from, request);\n",
    replace:
      "  const answer = preVoteAnswer(state, from, request);\n" +
      `  if (answer === "granted") state.electionDeadlineMs = state.nowMs + state.timings.electionMaxMs;\n`,
    sentence: "Granting a pre-vote restarts the election timer.",
    unit: VOTES,
  },
  {
    name: "leaders-own-pre-vote-withheld",
    knownBug: "11",
    file: "src/raft/election.ts",
    find: "  if (id === candidate.id && incarnation === candidate.incarnation) return false;\n",
    replace: "",
    sentence: "A leader that leads no more is told to wait for itself.",
    unit: VOTES,
  },
  {
    name: "votes-never-withheld",
    knownBug: "44",
    file: "src/raft/election.ts",
    find: "request.term >= state.hard.term && !request.ordered && isLeaderAlive(state, from)",
    replace: "request.term >= state.hard.term && request.ordered && isLeaderAlive(state, from)",
    sentence: "A node that was removed deposes a living leader with its higher term.",
    unit: ELECTION,
  },
  {
    name: "pre-votes-never-withheld",
    knownBug: "44",
    file: "src/raft/pre-vote.ts",
    find: `  if (request.term > state.hard.term && isLeaderAlive(state, from)) return "withheld";\n`,
    replace: "",
    sentence: "A pre-vote is granted although a leader is alive.",
    unit: ELECTION,
  },
  {
    name: "no-pre-vote",
    knownBug: "65, 67",
    file: "src/raft/timers.ts",
    find: "if (canCampaign(state)) return becomePreCandidate(state);",
    replace: "if (canCampaign(state)) return becomeCandidate(state, false, renderSilence(state));",
    also: [
      {
        find: "import { becomeFollower, becomePreCandidate, requestVotes }",
        replace: "import { becomeCandidate, becomeFollower, requestVotes }",
      },
    ],
    sentence: "A node that hears nobody raises its term with every timeout.",
    unit: ["test/raft/known-bugs-network.test.ts"],
    processes: ["test/e2e/one-way.test.ts"],
  },
  {
    name: "no-check-quorum",
    knownBug: "65",
    file: "src/raft/timers.ts",
    find: "  if (state.leadership !== null) checkQuorum(state, state.leadership);\n",
    replace: "",
    sentence: "A leader that reaches no majority goes on leading.",
    unit: ["test/raft/check-quorum.test.ts"],
  },
  {
    name: "stalled-disk-leads",
    knownBug: "63",
    file: "src/raft/timers.ts",
    find: "  if (state.leadership !== null) checkOwnDisk(state);\n",
    replace: "",
    sentence: "A leader whose disk hangs keeps the others waiting with heartbeats.",
    unit: ["test/raft/check-quorum.test.ts"],
    processes: ["test/e2e/disk-faults.test.ts"],
  },
  {
    name: "any-message-resets-timer",
    knownBug: "69",
    file: "src/raft/core.ts",
    find: "    const order = dispatch(state, from, message, chainDiffersAt);\n",
    replace:
      "    const order = dispatch(state, from, message, chainDiffersAt);\n" +
      "    resetElectionTimer(state);\n",
    sentence:
      "Any message restarts the election timer, and a node that hears much never campaigns.",
    unit: ["test/raft/known-bugs-network.test.ts"],
  },
  {
    name: "clock-runs-back",
    knownBug: "70",
    file: "src/raft/core.ts",
    find: "    if (nowMs > this.#state.nowMs) this.#state.nowMs = nowMs;\n",
    replace: "    this.#state.nowMs = nowMs;\n",
    sentence: "A clock that steps back moves every deadline away.",
    unit: ["test/raft/known-bugs-network.test.ts"],
  },
  {
    name: "wall-clock-timers",
    knownBug: "70",
    file: "src/transport/clock.ts",
    find: "monotonicMs: () => performance.now(),",
    replace: "monotonicMs: () => Date.now(),",
    sentence: "Timers run on the wall clock, which people and services set.",
    unit: ["test/transport/clock.test.ts"],
    random: [],
    processes: ["test/e2e/clocks.test.ts"],
  },
  {
    name: "damaged-node-votes",
    knownBug: "61",
    file: "src/raft/state.ts",
    find: "  if (state.commitIndex < state.voteFromCommitIndex) {",
    replace: "  if (state.commitIndex < 0) {",
    sentence: "A node with a hole in its log votes and campaigns before it is healed.",
    unit: ELECTION,
  },
  {
    name: "votes-with-unknown-members",
    knownBug: "own",
    file: "src/raft/state.ts",
    find: "  if (!state.membersKnown) {",
    replace: "  if (state.voteFromCommitIndex < 0) {",
    sentence: "A node whose damage may hide a change of members counts by the old ones.",
    unit: ELECTION,
  },
];

export const votes: readonly Bug[] = rows.map((row) => ({ random: RANDOM, ...row }));
