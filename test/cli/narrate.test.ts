/** What a node tells, as golden text: waiting, founding, failures. */

import { describe, expect, it } from "vitest";
import { Hints } from "../../src/cli/hints.ts";
import type { NodeEvent } from "../../src/node/events.ts";
import { at, lab, peer, told, lines } from "./context.ts";

const opened: Extract<NodeEvent, { type: "opened" }> = {
  type: "opened",
  version: "1.0.0",
  id: 1,
  cluster: "raft",
  address: { host: "10.0.0.7", port: 7401 },
  auth: "open",
  dataDir: "/home/ana/.local/state/raft/raft/1",
  past: null,
  portTaken: null,
  networkDisk: false,
};

const unknownSilence: NodeEvent = {
  type: "silence",
  ids: [3],
  seconds: 10,
  causes: [{ type: "unknown", ownHost: "10.0.0.7" }],
};

describe("waiting", () => {
  it("names itself, its data, whom it waits for, whom it met, and the firewall", () => {
    const text = told(1, [
      [at(14, 5, 2), opened],
      [at(14, 5, 2), { type: "waiting", for: [2, 3], single: false }],
      [at(14, 5, 9), { type: "met", peer: lab[2], waitingFor: [3] }],
      [at(14, 5, 19), unknownSilence],
    ]);
    expect(text).toBe(
      lines(
        "raft 1.0.0, node 1 of cluster raft, 10.0.0.7:7401, open: anyone on this network can read, write and stop it (./raft key new)",
        "data in /home/ana/.local/state/raft/raft/1 (new)",
        "14:05:02  waiting for nodes 2 and 3 before the cluster is founded: ./raft up --id 2 on another machine, or in another terminal of this one",
        "14:05:09  met node 2 (ana@lab-08, 10.0.0.8); waiting for node 3: ./raft up --id 3",
        "14:05:19  nothing heard from a node 3 for 10 s. If it runs, a firewall is in between: allow UDP 7400-7499, or name the machines on both sides,",
        "          here ./raft up --id 1 --peers HOST-OF-3, there ./raft up --id 3 --peers 10.0.0.7",
      ),
    );
  });

  it.each([
    [
      { type: "own multicast unheard", interface: "10.0.0.7", tryHost: "10.0.0.8" },
      "this machine does not hear its own multicast on 10.0.0.7: its firewall drops it. Allow UDP 7400-7499, or name another machine: --peers 10.0.0.8",
    ],
    [
      { type: "other cluster", host: "10.0.0.9", cluster: "g4", userHost: "bob@lab-09" },
      "10.0.0.9 is heard, but in cluster g4 (bob@lab-09). Yours? ./raft up --id 1 --cluster g4",
    ],
    [
      { type: "other key", host: "10.0.0.9", keyed: "both" },
      "10.0.0.9 is heard, but its key differs: copy the same raft.key to both",
    ],
    [
      { type: "not between them", hears: 2, unheard: 3 },
      "node 2 hears node 3, this node does not: a firewall is between this machine and that of node 3. Allow UDP 7400-7499, or name it: --peers HOST-OF-3",
    ],
  ] as const)("says what was measured instead of suspecting: %o", (cause, line) => {
    const text = told(1, [
      [at(14, 5, 19), { type: "silence", ids: [3], seconds: 10, causes: [cause] }],
    ]);
    expect(text).toBe(`14:05:19  nothing heard from a node 3 for 10 s.\n          ${line}`);
  });

  it("shows what the data holds a week later, and for whom a member waits", () => {
    const past = { entries: 42, foundedMs: at(14, 5), lastUsedMs: at(15, 31) };
    const text = told(1, [
      [at(16, 0), { ...opened, past }],
      [at(16, 0), { type: "waiting for quorum", for: [2, 3], needed: 2, voters: 3 }],
    ]);
    expect(text.split("\n").slice(1).join("\n")).toBe(
      lines(
        "data in /home/ana/.local/state/raft/raft/1: 42 entries, founded 14 Nov 14:05, last used 14 Nov 15:31 (to start anew: ./raft wipe 1)",
        "16:00:00  waiting for node 2 or 3: two of three voters are needed",
      ),
    );
  });

  it("counts whom it needs when one is not enough", () => {
    const text = told(1, [
      [at(16, 0), { type: "waiting for quorum", for: [2, 3, 4, 5], needed: 3, voters: 5 }],
    ]);
    expect(text).toBe(
      "16:00:00  waiting for two of nodes 2, 3, 4 and 5: three of five voters are needed",
    );
  });

  it("says key instead of open when it has one, and that its usual port was taken", () => {
    const text = told(1, [
      [
        at(16, 0),
        { ...opened, auth: "key", address: { host: "10.0.0.7", port: 40123 }, portTaken: 7401 },
      ],
    ]);
    expect(text).toBe(
      lines(
        "raft 1.0.0, node 1 of cluster raft, 10.0.0.7:40123, key",
        "data in /home/ana/.local/state/raft/raft/1 (new)",
        "port 7401 is taken by another program: this node uses 40123 and keeps it for next time",
      ),
    );
  });
});

