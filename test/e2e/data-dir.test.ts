/** People who keep their data where they work: whatever is printed names the directory, so that who
 *  follows a hint starts that node and no empty one. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { golden, goldenLines } from "./golden.ts";
import { type Running, until, type World, world } from "./harness.ts";
import { leaderOf, statusOf } from "./observe.ts";

/** Nobody else is heard: what is said depends on that. */
const alone = { env: { RAFT_MULTICAST_PORT: String(20_000 + (process.pid % 20_000)) } };

/** Nodes 1 to 3, their data in d1 to d3 of the working directory. */
async function founded(made: World): Promise<Map<number, Running>> {
  const nodes = new Map([1, 2, 3].map((id) => [id, made.up(id, "--data-dir", `d${id}`)]));
  for (const node of nodes.values()) await node.waitForLine(/\bready:/, 60_000);
  return nodes;
}

/** The words of the command that stands at the end of a printed text, without the executable. */
function commandIn(text: string): string[] {
  const [, typed = ""] = /\S*raft (up --id .*)$/m.exec(text) ?? [];
  return typed.trim().split(/ +/);
}

describe("a node whose data is not in the usual place", () => {
  it("comes back by the hints of the leader and of status, stopped or killed", async () => {
    const made = world(alone);
    const nodes = await founded(made);
    await made.must(["send", "kept"]);
    const { id: leader } = await leaderOf(made);
    const [id = 0] = [1, 2, 3].filter((one) => one !== leader);
    for (const how of ["stop", "kill"] as const) {
      await nodes.get(id)?.[how]();
      const gone = how === "stop" ? "has stopped" : "is unreachable since \\d\\d:\\d\\d:\\d\\d";
      const line = await nodes.get(leader)?.waitForLine(new RegExp(`node ${id} ${gone}: .*$`));
      expect(golden(line?.[0] ?? "", made)).toMatch(
        new RegExp(`On HOST: \\./raft up --id ${id} --data-dir d${id}$`),
      );
      const shown = await until("status shows it", async () => {
        const { stdout } = await made.run(["status"]);
        return stdout.includes("degraded:") ? stdout : null;
      });
      const [role, since] =
        how === "stop" ? ["stopped", "stopped at"] : ["unreachable", "silent since"];
      expect(shown).toMatch(new RegExp(`^ *${id} +${role} `, "m"));
      expect(golden(shown.trimEnd().split("\n").at(-1) ?? "", made)).toBe(
        `node ${id} ${since} HH:MM:SS: on HOST (A.B.C.D) ./raft up --id ${id} --data-dir d${id}`,
      );
      nodes.set(id, made.start(commandIn(shown)));
      await until("all well again", async () => (await statusOf(made)).healthy);
    }
  });

  it("is found below the working directory when nobody answers, and what is not known is left open", async () => {
    const made = world(alone);
    const nodes = await founded(made);
    await made.must(["send", "kept"]);
    for (const node of nodes.values()) await node.stop();
    const nobody = await made.run(["status"]);
    expect(nobody.code).toBe(3);
    const said = goldenLines(nobody.stderr.split("\n"), made);
    for (const id of [1, 2, 3])
      expect(said).toContainEqual(
        expect.stringMatching(
          new RegExp(
            `^here node ${id} of raft is not running; its data in d${id}: \\d entries, last`,
          ),
        ),
      );
    expect(said.at(-2)).toMatch(/^next start it: \.\/raft up --id 1 --data-dir d1 an address:/);
    const empty = made.up(2);
    const meant = await empty.waitForLine(/holds data of node 2.* and this start makes a new/);
    expect(golden(meant.input, made)).toBe(
      "d2 holds data of node 2 of cluster raft, and this start makes a new, empty one. Was that one meant? Ctrl-C, then ./raft up --id 2 --data-dir d2",
    );
    await empty.stop();
    // Node 2 was not heard by these processes: nothing is known of its directory.
    const again = [1, 3].map((id) => made.up(id, "--data-dir", `d${id}`));
    const leads = await until("a leader", async () => (await statusOf(made)).leader);
    await again[[1, 3].indexOf(leads)]?.waitForLine(
      /node 2 is unreachable.*up --id 2.* --data-dir DIR$/,
    );
    const shown = await made.must(["status"]);
    expect(shown).toMatch(/node 2 not heard yet: .* up --id 2.* --data-dir DIR$/m);
    expect(await made.must(["log", "--raw"])).toBe("kept\n");
  });

  it("is named as what it is when another id is started on it", async () => {
    const made = world({ ...alone, cluster: "raft" });
    const nodes = await founded(made);
    const running = await made.run(["up", "--id", "7", "--data-dir", "d2"]);
    expect(running.code).toBe(8);
    expect(golden(running.stderr, made)).toMatch(
      /^d2 belongs to node 2 of cluster raft, which already runs here: pid N, since HH:MM\. See it: \.\/raft status Stop it: \.\/raft stop 2$/,
    );
    const detached = await made.run(["up", "--id", "7", "--data-dir", "d2", "-d"]);
    expect(detached).toMatchObject({ code: 8, stdout: "", stderr: running.stderr });
    await nodes.get(2)?.stop();
    const stopped = await made.run(["up", "--id", "7", "--data-dir", "d2"]);
    expect(stopped.code).toBe(8);
    expect(golden(stopped.stderr, made)).toBe(
      "d2: this directory belongs to node 2. Start that one: ./raft up --id 2 --data-dir d2; or name another directory: --data-dir DIR",
    );
    await made.start(commandIn(stopped.stderr.replace(/;.*$/m, ""))).waitForLine(/\bready:/);
  });

  it("is checked and wiped there, and started by --local there", async () => {
    const made = world({ env: { ...alone.env, RAFT_CLUSTER: "" } });
    mkdirSync(join(made.directory, "work", "labs"));
    const cwd = join(made.directory, "work", "labs");
    const up = ["up", "--local", "2", "--data-dir", "ours"];
    const nodes = made.start(up, { cwd });
    // The data is not where clients look for what runs here.
    const ready = await nodes.waitForLine(
      /ready: in another terminal \S+ (send --cluster local) "hello"$/,
      60_000,
    );
    await made.must([...(ready[1] ?? "").split(" "), "hello"], { cwd });
    await nodes.stop();
    const other = await made.run(["up", "--local", "3", "--data-dir", "ours"], { cwd });
    expect(other.stderr).toMatch(/go on with it: +\S+ up --local 2 --data-dir ours$/m);
    expect(other.stderr).toMatch(/wipe 1 --cluster local --data-dir ours\/1, and so for each/);
    expect(await made.must(["verify", "--data-dir", "ours"], { cwd })).toMatch(
      /^node 1 of cluster local[^]*sound\nnode 2 of cluster local[^]*sound\n$/,
    );
    await made.must(["wipe", "1", "--cluster", "local", "--data-dir", "ours/1", "--yes"], { cwd });
  });
});
