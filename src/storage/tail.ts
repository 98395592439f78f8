/** The log's recent records in memory: pages that only grow, so a view that was handed out does not
 *  change before the page is used again, two syncs after it fell out of memory. */

import type { LogIndex } from "../base/types.ts";
import { readU32 } from "./bytes.ts";
import type { LogLimits } from "./limits.ts";
import { PAYLOADS_OFFSET, type RecordFields, writeRecord } from "./record.ts";
import type { LogRead, RecordHead } from "./types.ts";

/** How many bytes of durable records are kept. */
export const TAIL_BYTES_MAX = 12_582_912;
export const TAIL_PAGE_BYTES = 524_288;
/** Pages kept to be used again. */
const FREE_PAGES_MAX = 8;

interface Page {
  readonly bytes: Uint8Array;
  used: number;
  /** Nothing more is appended: records behind were truncated, and views of them may still be in
   *  use. */
  closed: boolean;
  readonly chainBefore: number;
  readonly firstIndexes: number[];
  readonly offsets: number[];
}

/** A run of whole records as it lies in memory. */
export interface TailRun {
  readonly views: readonly Uint8Array[];
  readonly bytes: number;
  readonly lastIndex: LogIndex;
  readonly lastChain: number;
}

export class Tail {
  private pages: Page[] = [];
  /** Memory of pages that fell out: spent since the last sync, and free since the one before. */
  private spent: Uint8Array[] = [];
  private free: Uint8Array[] = [];
  private heldBytes = 0;
  private last: LogIndex;
  private chain: number;
  private readonly bytesMax: number;
  private readonly pageBytes: number;

  constructor(
    lastIndex: LogIndex,
    lastChain: number,
    limits: Pick<LogLimits, "tailBytesMax" | "tailPageBytes">,
  ) {
    this.last = lastIndex;
    this.chain = lastChain;
    this.bytesMax = limits.tailBytesMax;
    this.pageBytes = limits.tailPageBytes;
  }

  /** Bytes of all records held. */
  get bytes(): number {
    return this.heldBytes;
  }

  /** The first index held; lastIndex + 1 when empty. */
  get firstIndex(): LogIndex {
    return this.pages[0]?.firstIndexes[0] ?? this.last + 1;
  }

  /** Copies whole records that follow; `heads` describe them. */
  push(records: Uint8Array, heads: readonly RecordHead[]): void {
    let from = 0;
    let at = 0;
    while (at < heads.length) {
      const page = this.pageFor(heads[at]?.bytes ?? 0);
      let to = from;
      for (let head = heads[at]; head !== undefined; head = heads[at]) {
        if (page.used + (to - from) + head.bytes > page.bytes.length) break;
        page.firstIndexes.push(head.firstIndex);
        page.offsets.push(page.used + (to - from));
        to += head.bytes;
        at += 1;
        this.last = head.lastIndex;
        this.chain = head.chain;
      }
      page.bytes.set(records.subarray(from, to), page.used);
      page.used += to - from;
      this.heldBytes += to - from;
      from = to;
    }
  }

  /** Makes the record that follows, in place: its bytes are copied here and nowhere before. */
  make(fields: RecordFields, payloads: Uint8Array): RecordHead {
    const page = this.pageFor(PAYLOADS_OFFSET + payloads.length);
    const offset = page.used;
    const head = writeRecord(page.bytes, offset, fields, payloads, this.chain);
    page.firstIndexes.push(head.firstIndex);
    page.offsets.push(offset);
    page.used += head.bytes;
    this.heldBytes += head.bytes;
    this.last = head.lastIndex;
    this.chain = head.chain;
    return head;
  }

  private pageFor(recordBytes: number): Page {
    const current = this.pages.at(-1);
    if (
      current !== undefined &&
      !current.closed &&
      current.used + recordBytes <= current.bytes.length
    )
      return current;
    const used = recordBytes <= this.pageBytes ? this.free.pop() : undefined;
    const bytes = used ?? new Uint8Array(Math.max(this.pageBytes, recordBytes));
    const page = {
      bytes,
      used: 0,
      closed: false,
      chainBefore: this.chain,
      firstIndexes: [],
      offsets: [],
    };
    this.pages.push(page);
    return page;
  }

  /** Drops every record from `index` on, which begins one; the caller knows what is last then. */
  truncate(index: LogIndex, lastChain: number): void {
    let page = this.pages.at(-1);
    while (page !== undefined && (page.firstIndexes[0] ?? 0) >= index) {
      this.heldBytes -= page.used;
      this.pages.pop();
      page = this.pages.at(-1);
    }
    if (page !== undefined) {
      const row = lowerBound(page.firstIndexes, index);
      if (row < page.firstIndexes.length) {
        const used = page.offsets[row] ?? 0;
        this.heldBytes -= page.used - used;
        page.used = used;
        page.closed = true;
        page.firstIndexes.length = row;
        page.offsets.length = row;
      }
    }
    this.last = index - 1;
    this.chain = lastChain;
  }

