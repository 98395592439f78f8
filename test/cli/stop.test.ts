/** What `raft stop` says of the majority that it leaves. */

import { describe, expect, it } from "vitest";
import { type Left, leftWithout, majorityText, stoppedJson } from "../../src/cli/stop.ts";
import type { ClusterStatus } from "../../src/client/types.ts";
import { hints, row, status } from "./context.ts";

const all = status([row(1, {}), row(2, { role: "leader" }), row(3, {})]);
const without1 = status([
  row(1, { role: "unreachable", stopped: true, lastContactMs: 9_000 }),
  row(2, { role: "leader" }),
  row(3, {}),
]);

function left(before: ClusterStatus, id: number): Left {
  const found = leftWithout(before, id);
  if (found === null) throw new Error("founded");
  return found;
}

function warning(before: ClusterStatus, id: number): string {
  return majorityText(before, id, left(before, id), hints);
}

describe("a node that is stopped", () => {
  it("takes the majority away when too few voters are left, and only then", () => {
    expect(left(all, 1)).toEqual({ voters: [2, 3], needed: 2, takesMajority: false });
    expect(left(all, 2)).toEqual({ voters: [1, 3], needed: 2, takesMajority: false });
    expect(left(without1, 3)).toEqual({ voters: [2], needed: 2, takesMajority: true });
    expect(left(without1, 2)).toEqual({ voters: [3], needed: 2, takesMajority: true });
    // It was gone before.
    expect(left({ ...without1, leader: null }, 3).takesMajority).toBe(false);
    const leftAlone = status([row(2, { role: "leader" }), row(3, { role: "unreachable" })]);
    expect(left(leftAlone, 2).takesMajority).toBe(false);
  });

  it("takes nothing away as a learner or as a stranger, nor before founding", () => {
    const more = [row(4, { member: "learner" }), row(9, { member: "none", role: "outside" })];
    const before = { ...without1, rows: [...without1.rows, ...more] };
    expect(left(before, 4)).toEqual({ voters: [2, 3], needed: 2, takesMajority: false });
    expect(left(before, 9)).toEqual({ voters: [2, 3], needed: 2, takesMajority: false });
    expect(leftWithout({ ...all, founded: false }, 1)).toBe(null);
  });

  it("leaves a voter that cannot vote to the leader, and to nobody who has to be elected", () => {
    const mute = row(3, { mute: "its log is not whole" });
    const before = { ...all, rows: [row(1, {}), row(2, { role: "leader" }), mute] };
    expect(left(before, 1)).toEqual({ voters: [2, 3], needed: 2, takesMajority: false });
    expect(left(before, 2)).toEqual({ voters: [1], needed: 2, takesMajority: true });
  });
});

describe("whoever takes the majority away", () => {
  it("is told who is left, how many are needed, what it means, and how to undo it", () => {
    expect(warning(without1, 3)).toBe(
      "that takes the majority away: only node 2 of 3 voters is left, and 2 are needed. " +
        "Nothing is lost, and nothing can be added until one is back: on lab-09 (10.0.0.9)  ./raft up --id 3",
    );
    const one = status([row(1, { role: "leader" })], { voters: 1, leader: 1 });
    expect(warning(one, 1)).toMatch(/: no voter is left, and 1 is needed\. .* \.\/raft up --id 1$/);
    const ids = [1, 2, 3];
    const rows = [...ids.map((id) => row(id, {})), row(4, { role: "unreachable" })];
    const five = status([...rows, row(5, { role: "unreachable" })], { voters: 5, leader: 1 });
    expect(warning(five, 3)).toContain("only nodes 1 and 2 of 5 voters are left, and 3 are needed");
  });

  it("is told the one command that starts nodes of --local", () => {
    const local = without1.rows.map((each) => ({
      ...each,
      address: { host: "127.0.0.1", port: 7400 + each.id },
    }));
    const founders = { founders: [1, 2, 3] } as unknown as ClusterStatus["reports"][number];
    const before = status(local, { cluster: "local", reports: [founders] });
    expect(warning(before, 3)).toMatch(/: \.\/raft up --local 3 starts those that are missing$/);
  });

  it("reads it in one object as a program", () => {
    expect(stoppedJson(3, true, left(without1, 3))).toBe(
      '{"id":3,"killed":true,"votersLeft":[2],"votersNeeded":2,"takesMajority":true}',
    );
    expect(stoppedJson(3, false, null)).toBe(
      '{"id":3,"killed":false,"votersLeft":null,"votersNeeded":null,"takesMajority":null}',
    );
  });
});
