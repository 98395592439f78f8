/** The public library: nodes and a client in one program, and the example of its README. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { cluster, until } from "./harness.ts";
import { clientOf } from "./observe.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The first TypeScript block of a README. */
function exampleOf(path: string): string {
  const block = /```ts\n(.*?)```/s.exec(readFileSync(join(root, path), "utf8"));
  if (block?.[1] === undefined) throw new Error(`${path} has no example`);
  return block[1];
}

describe("the example in src/client/README.md", () => {
  it("has about ten lines, and runs as it stands", async () => {
    const example = exampleOf("src/client/README.md");
    expect(example.split("\n").filter((line) => line.trim() !== "").length).toBeLessThanOrEqual(12);
    const directory = mkdtempSync(join(tmpdir(), "raft-example-"));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    const program = join(directory, "example.ts");
    // In the repository the library is at ./src/index.ts; from here it is elsewhere.
    writeFileSync(program, example.replaceAll(/"\.\/src\//g, `"${root}src/`));
    const run = Bun.spawn([process.execPath, program], {
      cwd: directory,
      stdout: "pipe",
      stderr: "pipe",
      env: { ...process.env, HOME: directory },
    });
    const timer = setTimeout(() => run.kill("SIGKILL"), 60_000);
    const [code, out, errors] = await Promise.all([
      run.exited,
      new Response(run.stdout).text(),
      new Response(run.stderr).text(),
    ]);
    clearTimeout(timer);
    expect(errors).toBe("");
    expect(code).toBe(0);
    expect(out).toMatch(/hello/);
  });
});

describe("RaftClient", () => {
  it("sends, reads, follows until it is told to stop, asks, and stops the leader", async () => {
    const { world } = await cluster(3);
    const client = await clientOf(world, { timeoutMs: 10_000 });
    const together = await client.send(["a", "b"]);
    expect(together).toMatchObject({ count: 2, duplicate: false });
    expect(together.holders.length).toBeGreaterThanOrEqual(2);
    const texts: string[] = [];
    for await (const { bytes } of client.log()) texts.push(new TextDecoder().decode(bytes));
    expect(texts).toEqual(["a", "b"]);

    const stop = new AbortController();
    const followed: string[] = [];
    const following = (async () => {
      for await (const { bytes } of client.follow({ signal: stop.signal })) {
        followed.push(new TextDecoder().decode(bytes));
      }
    })();
    await client.send("c");
    await until("c is followed", () => followed.length === 3);
    expect(followed).toEqual(["a", "b", "c"]);
    stop.abort();
    await following;

    const status = await client.status();
    expect(status).toMatchObject({ healthy: true, voters: 3 });
    const before = await client.leader();
    expect(before.id).toBe(status.leader);
    expect((await client.stopLeader({ kill: true })).id).toBe(before.id);
    const { term } = await client.send("d");
    expect(term).toBeGreaterThan(before.term);
  });

  it("gives up when its caller does", async () => {
    const { world, nodes } = await cluster(3);
    await nodes[0]?.kill();
    await nodes[1]?.kill();
    const client = await clientOf(world);
    const started = performance.now();
    const signal = AbortSignal.timeout(300);
    await expect(client.send("x", { signal, timeoutMs: 30_000 })).rejects.toMatchObject({
      name: "RaftError",
    });
    expect(performance.now() - started).toBeLessThan(3_000);
  });
});
