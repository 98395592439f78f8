/** The states of `raft status`, as golden text; the fifth, that nobody answers, is in
 *  nobody.test.ts. */

import { describe, expect, it } from "vitest";
import { Hints } from "../../src/cli/hints.ts";
import { checkExitCode, renderStatus, statusJson } from "../../src/cli/status-table.ts";
import type { ClusterStatus, StatusRow } from "../../src/client/types.ts";
import { at, hints, lines, row, status } from "./context.ts";

const leads: Partial<StatusRow> = { role: "leader", lag: null };

const healthy = status([
  row(1, { lastContactMs: 12, rttMs: 0.3, fsyncMs: 0.6 }),
  row(2, { ...leads, fsyncMs: 0.5 }),
  row(3, { lastContactMs: 31, rttMs: 0.2, fsyncMs: 0.7 }),
]);

const degraded = status(
  [
    row(1, { ...leads, term: 2, lastIndex: 57, commitIndex: 57, fsyncMs: 0.6 }),
    row(2, {
      role: "unreachable",
      lag: 15,
      lastContactMs: 130_000,
      lastHeardWallMs: at(14, 12, 30),
    }),
    row(3, { term: 2, lastIndex: 57, commitIndex: 57, lastContactMs: 8, rttMs: 0.2, fsyncMs: 0.7 }),
  ],
  {
    healthy: false,
    leader: 1,
    leaderSinceMs: 2 * 60_000,
    reachableVoters: 2,
    canLose: 0,
    term: 2,
  },
);

const stopped = {
  ...degraded,
  rows: degraded.rows.map((each) =>
    each.id === 2 ? { ...each, stopped: true, dataDir: "/srv/d2" } : each,
  ),
};

const leaderless = status(
  [
    row(1, {
      role: "pre-candidate",
      term: 2,
      lastIndex: 57,
      commitIndex: 57,
      lag: null,
      fsyncMs: 0.6,
    }),
    row(2, {
      role: "unreachable",
      lag: null,
      lastContactMs: 724_000,
      lastHeardWallMs: at(14, 12, 30),
    }),
    row(3, {
      role: "unreachable",
      term: 2,
      lastIndex: 57,
      commitIndex: 57,
      lag: null,
      lastContactMs: 41_000,
      lastHeardWallMs: at(14, 23, 53),
    }),
  ],
  { healthy: false, leader: null, leaderSinceMs: null, reachableVoters: 1, canLose: 0, term: 2 },
);

const fresh: Partial<StatusRow> = {
  member: "none",
  role: "waiting",
  term: null,
  lastIndex: null,
  commitIndex: null,
  lag: null,
};

const unfounded = status(
  [
    row(1, { ...fresh, fsyncMs: 0.6 }),
    row(2, { ...fresh, lastContactMs: 15, rttMs: 0.3, fsyncMs: 0.5 }),
    row(3, { ...fresh, role: "unheard", address: null, host: null }),
  ],
  {
    founded: false,
    healthy: false,
    leader: null,
    leaderSinceMs: null,
    reachableVoters: 0,
    canLose: 0,
    waitingFor: [3],
  },
);

function rendered(value: ClusterStatus): string {
  return renderStatus(value, hints, at(14, 24, 34));
}

