/** Loads a cluster by `raft bench`, in a process of its own, and notes what every process used
 *  while it measured. */
import type { Cluster } from "./cluster.ts";
import { datagramsReceived, processUse, type ProcessUse } from "./process-use.ts";

export interface LoadOptions {
  /** How long to measure, in seconds; a second of warming up, or half of that, comes first. */
  readonly seconds: number;
  /** Entries under way; without it and without a rate 64, or one for each client. */
  readonly outstanding?: number;
  /** Entries a second, whatever comes back. */
  readonly rate?: number;
  /** Sessions that send; 1 unless given. */
  readonly clients?: number;
  /** Bytes of an entry; 100 unless given. */
  readonly size?: number;
}

/** Latencies are from the call to the receipt, or, with a rate, from when an entry was due. */
export interface LoadResult {
  readonly entriesPerSecond: number;
  readonly bytesPerSecond: number;
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
  /** Acknowledged within the measured time. */
  readonly entries: number;
  readonly seconds: number;
  /** Entries that were read back and compared: all that were acknowledged, the warm-up's too. */
  readonly verified: number;
  readonly use: LoadUse;
}

/** Within the measured time; the edges are some milliseconds apart from those of the load. */
export interface LoadUse {
  readonly seconds: number;
  /** CPU seconds of each node, by id, and of the client. */
  readonly nodesCpuSeconds: ReadonlyMap<number, number>;
  readonly clientCpuSeconds: number;
  /** Datagrams that reached a socket of this machine, whosever: nothing else may run. */
  readonly datagrams: number;
  /** Resident memory of each node when the measured time was over, bytes. */
  readonly nodesRssBytes: ReadonlyMap<number, number>;
  readonly clientRssBytes: number;
}

interface Told extends Omit<LoadResult, "verified" | "use"> {
  readonly verified: boolean;
  readonly acknowledged: number;
}

const START_TIMEOUT_MS = 30_000;
/** Beyond the measured time: for the warm-up and the last receipts. */
const LAST_RECEIPTS_MS = 60_000;

/** Throws when an entry was not acknowledged, or is not in the log as it was. */
export async function drive(cluster: Cluster, options: LoadOptions): Promise<LoadResult> {
  const { seconds, outstanding, rate, clients, size } = options;
  const flag = (name: string, value: number | undefined) =>
    value === undefined ? [] : [`--${name}`, String(value)];
  const running = cluster.start([
    ...["bench", "--json", "--seconds", String(seconds)],
    ...flag("outstanding", outstanding),
    ...flag("rate", rate),
    ...flag("clients", clients),
    ...flag("size", size),
  ]);
  const look = () => ({
    atMs: performance.now(),
    nodes: cluster.use(),
    client: running.isRunning ? processUse(running.pid) : null,
    datagrams: datagramsReceived(),
  });
  await running.waitForLine(/^measuring$/, START_TIMEOUT_MS);
  const before = look();
  await running.waitForLine(/^waiting for/, seconds * 1_000 + LAST_RECEIPTS_MS);
  const after = look();
  const { code } = await running.exited;
  const text = running.stdoutLines.join("\n");
  if (code !== 0) throw new Error(`raft bench ended with ${code}: ${text}`);
  const { verified, acknowledged, ...figures } = JSON.parse(text) as Told;
  if (!verified) throw new Error(`raft bench did not verify: ${text}`);
  return { ...figures, verified: acknowledged, use: useBetween(before, after) };
}

interface Look {
  readonly atMs: number;
  readonly nodes: ReadonlyMap<number, ProcessUse>;
  readonly client: ProcessUse | null;
  readonly datagrams: number;
}

/** A node that was killed or started in between counts with what it used since its start. */
function useBetween(before: Look, after: Look): LoadUse {
  const cpu = (id: number, use: ProcessUse) => {
    const earlier = before.nodes.get(id)?.cpuSeconds ?? 0;
    return use.cpuSeconds - (earlier <= use.cpuSeconds ? earlier : 0);
  };
  const nodes = [...after.nodes];
  return {
    seconds: (after.atMs - before.atMs) / 1_000,
    nodesCpuSeconds: new Map(nodes.map(([id, use]) => [id, cpu(id, use)])),
    clientCpuSeconds: (after.client?.cpuSeconds ?? NaN) - (before.client?.cpuSeconds ?? NaN),
    datagrams: after.datagrams - before.datagrams,
    nodesRssBytes: new Map(nodes.map(([id, { rssBytes }]) => [id, rssBytes])),
    // A load of few entries may have ended by now.
    clientRssBytes: after.client?.rssBytes || (before.client?.rssBytes ?? NaN),
  };
}