describe("founding", () => {
  it("says who founded, who leads, and what to type", () => {
    const text = told(1, [
      [at(14, 5, 24), { type: "met", peer: lab[3], waitingFor: [] }],
      [at(14, 5, 24), founded(false)],
      [at(14, 5, 24), { type: "leads", leader: 2, term: 1, votes: [2, 1] }],
      [at(14, 5, 24), { type: "ready", self: 1 }],
    ]);
    expect(text).toBe(
      lines(
        "14:05:24  met node 3 (ana@lab-09, 10.0.0.9)",
        // Golden: "any one of them" is what people read.
        "14:05:24  founded cluster raft (5f3c19ab) with nodes 1, 2, 3: any one of them may now fail",
        "14:05:24  node 2 leads in term 1 (votes: 2, 1)",
        '14:05:24  ready: ./raft send "hello"   ./raft status   (Ctrl-C stops this node)',
      ),
    );
  });

  it("asks whose group it is when there are several people", () => {
    const text = told(1, [[at(14, 5, 24), founded(true)]]);
    expect(text).toBe(
      "14:05:24  founded cluster raft (5f3c19ab) with node 1 (ana@lab-07), 2 (ana@lab-08), 3 (bob@lab-12). Not your group? Ctrl-C, ./raft wipe 1, then ./raft up --id 1 --cluster NAME",
    );
  });

  // The sentence about how many may fail is what people read, word for word.
  it.each([
    [1, "founded cluster raft (5f3c19ab) with node 1 alone: if it fails, so does the cluster"],
    [2, "founded cluster raft (5f3c19ab) with nodes 1, 2: none of them may fail"],
    [5, "founded cluster raft (5f3c19ab) with nodes 1, 2, 3, 4, 5: any two of them may now fail"],
  ])("says how many of %i may fail", (size, line) => {
    const founders = Array.from({ length: size }, (_, index) => peer(index + 1));
    const event = { ...founded(false), founders, canLose: size - (Math.floor(size / 2) + 1) };
    expect(told(1, [[at(14, 5, 24), event]])).toBe(`14:05:24  ${line}`);
  });
});

describe("a peer that dies", () => {
  it("is told by the node that takes over from it", () => {
    const text = told(1, [
      [at(14, 12, 30), { type: "leader silent", leader: 2, seconds: 0.41 }],
      [
        at(14, 12, 30),
        { type: "took over", term: 2, votes: [1, 3], from: 2, afterSeconds: 0.52, entries: 42 },
      ],
      [at(14, 12, 31), unreachable(2, at(14, 12, 30))],
    ]);
    expect(text).toBe(
      lines(
        "14:12:30  node 2, the leader, has been silent for 0.41 s",
        "14:12:30  this node leads in term 2 (votes: 1, 3), 0.52 s after node 2 was last heard; all 42 entries are here",
        "14:12:31  node 2 is unreachable: 2 of 3 voters left, none to spare. On lab-08: ./raft up --id 2",
      ),
    );
  });

  it("is told by the leader, and so is its return", () => {
    const text = told(1, [
      [at(14, 15, 2), unreachable(3, at(14, 15, 1))],
      [at(14, 17, 33), { type: "peer back", peer: lab[3], behind: 118 }],
      [at(14, 17, 33), { type: "peer caught up", peer: lab[3], votersHere: 3, voters: 3 }],
    ]);
    expect(text).toBe(
      lines(
        "14:15:02  node 3 is unreachable since 14:15:01: 2 of 3 voters left, none to spare. On lab-09: ./raft up --id 3",
        "14:17:33  node 3 is back, 118 entries behind",
        "14:17:33  node 3 has caught up: 3 of 3 voters",
      ),
    );
  });

  it("takes the majority with it: the last one says what is not lost and what to start", () => {
    const event: NodeEvent = {
      type: "leadership lost",
      unreachable: [lab[2], lab[3]],
      votersLeft: 1,
      voters: 3,
      reason: "",
    };
    expect(told(1, [[at(14, 20, 11), event]])).toBe(
      lines(
        "14:20:11  this node no longer leads: nodes 2 and 3 are unreachable, 1 of 3 voters left. Nothing is lost and nothing can be added until one is back:",
        "          on lab-08 ./raft up --id 2, or on lab-09 ./raft up --id 3",
      ),
    );
  });

  it("is not to blame where a majority is left", () => {
    const event: NodeEvent = {
      type: "leadership lost",
      unreachable: [lab[3]],
      votersLeft: 2,
      voters: 3,
      reason: "node 2 leads in term 8",
    };
    expect(told(1, [[at(14, 20, 11), event]])).toBe(
      lines("14:20:11  this node no longer leads: node 2 leads in term 8"),
    );
  });

  it("is told apart from one that was stopped in order", () => {
    expect(told(1, [[at(14, 15, 2), unreachable(3, at(14, 15, 1), true)]])).toBe(
      "14:15:02  node 3 has stopped: 2 of 3 voters left, none to spare. On lab-09: ./raft up --id 3",
    );
  });

  it("is started where its data is", () => {
    const missing = unreachable(3, at(14, 15, 1));
    const event = { ...missing, peer: { ...lab[3], dataDir: "/srv/raft 3" } };
    expect(told(1, [[at(14, 15, 2), event]])).toMatch(
      / On lab-09: \.\/raft up --id 3 --data-dir "\/srv\/raft 3"$/,
    );
  });

  it("is started together with the others when all run on this machine", () => {
    const text = told(
      1,
      [[at(14, 15, 2), unreachable(3, at(14, 15, 1))]],
      new Hints("./raft", "", 3),
    );
    expect(text).toBe(
      "14:15:02  node 3 is unreachable since 14:15:01: 2 of 3 voters left, none to spare. ./raft up --local 3",
    );
  });
});

