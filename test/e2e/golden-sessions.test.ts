/** What a person sees, as it was designed, on real processes: times, spans, addresses and names
 *  replaced. The lines are expected in this order; others may come between. */
import { describe, expect, it } from "vitest";
import { golden, goldenLines } from "./golden.ts";
import { cluster, type Running, until, type World, world } from "./harness.ts";

/** Nobody else is heard: what is said depends on that. */
const alone = { env: { RAFT_MULTICAST_PORT: String(20_000 + (process.pid % 20_000)) } };

/** Waits until these golden lines have been printed, in this order. A pattern stands for what may
 *  vary. */
async function expectLines(
  running: Running,
  made: World,
  expected: (string | RegExp)[],
  timeoutMs = 30_000,
): Promise<void> {
  const missing = () => {
    const lines = goldenLines(running.lines, made);
    let next = 0;
    for (const line of lines) {
      const wanted = expected[next];
      if (wanted === undefined) break;
      if (typeof wanted === "string" ? line === wanted : wanted.test(line)) next += 1;
    }
    return expected[next];
  };
  await until("the lines", () => missing() === undefined, timeoutMs).catch(() => {
    throw new Error(
      `missing, in this order: ${String(missing())}\nin:\n${goldenLines(running.lines, made).join("\n")}`,
    );
  });
}

async function leaderOf(made: World): Promise<number> {
  return (
    JSON.parse(await made.must(["leader", "--wait", "--json", "--timeout", "20s"])) as {
      id: number;
    }
  ).id;
}

function node(nodes: readonly Running[], id: number): Running {
  const found = nodes[id - 1];
  if (found === undefined) throw new Error(`there is no node ${id}`);
  return found;
}

const HEADER = "ID ROLE TERM LAST COMMIT LAG CONTACT RTT FSYNC ADDRESS HOST";

/** `raft status`, golden, once `verdict` stands in it; no line is wider than a terminal. */
async function statusOf(made: World, verdict: RegExp): Promise<string[]> {
  const text = await until(`status says ${verdict}`, async () => {
    const { stdout } = await made.run(["status"]);
    return verdict.test(stdout) ? stdout : null;
  });
  const lines = text.trimEnd().split("\n");
  const table = lines.slice(0, lines.indexOf(""));
  for (const line of table) expect(line.length).toBeLessThanOrEqual(100);
  return lines.map((line) => golden(line, made));
}

