/** Bytes that rot in the files of stopped nodes: seen by `raft verify`, repaired from the others or
 *  refused with a sentence, and never cut away in silence. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cluster, type Running, until, type World } from "./harness.ts";
import { clientOf, equalLogs } from "./observe.ts";

const OLD_ENTRIES = 45;
const OLD_ENTRY_BYTES = 100_000;

interface Stopped {
  readonly made: World;
  readonly nodes: Running[];
  /** The index of the last entry, which is "the last". */
  readonly lastIndex: number;
}

/** A cluster that was idle before it was stopped; `large`: with a segment that is no longer in
 *  use. */
async function stopped(size: number, large = false): Promise<Stopped> {
  const { world: made, nodes } = await cluster(size);
  const client = await clientOf(made);
  const padding = large ? "x".repeat(OLD_ENTRY_BYTES) : "";
  const entries = Array.from({ length: OLD_ENTRIES }, (_, number) => `old ${number}; ${padding}`);
  await Promise.all(entries.map((entry) => client.send(entry, { timeoutMs: 30_000 })));
  const { index } = await client.send("the last", { timeoutMs: 30_000 });
  const ids = nodes.map((_, at) => at + 1);
  await equalLogs(made, ids, index);
  await Promise.all(nodes.map((node) => node.stop()));
  return { made, nodes, lastIndex: index };
}

function directoryOf({ made }: Stopped, id: number): string {
  return join(made.directory, "state", "raft", made.cluster, String(id));
}

/** Flips one bit in the byte at `offset`; twice makes it good again. */
function rot(file: string, offset: number): void {
  const bytes = readFileSync(file);
  bytes[offset] = (bytes[offset] ?? 0) ^ 4;
  // In place: the identity knows its own inode.
  writeFileSync(file, bytes, { flag: "r+" });
}

/** Where a text is in the segments of a node: file and offset. */
function find(directory: string, text: string): { file: string; offset: number } {
  for (const name of readdirSync(directory).filter((each) => each.endsWith(".log"))) {
    const offset = readFileSync(join(directory, name)).lastIndexOf(text);
    if (offset >= 0) return { file: join(directory, name), offset };
  }
  throw new Error(`${text} is not in ${directory}`);
}

async function verifyCode(all: Stopped, id: number, says: RegExp): Promise<number | null> {
  const { code, stdout, stderr } = await all.made.run(["verify", directoryOf(all, id)]);
  expect(stdout + stderr).toMatch(says);
  return code;
}

/** Everything, read at that node. */
async function readAt({ made }: Stopped, id: number): Promise<string> {
  const args = ["log", "--node", String(id), "--raw", "--timeout", "10s"];
  return until(`node ${id} has its whole log`, async () => {
    const { code, stdout } = await made.run(args);
    return code === 0 ? stdout : null;
  });
}

describe("one old record that rots while its node runs", () => {
  it("is found by raft verify, in what is no longer written to, and repaired by reading it", async () => {
    const all = await stopped(3, true);
    const { made } = all;
    const nodes = [1, 2, 3].map((id) => made.up(id));
    for (const node of nodes) await node.waitForLine(/\bready:/, 60_000);
    expect(
      await verifyCode(all, 2, /^node 2 of .* runs,[^]*0000000001\.log +good +1 to \d+$/m),
    ).toBe(0);
    expect(
      await verifyCode(all, 2, /^\d{10}\.log +in use[^]*^sound, as far as it is not in use$/m),
    ).toBe(0);
    const { file, offset } = find(directoryOf(all, 2), "old 20; ");
    rot(file, offset);
    const repair = /damaged: another member's copy repairs .* read: \S+ (log --node 2)/;
    expect(await verifyCode(all, 2, repair)).toBe(7);
    expect(await readAt(all, 2)).toContain("old 20; ");
    await nodes[1]?.waitForLine(/repaired with the copy of node/);
    await until("it is sound again", async () => (await verifyCode(all, 2, /./)) === 0);
    // Whatever else runs here is checked as well, and a fresh node has nothing yet to check.
    const fresh = made.up(9);
    await fresh.waitForLine(/data in /);
    expect((await made.run(["verify"])).stdout).toMatch(
      /^node 9 of .* runs, .*: not checked, as all/m,
    );
  });
});

