/** What a node tells when a person has to settle something, as golden text. */

import { describe, expect, it } from "vitest";
import { foundersFlag } from "../../src/client/founders.ts";
import { at, lab, peer, told, lines } from "./context.ts";

describe("an id", () => {
  it("that runs elsewhere: who it is, and two ways out", () => {
    const text = told(1, [
      [
        at(14, 6),
        {
          type: "id in use",
          other: lab[1],
          sinceWallMs: at(14, 5),
          keeps: false,
          freeId: 4,
          founded: true,
        },
      ],
    ]);
    expect(text).toBe(
      lines(
        "14:06:00  node 1 of cluster raft is already running: ana@lab-07, 10.0.0.7, since 14:05.",
        "          Same group? Each machine needs its own id:    ./raft up --id 4, then ./raft members add 4",
        "          Another group? Choose a name of your own:     ./raft up --id 1 --cluster NAME      (the same NAME on all your machines)",
      ),
    );
  });

  it("that somebody else claims while this node keeps it", () => {
    const other = peer(1, "bob@lab-12", "10.0.0.12");
    expect(
      told(1, [
        [
          at(14, 6),
          {
            type: "id in use",
            other,
            sinceWallMs: at(14, 6),
            keeps: true,
            freeId: 2,
            founded: false,
          },
        ],
      ]),
    ).toBe(
      "14:06:00  a second node 1 was started: bob@lab-12, 10.0.0.12, at 14:06. That one ends, this one goes on.",
    );
  });

  it("that is no founder's", () => {
    expect(told(17, [[at(14, 6), { type: "not a founder", founders: [1, 2, 3] }]])).toBe(
      lines(
        "14:06:00  node 17 is not a founder of cluster raft (founders: 1, 2, 3). When they have founded it, let it in with ./raft members add 17.",
        "          To found with these machines instead, on each of them with its own --id:    ./raft up --id 17 --voters 15,16,17",
      ),
    );
  });

  it("that is no founder's: an odd number of founders, three or more, would found", () => {
    const voters = (self: number, founders: readonly number[]): string | undefined =>
      /--voters (.*)$/.exec(told(self, [[at(14, 6), { type: "not a founder", founders }]]))?.[1];
    expect(voters(5, [1])).toBe("3,4,5");
    expect(voters(3, [1, 2])).toBe("1,2,3");
    expect(voters(9, [1, 2, 3, 4])).toBe("7,8,9");
    expect(voters(9, [1, 2, 3, 4, 5])).toBe("5,6,7,8,9");
  });

  it("that is a member's no more", () => {
    expect(told(4, [[at(14, 6), { type: "removed", index: 12, members: [1, 2, 3] }]])).toBe(
      lines(
        "14:06:00  this node is no longer a member of cluster raft (members: 1, 2, 3, as of entry 12): it copies nothing any more. Ctrl-C ends it.",
        "          To let it in again:           ./raft members add 4",
      ),
    );
  });

  it("that is not a member's", () => {
    expect(told(22, [[at(14, 6), { type: "waits outside", members: [1, 2, 3] }]])).toBe(
      lines(
        "14:06:00  node 22 is not a member of cluster raft (members: 1, 2, 3); it waits outside.",
        "          Let it in, on any node of the cluster:        ./raft members add 22          Typed wrongly? Ctrl-C",
      ),
    );
  });
});

describe("founders", () => {
  it("that disagree: both values, and what to do", () => {
    const cause = { type: "other size", peer: lab[2], theirs: [1, 2], ours: [1, 2, 3] } as const;
    const text = told(1, [[at(14, 6), { type: "silence", ids: [2], seconds: 0, causes: [cause] }]]);
    expect(text).toBe(
      "14:06:00  node 2 (ana@lab-08, 10.0.0.8) was started with --size 2, this one with --size 3 (the default). Stop one with Ctrl-C and start it with the other's size.",
    );
  });

  it.each([
    [[1, 2, 3], "--size 3"],
    [[1, 2, 5], "--voters 1,2,5"],
  ] as const)("%o are typed as %s", (founders, flag) => expect(foundersFlag(founders)).toBe(flag));

  it("that signed another record: nobody is a member, and the empty ones may be wiped", () => {
    expect(
      told(1, [
        [at(14, 6), { type: "two foundings", peers: [lab[2]], members: [], selfIsMember: false }],
      ]),
    ).toBe(
      lines(
        "14:06:00  two foundings of cluster raft meet: node 2 (ana@lab-08) signed another one than this node, so somebody was wiped in between. Nobody is a member yet.",
        "          A node that says so holds no entry and may be wiped:",
        "            here:                       Ctrl-C, ./raft wipe 1, then ./raft up --id 1",
        "            on lab-08:                  Ctrl-C, ./raft wipe 2, then ./raft up --id 2",
      ),
    );
  });

  it("advises nobody to wipe a member", () => {
    const [two, three] = [lab[2], lab[3]];
    const event = { type: "two foundings", peers: [two], members: [three] } as const;
    expect(told(1, [[at(14, 6), { ...event, selfIsMember: false }]])).toBe(
      lines(
        "14:06:00  two foundings of cluster raft meet: node 3 (ana@lab-09) and node 2 (ana@lab-08) signed another one than this node, so somebody was wiped in between.",
        "          Who is no member holds no entry and may be wiped:",
        "            here:                       Ctrl-C, ./raft wipe 1, then ./raft up --id 1",
        "            on lab-08:                  Ctrl-C, ./raft wipe 2, then ./raft up --id 2",
      ),
    );
    expect(told(1, [[at(14, 6), { ...event, selfIsMember: true }]])).not.toContain("wipe 1");
  });

  it("of two clusters of one name tells a member of either that neither is in the way", () => {
    const event = { type: "two foundings", peers: [], selfIsMember: true } as const;
    expect(told(1, [[at(14, 6), { ...event, members: [lab[2]] }]])).toBe(
      lines(
        "14:06:00  another cluster raft is on this network: node 2 (ana@lab-08) belongs to it. The two do not mix, and clients that hear both refuse to choose.",
        "          Stop one of them, or found it anew under a name of its own:",
        "            ./raft up --id 1 --cluster NAME      (the same NAME on all its machines)",
      ),
    );
  });
});

