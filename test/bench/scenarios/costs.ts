/** What one entry costs: CPU by process, datagrams, bytes on disk, calls of fdatasync; and the
 *  memory of each process after the load. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { endOfBytes } from "../../../src/storage/bytes.ts";
import { creationOf } from "../../../src/storage/segment-head.ts";
import { until } from "../../e2e/world.ts";
import type { Cluster } from "../cluster.ts";
import { FIRST_LOAD } from "./loads.ts";
import {
  higher,
  lower,
  type Bench,
  type Measured,
  type RunResult,
  type Scenario,
} from "../scenario.ts";

const SIZE = 100;
const MEGABYTE = 1_000_000;
const END_TIMEOUT_MS = 10_000;

export const costs: readonly Scenario[] = [1, 64, 1_000].flatMap((outstanding) => [
  {
    name: `cost-${outstanding}`,
    about: `what an entry costs; ${outstanding.toLocaleString("en")} of ${SIZE} B outstanding`,
    main: false,
    settings: { outstanding, size: SIZE, nodes: 3 },
    run: (bench: Bench) => measureCost(bench, outstanding),
  },
  {
    name: `syncs-${outstanding}`,
    about: `calls of fdatasync, counted by strace; ${outstanding.toLocaleString("en")} outstanding`,
    main: false,
    settings: { outstanding, size: SIZE, nodes: 3 },
    unavailable: straceMissing,
    run: (bench: Bench) => measureSyncs(bench, outstanding),
  },
]);

async function measureCost(bench: Bench, outstanding: number): Promise<RunResult> {
  const cluster = await bench.cluster();
  const leader = await cluster.leader();
  const first = await bench.load(cluster, FIRST_LOAD);
  const bytesBefore = logBytes(cluster.dataDirectory(leader));
  const load = { outstanding, size: SIZE, seconds: bench.seconds };
  const { entries, seconds, use, verified, entriesPerSecond } = await bench.load(cluster, load);
  // The clocks of processes and load begin some milliseconds apart.
  const counted = (entries * use.seconds) / seconds;
  const us = (cpuSeconds: number) => (cpuSeconds * 1_000_000) / counted;
  const followers = [...use.nodesCpuSeconds].filter(([id]) => id !== leader);
  const rss = (id: number) => (use.nodesRssBytes.get(id) ?? NaN) / MEGABYTE;
  const followersRss = followers.map(([id]) => rss(id));
  const bytes = logBytes(cluster.dataDirectory(leader)) - bytesBefore;
  return {
    figures: [
      lower("leader CPU", us(use.nodesCpuSeconds.get(leader) ?? NaN), "us/entry"),
      lower("follower CPU", us(mean(followers.map(([, cpuSeconds]) => cpuSeconds))), "us/entry"),
      lower("client CPU", us(use.clientCpuSeconds), "us/entry"),
      lower("datagrams", use.datagrams / counted, "/entry"),
      lower("log", bytes / verified, "B/entry"),
      lower("leader memory", rss(leader), "MB"),
      lower("follower memory", Math.max(...followersRss), "MB"),
      lower("client memory", use.clientRssBytes / MEGABYTE, "MB"),
      higher("entries", entriesPerSecond, "/s"),
    ],
    verified: first.verified + verified,
  };
}

/** What segments hold up to their last byte that is not zero: the room that is prepared behind it
 *  is not counted. */
function logBytes(directory: string): number {
  const segments = readdirSync(directory).filter((name) => creationOf(name) !== null);
  const lengths = segments.map((name) => endOfBytes(readFileSync(join(directory, name)), 0));
  return lengths.reduce((sum, length) => sum + length, 0);
}

/** Only fdatasync is stopped at, so everything else runs as without strace; the entries per second
 *  show what that costs. Counted from start to end; founding needs some twenty a node. */
async function measureSyncs(bench: Bench, outstanding: number): Promise<RunResult> {
  const summary = (id: number) => join(bench.directory, `syncs-${id}`);
  const filter = ["--seccomp-bpf", "-c", "-e", "trace=fdatasync"];
  const cluster = await bench.cluster({
    within: (id) => ["strace", "-D", "-f", ...filter, "-o", summary(id)],
  });
  const leader = await cluster.leader();
  const load = { outstanding, size: SIZE, seconds: bench.seconds };
  const { verified, entriesPerSecond } = await bench.load(cluster, load);
  const calls = new Map<number, number>();
  for (const id of cluster.ids) calls.set(id, await endAndCount(cluster, id, summary(id)));
  const followers = [...calls].filter(([id]) => id !== leader).map(([, count]) => count);
  const figures: Measured[] = [
    lower("leader fdatasync", ((calls.get(leader) ?? NaN) / verified) * 1_000, "/1000 entries"),
    lower("follower fdatasync", (mean(followers) / verified) * 1_000, "/1000 entries"),
    higher("entries", entriesPerSecond, "/s"),
  ];
  return { figures, verified };
}

/** strace writes its summary when the node has ended. */
async function endAndCount(cluster: Cluster, id: number, path: string): Promise<number> {
  await cluster.kill(id);
  const row = /^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?fdatasync$/m;
  const calls = () => row.exec(read(path))?.[1];
  return Number(await until(`a summary of strace in ${path}`, calls, END_TIMEOUT_MS));
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function straceMissing(): string | null {
  const found = spawnSync("strace", ["--seccomp-bpf", "-f", "true"], { stdio: "ignore" });
  return found.status === 0 ? null : "install strace (Debian: apt-get install strace)";
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
