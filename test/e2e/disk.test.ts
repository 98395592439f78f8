/** Disks that fail and disks that are full, under one node of three. */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { cluster, until, world } from "./harness.ts";

const isRoot = process.getuid?.() === 0;
const canTrace = isRoot && Bun.which("strace") !== null;
if (!canTrace) console.warn("skipped: a disk that fails (needs root and strace)");
const canMount = isRoot && process.platform === "linux" && canMountTmpfs();
if (!canMount) console.warn("skipped: a full disk (tmpfs cannot be mounted here)");

function canMountTmpfs(): boolean {
  const directory = `/tmp/raft-try-${process.pid}`;
  mkdirSync(directory, { recursive: true });
  const mounted =
    spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "raft-try", directory]).status === 0;
  if (mounted) spawnSync("umount", [directory]);
  spawnSync("rmdir", [directory]);
  return mounted;
}

/** A file system of its own, of this many MiB, removed with the test. */
function tmpfs(directory: string, mebibytes: number): { resize: (mebibytes: number) => void } {
  mkdirSync(directory, { recursive: true });
  const mount = (...options: string[]) => {
    const ran = spawnSync("mount", [...options, directory], { encoding: "utf8" });
    if (ran.status !== 0) throw new Error(`mount ${options.join(" ")}: ${ran.stderr}`);
  };
  mount("-t", "tmpfs", "-o", `size=${mebibytes}m`, "raft-test");
  onTestFinished(() => void spawnSync("umount", ["-l", directory]));
  return { resize: (to) => mount("-o", `remount,size=${to}m`) };
}

describe.skipIf(!canTrace)("a disk whose fdatasync fails", () => {
  it("stops its node with 7, and the cluster goes on", async () => {
    const { world: made, nodes } = await cluster(3);
    await made.must(["send", "before"]);
    const { id } = JSON.parse(await made.must(["leader", "--json"])) as { id: number };
    const failing = nodes[id - 1];
    if (failing === undefined) throw new Error(`there is no node ${id}`);
    const calls = "fdatasync,fsync";
    const tracer = spawn(
      "strace",
      [
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        `trace=${calls}`,
        "-e",
        `inject=${calls}:error=EIO`,
        "-p",
        String(failing.pid),
      ],
      { stdio: "ignore" },
    );
    onTestFinished(() => void tracer.kill("SIGKILL"));
    // What the failing leader took is either finished by the next one or honestly unknown.
    await until(
      "another leader takes entries",
      async () => {
        const sent = await made.run(["send", "after", "--timeout", "5s"]);
        expect([0, 4, 5]).toContain(sent.code);
        return !failing.isRunning && sent.code === 0;
      },
      60_000,
    );
    expect((await failing.exited).code).toBe(7);
    expect(failing.lines.join("\n")).toMatch(/EIO/);
    expect(failing.lines.join("\n")).not.toMatch(/a bug in raft/);
    expect(await made.must(["log", "--raw"])).toMatch(/^before\n(after\n)+$/);
    // A sound disk again: the node comes back with everything.
    await made.up(id).waitForLine(/caught up|ready:/);
    await until("three voters", async () => (await made.run(["status", "--check"])).code === 0);
  });
});

describe.skipIf(!canMount)("a full disk", () => {
  it("refuses cleanly, stays readable, and goes on when there is space again", async () => {
    const made = world();
    const directory = join(made.directory, "small");
    const disk = tmpfs(directory, 40);
    const node = made.up(1, "--size", "1", "--data-dir", join(directory, "1"));
    await node.waitForLine(/ready:/);
    const entry = "x".repeat(1_000_000);
    let acknowledged = 0;
    let unknown = 0;
    // An entry that came while the last segment filled up waits for space, and a copy that is still
    // under way when the time is over has no answer yet: both are unknown, not refused.
    const refused = await until(
      "the disk is full",
      async () => {
        const sent = await made.run(["send", "-q", "--timeout", "2s", "-"], { stdin: entry });
        if (sent.code === 4) return sent;
        expect([0, 5], sent.stderr).toContain(sent.code);
        if (sent.code === 0) acknowledged += 1;
        else unknown += 1;
        return null;
      },
      60_000,
      0,
    );
    expect(refused.stderr).toMatch(/not added: the leader's disk is full/);
    expect(node.isRunning).toBe(true);
    const held = async () =>
      (await made.must(["log", "--raw"], { timeoutMs: 20_000 })).length / (entry.length + 1);
    expect(await held()).toBe(acknowledged);
    disk.resize(100);
    await until("it takes entries again", async () => {
      return (await made.run(["send", "-q", "--timeout", "3s", "-"], { stdin: entry })).code === 0;
    });
    expect(await held()).toBeGreaterThan(acknowledged);
    expect(await held()).toBeLessThanOrEqual(acknowledged + unknown + 1);
    expect(await node.stop()).toBe(0);
  });

  it("under a leader hands over, and the cluster goes on", async () => {
    const made = world();
    const directory = join(made.directory, "small");
    tmpfs(directory, 40);
    const nodes = [made.up(1, "--data-dir", join(directory, "1")), made.up(2), made.up(3)];
    await Promise.all(nodes.map((node) => node.waitForLine(/ready:/, 60_000)));
    const leaderNow = async () =>
      (JSON.parse(await made.must(["leader", "--wait", "--json"])) as { id: number }).id;
    if ((await leaderNow()) !== 1) await made.must(["transfer", "1"]);
    expect(await leaderNow()).toBe(1);
    const entry = `${"x".repeat(1_000_000)}\n`;
    await made.must(["send", "-q", "--timeout", "20s", "-"], {
      stdin: entry.repeat(60),
      timeoutMs: 60_000,
    });
    expect(await leaderNow()).not.toBe(1);
    expect((await made.must(["log", "--raw"])).length).toBe(60 * entry.length);
    expect(nodes.every((node) => node.isRunning)).toBe(true);
  });
});
