/** Disks that fail at one call, that are full, slow or hang, under one node of three. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { type RaftClient, RaftError } from "../../src/index.ts";
import { median } from "../quantile.ts";
import { cluster, type Running, until, type World, world } from "./harness.ts";
import { clientOf, equalLogs } from "./observe.ts";
import { attach, canTrace, type Injection } from "./strace.ts";

if (!canTrace) console.warn("skipped: failing, full and slow disks (needs root and strace)");

interface Trial {
  readonly made: World;
  readonly client: RaftClient;
  readonly leader: Running;
  readonly leaderId: number;
  readonly term: number;
  readonly follower: Running;
  readonly followerId: number;
}

/** A fault that ends with the current test. */
async function inject(...args: Parameters<typeof attach>): Promise<Injection> {
  const injection = await attach(...args);
  onTestFinished(injection.end);
  return injection;
}

/** Three nodes, told apart. */
async function trial(): Promise<Trial> {
  const { world: made, nodes } = await cluster(3);
  const client = await clientOf(made);
  await client.send("before", { timeoutMs: 20_000 });
  const { id: leaderId, term } = await client.leader({ wait: true });
  const followerId = (leaderId % 3) + 1;
  const [leader, follower] = [nodes[leaderId - 1], nodes[followerId - 1]];
  if (leader === undefined || follower === undefined) throw new Error("three nodes run");
  return { made, client, leader, leaderId, term, follower, followerId };
}

/** Sends entry after entry until `isOver`; returns those that were acknowledged, with their
 *  index. What fails may only be refused or unknown. */
async function sendWhile(client: RaftClient, isOver: () => boolean): Promise<Map<string, number>> {
  const acknowledged = new Map<string, number>();
  for (let number = 0; !isOver(); number++) {
    const entry = `entry ${number}`;
    try {
      acknowledged.set(entry, (await client.send(entry, { timeoutMs: 3_000 })).index);
    } catch (error) {
      expect(error).toBeInstanceOf(RaftError);
      expect([4, 5]).toContain((error as RaftError).exitCode);
    }
  }
  return acknowledged;
}

/** Every acknowledged entry is at its index in all three logs, which are equal. */
async function keepsAll(
  { made, client }: Trial,
  acknowledged: ReadonlyMap<string, number>,
): Promise<void> {
  const last = await client.send("the last", { timeoutMs: 20_000 });
  const log = await equalLogs(made, [1, 2, 3], last.index);
  for (const [entry, index] of acknowledged) {
    expect(log.filter((logged) => logged.entry === entry).map(({ index: at }) => at)).toEqual([
      index,
    ]);
  }
}

describe.skipIf(!canTrace)("one fdatasync that fails", () => {
  it.each([
    ["a leader", 3],
    ["a follower", 2],
  ] as const)("of %s stops it at once, for good, and nobody else (call %i)", async (role, at) => {
    const all = await trial();
    const { made, client } = all;
    const failing = role === "a leader" ? all.leader : all.follower;
    const id = role === "a leader" ? all.leaderId : all.followerId;
    const output = join(made.directory, "calls");
    await inject(failing, "fdatasync", `error=EIO:when=${at}`, { output });
    const acknowledged = await sendWhile(client, () => !failing.isRunning);
    expect((await failing.exited).code).toBe(7);
    const said = failing.lines.filter((line) => line.includes("EIO"));
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(
      /the disk of .* failed: .*EIO.*; this node stops, nothing acknowledged is lost$/,
    );
    const calls = readFileSync(output, "utf8").split("\n");
    const failedAt = calls.findIndex((call) => call.includes("(INJECTED)"));
    expect(failedAt).toBeGreaterThanOrEqual(0);
    // What fails is never synced again. Another file's sync may have been on its way to another
    // thread, where it fails too: calls are counted for each thread.
    const descriptor = /fdatasync\(\d+\)/.exec(calls[failedAt] ?? "")?.[0];
    expect(descriptor).toBeDefined();
    const later = calls.slice(failedAt + 1).filter((call) => call.includes("fdatasync("));
    expect(later.filter((call) => call.includes(descriptor ?? ""))).toEqual([]);
    expect(later.length).toBeLessThanOrEqual(1);
    // Without it the cluster takes entries; a sound disk brings it back.
    await client.send("without it", { timeoutMs: 20_000 });
    await made.up(id).waitForLine(/\bready:/, 30_000);
    await keepsAll(all, acknowledged);
  });
});