describe("one old record that rotted in each of two nodes", () => {
  it("is repaired by the other one, with the third away (61)", async () => {
    const all = await stopped(3, true);
    for (const id of [1, 2]) {
      const { file, offset } = find(directoryOf(all, id), `old ${id * 10}; `);
      expect(file).toMatch(/0000000001\.log$/);
      rot(file, offset);
      expect(await verifyCode(all, id, /entr.* damaged/)).toBe(7);
    }
    const nodes = [1, 2].map((id) => all.made.up(id));
    await Promise.all(nodes.map((node) => node.waitForLine(/\bready:/, 30_000)));
    const logs = [await readAt(all, 1), await readAt(all, 2)];
    expect(logs[0]).toBe(logs[1]);
    expect(logs[0]?.split("\n")).toHaveLength(OLD_ENTRIES + 2);
    for (const node of nodes) await node.waitForLine(/repaired with the copy of node [12]/);
    await all.made.must(["send", "goes on", "--timeout", "10s"]);
    for (const [at, node] of nodes.entries()) {
      expect(await node.stop()).toBe(0);
      expect(await verifyCode(all, at + 1, /sound/)).toBe(0);
    }
  });
});

describe("the last batch of an idle node that rotted", () => {
  it("is no torn tail: it is reported, and repaired from the others (60)", async () => {
    const all = await stopped(3);
    const { file, offset } = find(directoryOf(all, 2), "the last");
    rot(file, offset);
    expect(await verifyCode(all, 2, new RegExp(`entr.* ${all.lastIndex} .*damaged`))).toBe(7);
    const rotten = all.made.up(2);
    await rotten.waitForLine(new RegExp(`damage: entries ${all.lastIndex} to ${all.lastIndex}`));
    const others = [1, 3].map((id) => all.made.up(id));
    await Promise.all([rotten, ...others].map((node) => node.waitForLine(/\bready:/, 30_000)));
    await rotten.waitForLine(/repaired with the copy of node [13]/);
    expect(await readAt(all, 2)).toMatch(/\nthe last\n$/);
    expect(rotten.lines.join("\n")).not.toMatch(/torn/);
    expect(await rotten.stop()).toBe(0);
    expect(await verifyCode(all, 2, /sound/)).toBe(0);
  });
});

describe("term and vote", () => {
  it("live in two slots: either may rot, and of both the node says that it has lost them", async () => {
    const all = await stopped(1);
    const file = join(directoryOf(all, 1), "hardstate");
    const termsOf = () => [20, 4_096 + 20].map((at) => readFileSync(file).readUInt32BE(at));
    const [term = 0] = termsOf();
    expect(termsOf()).toEqual([term, term]);
    for (const slot of [0, 4_096]) {
      rot(file, slot + 20);
      expect(await verifyCode(all, 1, /hardstate.*one of the two slots/)).toBe(0);
      const node = all.made.up(1, "--size", "1");
      await node.waitForLine(/hardstate: one of the two slots did not verify/);
      await node.waitForLine(/\bready:/);
      expect(await node.stop()).toBe(0);
      const [first = 0, second = 0] = termsOf();
      expect(Math.min(first, second)).toBeGreaterThanOrEqual(term);
    }
    for (const slot of [0, 4_096]) rot(file, slot + 20);
    expect(await verifyCode(all, 1, /neither slot can be read/)).toBe(7);
    const { code, stderr } = await all.made.run(["up", "--id", "1", "--size", "1"]);
    expect(code).toBe(7);
    expect(stderr).toMatch(/storage damaged: .*hardstate.* It can never vote under this identity/);
  });
});

describe("an identity, or the head of a segment, that rotted", () => {
  it.each([
    ["identity", 30, /cannot|damaged/],
    ["0000000001.log", 40, /storage damaged: .*0000000001\.log at offset 0: .*Nothing was changed/],
  ] as const)("%s: exit 7 with a sentence, and nothing is changed", async (name, offset, says) => {
    const all = await stopped(1);
    const file = join(directoryOf(all, 1), name);
    rot(file, offset);
    const rotten = readFileSync(file);
    expect(await verifyCode(all, 1, new RegExp(name))).toBe(7);
    const { code, stderr } = await all.made.run(["up", "--id", "1", "--size", "1"]);
    expect([code, stderr]).toEqual([7, expect.stringMatching(says)]);
    expect(readFileSync(file).equals(rotten)).toBe(true);
    rot(file, offset);
    expect(await verifyCode(all, 1, /sound/)).toBe(0);
    await all.made.up(1, "--size", "1").waitForLine(/\bready:/, 30_000);
    expect(await readAt(all, 1)).toMatch(/\nthe last\n$/);
  });
});
