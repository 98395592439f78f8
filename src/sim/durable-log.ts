/** What a disk durably holds of the log, read from its platter by the format alone and a batch at a
 *  time: after each sync the new batches of that file. Nothing that a node says or remembers is in
 *  it. */

import type { Incarnation, LogIndex } from "../base/types.ts";
import type { Configuration } from "../raft/types.ts";
import { BATCH_HEAD_BYTES, batchSeed, readBatchHead } from "../storage/batch.ts";
import type { MemoryDisk } from "../storage/memory-disk.ts";
import { chainOf, readHead } from "../storage/record.ts";
import { creationOf, decodeSegmentHead, segmentName } from "../storage/segment-head.ts";
import type { DurableRecord, RecordTree } from "./record-tree.ts";

/** Where the next batch of a segment is expected, and what must be in front of it. */
interface Place {
  readonly creation: number;
  readonly seed: number;
  offset: number;
  number: number;
  index: LogIndex;
  chain: number;
  /** In force before the segment, as its head says. */
  readonly base: Configuration | null;
}

export class DurableLog {
  readonly #disk: MemoryDisk;
  readonly #tree: RecordTree;
  /** `[i]`: the record that holds entry i; undefined: not here, or hidden by damage. */
  readonly #entries: (DurableRecord | undefined)[] = [];
  #place: Place | null = null;

  constructor(disk: MemoryDisk, tree: RecordTree) {
    this.#disk = disk;
    this.#tree = tree;
  }

  /** The last entry; 0: none. */
  get lastIndex(): LogIndex {
    return Math.max(0, this.#entries.length - 1);
  }

  get tip(): DurableRecord | null {
    return this.#entries.at(-1) ?? null;
  }

  at(index: LogIndex): DurableRecord | null {
    return this.#entries[index] ?? null;
  }

  /** Reads all segments, in the order in which they were begun. */
  readAll(incarnation: Incarnation): void {
    for (const name of this.#disk.durableList()) this.synced(name, incarnation);
  }

  /** A file became durable: reads what is new in it. Files that are no segments say nothing. */
  synced(path: string, incarnation: Incarnation): void {
    // A segment's file keeps the name under which it was opened while it was prepared.
    const creation = creationOf(path.replace(".preparing", ".log"));
    if (creation === null || creation < (this.#place?.creation ?? 0)) return;
    const bytes = this.#disk.durableBytes(segmentName(creation));
    if (bytes === null) return;
    if (this.#place?.creation !== creation && !this.#begin(bytes, creation, incarnation)) return;
    while (this.#place !== null && this.#readBatch(bytes, this.#place));
  }

  /** A segment counts once its head and first batch are there; it then replaces whatever was held
   *  from its first index on. */
  #begin(bytes: Uint8Array, creation: number, incarnation: Incarnation): boolean {
    const head = decodeSegmentHead(bytes);
    if (typeof head === "string" || head.creation !== creation) return false;
    const seed = batchSeed(head.clusterId, incarnation, creation);
    const first = readBatchHead(bytes, head.headBytes, seed);
    if (first === null || !first.first) return false;
    const { firstIndex, chainBefore: chain, firstBatch: number } = head;
    const kept = head.previous === 0 ? 1 : firstIndex;
    this.#entries.length = Math.min(this.#entries.length, kept);
    while (this.#entries.length < firstIndex) this.#entries.push(undefined);
    const base = head.derived?.configurations.at(-1) ?? null;
    this.#place = {
      creation,
      seed,
      offset: head.headBytes,
      number,
      index: firstIndex,
      chain,
      base,
    };
    return true;
  }

  /** Takes the next batch; false when none is there that belongs there, whole. */
  #readBatch(bytes: Uint8Array, place: Place): boolean {
    if (!isNext(bytes, place) && !this.#passLostSeal(bytes, place)) return false;
    const batch = readBatchHead(bytes, place.offset, place.seed);
    if (batch === null) return false;
    const from = place.offset + BATCH_HEAD_BYTES;
    const end = from + batch.length;
    const records: DurableRecord[] = [];
    let before = this.at(place.index - 1);
    let { chain, index } = place;
    for (let offset = from; offset < end;) {
      const head = readHead(bytes, offset);
      if (typeof head === "string" || head.firstIndex !== index) return false;
      if (offset + head.bytes > end) return false;
      if (chainOf(bytes, offset, head.bytes, chain) !== head.chain) return false;
      before = this.#tree.intern(bytes, offset, head, before, place.base);
      records.push(before);
      ({ chain } = head);
      index = head.lastIndex + 1;
      offset += head.bytes;
    }
    for (const record of records) {
      for (let count = record.head.count; count > 0; count--) this.#entries.push(record);
    }
    Object.assign(place, { offset: end, number: place.number + 1, index, chain });
    return true;
  }

  /** A seal whose own sync failed is in the page cache only, and says the truth there: what it
   *  seals was synced. A process that is started again goes on behind it. */
  #passLostSeal(bytes: Uint8Array, place: Place): boolean {
    const { offset, number } = place;
    Object.assign(place, { offset: offset + BATCH_HEAD_BYTES, number: number + 1 });
    if (isNext(bytes, place)) return true;
    Object.assign(place, { offset, number });
    return false;
  }
}

function isNext(bytes: Uint8Array, { offset, seed, number, index, chain }: Place): boolean {
  const batch = readBatchHead(bytes, offset, seed);
  return (
    batch !== null &&
    batch.number === number &&
    batch.firstIndex === index &&
    batch.chainBefore === chain
  );
}
