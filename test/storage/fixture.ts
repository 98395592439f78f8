/** What the storage tests share: small segments, one cluster, and short words for appending and
 *  reading. */

import { clusterIdOf } from "../../src/storage/founding.ts";
import type { LogLimits } from "../../src/storage/limits.ts";
import {
  encodePayloads,
  encodeRecord,
  NO_CLIENT,
  payloadsOf,
  readHead,
} from "../../src/storage/record.ts";
import { MemoryDisk } from "../../src/storage/memory-disk.ts";
import { createStore, openStore } from "../../src/storage/store.ts";
import type { OpenStore, StoreOptions, StoreProblem } from "../../src/storage/store.ts";
import { RECORD_KIND } from "../../src/storage/types.ts";
import type { Disk, DiskError, LogStore, RecordKind } from "../../src/storage/types.ts";

export const INCARNATION = "11111111111111111111111111111111";
export const CLIENT = "c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1";

export const FOUNDING = {
  cluster: "raft",
  founders: [1, 2, 3].map((id) => ({ id, incarnation: String(id).repeat(32) })),
  parent: null,
};

export const CLUSTER_ID = clusterIdOf(FOUNDING);

/** Of a node that was started once, for whichever cluster and id. */
export const FRESH_IDENTITY = {
  incarnation: INCARNATION,
  bootCount: 1,
  founding: null,
  foundedMs: null,
  member: false,
  addresses: {},
  port: null,
  lastUsedMs: 0,
};

export const SMALL: LogLimits = {
  segmentBytesMin: 16_384,
  segmentBytesMax: 65_536,
  tailBytesMax: 4_096,
  tailPageBytes: 2_048,
  sessionsMax: 8,
};

export function options(
  disk: Disk,
  limits = SMALL,
  onFatal?: (error: DiskError) => void,
): StoreOptions {
  const fatal =
    onFatal ??
    ((error: DiskError): void => {
      throw new Error(`unexpected: ${error.message}`);
    });
  const founding = FOUNDING;
  return {
    disk,
    clusterId: CLUSTER_ID,
    incarnation: INCARNATION,
    founding,
    nowMs: 0,
    onFatal: fatal,
    limits,
  };
}

export function create(disk: Disk, limits = SMALL): void {
  const made = createStore(options(disk, limits));
  if (!made.ok) throw new Error(made.reason);
}

/** Opens what must open. */
export function open(disk: Disk, limits = SMALL, onFatal?: (error: DiskError) => void): OpenStore {
  const store = tryOpen(disk, limits, onFatal);
  if (!store.ok)
    throw new Error(`${store.problem}: ${store.reason} (${store.file} ${store.offset})`);
  return store;
}

export function tryOpen(
  disk: Disk,
  limits = SMALL,
  onFatal?: (error: DiskError) => void,
): OpenStore | StoreProblem {
  return openStore(options(disk, limits, onFatal));
}

export interface RecordParts {
  readonly kind?: RecordKind;
  readonly clientId?: string;
  readonly sequence?: number;
}

/** Makes the record that follows the log's end. */
export function nextRecord(
  log: LogStore,
  term: number,
  payloads: readonly Uint8Array[],
  parts: RecordParts = {},
): Uint8Array {
  const kind = parts.kind ?? RECORD_KIND.user;
  const clientId = parts.clientId ?? (kind === RECORD_KIND.user ? CLIENT : NO_CLIENT);
  const firstSequence = parts.sequence ?? (log.session(clientId)?.lastSequence ?? 0) + 1;
  const head = {
    firstIndex: log.lastIndex + 1,
    term,
    kind,
    timeMs: 1_000,
    clientId,
    firstSequence,
  };
  return encodeRecord(head, encodePayloads(payloads), log.lastChain);
}

export function appendText(
  log: LogStore,
  term: number,
  entries: readonly string[],
  parts: RecordParts = {},
): Uint8Array {
  const record = nextRecord(
    log,
    term,
    entries.map((text) => new TextEncoder().encode(text)),
    parts,
  );
  log.append(record);
  return record;
}

/** Flushes until nothing is pending. */
export async function flushed(log: LogStore): Promise<void> {
  let id = 0;
  while (log.writing || log.unflushedBytes > 0) {
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error("the flush never ended")), 5_000);
      const went = log.flush(
        () => (id += 1),
        () => {
          clearTimeout(late);
          resolve();
        },
      );
      if (!went) {
        clearTimeout(late);
        setTimeout(resolve, 1);
      }
    });
  }
}

/** Every entry's text, oldest first; stops at what cannot be read. */
export function texts(log: LogStore): string[] {
  const found: string[] = [];
  for (let index = log.baseIndex + 1; index <= log.lastIndex;) {
    const read = log.read(index, 3_000);
    if (read === null) break;
    for (let offset = 0; offset < read.bytes.length;) {
      const head = readHead(read.bytes, offset);
      if (typeof head === "string") throw new Error(head);
      for (const payload of payloadsOf(read.bytes, offset) ?? [])
        found.push(new TextDecoder().decode(payload));
      offset += head.bytes;
    }
    index = read.lastIndex + 1;
  }
  return found;
}

/** Numbers in [0, 1) from a seed (mulberry32). */
export function dice(seed: number): () => number {
  let at = seed >>> 0;
  return () => {
    at = (at + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(at ^ (at >>> 15), at | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A stopped log with one batch for each entry. */
export async function sealedLog(entries: readonly string[], limits = SMALL): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  create(disk, limits);
  const store = open(disk, limits);
  for (const text of entries) {
    appendText(store.log, 1, [text]);
    await flushed(store.log);
  }
  store.log.close();
  store.hardStates.close();
  return disk;
}

/** Damages the first of these records, wherever the disk has them. */
export function flipInside(disk: MemoryDisk, records: Uint8Array): void {
  for (const name of disk.list().filter((file) => file.endsWith(".log"))) {
    const file = disk.open(name, false);
    const at = Buffer.from(file.readSync(0, file.size())).indexOf(records);
    file.close();
    if (at >= 0) return disk.flipBit(name, (at + 90) * 8);
  }
  throw new Error("the records are not on the disk");
}

/** Lets every microtask of the memory disk run. */
export async function settled(): Promise<void> {
  await new Promise<void>((resolve) => setTimeout(resolve, 0));
}
