/** Every record that any disk of a run ever held durably, each once, with the record before it: the
 *  same object means the same log up to there, so whole logs are compared by one comparison. */

import { createHash } from "node:crypto";
import type { LogIndex, Term } from "../base/types.ts";
import type { Configuration } from "../raft/types.ts";
import { membersAt, payloadsOf } from "../storage/record.ts";
import { RECORD_KIND, type RecordHead } from "../storage/types.ts";
import { payloadHash } from "./history.ts";

/** One record as disks hold it. Equal records with equal pasts are the same object. */
export interface DurableRecord {
  readonly head: RecordHead;
  /** Null: the log begins here, or damage hid what is before. */
  readonly before: DurableRecord | null;
  /** In force once this record is in the log; null while damage hides it. */
  readonly configuration: Configuration | null;
  /** `payloadHash` of each entry of a client; null for an entry of the cluster itself. */
  readonly payloads: readonly (string | null)[];
  /** Over all of the body, so that contents can be compared without trusting the chain. */
  readonly bodyHash: string;
}

export class RecordTree {
  /** Pairs that hold an entry of the same index and term and are not the same record with the same
   *  past. */
  readonly conflicts: (readonly [DurableRecord, DurableRecord])[] = [];
  /** Configuration records, in the order in which they first became durable anywhere. */
  readonly configurations: DurableRecord[] = [];
  /** `[i]`: all records that ever held entry i. */
  readonly #holding: DurableRecord[][] = [];

  /** The record at `offset`, which was verified against its chain; `base`: in force before the
   *  first. */
  intern(
    bytes: Uint8Array,
    offset: number,
    head: RecordHead,
    before: DurableRecord | null,
    base: Configuration | null,
  ): DurableRecord {
    for (const known of this.#holding[head.firstIndex] ?? []) {
      if (isCopy(known.head, head) && (known.before === before || !hasPast(before, head)))
        return known;
    }
    const record = makeRecord(bytes, offset, head, before, base);
    for (let index = head.firstIndex; index <= head.lastIndex; index++) this.#note(record, index);
    if (head.kind === RECORD_KIND.configuration) this.configurations.push(record);
    return record;
  }

  /** The record that ends at `lastIndex` with that term and chain, if any disk ever held it. */
  find(lastIndex: LogIndex, term: Term, chain: number): DurableRecord | null {
    for (const record of this.#holding[lastIndex] ?? []) {
      const { head } = record;
      if (head.lastIndex === lastIndex && head.term === term && head.chain === chain) return record;
    }
    return null;
  }

  #note(record: DurableRecord, index: LogIndex): void {
    const holding = (this.#holding[index] ??= []);
    for (const known of holding) {
      if (known.head.term !== record.head.term) continue;
      // The same record, first read where damage hid what was before it.
      if (isCopy(known.head, record.head) && !hasPast(known.before, known.head)) continue;
      if (this.conflicts.at(-1)?.[1] !== record) this.conflicts.push([known, record]);
    }
    holding.push(record);
  }
}

function isCopy(a: RecordHead, b: RecordHead): boolean {
  return (
    a.chain === b.chain &&
    a.term === b.term &&
    a.firstIndex === b.firstIndex &&
    a.lastIndex === b.lastIndex
  );
}

function hasPast(before: DurableRecord | null, { firstIndex }: RecordHead): boolean {
  return before !== null || firstIndex === 1;
}

function makeRecord(
  bytes: Uint8Array,
  offset: number,
  head: RecordHead,
  before: DurableRecord | null,
  base: Configuration | null,
): DurableRecord {
  const body = bytes.subarray(offset + 8, offset + head.bytes);
  const hashes = (payloadsOf(bytes, offset) ?? []).map((payload) => payloadHash(payload));
  const members = head.kind === RECORD_KIND.configuration ? membersAt(bytes, offset) : null;
  return {
    head,
    before,
    configuration:
      members === null ? (before?.configuration ?? base) : { index: head.firstIndex, members },
    payloads: head.kind === RECORD_KIND.user ? hashes : hashes.map(() => null),
    bodyHash: createHash("sha256").update(body).digest("hex").slice(0, 16),
  };
}
