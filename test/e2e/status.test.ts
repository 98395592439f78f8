/** `raft status` and its exit codes through the states of a cluster. */
import { describe, expect, it } from "vitest";
import { cluster, until, world } from "./harness.ts";
import { leaderOf, statusOf } from "./observe.ts";

describe("raft status", () => {
  it("exits with 3 and says what was tried when nothing runs", async () => {
    const made = world();
    const result = await made.run(["status"]);
    expect(result).toMatchObject({ code: 3, stdout: "", timedOut: false });
    expect(result.stderr).toMatch(/^nobody answers for cluster /);
    expect(result.stderr).toMatch(/^ {2}asked {3}.*multicast/m);
    expect(result.elapsedMs).toBeLessThan(5_000);
    const json = await made.run(["status", "--check", "--json"]);
    expect(json.code).toBe(3);
  });

  it("shows who is waited for before the cluster is founded", async () => {
    const made = world();
    const first = made.up(1);
    await first.waitForLine(/waiting for nodes 2 and 3/);
    const result = await made.run(["status"]);
    expect(result.code).toBe(0);
    expect(result.stdout).toMatch(/^ *1 +waiting/m);
    expect(result.stdout).toMatch(/^ *3 +unheard/m);
    expect(result.stdout).toMatch(/^not founded: .* waits for nodes 2 and 3/m);
    expect((await made.run(["status", "--check"])).code).toBe(4);
    expect((await made.run(["send", "--timeout", "1s", "x"])).code).toBe(4);
  });

  it("shows a healthy cluster, a dead member, and no leader, and --check tells them apart", async () => {
    const { world: made, nodes } = await cluster(3);
    await made.must(["send", "x"]);
    const { id: leader } = await leaderOf(made);
    const healthy = await made.run(["status", "--check"]);
    expect(healthy.stdout).toMatch(/^healthy: .*3 of 3 voters, leader \d for .*can lose 1$/m);
    expect(healthy.code).toBe(0);
    for (const line of healthy.stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(100);

    const [dead = 0, other = 0] = [1, 2, 3].filter((id) => id !== leader);
    await nodes[dead - 1]?.kill();
    await until("unreachable", async () => (await statusOf(made)).reachableVoters === 2);
    const degraded = await made.run(["status", "--check"]);
    expect(degraded.code).toBe(6);
    expect(degraded.stdout).toMatch(new RegExp(`^ *${dead} +unreachable +\\d+ +\\d+`, "m"));
    expect(degraded.stdout).toMatch(/^degraded: .*2 of 3 voters, leader \d for .*can lose none$/m);
    expect(degraded.stdout).toMatch(
      new RegExp(
        `^ {2}node ${dead} silent since \\d\\d:\\d\\d:\\d\\d: on \\S+ \\([\\d.]+\\) .*up --id ${dead}`,
        "m",
      ),
    );
    expect((await made.run(["status"])).code).toBe(0);
    expect((await statusOf(made)).nodes.map(({ id }) => id)).toEqual([1, 2, 3]);

    await nodes[other - 1]?.kill();
    await until("no leader", async () => (await statusOf(made)).leader === null);
    const leaderless = await made.run(["status", "--check"]);
    expect(leaderless.code).toBe(4);
    expect(leaderless.stdout).toMatch(/^no leader: .*1 of 3 voters, 2 are needed/m);

    await nodes[leader - 1]?.kill();
    expect((await made.run(["status", "--check"])).code).toBe(3);
  });

  it("never calls a node a leader with a quorum that the others have left in order, and who stops them is told", async () => {
    const { world: made } = await cluster(3);
    const { id: leader } = await leaderOf(made);
    const [first = 0, second = 0] = [1, 2, 3].filter((id) => id !== leader);
    expect(JSON.parse(await made.must(["stop", String(first), "--json"]))).toEqual({
      id: first,
      killed: false,
      votersLeft: [leader, second].toSorted((a, b) => a - b),
      votersNeeded: 2,
      takesMajority: false,
    });
    await until("stopped", async () => (await statusOf(made)).reachableVoters === 2);
    const taken = await made.run(["stop", String(second)]);
    expect(taken.code).toBe(0);
    expect(taken.stderr).toMatch(
      new RegExp(
        `^node ${second} has stopped\nthat takes the majority away: only node ${leader} of 3 voters is left, and 2 are needed\\. ` +
          `Nothing is lost, and nothing can be added until one is back: on \\S+ \\(127\\.0\\.0\\.1\\)  \\S+raft up --id ${second}.*\n$`,
      ),
    );
    const shown = await made.run(["status", "--check"]);
    expect(shown.code).toBe(4);
    expect(shown.stdout).toMatch(/^no (quorum|leader): .*1 of 3 voters, 2 are needed/m);
    const again = await made.run(["stop", String(second)]);
    expect(again.code).toBe(4);
    expect(again.stderr).toMatch(
      new RegExp(`not done: node ${second} has stopped already, at \\d\\d:\\d\\d:\\d\\d`),
    );
  });
});
