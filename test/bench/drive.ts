/** Loads a cluster with entries and verifies them. */
import type { Cluster } from "./cluster.ts";
import { Load } from "./load.ts";

export interface LoadOptions {
  readonly outstanding: number;
  /** Bytes of an entry; 100 unless given. */
  readonly size?: number;
  /** How long to measure, in seconds. */
  readonly seconds: number;
}

/** Latencies are from the call to the receipt. */
export interface LoadResult {
  readonly entries: number;
  readonly seconds: number;
  readonly entriesPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
  /** Entries that were read back and compared: all that were acknowledged. */
  readonly verified: number;
}

export async function drive(cluster: Cluster, options: LoadOptions): Promise<LoadResult> {
  const { outstanding, size = 100, seconds } = options;
  const load = new Load(await cluster.connect(), size);
  const level = await load.run(outstanding, seconds);
  const verified = await load.verify();
  return {
    entries: level.entries,
    seconds,
    entriesPerSecond: level.entriesPerSecond,
    p50Us: level.p50Us,
    p99Us: level.p99Us,
    maxUs: level.maxUs,
    verified,
  };
}
