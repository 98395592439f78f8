/** What lies and runs on this machine, as commands see it: several clusters under one account,
 *  commands side by side, nodes in the background. */
import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { type World, world } from "./harness.ts";

/** A founded cluster of one node; its name is in no environment. */
async function alone(made: World, name: string) {
  const node = made.start(["up", "--id", "1", "--size", "1", "--cluster", name]);
  await node.waitForLine(/\bready:/);
  return node;
}

const unnamed = { env: { RAFT_CLUSTER: "" } };

describe("clusters on one machine", () => {
  it("are not mixed up by commands side by side: no look is taken for a node", async () => {
    const made = world();
    for (const name of ["old-1", "old-2"]) await (await alone(made, name)).stop();
    await alone(made, "now");
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => made.run(["leader"], unnamed)),
    );
    expect(answers.map(({ code }) => code)).toEqual(answers.map(() => 0));
  });

  it("are all listed, and a command that means one of them asks which", async () => {
    const made = world();
    await Promise.all(["one", "two"].map((name) => alone(made, name)));
    const listed = await made.must(["clusters"], unnamed);
    expect(listed).toMatch(/^one .*\n.*^two /ms);
    const { clusters } = JSON.parse(await made.must(["clusters", "--json"], unnamed));
    expect(clusters).toMatchObject(
      ["one", "two"].map((cluster) => ({
        cluster,
        auth: "open",
        nodes: [{ id: 1, address: expect.stringMatching(/^127\.0\.0\.1:\d+$/) }],
      })),
    );
    const asked = await made.run(["leader"], unnamed);
    expect(asked).toMatchObject({ code: 2, stdout: "" });
    expect(asked.stderr).toMatch(/which one is meant\? {2}--cluster one {2}or {2}--cluster two/);
  });
});

describe("a program", () => {
  it("gets one object of which raft this is, and one that says that no cluster is heard", async () => {
    const made = world();
    const shown = await made.must(["version"]);
    const { version, commit, platform, arch, bun } = JSON.parse(
      await made.must(["version", "--json"]),
    );
    expect(shown).toBe(`raft ${version} (commit ${commit}, ${platform} ${arch}, Bun ${bun})\n`);
    expect(await made.must(["--version", "--json"])).toBe(await made.must(["version", "--json"]));
    const alone = { env: { ...unnamed.env, RAFT_MULTICAST_PORT: "7999" } };
    const none = await made.run(["clusters", "--json"], alone);
    expect(none).toMatchObject({ code: 3, stderr: "" });
    expect(JSON.parse(none.stdout)).toEqual({
      error: "no cluster is heard on this network",
      clusters: [],
    });
  });
});

describe("a node in the background", () => {
  it("that may not start says why, and the log of the one that runs stays as it is", async () => {
    const made = world();
    const up = ["up", "--id", "1", "--size", "1", "-d"];
    const pid = Number(await made.must(up));
    onTestFinished(() => void process.kill(pid, "SIGKILL"));
    await made.must(["leader", "--wait", "--timeout", "10s"]);
    const log = join(made.directory, "state", "raft", made.cluster, "1.log");
    const before = readFileSync(log, "utf8");
    const refused = await made.run(up);
    expect(refused).toMatchObject({ code: 8, stdout: "" });
    expect(refused.stderr).toContain(`already runs here: pid ${pid}`);
    expect(readFileSync(log, "utf8")).toBe(before);
  });

  it("that ends at once shows its last words", async () => {
    const made = world();
    const taken = createSocket("udp4");
    await new Promise<void>((resolve) => taken.bind(0, () => resolve()));
    onTestFinished(() => void taken.close());
    const { port } = taken.address();
    const result = await made.run(["up", "--id", "2", "-d", "--port", String(port)]);
    expect(result).toMatchObject({ code: 8, stdout: "" });
    expect(result.stderr).toMatch(
      /^port \d+ cannot be used .*\nit ended at once \(exit 8\); log in /,
    );
  });
});
