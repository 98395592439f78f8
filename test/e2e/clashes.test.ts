/** Two of what there may be only one of: an id, a data directory, a name. Both sides say who the
 *  other is, and nothing that was acknowledged is harmed. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { golden, goldenLines } from "./golden.ts";
import { cluster, type Result, type Running, type World, world } from "./harness.ts";

/** The data directory of a node in the usual place. */
function directoryOf(made: World, id: number): string {
  return join(made.directory, "state", "raft", made.cluster, String(id));
}

function expectRefused(result: Result, made: World, lines: string[]): void {
  expect(
    golden(result.stderr, made)
      .split("\n")
      .map((line) => line.replace(/^HH:MM:SS /, "").trim()),
  ).toEqual(expect.arrayContaining(lines));
  expect(result).toMatchObject({ code: 8, timedOut: false });
}

async function expectGoesOn(made: World, nodes: readonly Running[]): Promise<void> {
  await made.must(["send", "still here"]);
  expect(nodes.every((node) => node.isRunning)).toBe(true);
}

describe("an id that is in use on the network", () => {
  it("belongs to the member: the newcomer ends with 8, and both say who the other is", async () => {
    const { world: made, nodes } = await cluster(3);
    const elsewhere = join(made.directory, "elsewhere");
    const result = await made.run(["up", "--id", "2", "--data-dir", elsewhere], {
      timeoutMs: 20_000,
    });
    expectRefused(result, made, [
      "node 2 of cluster raft is already running: ana@HOST, A.B.C.D, since HH:MM.",
      "Same group? Each machine needs its own id: ./raft up --id 4, then ./raft members add 4",
      "Another group? Choose a name of your own: ./raft up --id 2 --cluster NAME (the same NAME on all your machines)",
    ]);
    await nodes[1]?.waitForLine(
      /a second node 2 was started: ana@.*That one ends, this one goes on\./,
    );
    await expectGoesOn(made, nodes);
  });

  it("belongs among fresh nodes to the one that has run longer", async () => {
    const made = world();
    const first = made.up(1);
    await first.waitForLine(/waiting for nodes 2 and 3/);
    // Processes that began within a second of each other count as equals.
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    const elsewhere = join(made.directory, "elsewhere");
    const result = await made.run(["up", "--id", "1", "--data-dir", elsewhere], {
      timeoutMs: 20_000,
    });
    expectRefused(result, made, [
      "node 1 of cluster raft is already running: ana@HOST, A.B.C.D, since HH:MM.",
    ]);
    await first.waitForLine(/a second node 1 was started/);
    expect(first.isRunning).toBe(true);
  });
});

describe("a data directory", () => {
  it("that is in use names the process and since when", async () => {
    const { world: made, nodes } = await cluster(1);
    const result = await made.run(["up", "--id", "1"], { timeoutMs: 10_000 });
    expectRefused(result, made, [
      "node 1 of cluster raft already runs here: pid N, since HH:MM. See it: ./raft status Stop it: ./raft stop 1",
    ]);
    expect(result.stderr).toContain(`pid ${nodes[0]?.pid}`);
    await expectGoesOn(made, nodes);
  });

  it("whose holder is suspended names the process and how to wake it", async () => {
    const { world: made, nodes } = await cluster(1);
    nodes[0]?.signal("SIGSTOP");
    try {
      const result = await made.run(["up", "--id", "1"], { timeoutMs: 10_000 });
      expectRefused(result, made, [
        "node 1 of cluster raft is suspended (Ctrl-Z), pid N: type fg in its terminal, or kill -9 N",
      ]);
    } finally {
      nodes[0]?.signal("SIGCONT");
    }
    await expectGoesOn(made, nodes);
  });

  it("is not wiped while its node runs", async () => {
    const { world: made, nodes } = await cluster(1);
    const result = await made.run(["wipe", "1", "--yes"]);
    expectRefused(result, made, [
      expect.stringMatching(/^node 1 of cluster raft already runs here: pid N/),
    ]);
    await expectGoesOn(made, nodes);
  });

  it("of another cluster or another node is refused with its owner's name", async () => {
    const { world: made, nodes } = await cluster(1);
    await made.must(["send", "precious"]);
    await nodes[0]?.stop();
    const directory = directoryOf(made, 1);
    const foreign = await made.run(["up", "--id", "1", "--cluster", "g4", "--data-dir", directory]);
    expect(foreign).toMatchObject({ code: 8, timedOut: false });
    const owner = new RegExp(`belongs to .*Start that one: .* up --id 1 --cluster ${made.cluster}`);
    expect(foreign.stderr).toMatch(owner);
    const other = await made.run(["up", "--id", "2", "--data-dir", directory]);
    expect(other).toMatchObject({ code: 8, timedOut: false });
    expect(other.stderr).toMatch(owner);
    const back = made.up(1);
    await back.waitForLine(/ready:/);
    expect(await made.must(["log"])).toMatch(/precious/);
  });

  it("that cannot be made is named", async () => {
    const made = world();
    const result = await made.run(["up", "--id", "1", "--data-dir", "/proc/raft"], {
      timeoutMs: 10_000,
    });
    expect(result.stderr).toMatch(/\/proc\/raft/);
    expect(result.stderr).not.toMatch(/a bug in raft/);
    expect([2, 7, 8]).toContain(result.code);
  });
});

