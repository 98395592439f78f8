/** Leader election by the sentences of §5.1, §5.2 and §5.4.1. */

import { describe, expect, it } from "vitest";
import { Cluster, TIMINGS } from "./cluster.ts";

describe("§5.2 leader election", () => {
  it("elects a node whose election timeout passes first", () => {
    const cluster = new Cluster({ voters: [1, 2, 3] });
    cluster.elect(1);
    expect(cluster.core(1).role).toBe("leader");
    expect(cluster.core(2).leader).toBe(1);
    expect(cluster.core(3).leader).toBe(1);
    cluster.run(100);
    expect([1, 2, 3].map((id) => cluster.core(id).commitIndex)).toEqual([1, 1, 1]);
  });

  it("commits what is proposed on every node", () => {
    const cluster = new Cluster({ voters: [1, 2, 3] });
    cluster.elect(2);
    for (let i = 0; i < 20; i++) cluster.propose(2, 3);
    cluster.run(200);
    expect([1, 2, 3].map((id) => cluster.core(id).commitIndex)).toEqual([61, 61, 61]);
  });

  it("leads alone in a cluster of one, in a new term after every start", () => {
    const cluster = new Cluster({ voters: [1] });
    cluster.run(10);
    expect(cluster.core(1).role).toBe("leader");
    expect(cluster.core(1).term).toBe(1);
    cluster.propose(1);
    expect(cluster.core(1).commitIndex).toBe(2);
    cluster.restart(1);
    cluster.run(10);
    expect(cluster.core(1).term).toBe(2);
    expect(cluster.core(1).commitIndex).toBe(3);
  });

  it("elects a leader by itself and keeps it", () => {
    const cluster = new Cluster({ voters: [1, 2, 3] });
    cluster.run(3 * TIMINGS.electionMaxMs);
    const leaders = [1, 2, 3].filter((id) => cluster.core(id).role === "leader");
    expect(leaders).toHaveLength(1);
    const term = cluster.core(1).term;
    cluster.run(10_000);
    expect(cluster.core(1).term).toBe(term);
  });
});