describe.skipIf(!canTrace)("no space for the next segment", () => {
  it("makes a leader hand over and stay readable, and it serves again once there is space", async () => {
    const all = await trial();
    const { made, client, leader, leaderId, term } = all;
    const directory = join(made.directory, "state", "raft", made.cluster, String(leaderId));
    const paths = [3, 4, 5, 6].map((creation) =>
      join(directory, `${String(creation).padStart(10, "0")}.preparing`),
    );
    const output = join(made.directory, "calls");
    const full = await inject(leader, "pwrite64,fdatasync", "error=ENOSPC", { paths, output });
    // The segment in use and the one that is ready hold 8 MiB and more.
    const entry = "x".repeat(500_000);
    const next = await until("another node leads", async () => {
      await client.send(entry, { timeoutMs: 10_000 });
      const now = await client.leader({ wait: true });
      return now.id === leaderId ? null : now;
    });
    expect(next.term).toBeGreaterThan(term);
    expect(readFileSync(output, "utf8")).toContain("ENOSPC (No space left on device) (INJECTED)");
    const { index } = await client.send("on the others", { timeoutMs: 10_000 });
    expect(leader.isRunning).toBe(true);
    const read = ["log", "--node", String(leaderId), "--stale", "-n", "1", "--json"];
    expect((await made.run(read)).code).toBe(0);
    await full.end();
    await until("it leads again", async () => {
      return (await made.run(["transfer", String(leaderId), "--timeout", "3s"])).code === 0;
    });
    expect((await client.leader({ wait: true })).id).toBe(leaderId);
    const last = await client.send("here again", { timeoutMs: 10_000 });
    expect(last.index).toBeGreaterThan(index);
    expect(leader.lines.filter((line) => /a bug in raft|EIO/.test(line))).toEqual([]);
  });
});

describe.skipIf(!canTrace)("an fdatasync that takes its time", () => {
  it.each([
    ["for two seconds", 2_000_000],
    ["for good", 3_600_000_000],
  ] as const)("%s: the leader makes room, and the cluster goes on (63)", async (_, delayUs) => {
    const all = await trial();
    const { client, leader, leaderId, term } = all;
    const slow = await inject(leader, "fdatasync", `delay_enter=${delayUs}`);
    const startedMs = performance.now();
    let over = false;
    const sending = sendWhile(client, () => over);
    const next = await until("another node leads", async () => {
      const now = await client.leader({ wait: true, timeoutMs: 10_000 }).catch(() => null);
      return now !== null && now.id !== leaderId ? now : null;
    });
    expect(performance.now() - startedMs).toBeLessThan(10_000);
    expect(next.term).toBeGreaterThan(term);
    await client.send("under the next", { timeoutMs: 10_000 });
    expect(leader.lines.join("\n")).toMatch(/own disk has not completed a write for/);
    expect(leader.isRunning).toBe(true);
    // The one whose disk is slow does not come back to power while it is.
    expect((await client.leader({ wait: true })).id).not.toBe(leaderId);
    await slow.end();
    over = true;
    const acknowledged = await sending;
    await keepsAll(all, acknowledged);
  });

  it("at a follower costs the others nothing", async () => {
    const all = await trial();
    const { client, follower, leaderId, term } = all;
    const slow = await inject(follower, "fdatasync", "delay_enter=1000000");
    const tookMs: number[] = [];
    const acknowledged = new Map<string, number>();
    for (let number = 0; number < 50; number++) {
      const receipt = await client.send(`entry ${number}`, { timeoutMs: 10_000 });
      acknowledged.set(`entry ${number}`, receipt.index);
      tookMs.push(receipt.tookMs);
    }
    expect(median(tookMs)).toBeLessThan(250);
    expect(await client.leader({ wait: true })).toMatchObject({ id: leaderId, term });
    await slow.end();
    await keepsAll(all, acknowledged);
  });
});

describe.skipIf(!canTrace)("one call that fails while a node starts", () => {
  it("ends it with a sentence and leaves a directory that the next start takes", async () => {
    const made = world();
    const up = ["up", "--id", "1", "--size", "1"];
    // The first row meets a fresh directory, the others a member's after a kill.
    for (const [calls, at] of [
      ["fdatasync", 5],
      ["rename", 3],
      ["fsync", 4],
      ["pwrite64", 3],
      ["fdatasync", 4],
      ["rename", 4],
    ] as const) {
      const output = join(made.directory, "calls");
      const filter = ["-o", output, "-e", `trace=${calls}`];
      const fault = ["-e", `inject=${calls}:error=EIO:when=${at}`];
      const within = ["strace", "-D", "-f", "-qq", ...filter, ...fault];
      const { code, stderr, timedOut } = await made.run(up, { within });
      const what = `${calls}, call ${at}: ${stderr}`;
      expect(timedOut, what).toBe(false);
      expect(readFileSync(output, "utf8"), what).toContain("(INJECTED)");
      expect([7, 8], what).toContain(code);
      expect(stderr.split("\n").at(-2), what).toMatch(/EIO: i\/o error/);
      const node = made.start(up);
      await node.waitForLine(/\bready:/, 30_000);
      await made.must(["send", `${calls} ${at}`, "--timeout", "10s"]);
      await node.kill();
    }
    const last = made.start(up);
    await last.waitForLine(/\bready:/, 30_000);
    const entries = (await made.must(["log", "--json"])).trimEnd().split("\n");
    expect(entries).toHaveLength(6);
  });
});