describe("a data directory that is a file", () => {
  it.each(["taken", "taken/1"])("is said to be one: %s", async (directory) => {
    const made = world();
    const file = join(made.directory, "work", "taken");
    writeFileSync(file, "precious");
    for (const more of [[], ["-d"]]) {
      const result = await made.run(["up", "--id", "1", "--data-dir", directory, ...more]);
      expect(result).toMatchObject({ stdout: "", timedOut: false });
      expect([2, 8]).toContain(result.code);
      expect(result.stderr).toMatch(/work\/taken.* is a file, not a directory/);
      expect(result.stderr).not.toMatch(/\bE[A-Z]{4,}|a bug in raft/);
    }
    const plain = await made.run(["up", "--id", "1", "--data-dir", directory]);
    expect(plain.stderr).toMatch(
      /^cannot use the data directory .*\. Name another: --data-dir DIR$/m,
    );
    expect(readFileSync(file, "utf8")).toBe("precious");
  });
});

describe("an id that is no founder's", () => {
  it("waits, names the founders, is let in by an operator, and is told when it is removed", async () => {
    const made = world();
    const stranger = made.up(17);
    const founders = await made.founded(3);
    const said = () => goldenLines(stranger.lines, made);
    await stranger.waitForLine(/not a member of cluster|not a founder of cluster/);
    expect(said().join("\n")).toMatch(
      /node 17 is not a founder of cluster raft \(founders: 1, 2, 3\)\. When they have founded it, let it in with \.\/raft members add 17\.|node 17 is not a member of cluster raft \(members: 1, 2, 3\); it waits outside\./,
    );
    await stranger.waitForLine(/not a member of cluster/);
    expect(said()).toEqual(
      expect.arrayContaining([
        "node 17 is not a member of cluster raft (members: 1, 2, 3); it waits outside.",
        "Let it in, on any node of the cluster: ./raft members add 17 Typed wrongly? Ctrl-C",
      ]),
    );
    const status = golden(await made.must(["status"]), made);
    expect(status).toMatch(/node 17 waits outside: \.\/raft members add 17/);
    await made.must(["members", "add", "17"]);
    await stranger.waitForLine(/this node is a voter now/);
    await made.must(["send", "with four"]);
    expect(golden(await made.must(["status"]), made)).toMatch(
      /healthy: cluster raft \(open\), 4 of 4 voters/,
    );
    await made.must(["members", "remove", "17"]);
    await stranger.waitForLine(/this node is no longer a member of cluster/);
    expect(golden(await made.must(["status"]), made)).toMatch(
      /17 +outside [^]*node 17 is no longer a member: end it with \.\/raft stop 17/,
    );
    expect(founders.every((node) => node.isRunning)).toBe(true);
  });
});

describe("founders of several people", () => {
  it("are named with their people, and told how to leave", async () => {
    const made = world();
    const nodes = [1, 2, 3].map((id) =>
      made.start(["up", "--id", String(id)], id === 3 ? { env: { USER: "bob" } } : {}),
    );
    await Promise.all(nodes.map((node) => node.waitForLine(/ready:/, 60_000)));
    expect(goldenLines(nodes[0]?.lines ?? [], made)).toEqual(
      expect.arrayContaining([
        "founded cluster raft (CLUSTERID) with node 1 (ana@HOST), 2 (ana@HOST), 3 (bob@HOST). " +
          "Not your group? Ctrl-C, ./raft wipe 1, then ./raft up --id 1 --cluster NAME",
      ]),
    );
  });
});