describe("raft up", () => {
  it("says whom it waits for, whom it met, what was founded and what to type next", async () => {
    const made = world(alone);
    const one = made.up(1);
    await expectLines(one, made, [
      /^raft \d+\.\d+\.\d+, node 1 of cluster raft, A\.B\.C\.D:P, open: anyone on this (network|machine) can read, write and stop it \(\.\/raft key new\)$/,
      "data in ~/state/raft/raft/1 (new)",
      "waiting for nodes 2 and 3 before the cluster is founded: ./raft up --id 2 on another machine, or in another terminal of this one",
    ]);
    made.up(2);
    await expectLines(one, made, [
      "met node 2 (ana@HOST, A.B.C.D); waiting for node 3: ./raft up --id 3",
    ]);
    await expectLines(one, made, [
      "nothing heard from a node 3 for 10 s. If it runs, a firewall is in between: allow UDP 7400-7499, or name the machines on both sides,",
      "here ./raft up --id 1 --peers HOST-OF-3, there ./raft up --id 3 --peers A.B.C.D",
    ]);
    made.up(3);
    await expectLines(one, made, [
      "met node 3 (ana@HOST, A.B.C.D)",
      // Golden: "any one of them" is what people read.
      "founded cluster raft (CLUSTERID) with nodes 1, 2, 3: any one of them may now fail",
      /^(node \d leads in term \d+( \(votes: \d, \d\))?|this node leads in term \d+ \(votes: .*)$/,
      'ready: ./raft send "hello" ./raft status (Ctrl-C stops this node)',
    ]);
    const said = goldenLines(one.lines, made);
    expect(new Set(said).size, `each line once:\n${said.join("\n")}`).toBe(said.length);
  });

  it("says what its data holds when it is started again, and that two of three are needed", async () => {
    const { world: made, nodes } = await cluster(3, alone);
    await made.must(["send", "-q", "-"], { stdin: "entry\n".repeat(42) });
    for (const each of nodes) await each.stop();
    const again = made.up(1);
    await expectLines(again, made, [
      // The entries that nobody sent, such as that which begins a term, count as well.
      /^data in ~\/state\/raft\/raft\/1: 4[2-5] entries, founded D Mon HH:MM, last used D Mon HH:MM \(to start anew: \.\/raft wipe 1\)$/,
      "waiting for node 2 or 3: two of three voters are needed",
    ]);
    made.up(3);
    await expectLines(again, made, [/ready:/]);
    expect((await made.must(["log"])).trim().split("\n")).toHaveLength(42);
  });

  it("tells the dead, the returned and the lost majority as they come", async () => {
    const { world: made, nodes } = await cluster(3, alone);
    await made.must(["send", "one"]);
    // A follower dies and comes back.
    const leader = await leaderOf(made);
    const [dying, staying] = [1, 2, 3].filter((id) => id !== leader) as [number, number];
    await node(nodes, dying).kill();
    const chief = node(nodes, leader);
    await expectLines(chief, made, [
      `node ${dying} is unreachable since HH:MM:SS: 2 of 3 voters left, none to spare. On HOST: ./raft up --id ${dying}`,
    ]);
    await made.must(["send", "-q", "-"], { stdin: "while away\n".repeat(20) });
    const back = made.up(dying);
    await expectLines(chief, made, [
      new RegExp(`^node ${dying} is back(, \\d+ entries behind)?$`),
      `node ${dying} has caught up: 3 of 3 voters`,
    ]);
    // The leader dies.
    await chief.kill();
    // What `raft leader` says is a hint: at first it may still name the dead one.
    const next = await until("another leader", async () => {
      const id = await leaderOf(made);
      return id !== leader && id;
    });
    const taker = next === dying ? back : node(nodes, staying);
    await expectLines(taker, made, [
      `node ${leader}, the leader, has been silent for T`,
      new RegExp(
        `^this node leads in term \\d+ \\(votes: \\d, \\d\\), T after node ${leader} was last heard; all 2\\d entries are here$`,
      ),
      `node ${leader} is unreachable: 2 of 3 voters left, none to spare. On HOST: ./raft up --id ${leader}`,
    ]);
    // The majority goes.
    const other = taker === back ? node(nodes, staying) : back;
    await other.kill();
    await expectLines(taker, made, [
      /^this node no longer leads: nodes \d and \d are unreachable, 1 of 3 voters left\. Nothing is lost and nothing can be added until one is back:$/,
      /^on HOST \.\/raft up --id \d, or on HOST \.\/raft up --id \d$/,
    ]);
    const refused = await made.run(["send", "nowhere", "--timeout", "2s"]);
    expect(refused.code).toBe(4);
    expect(golden(refused.stderr, made)).toMatch(
      /^not added: node \d answers but there is no leader \(2 of 3 voters are needed; \d and \d are silent\)\. Safe to send again\.$/,
    );
  });

  it("says who stopped it, and to whom it handed over", async () => {
    const { world: made, nodes } = await cluster(3, alone);
    const leader = await leaderOf(made);
    const stopped = await made.run(["stop", "leader"]);
    expect(stopped).toMatchObject({ code: 0 });
    expect((await node(nodes, leader).exited).code).toBe(0);
    await expectLines(node(nodes, leader), made, [
      "stopped by ana@HOST (raft stop leader)",
      /^stopping: node \d leads now \(handed over in T\)$/,
    ]);
    const next = await leaderOf(made);
    await made.must(["stop", "leader", "--kill"]);
    await node(nodes, next).exited;
    await expectLines(node(nodes, next), made, ["stopped by ana@HOST (raft stop leader --kill)"]);
  });
});

describe("raft status", () => {
  it("has five states", async () => {
    const made = world(alone);
    const nobody = await made.run(["status"]);
    expect(nobody).toMatchObject({ code: 3, stdout: "" });
    const asked = golden(nobody.stderr.split("\n").slice(0, 2).join("\n"), made);
    expect(asked).toMatch(
      /^nobody answers for cluster raft\n ?asked on A\.B\.C\.D.*, by multicast.*, for T$/,
    );
    expect(nobody.stderr).toMatch(/\n {2}next {4}start one: .* up --id 1/);

    const nodes = [made.up(1), made.up(2)];
    const founding = await statusOf(made, /waits for node 3/);
    expect(founding[0]).toBe(HEADER);
    expect(founding[1]).toMatch(/^1 waiting - - - - (-|T) (-|T) (-|T) A\.B\.C\.D:P HOST$/);
    expect(founding[2]).toMatch(/^2 waiting - - - - (-|T) (-|T) (-|T) A\.B\.C\.D:P HOST$/);
    expect(founding.slice(3)).toEqual([
      "3 unheard - - - - - - - - -",
      "",
      "not founded: cluster raft (open) waits for node 3: ./raft up --id 3 on another machine, or in another terminal",
    ]);
    expect((await made.run(["status", "--check"])).code).toBe(4);

    nodes.push(made.up(3));
    await Promise.all(nodes.map((each) => each.waitForLine(/ready:/)));
    const healthy = await statusOf(made, /healthy:/);
    const leader = await leaderOf(made);
    expect(healthy[0]).toBe(HEADER);
    for (const id of [1, 2, 3]) {
      const row =
        id === leader
          ? /^\d leader \d+ \d+ \d+ - - - T A\.B\.C\.D:P HOST$/
          : /^\d follower \d+ \d+ \d+ \d+ T (T|-) T A\.B\.C\.D:P HOST$/;
      expect(healthy[id]).toMatch(row);
    }
    expect(healthy[5]).toBe(
      `healthy: cluster raft (open), 3 of 3 voters, leader ${leader} for T, can lose 1`,
    );
    expect((await made.run(["status", "--check"])).code).toBe(0);

    const [dying, staying] = [1, 2, 3].filter((id) => id !== leader) as [number, number];
    await node(nodes, dying).kill();
    const degraded = await statusOf(made, /degraded:/);
    expect(degraded[dying]).toMatch(/^\d unreachable \d+ \d+ \d+ \d+ T - - A\.B\.C\.D:P HOST$/);
    expect(degraded.slice(5)).toEqual([
      `degraded: cluster raft (open), 2 of 3 voters, leader ${leader} for T, can lose none`,
      `node ${dying} silent since HH:MM:SS: on HOST (A.B.C.D) ./raft up --id ${dying}`,
    ]);
    expect((await made.run(["status"])).code).toBe(0);
    expect((await made.run(["status", "--check"])).code).toBe(6);

    await node(nodes, leader).kill();
    const leaderless = await statusOf(made, /no leader:.*1 of 3/);
    expect(leaderless[staying]).toMatch(
      /^\d (pre-candidate|candidate|follower) \d+ \d+ \d+ - (-|T) (-|T) T A\.B\.C\.D:P HOST$/,
    );
    expect(leaderless[5]).toBe(
      "no leader: cluster raft (open), 1 of 3 voters, 2 are needed; nothing acknowledged is lost, nothing can be added",
    );
    expect(leaderless.slice(6)).toEqual(
      [leader, dying]
        .toSorted((a, b) => a - b)
        .map((id) => `node ${id} silent since HH:MM:SS: on HOST (A.B.C.D) ./raft up --id ${id}`),
    );
    expect((await made.run(["status", "--check"])).code).toBe(4);
  });

  it("tells of a stopped node's past when nobody answers", async () => {
    const { world: made, nodes } = await cluster(1, alone);
    await made.must(["send", "-q", "-"], { stdin: "entry\n".repeat(42) });
    await nodes[0]?.stop();
    const nobody = await made.run(["status"]);
    expect(nobody.code).toBe(3);
    expect(goldenLines(nobody.stderr.split("\n"), made)).toEqual(
      expect.arrayContaining([
        expect.stringMatching(
          /^here node 1 of raft is not running; its data: 4[2-5] entries, last used D Mon HH:MM$/,
        ),
        expect.stringMatching(/^next start it: \.\/raft up --id 1/),
      ]),
    );
  });
});

describe("raft send", () => {
  it("prints a receipt for each entry, and says when one was already there", async () => {
    const { world: made } = await cluster(3, alone);
    const holders = "on the disks of nodes \\d and \\d|on the disks of nodes \\d, \\d and \\d";
    const receipt = new RegExp(`^(\\d+) term (\\d+), (${holders}), T$`);
    const first = receipt.exec(golden(await made.must(["send", "Nova entrada de log"]), made));
    expect(first).not.toBeNull();
    const words = (await made.must(["send", "Nova", "entrada"]))
      .trimEnd()
      .split("\n")
      .map((line) => golden(line, made));
    const index = Number(first?.[1]);
    expect(words).toEqual([
      expect.stringMatching(new RegExp(`^${index + 1} term \\d+, (${holders}), T "Nova"$`)),
      expect.stringMatching(new RegExp(`^${index + 2} term \\d+, (${holders}), T "entrada"$`)),
    ]);
    const once = await made.must(["send", "--request-id", "9f2c81d0", "once"]);
    const twice = await made.must(["send", "--request-id", "9f2c81d0", "once"]);
    expect(twice).toMatch(
      new RegExp(`^${/^\d+/.exec(once)?.[0]} {2}term \\d+, was already there\n$`),
    );
    const many = await made.run(["send", "-q", "-"], { stdin: "x\n".repeat(1000) });
    expect(many).toMatchObject({ code: 0, stdout: "" });
    expect(golden(many.stderr, made)).toBe(`1000 entries, ${index + 4} to ${index + 1003}, T`);
  });

  it("says the outcome is unknown when the leader took it and fell silent, and finishes it without doubling", async () => {
    const { world: made, nodes } = await cluster(3, alone);
    await made.must(["send", "first"]);
    const leader = await leaderOf(made);
    const followers = [1, 2, 3].filter((id) => id !== leader);
    for (const id of followers) node(nodes, id).signal("SIGSTOP");
    const sent = await made.run(["send", "Nova entrada de log", "--timeout", "1s"]);
    for (const id of followers) node(nodes, id).signal("SIGCONT");
    // The leader may have stepped down before the request came: then it is certain that nothing was
    // added.
    if (sent.code === 4) return;
    expect(sent.code).toBe(5);
    const [what, repeat] = golden(sent.stderr, made).split("\n");
    expect(what).toMatch(
      /^unknown: node \d took the entry and fell silent \(T\)\. To finish it without adding it twice:$/,
    );
    const [, id = ""] =
      /^\.\/raft send --request-id (\S+) "Nova entrada de log"$/.exec(repeat ?? "") ?? [];
    expect(id).not.toBe("");
    await made.must(["send", "--request-id", id, "Nova entrada de log", "--timeout", "20s"]);
    expect(await made.must(["log", "--raw"])).toBe("first\nNova entrada de log\n");
  });
});

describe("raft wipe", () => {
  it("shows what would be lost, and makes a stopped node new", async () => {
    const { world: made, nodes } = await cluster(1, alone);
    await made.must(["send", "a", "b"]);
    await nodes[0]?.stop();
    const asked = await made.run(["wipe", "1"]);
    expect(asked.code).toBe(2);
    expect(asked.stderr).toMatch(
      /node 1 of cluster .*: [2-4] entries, founded .*, last used .*; term \d+, /,
    );
    const wiped = await made.run(["wipe", "1", "--yes"]);
    expect(wiped).toMatchObject({ code: 0 });
    const fresh = made.up(1, "--size", "1");
    await expectLines(fresh, made, ["data in ~/state/raft/raft/1 (new)", /^ready:/]);
    expect(await made.must(["log"])).toBe("");
  });
});
