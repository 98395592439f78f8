/** The bugs that our own tests found in our own code. Each is fixed, and has a regression test or a
 *  seed that would find it again. */

export interface FoundBug {
  readonly what: string;
  /** The suite, and the seed or the command. */
  readonly foundBy: string;
}

export const FOUND_BUGS: readonly FoundBug[] = [
  {
    what:
      "a segment that began with a lone seal was trusted after a restart although its only sync " +
      "had failed: after a power cut the log behind it could not be opened",
    foundBy: "simulator, seed 610 with five nodes; test/storage/lone-seal.test.ts is its schedule",
  },
  {
    what:
      "a follower that lost unsynced entries in a crash, while a late reply of its older " +
      "process still named them, was never sent them again",
    foundBy: "random runs of the core, `RAFT_SEED=534 npx bun --bun vitest run test/raft`",
  },
  {
    what:
      "two processes that claimed one founder's id at the same moment could both keep it " +
      "for ever",
    foundBy: "simulator, test/sim/scenarios-strangers.test.ts, seeds 2 and 4",
  },
  {
    what:
      "after a pause timers ran before what had arrived was read: a leader was thought " +
      "silent whose heartbeats waited in the socket",
    foundBy: "SIGSTOP of a follower on the executable, test/e2e/election.test.ts",
  },
  {
    what: "two nodes that campaigned at once cost an election timeout more (7 of 96 kills)",
    foundBy: "`npm run prove -- --only failover`",
  },
  {
    what: "a saturated disk ended a leadership whose writes went on, only slowly",
    foundBy: "load with the disk saturated by others",
  },
  {
    what:
      "at 30% loss 13 to 15% of the throughput was left: one lost append stalled the window " +
      "for a retry timeout",
    foundBy: "`npm run prove -- --only loss`",
  },
  {
    what: "a client that could not reach the leader asked the same refusing node again and again",
    foundBy: "`npm run prove -- --only partial --seed 6`",
  },
  {
    what: "members that held entries were advised to wipe where two foundings of one name met",
    foundBy: "`npm run prove -- --only identity --seed 2`",
  },
  {
    what: "a node remembered on disk where the nodes of another cluster of its name live",
    foundBy: "`npm run prove -- --only identity`",
  },
  {
    what: "a rotten or hostile snapshot head ended a follower by an assert",
    foundBy: "fuzzing of frames, seed 100, lying frames",
  },
  {
    what:
      "a record of unknown kind, read later from an old segment, ended a node as a bug " +
      "instead of as damage",
    foundBy: "fuzzing of data directories, seed 1, case 24",
  },
  {
    what: "an identity file with a checksum and no body was a stack trace instead of a sentence",
    foundBy: "fuzzing of data directories",
  },
  {
    what: "the reason of an end by a dead disk was lost when the lock's text could not be removed",
    foundBy: "`npm run prove -- --only power-cuts --seed 1`",
  },
  {
    what:
      "`raft verify` called a directory sound that a start refused: a damaged head in the " +
      "only segment",
    foundBy: "test/e2e/rot.test.ts",
  },
  {
    what: "a rotten slot of term and vote was repaired without a word",
    foundBy: "test/e2e/rot.test.ts",
  },
  {
    what: "a typed --mtu did not hold on this machine",
    foundBy: "a relay between nodes of one machine, test/prove/relay.ts",
  },
  {
    what: "the simulator drew pauses by a logarithm, on whose last bit Bun and Node differ",
    foundBy: "`npm run prove -- --only determinism`, the first run",
  },
  {
    what:
      "a leader that was deposed unawares refused a conditional send for good, from its own " +
      "old log",
    foundBy: "review; the schedule is in test/sim/scenarios-clients.test.ts now",
  },
];