describe("raft status", () => {
  it("of a healthy cluster", () => {
    expect(rendered(healthy)).toBe(
      lines(
        "ID  ROLE      TERM  LAST  COMMIT  LAG  CONTACT    RTT  FSYNC  ADDRESS        HOST",
        " 1  follower     1    42      42    0     12ms  0.3ms  0.6ms  10.0.0.7:7401  lab-07",
        " 2  leader       1    42      42    -        -      -  0.5ms  10.0.0.8:7402  lab-08",
        " 3  follower     1    42      42    0     31ms  0.2ms  0.7ms  10.0.0.9:7403  lab-09",
        "",
        "healthy: cluster raft (open), 3 of 3 voters, leader 2 for 7m, can lose 1",
      ),
    );
    expect(checkExitCode(healthy)).toBe(0);
  });

  it("with one dead", () => {
    expect(rendered(degraded)).toBe(
      lines(
        "ID  ROLE         TERM  LAST  COMMIT  LAG  CONTACT    RTT  FSYNC  ADDRESS        HOST",
        " 1  leader          2    57      57    -        -      -  0.6ms  10.0.0.7:7401  lab-07",
        " 2  unreachable     1    42      42   15    2m10s      -      -  10.0.0.8:7402  lab-08",
        " 3  follower        2    57      57    0      8ms  0.2ms  0.7ms  10.0.0.9:7403  lab-09",
        "",
        "degraded: cluster raft (open), 2 of 3 voters, leader 1 for 2m, can lose none",
        "  node 2 silent since 14:12:30: on lab-08 (10.0.0.8)  ./raft up --id 2",
      ),
    );
    expect(checkExitCode(degraded)).toBe(6);
  });

  it("tells a leader that was left alone from one that merely does not see all", () => {
    const changes = { healthy: false, leader: 1, reachableVoters: 1, canLose: 0 };
    const alone = (third: Partial<StatusRow>): ClusterStatus =>
      status(
        [
          row(1, leads),
          row(2, { role: "unreachable", lastContactMs: 130_000 }),
          row(3, { role: "unreachable", lastContactMs: 60, ...third }),
        ],
        changes,
      );
    for (const gone of [{ stopped: true }, { lastContactMs: 900 }, { lastContactMs: null }]) {
      expect(rendered(alone(gone))).toContain(
        "no quorum: cluster raft (open), 1 of 3 voters, 2 are needed; nothing acknowledged is lost, nothing can be added",
      );
      expect(checkExitCode(alone(gone))).toBe(4);
    }
    const some = "degraded: cluster raft (open), 1 of 3 voters, leader 1";
    expect(rendered(alone({}))).toContain(some);
    const slow = { ...alone({ lastContactMs: 900 }), aliveMs: 8_000 };
    expect(rendered(slow)).toContain(some);
  });

  it("with one that was stopped in order, and where its data is", () => {
    const shown = rendered(stopped).split("\n");
    expect(shown[2]).toMatch(/^ 2 {2}stopped {6}1 {4}42 /);
    expect(shown.at(-1)).toBe(
      "  node 2 stopped at 14:12:30: on lab-08 (10.0.0.8)  ./raft up --id 2 --data-dir /srv/d2",
    );
    expect(JSON.stringify(statusJson(stopped))).toBe(JSON.stringify(statusJson(degraded)));
  });

  it("with one that lost data, and how it comes back", () => {
    const mute = "this disk lost entries 43 to 57, which this node had acknowledged";
    const rows = [row(1, {}), row(2, leads), row(3, { mute, lostData: true })];
    const shown = rendered(status(rows, { healthy: false, reachableVoters: 2, canLose: 0 }));
    expect(shown.split("\n").slice(5)).toEqual([
      "degraded: cluster raft (open), 2 of 3 voters, leader 2 for 7m, can lose none",
      `  node 3 does not vote: ${mute}`,
      "    on lab-09 (10.0.0.9)  Ctrl-C, ./raft wipe 3, then ./raft up --id 3",
      "    then, on any node  ./raft members replace 3",
    ]);
  });

  it("without a leader", () => {
    expect(rendered(leaderless)).toBe(
      lines(
        "ID  ROLE           TERM  LAST  COMMIT  LAG  CONTACT  RTT  FSYNC  ADDRESS        HOST",
        " 1  pre-candidate     2    57      57    -        -    -  0.6ms  10.0.0.7:7401  lab-07",
        " 2  unreachable       1    42      42    -   12m04s    -      -  10.0.0.8:7402  lab-08",
        " 3  unreachable       2    57      57    -      41s    -      -  10.0.0.9:7403  lab-09",
        "",
        "no leader: cluster raft (open), 1 of 3 voters, 2 are needed; nothing acknowledged is lost, nothing can be added",
        "  node 2 silent since 14:12:30: on lab-08 (10.0.0.8)  ./raft up --id 2",
        "  node 3 silent since 14:23:53: on lab-09 (10.0.0.9)  ./raft up --id 3",
      ),
    );
    expect(checkExitCode(leaderless)).toBe(4);
  });

  it("before founding", () => {
    expect(rendered(unfounded)).toBe(
      lines(
        "ID  ROLE     TERM  LAST  COMMIT  LAG  CONTACT    RTT  FSYNC  ADDRESS        HOST",
        " 1  waiting     -     -       -    -        -      -  0.6ms  10.0.0.7:7401  lab-07",
        " 2  waiting     -     -       -    -     15ms  0.3ms  0.5ms  10.0.0.8:7402  lab-08",
        " 3  unheard     -     -       -    -        -      -      -  -              -",
        "",
        "not founded: cluster raft (open) waits for node 3: ./raft up --id 3 on another machine, or in another terminal",
      ),
    );
    expect(checkExitCode(unfounded)).toBe(4);
  });
});