describe("the past", () => {
  it("of a member whose data is gone: it cannot vote until it is let back in", () => {
    expect(told(2, [[at(14, 6), { type: "fenced", foundedMs: at(14, 5) }]])).toBe(
      lines(
        "14:06:00  node 2 of cluster raft (founded 14 Nov 14:05) is known by other data than this machine has: wiped, reinstalled, or another seat. It cannot vote.",
        "          Let it back in, on any node of the cluster:   ./raft members replace 2        (this node waits)",
        "          Not your cluster?                             ./raft up --id 2 --cluster NAME",
      ),
    );
  });

  it("of a founder that belongs to an older cluster, seen by a new node", () => {
    const event = {
      type: "older cluster",
      peer: lab[1],
      foundedMs: at(14, 5),
      entries: 42,
      otherMembers: [2, 3],
      lost: [],
      selfIsOlder: false,
    } as const;
    expect(told(2, [[at(14, 6), event]])).toBe(
      lines(
        "14:06:00  node 1 (ana@lab-07) still belongs to an older cluster raft, founded 14 Nov, 42 entries; this node is new.",
        "          To start anew, on lab-07:     ./raft wipe 1",
        "          To go on with the old one:    start its nodes 2 or 3 with their data; then ./raft members replace 2",
      ),
    );
  });

  it("of which too much is lost: only its old data would help", () => {
    const event = {
      type: "older cluster",
      peer: lab[3],
      foundedMs: null,
      entries: 42,
      otherMembers: [],
      lost: [1, 2],
      selfIsOlder: false,
    } as const;
    expect(
      told(2, [[at(14, 6), event]])
        .split("\n")
        .slice(2),
    ).toEqual([
      "          To go on with the old one:    only with the old data of nodes 1 or 2; keep that of node 3 until then",
    ]);
  });

  it("of this node, which belongs to an older cluster", () => {
    const event = {
      type: "older cluster",
      peer: lab[2],
      foundedMs: at(14, 5),
      entries: 42,
      otherMembers: [3],
      lost: [],
      selfIsOlder: true,
    } as const;
    expect(told(1, [[at(14, 6), event]])).toBe(
      lines(
        "14:06:00  this node belongs to an older cluster raft, founded 14 Nov, 42 entries; node 2 (ana@lab-08) is new.",
        "          To start anew, here:          Ctrl-C, ./raft wipe 1, then ./raft up --id 1",
        "          To go on with the old one:    start its node 3 with its data; then ./raft members replace 2",
      ),
    );
  });
});

describe("the disk", () => {
  it("tells what it lost and how it was repaired", () => {
    const text = told(1, [
      [at(14, 6), { type: "healed", from: 12, to: 14, by: 3 }],
      [at(14, 6), { type: "healed", from: 12, to: 12, by: 3 }],
    ]);
    expect(text).toBe(
      lines(
        "14:06:00  entries 12 to 14 repaired with the copy of node 3",
        "14:06:00  entry 12 repaired with the copy of node 3",
      ),
    );
  });

  it("tells whose entries are gone that it had acknowledged, and how it comes back", () => {
    const lost = { type: "lost data", peer: null, from: 6, to: 10 } as const;
    expect(told(3, [[at(14, 6), lost]])).toBe(
      lines(
        "14:06:00  this disk lost entries 6 to 10, which this node had acknowledged: an older copy of its data, or a disk that loses what was written. This node stops voting and appending and keeps every file",
        "          To let it back in, here:              Ctrl-C, ./raft wipe 3, then ./raft up --id 3",
        "          Then, on any node of the cluster:     ./raft members replace 3",
      ),
    );
    const peerLost = { ...lost, peer: lab[3], from: 10 };
    expect(told(1, [[at(14, 6), peerLost]])).toBe(
      lines(
        "14:06:00  the disk of node 3 (ana@lab-09) lost entry 10, which that node had acknowledged: an older copy of its data, or a disk that loses what was written. That node stops voting and appending and keeps every file",
        "          To let it back in, on lab-09:         Ctrl-C, ./raft wipe 3, then ./raft up --id 3",
        "          Then, on any node of the cluster:     ./raft members replace 3",
      ),
    );
  });

  it("tells whose log stops counting when two differ", () => {
    const differ = { type: "diverged", peer: 3, index: 12 } as const;
    const head = "this log and that of node 3 differ at entry 12, which both hold as committed";
    expect(told(1, [[at(14, 6), { ...differ, selfStops: true }]])).toBe(
      lines(`14:06:00  ${head}: this node stops voting and keeps every file`),
    );
    expect(told(1, [[at(14, 6), { ...differ, selfStops: false }]])).toBe(
      lines(`14:06:00  ${head}: that node stops voting and keeps every file`),
    );
  });
});
