/** Memory stays bounded, whatever others do: a follower that is dead, a reader that does not read.
 *  A process may grow by less than what is written meanwhile: whoever kept it all would hold that
 *  beside what it needs anyway. */
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { existsSync } from "node:fs";
import type { Readable } from "node:stream";
import { onTestFinished, describe, expect, it } from "vitest";
import { openKey, RaftClient } from "../../src/index.ts";
import { processUse } from "../bench/process-use.ts";
import { cluster, executable, sleep, type World } from "./harness.ts";

const MEGABYTE = 1e6;
/** After this a node has its segments, its pages and its compiled code. */
const FIRST_MEGABYTES = 30;
const WRITTEN_MEGABYTES = 150;
/** Of the peak, while WRITTEN_MEGABYTES are written; 22 to 77 were measured, in 3 runs. */
const NODE_GROWTH_MEGABYTES_MAX = 120;
/** The same of `raft log -f`; none was measured. */
const READER_GROWTH_MEGABYTES_MAX = 40;
const ENTRY_BYTES = 8_192;
const OUTSTANDING = 64;
const QUIET_MS = 300;
const SEND_TIMEOUT_MS = 60_000;
const TEST_MS = 180_000;

async function connect(world: World): Promise<RaftClient> {
  const client = await RaftClient.connect({ key: openKey(world.cluster), loopbackOnly: true });
  onTestFinished(() => client.close());
  return client;
}

async function write(client: RaftClient, megabytes: number): Promise<void> {
  const entry = Buffer.alloc(ENTRY_BYTES, "m");
  let left = Math.ceil((megabytes * MEGABYTE) / ENTRY_BYTES);
  const work = async (): Promise<void> => {
    while (left-- > 0) await client.send(entry, { timeoutMs: SEND_TIMEOUT_MS });
  };
  await Promise.all(Array.from({ length: OUTSTANDING }, work));
}

/** By how much each process' peak rises while `run` goes on, in megabytes. */
async function growths(pids: readonly number[], run: () => Promise<void>): Promise<number[]> {
  const before = pids.map(peakMegabytes);
  await run();
  return pids.map((pid, at) => peakMegabytes(pid) - (before[at] ?? 0));
}

/** Waits until a process has nothing more to do. */
async function quiet(pid: number): Promise<void> {
  for (let before = -1, now = 0; now !== before; now = processUse(pid).cpuSeconds) {
    before = now;
    await sleep(QUIET_MS);
  }
}

const peakMegabytes = (pid: number) => processUse(pid).rssPeakBytes / MEGABYTE;

const hasProc = existsSync("/proc/self/status");
if (!hasProc) console.warn("skipped: memory of the processes (there is no /proc that tells it)");

describe.skipIf(!hasProc)("memory", () => {
  it(
    "of the others does not grow with what a dead follower misses",
    async () => {
      const { world, nodes } = await cluster(3);
      const client = await connect(world);
      await write(client, FIRST_MEGABYTES);
      const { id } = await client.leader({ wait: true, timeoutMs: 10_000 });
      const dead = nodes[id % 3];
      await dead?.kill();
      const living = nodes.filter((node) => node !== dead).map(({ pid }) => pid);
      const grown = await growths(living, () => write(client, WRITTEN_MEGABYTES));
      expect(Math.max(...grown), grown.join(" ")).toBeLessThan(NODE_GROWTH_MEGABYTES_MAX);
    },
    TEST_MS,
  );

  it(
    "of nodes and of `raft log -f` does not grow with what its reader leaves unread",
    async () => {
      const { world, nodes } = await cluster(3);
      const client = await connect(world);
      await write(client, FIRST_MEGABYTES);
      const { stdout, pid: reader = 0 } = follow(world);
      // It has printed more than a pipe holds, and waits until it can go on.
      await new Promise((resolve) => stdout.once("readable", resolve));
      await quiet(reader);
      const pids = [reader, ...nodes.map(({ pid }) => pid)];
      const [grown = Infinity, ...ofNodes] = await growths(pids, async () => {
        await write(client, WRITTEN_MEGABYTES);
        await quiet(reader);
      });
      expect(grown).toBeLessThan(READER_GROWTH_MEGABYTES_MAX);
      expect(Math.max(...ofNodes), ofNodes.join(" ")).toBeLessThan(NODE_GROWTH_MEGABYTES_MAX);
    },
    TEST_MS,
  );
});

/** `raft log -f`, whose output nobody reads beyond what a pipe and a stream hold. */
function follow(world: World): ChildProcessByStdio<null, Readable, null> {
  const reader = spawn(executable, ["log", "-f", "--raw"], {
    env: world.env,
    stdio: ["ignore", "pipe", "ignore"],
  });
  onTestFinished(() => void reader.kill("SIGKILL"));
  return reader;
}