describe("the table", () => {
  it("fits 100 columns with long host names", () => {
    const long = healthy.rows.map((each) => ({
      ...each,
      host: "lab-with-a-very-long-name.faculty.university.example",
    }));
    const table = rendered(status(long)).split("\n").slice(0, 4);
    expect(Math.max(...table.map((line) => line.length))).toBe(100);
    expect(table[1]).toMatch(/lab-with-a.*…$/);
  });

  it("counts the columns of wide characters", () => {
    const wide = healthy.rows.map((each) => ({ ...each, host: "研究室".repeat(20) }));
    const widths = rendered(status(wide))
      .split("\n")
      .slice(0, 4)
      .map((line) => Bun.stringWidth(line));
    expect(Math.max(...widths)).toBeLessThanOrEqual(100);
  });

  it("says what would help when the data of most is gone, and how to save the rest", () => {
    const waits: Partial<StatusRow> = { member: "none", role: "waiting", term: null, lag: null };
    const rows = [...leaderless.rows, row(2, waits), row(3, waits)];
    expect(
      rendered({ ...leaderless, lost: [2, 3], rows })
        .split("\n")
        .slice(-3),
    ).toEqual([
      "no leader: cluster raft (open), 1 of 3 voters, 2 are needed; the data of nodes 2 and 3 is gone",
      "  nodes 2 and 3 wait with other data than the members had: the cluster cannot go on without the old data of one of them",
      "  what node 1 knows committed can be saved: ./raft log --stale --node 1 > FILE",
    ]);
    const [first, ...others] = rows;
    const restarted = [...(first === undefined ? [] : [{ ...first, commitIndex: 0 }]), ...others];
    expect(
      rendered({ ...leaderless, lost: [2, 3], rows: restarted })
        .split("\n")
        .at(-1),
    ).toBe("  node 1 holds 57 entries: keep its data until then");
  });

  it("says before founding who disagrees, and who is no founder", () => {
    const unfounded = { founded: false, leader: null, healthy: false } as const;
    const disagreement = "nodes disagree on the founders: 1 and 2 have --size 3, 3 has --size 5";
    const rows = [row(5, { ...fresh, role: "outside" })];
    const last = (changes: Partial<ClusterStatus>): string | undefined =>
      rendered(status(rows, { ...unfounded, ...changes }))
        .split("\n")
        .at(-1);
    expect(last({ disagreement })).toBe(
      `not founded: cluster raft (open): ${disagreement}. Stop one side with Ctrl-C and start it as the other`,
    );
    const local = new Hints("./raft", "", 3);
    const waits = status(rows, { ...unfounded, waitingFor: [3] });
    expect(renderStatus(waits, local, at(14, 24))).toMatch(/waits for node 3: .*up --local 3$/m);
    expect(last({ waitingFor: [1, 2, 3] })).toBe(
      "  node 5 is no founder and waits outside; when the others have founded it: ./raft members add 5",
    );
  });

  it("says how to end a node that was removed", () => {
    const removed = row(4, { member: "none", role: "outside" });
    expect(
      rendered(status([...healthy.rows, removed]))
        .split("\n")
        .at(-1),
    ).toBe(
      "  node 4 is no longer a member: end it with ./raft stop 4, or let it in again with ./raft members add 4",
    );
  });

  it("advises one thing for a member whose data is gone while a node waits under its id", () => {
    const wiped = row(2, { member: "none", role: "outside", term: null, lag: null });
    const seen = { ...degraded, rows: [...degraded.rows, wiped] };
    expect(rendered(seen)).toMatch(/members replace 2$/);
    expect(rendered(seen)).not.toContain("up --id 2");
  });

  it("puts strangers below the members, with the way in", () => {
    const stranger = row(4, { member: "none", role: "outside", term: null, lag: null });
    const replaced = row(2, { member: "none", role: "outside", term: null, lag: null });
    const lines = rendered(status([stranger, ...healthy.rows, replaced])).split("\n");
    expect(lines.slice(1, 6).map((line) => line.slice(0, 2))).toEqual([
      " 1",
      " 2",
      " 3",
      " 2",
      " 4",
    ]);
    expect(lines.slice(-2)).toEqual([
      "  node 2 waits with other data than the member had: ./raft members replace 2",
      "  node 4 waits outside: ./raft members add 4",
    ]);
  });

  it("names the one command that starts nodes of --local", () => {
    const rows = degraded.rows.map((each) => ({
      ...each,
      address: { host: "127.0.0.1", port: 7400 + each.id },
    }));
    const founders = { founders: [1, 2, 3] } as unknown as ClusterStatus["reports"][number];
    const last = (cluster: string): string | undefined =>
      rendered(status(rows, { ...degraded, cluster, rows, reports: [founders] }))
        .split("\n")
        .at(-1);
    expect(last("local")).toBe(
      "  node 2 silent since 14:12:30: ./raft up --local 3 starts those that are missing",
    );
    expect(last("raft")).toMatch(/up --id 2$/);
  });

  it("repeats --cluster in its commands where that was typed", () => {
    const text = renderStatus(degraded, new Hints("./raft", " --cluster g4"), at(14, 24));
    expect(text).toContain("./raft up --id 2 --cluster g4");
  });

  it("colours only what says the same in words", () => {
    const painted = renderStatus(
      healthy,
      hints,
      at(14, 24),
      (colour, text) => `<${colour}>${text}</>`,
    );
    expect(painted.replaceAll(/<[a-z/]*>/g, "")).toBe(rendered(healthy));
    expect(painted).toContain("<green>leader</>");
  });
});

describe("raft status --json", () => {
  it("has the shape that programs rely on", () => {
    const value = statusJson(healthy) as { nodes: unknown[] };
    expect({ ...value, nodes: value.nodes.slice(0, 1) }).toEqual({
      cluster: "raft",
      auth: "open",
      leader: 2,
      term: 1,
      healthy: true,
      voters: 3,
      reachableVoters: 3,
      canLose: 1,
      founded: true,
      nodes: [
        {
          id: 1,
          member: "voter",
          role: "follower",
          term: 1,
          lastIndex: 42,
          commitIndex: 42,
          lag: 0,
          lastContactMs: 12,
          rttMs: 0.3,
          fsyncMs: 0.6,
          address: "10.0.0.7:7401",
          host: "lab-07",
          uptimeS: 812,
          version: "1.0.0",
          firstIndex: 1,
        },
      ],
    });
  });
});