describe("the same", () => {
  it("is not told twice in a row, and not whom it waits for after what it lost", () => {
    const outside: NodeEvent = { type: "waits outside", members: [1, 2, 3] };
    const once = told(22, [[at(14, 6), outside]]);
    expect(
      told(22, [
        [at(14, 6), outside],
        [at(14, 6, 1), outside],
      ]),
    ).toBe(once);
    const lost: NodeEvent = {
      type: "leadership lost",
      unreachable: [lab[2]],
      votersLeft: 1,
      voters: 2,
      reason: "",
    };
    const waiting: NodeEvent = { type: "waiting for quorum", for: [2], needed: 2, voters: 2 };
    expect(
      told(1, [
        [at(14, 6), lost],
        [at(14, 6), waiting],
      ]),
    ).toBe(told(1, [[at(14, 6), lost]]));
    expect(
      told(1, [
        [at(14, 6), lost],
        [at(14, 16), waiting],
      ]),
    ).toContain("14:16:00  waiting for node 2");
  });
});

describe("the end", () => {
  it("is told with the successor", () => {
    expect(told(2, [[at(14, 30), { type: "stopping", leader: 1, handedOverMs: 12 }]])).toBe(
      "14:30:00  stopping: node 1 leads now (handed over in 12 ms)",
    );
  });

  it("is told with who stopped it, in the words that were typed", () => {
    const text = told(2, [
      [at(14, 5), { type: "leads", leader: 2, term: 1, votes: [] }],
      [at(14, 30), { type: "stopped by", by: "ana@lab-07", kill: true, asLeader: true }],
      [at(14, 31), { type: "stopped by", by: "ana@lab-07", kill: false, asLeader: false }],
    ]);
    expect(text.split("\n").slice(1)).toEqual([
      "14:30:00  stopped by ana@lab-07 (raft stop leader --kill)",
      "14:31:00  stopped by ana@lab-07 (raft stop 2)",
    ]);
  });
});

function founded(mixed: boolean): Extract<NodeEvent, { type: "founded" }> {
  const founders = mixed
    ? [lab[1], lab[2], peer(3, "bob@lab-12", "10.0.0.12")]
    : [lab[1], lab[2], lab[3]];
  return {
    type: "founded",
    cluster: "raft",
    clusterId: "5f3c19ab00112233445566778899aabb",
    founders,
    self: 1,
    canLose: 1,
    mixed,
  };
}

function unreachable(
  id: 2 | 3,
  sinceWallMs: number,
  stopped = false,
): Extract<NodeEvent, { type: "peer unreachable" }> {
  return {
    type: "peer unreachable",
    peer: lab[id],
    stopped,
    sinceWallMs,
    votersLeft: 2,
    voters: 3,
    spare: 0,
  };
}

it("a leadership that was given away is told as such", () => {
  expect(told(1, [[at(14, 6), { type: "handed over", to: 2 }]])).toBe(
    "14:06:00  this node has handed the leadership to node 2",
  );
});