  /** Forgets old pages beyond the bound, never what is not durable yet. Call after every sync.
   *
   *  A fresh page costs more than what is copied into it, because the kernel clears it first, so
   *  the memory is used again, from the second sync on. A view is queued by an arrival and has been
   *  sent or copied at the end of the turn that this arrival asks for. Only an arrival refills a
   *  page, too: to do so before that turn, a whole sync would have to begin and end between two
   *  arrivals that share it. A sync need not begin in a turn: the second batch of a job begins in
   *  the completion of the first. The gain: src/node/SPEED.md. */
  evict(durableIndex: LogIndex): void {
    this.free.push(...this.spent.slice(0, FREE_PAGES_MAX - this.free.length));
    this.spent = [];
    while (this.heldBytes > this.bytesMax && this.pages.length > 1) {
      const next = this.pages[1]?.firstIndexes[0] ?? Number.MAX_SAFE_INTEGER;
      if (next > durableIndex + 1) return;
      const page = this.pages.shift();
      this.heldBytes -= page?.used ?? 0;
      if (page?.bytes.length === this.pageBytes) this.spent.push(page.bytes);
    }
  }

  /** Whole records from the one that contains `index`, within one page; null when it is not
   *  held. */
  read(index: LogIndex, bytesMax: number): LogRead | null {
    const at = this.find(index);
    if (at === null) return null;
    const { page, row } = at;
    const from = page.offsets[row] ?? 0;
    let end = row + 1;
    while (end < page.offsets.length && recordEnd(page, end) - from <= bytesMax) end += 1;
    return {
      bytes: page.bytes.subarray(from, recordEnd(page, end - 1)),
      firstIndex: page.firstIndexes[row] ?? 0,
      lastIndex: this.lastOf(page, end - 1),
      prevChain: row === 0 ? page.chainBefore : chainAtRow(page, row - 1),
    };
  }

  /** The chain and the last index of the record that contains `index`; undefined when it is not
   *  held. */
  chainAt(index: LogIndex): { readonly chain: number; readonly lastIndex: LogIndex } | undefined {
    const at = this.find(index);
    if (at === null) return undefined;
    return { chain: chainAtRow(at.page, at.row), lastIndex: this.lastOf(at.page, at.row) };
  }

  /** Views of the records `from`..`to` (both ends of records), as many as fit into `bytesMax`;
   *  null when nothing fits. */
  take(from: LogIndex, to: LogIndex, bytesMax: number): TailRun | null {
    const views: Uint8Array[] = [];
    let bytes = 0;
    let next = from;
    let chain = 0;
    while (next <= to) {
      const at = this.find(next);
      if (at === null) break;
      const { page, row } = at;
      const start = page.offsets[row] ?? 0;
      let end = row;
      while (end < page.offsets.length && (page.firstIndexes[end] ?? 0) <= to) {
        if (bytes + recordEnd(page, end) - start > bytesMax) break;
        end += 1;
      }
      if (end === row) break;
      views.push(page.bytes.subarray(start, recordEnd(page, end - 1)));
      bytes += recordEnd(page, end - 1) - start;
      next = this.lastOf(page, end - 1) + 1;
      chain = chainAtRow(page, end - 1);
      if (end < page.offsets.length) break;
    }
    return views.length === 0 ? null : { views, bytes, lastIndex: next - 1, lastChain: chain };
  }

  /** Bytes of the record that contains `index`; 0 when it is not held. */
  recordBytes(index: LogIndex): number {
    const at = this.find(index);
    return at === null ? 0 : recordEnd(at.page, at.row) - (at.page.offsets[at.row] ?? 0);
  }

  private find(index: LogIndex): { readonly page: Page; readonly row: number } | null {
    if (index > this.last || index < this.firstIndex) return null;
    let low = 0;
    let high = this.pages.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.pages[middle]?.firstIndexes[0] ?? 0) <= index) low = middle + 1;
      else high = middle;
    }
    const page = this.pages[low - 1];
    return page === undefined ? null : { page, row: lowerBound(page.firstIndexes, index + 1) - 1 };
  }

  private lastOf(page: Page, row: number): LogIndex {
    const next = page.firstIndexes[row + 1];
    if (next !== undefined) return next - 1;
    return readLastIndex(page, row);
  }
}

function readLastIndex(page: Page, row: number): LogIndex {
  return (page.firstIndexes[row] ?? 0) + readU32(page.bytes, (page.offsets[row] ?? 0) + 66) - 1;
}

function recordEnd(page: Page, row: number): number {
  return page.offsets[row + 1] ?? page.used;
}

function chainAtRow(page: Page, row: number): number {
  return readU32(page.bytes, page.offsets[row] ?? 0);
}

/** The first place whose value is at least `value`. */
function lowerBound(values: readonly number[], value: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((values[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
