/** What the core of a leader of three says of itself, for tests of what is made of that. */

import type { CoreStatus } from "../../src/raft/status.ts";

const members = [1, 2, 3].map((id) => ({ id, incarnation: `${id}a`, role: "voter" as const }));

export const leaderOfThree: CoreStatus = {
  role: "leader",
  term: 2,
  votedFor: null,
  leader: 1,
  lastIndex: 9,
  durableIndex: 9,
  commitIndex: 9,
  configuration: { index: 0, members },
  configurationCommitted: true,
  peers: [],
  mute: null,
  lostData: false,
  longestSilenceMs: 0,
};
