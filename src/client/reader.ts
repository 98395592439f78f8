/** Reading the log: pages of records, checked and joined so that nothing is missed and nothing
 *  repeated, whoever answers and however often the leader changes. */

import type { LogIndex, Term } from "../base/types.ts";
import { decodeMembers, payloadsOf, verifyRecords } from "../storage/record.ts";
import { RECORD_KIND, type RecordHead } from "../storage/types.ts";
import type { ReadRequest, Response } from "../transport/requests.ts";
import { RefusedError } from "./failures.ts";
import { RaftError, type LogEntry, type LogOptions } from "./types.ts";

/** One page; a longer range is asked for page by page. */
const PAGE_BYTES_MAX = 256 << 10;
/** A follower's question is held this long while there is nothing new. */
export const POLL_MS = 2_000;

export type Records = Extract<Response, { type: "records" }>;

/** Asks one page; throws RaftError. */
export type Ask = (request: ReadRequest) => Promise<Records>;

/** Every entry from `next` on, once and in order. */
export class Cursor {
  /** The next index wanted. */
  next: LogIndex;
  /** Chain and term of the record that ended at next - 1, when known. */
  #chain: number | null = null;
  #term: Term = 0;

  constructor(next: LogIndex) {
    this.next = next;
  }

  /** The entries of a page from `next` on. Throws when the page is damaged or contradicts what was
   *  read before. */
  take(page: Records): LogEntry[] {
    if (page.bytes.length === 0) return [];
    const { firstIndex, prevChain } = page;
    if (firstIndex > this.next)
      throw new RaftError(`the log has a hole before ${firstIndex}: ${this.next} was asked for`, 7);
    // Only a page that begins where the last one ended can be compared with it.
    const joins = this.#chain !== null && firstIndex === this.next;
    if (joins && this.#chain !== prevChain) throw contradiction(this.next);
    const verified = verifyRecords(page.bytes, prevChain, firstIndex);
    if ("reason" in verified)
      throw new RaftError(`records from ${firstIndex} on arrived damaged: ${verified.reason}`, 7);
    const entries: LogEntry[] = [];
    let offset = 0;
    for (const head of verified.heads) {
      if (head.term < this.#term && head.firstIndex >= this.next)
        throw contradiction(head.firstIndex);
      if (head.lastIndex >= this.next) this.#entriesOf(head, page.bytes, offset, entries);
      offset += head.bytes;
    }
    this.#chain = verified.lastChain;
    return entries;
  }

  #entriesOf(head: RecordHead, bytes: Uint8Array, offset: number, entries: LogEntry[]): void {
    const payloads = payloadsOf(bytes, offset);
    if (payloads === null)
      throw new RaftError(`the record at ${head.firstIndex} cannot be read`, 7);
    for (const [at, payload] of payloads.entries()) {
      const index = head.firstIndex + at;
      if (index >= this.next) entries.push(entryOf(head, index, payload));
    }
    this.next = head.lastIndex + 1;
    this.#term = head.term;
  }
}

function contradiction(index: LogIndex): RaftError {
  return new RaftError(
    `what is read at ${index} does not follow what was read before it: a node has another log`,
    7,
  );
}

function entryOf(
  { term, timeMs, kind }: RecordHead,
  index: LogIndex,
  payload: Uint8Array,
): LogEntry {
  const bytes = new Uint8Array(payload);
  if (kind === RECORD_KIND.user) return { index, term, timeMs, kind: "entry", bytes };
  if (kind === RECORD_KIND.noop) return { index, term, timeMs, kind: "noop", bytes };
  const members = decodeMembers(bytes);
  const base = { index, term, timeMs, kind: "configuration", bytes } as const;
  return members === null ? base : { ...base, configuration: { index, members } };
}

/** What `log` yields: what is committed when it is called, as far as it is asked for. */
export async function* readLog(ask: Ask, options: LogOptions): AsyncGenerator<LogEntry, Cursor> {
  if (options.last !== undefined) return yield* readLast(ask, options, options.last);
  const cursor = new Cursor(Math.max(1, options.from ?? 1));
  let until = options.to ?? null;
  let first = true;
  while (until === null || cursor.next <= until) {
    const page = await askPage(ask, cursor, options, 0, first && options.from === undefined);
    // Entries that commit while this runs belong to the next reader.
    until = Math.min(until ?? page.commitIndex, page.commitIndex);
    first = false;
    const entries = cursor.take(page);
    for (const entry of entries) if (entry.index <= until && isWanted(entry, options)) yield entry;
    if (entries.length === 0) break;
  }
  return cursor;
}

/** The last `count` entries that are wanted, in order. */
async function* readLast(
  ask: Ask,
  options: LogOptions,
  count: number,
): AsyncGenerator<LogEntry, Cursor> {
  const request = {
    type: "read",
    bytesMax: PAGE_BYTES_MAX,
    consistency: consistencyOf(options),
    waitMs: 0,
  } as const;
  let page = await ask({ ...request, from: 1, last: Math.max(1, count) });
  for (let back = Math.max(64, 2 * count); ; back *= 2) {
    const from = page.firstIndex;
    const cursor = new Cursor(from);
    const until = page.commitIndex;
    const last: LogEntry[] = [];
    while (cursor.next <= until) {
      const entries = cursor.take(page);
      for (const entry of entries)
        if (entry.index <= until && isWanted(entry, options)) last.push(entry);
      last.splice(0, last.length - count);
      if (entries.length === 0 || cursor.next > until) break;
      page = await ask({ ...request, from: cursor.next, last: null });
    }
    // No-ops and configurations stood in between: look further back.
    const enough = last.length >= count || from <= 1;
    const earlier = enough
      ? null
      : await askEarlier(ask, { ...request, from: Math.max(1, until - back), last: null });
    if (earlier === null || earlier.firstIndex >= from) {
      yield* last;
      return cursor;
    }
    page = earlier;
  }
}

/** null when that part of the log is no longer kept. */
async function askEarlier(ask: Ask, request: ReadRequest): Promise<Records | null> {
  try {
    return await ask(request);
  } catch (error) {
    const firstIndex = trimmedAt(error);
    if (firstIndex === null) throw error;
    return request.from < firstIndex ? ask({ ...request, from: firstIndex }) : null;
  }
}

/** What `follow` yields: the log as far as it is committed, then every entry as it commits, until
 *  aborted. */
export async function* followLog(ask: Ask, options: LogOptions): AsyncGenerator<LogEntry> {
  let cursor = new Cursor(Math.max(1, options.from ?? 1));
  if (options.last !== undefined) cursor = yield* readLast(ask, options, options.last);
  let first = options.from === undefined && options.last === undefined;
  while (options.to === undefined || cursor.next <= options.to) {
    const page = await askPage(ask, cursor, options, POLL_MS, first);
    first = false;
    for (const entry of cursor.take(page)) {
      if (options.to !== undefined && entry.index > options.to) return;
      if (isWanted(entry, options)) yield entry;
    }
  }
}

/** `fromStart`: the caller named no first index, so a trimmed log begins where it begins. */
async function askPage(
  ask: Ask,
  cursor: Cursor,
  options: LogOptions,
  waitMs: number,
  fromStart: boolean,
): Promise<Records> {
  const request: ReadRequest = {
    type: "read",
    from: cursor.next,
    last: null,
    bytesMax: PAGE_BYTES_MAX,
    consistency: consistencyOf(options),
    waitMs,
  };
  try {
    return await ask(request);
  } catch (error) {
    const firstIndex = trimmedAt(error);
    if (!fromStart || firstIndex === null) throw error;
    cursor.next = firstIndex;
    return ask({ ...request, from: cursor.next });
  }
}

function consistencyOf({ stale }: LogOptions): ReadRequest["consistency"] {
  return stale === true ? "stale" : "linearizable";
}

function isWanted(entry: LogEntry, { all }: LogOptions): boolean {
  return all === true || entry.kind === "entry";
}

/** Where the log begins, if that is why it could not be read. */
function trimmedAt(error: unknown): LogIndex | null {
  return error instanceof RefusedError && error.refusal.code === "trimmed"
    ? (error.refusal.number ?? 1)
    : null;
}
