/** Ending: on request a node hands over and ends with 0; a client that is interrupted says so with
 *  130, one that only watched ends with 0; and nobody is disturbed by a reader that has seen
 *  enough. */
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { golden } from "./golden.ts";
import { cluster, executable, type Running, world } from "./harness.ts";

/** The node that said last that it leads. */
function leaderAmong(nodes: readonly Running[], id: number): Running {
  const leader = nodes[id - 1];
  if (leader === undefined) throw new Error(`there is no node ${id}`);
  return leader;
}

describe("raft up", () => {
  it.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
    "ends on %s with 0, after handing over",
    async (signal) => {
      const { world: made, nodes } = await cluster(3);
      const { id, term } = JSON.parse(await made.must(["leader", "--json"])) as {
        id: number;
        term: number;
      };
      const leader = leaderAmong(nodes, id);
      expect(await leader.stop(signal)).toBe(0);
      const said = leader.lines.map((line) => golden(line, made)).join("\n");
      expect(said).toMatch(
        /stopping: node \d leads now \(handed over in \d+ ms|stopping: node \d leads now \(handed over in T/,
      );
      const next = JSON.parse(await made.must(["leader", "--json"])) as {
        id: number;
        term: number;
      };
      expect(next.id).not.toBe(id);
      expect(next.term).toBe(term + 1);
      await made.must(["send", "after"]);
    },
  );

  it("ends on Ctrl-C while it waits, with 0", async () => {
    const made = world();
    const waiting = made.up(1);
    await waiting.waitForLine(/waiting for nodes 2 and 3/);
    expect(await waiting.stop("SIGINT", 3_000)).toBe(0);
  });

  it("ends when its majority is gone, too", async () => {
    const { nodes } = await cluster(3);
    await Promise.all(nodes.slice(1).map((node) => node.kill()));
    expect(await nodes[0]?.stop("SIGINT", 5_000)).toBe(0);
  });
});

describe("a client", () => {
  it("that waits ends on Ctrl-C with 130", async () => {
    const made = world();
    await made.up(1).waitForLine(/waiting for nodes 2 and 3/);
    const sending = made.start(["send", "x", "--timeout", "60s"]);
    const leading = made.start(["leader", "--wait", "--timeout", "60s"]);
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(sending.isRunning).toBe(true);
    expect(await sending.stop("SIGINT", 3_000)).toBe(130);
    expect(await leading.stop("SIGINT", 3_000)).toBe(130);
  });

  it("that follows or watches ends on Ctrl-C with 0", async () => {
    const { world: made } = await cluster(1);
    await made.must(["send", "seen"]);
    const following = made.start(["log", "-f"]);
    await following.waitForLine(/seen/);
    const watching = made.start(["status", "-w"]);
    await watching.waitForLine(/healthy/);
    expect(await following.stop("SIGINT", 3_000)).toBe(0);
    expect(await watching.stop("SIGINT", 3_000)).toBe(0);
  });

  it("whose reader has seen enough ends quietly", async () => {
    const { world: made } = await cluster(1);
    const lines = Array.from({ length: 20_000 }, (_, at) => `entry ${at}\n`).join("");
    await made.must(["send", "-q", "-"], { stdin: lines });
    for (const words of ["log", "log -f", "log --json"]) {
      const piped = spawnSync(
        "bash",
        ["-c", `set -o pipefail; '${executable}' ${words} | head -1`],
        {
          env: made.env,
          timeout: 20_000,
          encoding: "utf8",
        },
      );
      expect(piped).toMatchObject({ status: 0, stderr: "" });
      expect(piped.stdout).toContain("entry 0");
    }
  });
});
