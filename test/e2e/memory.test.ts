/** Memory stays bounded, whatever others do: a follower that is dead, a reader that does not read.
 *  What is written meanwhile would fill a node with more than the bound here. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { onTestFinished, describe, expect, it } from "vitest";
import { openKey, RaftClient } from "../../src/index.ts";
import { processUse } from "../bench/process-use.ts";
import { cluster, executable, sleep, type World } from "./harness.ts";

const MEGABYTE = 1e6;
const SEND_TIMEOUT_MS = 60_000;
const TEST_MS = 180_000;

async function connect(world: World): Promise<RaftClient> {
  const client = await RaftClient.connect({ key: openKey(world.cluster), loopbackOnly: true });
  onTestFinished(() => client.close());
  return client;
}

/** Writes `megabytes` in entries of `entryBytes`, with `outstanding` of them under way. */
async function write(
  client: RaftClient,
  megabytes: number,
  entryBytes: number,
  outstanding: number,
): Promise<void> {
  const entry = Buffer.alloc(entryBytes, "m");
  let left = Math.ceil((megabytes * MEGABYTE) / entryBytes);
  const work = async (): Promise<void> => {
    while (left-- > 0) await client.send(entry, { timeoutMs: SEND_TIMEOUT_MS });
  };
  await Promise.all(Array.from({ length: outstanding }, work));
}

const peakMegabytes = (pid: number) => processUse(pid).rssPeakBytes / MEGABYTE;

describe.skipIf(!existsSync("/proc/self/status"))("memory (read from Linux' /proc)", () => {
  it(
    "of a leader does not grow with what a dead follower misses",
    async () => {
      const { world, nodes } = await cluster(3);
      const client = await connect(world);
      const { id } = await client.leader({ wait: true, timeoutMs: 10_000 });
      await nodes[id % 3]?.kill();
      await write(client, 250, 8_192, 64);
      expect(peakMegabytes(nodes[id - 1]?.pid ?? 0)).toBeLessThan(330);
    },
    TEST_MS,
  );

  it(
    "of nodes and of `raft log -f` does not grow with what its reader leaves unread",
    async () => {
      const { world, nodes } = await cluster(3);
      const client = await connect(world);
      const reader = spawn(executable, ["log", "-f", "--raw"], {
        env: world.env,
        stdio: ["ignore", "pipe", "ignore"],
      });
      onTestFinished(() => void reader.kill("SIGKILL"));
      await write(client, 250, 8_192, 64);
      // It has read more than a pipe holds, and waits.
      await new Promise((resolve) => reader.stdout.once("readable", resolve));
      await sleep(1_000);
      expect(peakMegabytes(reader.pid ?? 0)).toBeLessThan(250);
      for (const { pid } of nodes) expect(peakMegabytes(pid)).toBeLessThan(330);
    },
    TEST_MS,
  );
});
