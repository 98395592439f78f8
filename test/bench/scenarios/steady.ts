/** Full load for as long as is wanted: nobody should be elected without cause. How near it came is
 *  the longest time for which a follower heard nothing of its leader. */
import { spawn } from "node:child_process";
import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { sleep } from "../../e2e/world.ts";
import type { Cluster } from "../cluster.ts";
import { freePorts } from "../free-ports.ts";
import { Pulse } from "../pulse.ts";
import { higher, lower, type Bench, type RunResult, type Scenario } from "../scenario.ts";

const WARM_UP_MS = 1_500;
const LOOK_MS = 500;
/** What the disk's competitor writes at once, and the size of its file. */
const HOG_WRITE_BYTES = 4 << 20;
const HOG_FILE_BYTES = 512 << 20;

interface Trouble {
  readonly outstanding: number;
  /** Whether each of these entries is of a session of its own. */
  readonly inSessions: boolean;
  /** Processes beside it that never rest. */
  readonly busyLoops: number;
  /** A process beside it that writes and syncs without rest. */
  readonly busyDisk: boolean;
}

function scenario(name: string, about: string, trouble: Trouble): Scenario {
  return {
    name,
    about: `elections under load: ${about}`,
    main: false,
    settings: { ...trouble, size: 100, nodes: 3 },
    run: (bench) => run(bench, trouble),
  };
}

const alone = { inSessions: false, busyLoops: 0, busyDisk: false };

export const steadies: readonly Scenario[] = [
  scenario("steady-1000", "1,000 outstanding", { outstanding: 1_000, ...alone }),
  scenario("steady-10000", "10,000 outstanding", { outstanding: 10_000, ...alone }),
  scenario("steady-sessions", "1,000 sessions, one entry outstanding each", {
    outstanding: 1_000,
    ...alone,
    inSessions: true,
  }),
  scenario("steady-busy-cpu", "1,000 outstanding, two busy loops beside", {
    outstanding: 1_000,
    ...alone,
    busyLoops: 2,
  }),
  scenario("steady-busy-disk", "1,000 outstanding, a saturated disk", {
    outstanding: 1_000,
    ...alone,
    busyDisk: true,
  }),
];

async function run(bench: Bench, trouble: Trouble): Promise<RunResult> {
  const ports = await freePorts(3);
  const cluster = await bench.cluster({
    args: (id) => ["--http", `127.0.0.1:${ports[id - 1]}`],
  });
  const client = await cluster.connect();
  const pulse = new Pulse(client);
  for (let loop = 0; loop < trouble.busyLoops; loop++) hog(bench, "cpu");
  if (trouble.busyDisk) hog(bench, join(bench.directory, "hog"));
  await pulse.start(trouble.outstanding, trouble.inSessions);
  await sleep(WARM_UP_MS);
  const before = { term: pulse.term, acknowledged: pulse.acknowledged };
  pulse.takeGapMs();
  const startedMs = performance.now();
  let silenceMs = 0;
  while (performance.now() - startedMs < bench.seconds * 1_000) {
    await sleep(LOOK_MS);
    silenceMs = Math.max(silenceMs, await longestSilenceMs(cluster, ports));
  }
  const seconds = (performance.now() - startedMs) / 1_000;
  const entries = pulse.acknowledged - before.acknowledged;
  const gapMs = pulse.takeGapMs();
  await pulse.stop();
  return {
    figures: [
      lower("elections", pulse.term - before.term, ""),
      lower("longest silence", silenceMs, "ms"),
      lower("longest pause of receipts", gapMs, "ms"),
      higher("entries", entries / seconds, "/s"),
    ],
    verified: await pulse.verify(),
  };
}

/** The longest that any follower has waited for the leader of its term. */
async function longestSilenceMs(cluster: Cluster, ports: readonly number[]): Promise<number> {
  const silences = cluster.ids.map(async (id) => {
    const answer = await fetch(`http://127.0.0.1:${ports[id - 1]}/status`);
    const { longest_silence_ms: ms } = (await answer.json()) as { longest_silence_ms: number };
    return ms;
  });
  return Math.max(...(await Promise.all(silences)));
}

/** A process that takes all it can get of the processor, or of the disk under the file `path`. */
function hog(bench: Bench, path: string): void {
  const child = spawn(process.execPath, [import.meta.path, path], { stdio: "ignore" });
  bench.defer(() => void child.kill("SIGKILL"));
}

function burn(): never {
  for (;;);
}

function writeOn(path: string): never {
  const file = openSync(path, "w");
  const bytes = Buffer.alloc(HOG_WRITE_BYTES, 1);
  try {
    for (let offset = 0; ; offset = (offset + bytes.length) % HOG_FILE_BYTES) {
      writeSync(file, bytes, 0, bytes.length, offset);
      fdatasyncSync(file);
    }
  } finally {
    closeSync(file);
  }
}

if (import.meta.main) {
  const path = process.argv[2] ?? "cpu";
  if (path === "cpu") burn();
  writeOn(path);
}
