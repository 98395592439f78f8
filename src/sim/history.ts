/** What clients did and what they were told, one operation a line (JSONL), followed by the log as
 *  it was in the end: all that anybody needs to judge whether a cluster kept its promises. The
 *  format is described for others in test/README.md, "Histories". Pure. */

import { createHash } from "node:crypto";
import type { LogIndex, NodeId, Term } from "../base/types.ts";

/** ok: acknowledged, or read. refused: not done by this call, and none of its copies ever will be.
 *  unknown: nobody could tell the client. */
export type Outcome = "ok" | "refused" | "unknown";

interface OperationBase {
  /** One name for each client; it may have several operations under way. */
  readonly client: string;
  /** The node that was asked or answered, null where that is not known. */
  readonly node: NodeId | null;
  /** When the operation was called, ns on one monotonic clock for the whole history. */
  readonly callNs: number;
  /** When its outcome was known, ns; null: never. */
  readonly returnNs: number | null;
  readonly outcome: Outcome;
}

export interface SendOperation extends OperationBase {
  readonly kind: "send";
  /** Operations with the same id are one request, sent again; null: an id of its own. */
  readonly requestId: string | null;
  /** It was to be added only behind this user entry (0: as the first one). */
  readonly ifLast: LogIndex | null;
  /** Refused because of `ifLast`: the last user entry, as it was told then (0: there was none). */
  readonly lastUser?: LogIndex | null;
  /** Of its first entry, as acknowledged. */
  readonly index: LogIndex | null;
  readonly count: number;
  readonly term: Term | null;
  /** `payloadHash` of each entry. No two entries of a history may be equal. */
  readonly payloads: readonly string[];
}

export interface ReadOperation extends OperationBase {
  readonly kind: "read";
  /** The first index that was asked for; the end was open. */
  readonly from: LogIndex;
  /** The last index that it saw, `from - 1` when it saw nothing; null unless ok. */
  readonly index: LogIndex | null;
  /** Entries that it saw, those of the cluster itself included. */
  readonly count: number;
  /** Of the last entry that it saw. */
  readonly term: Term | null;
  /** `ReadDigest` of what it saw; null unless ok. */
  readonly digest: string | null;
}

export type Operation = SendOperation | ReadOperation;

/** One entry of the log as it was in the end. */
export interface FinalEntry {
  readonly kind: "final";
  /** Whose log it is; several nodes may be listed. */
  readonly node: NodeId | null;
  readonly index: LogIndex;
  /** null: an entry of the cluster itself (a no-op or a configuration). */
  readonly payload: string | null;
}

/** `[i]` is the entry at index i + 1. */
export type FinalLog = readonly (string | null)[];

/** A parsed file. `lines[i]` is the line, from 1, on which `operations[i]` stands. */
export interface History {
  readonly operations: readonly Operation[];
  readonly lines: readonly number[];
  readonly finals: readonly FinalEntry[];
}

/** 16 hex digits of the SHA-256 of an entry's bytes. */
export function payloadHash(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex").slice(0, 16);
}

const DIGEST_MODULUS = 2 ** 48;

/** 48 bits of SHA-256 over "INDEX PAYLOAD", "INDEX -" for an entry of the cluster itself. */
function entryDigest(index: LogIndex, payload: string | null): number {
  const hash = createHash("sha256").update(`${index} ${payload ?? "-"}`);
  return hash.digest().readUIntBE(0, 6);
}

/** The digest of a range of entries: the sum of theirs modulo 2^48, so that the digest of any range
 *  is the difference of two prefixes' sums. */
export class ReadDigest {
  #sum = 0;

  add(index: LogIndex, payload: string | null): void {
    this.#sum = (this.#sum + entryDigest(index, payload)) % DIGEST_MODULUS;
  }

  toString(): string {
    return renderDigest(this.#sum);
  }
}

/** `prefixes[i]` is the sum of the digests of entries 1..i. */
export function digestPrefixes(log: FinalLog): Float64Array {
  const prefixes = new Float64Array(log.length + 1);
  for (const [at, payload] of log.entries()) {
    prefixes[at + 1] = ((prefixes[at] ?? 0) + entryDigest(at + 1, payload)) % DIGEST_MODULUS;
  }
  return prefixes;
}

/** The digest of entries from..to. */
export function digestOfRange(prefixes: Float64Array, from: LogIndex, to: LogIndex): string {
  const difference = (prefixes[to] ?? 0) - (prefixes[from - 1] ?? 0);
  return renderDigest((difference + DIGEST_MODULUS) % DIGEST_MODULUS);
}

function renderDigest(sum: number): string {
  return sum.toString(16).padStart(12, "0");
}

/** One line without its end. */
export function encodeLine(line: Operation | FinalEntry): string {
  return JSON.stringify(line);
}

/** Reads one line; unknown fields are ignored. */
function parseLine(text: string): Operation | FinalEntry | { readonly reason: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { reason: "is not JSON" };
  }
  if (typeof value !== "object" || value === null) return { reason: "is not an object" };
  const fields = value as Record<string, unknown>;
  const rules = FIELDS[String(fields["kind"])];
  if (rules === undefined) return { reason: `has the unknown kind ${String(fields["kind"])}` };
  for (const [name, [holds, what]] of Object.entries(rules)) {
    if (!holds(fields[name])) return { reason: `must have ${what} as ${name}` };
  }
  const line = value as Operation | FinalEntry;
  const broken = brokenAsAWhole(line);
  return broken === null ? line : { reason: broken };
}

type FieldRule = readonly [holds: (value: unknown) => boolean, what: string];

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isIndex(value: unknown): boolean {
  return isCount(value) && value !== 0;
}

function orNull([holds, what]: FieldRule): FieldRule {
  return [(value) => value === null || holds(value), `${what} or null`];
}

const TEXT: FieldRule = [(value) => typeof value === "string", "a text"];
const COUNT: FieldRule = [isCount, "a whole number"];
const INDEX: FieldRule = [isIndex, "a whole number from 1"];
const HASHES: FieldRule = [
  (value) => Array.isArray(value) && value.every((hash) => typeof hash === "string"),
  "a list of texts",
];
const OUTCOME: FieldRule = [
  (value) => value === "ok" || value === "refused" || value === "unknown",
  "ok, refused or unknown",
];

const COMMON = {
  client: TEXT,
  node: orNull(INDEX),
  callNs: COUNT,
  returnNs: orNull(COUNT),
  outcome: OUTCOME,
  count: COUNT,
  term: orNull(COUNT),
};

const FIELDS: Readonly<Record<string, Readonly<Record<string, FieldRule>>>> = {
  send: {
    ...COMMON,
    requestId: orNull(TEXT),
    ifLast: orNull(COUNT),
    lastUser: [(value) => value === undefined || value === null || isCount(value), COUNT[1]],
    index: orNull(INDEX),
    payloads: HASHES,
  },
  read: { ...COMMON, from: INDEX, index: orNull(COUNT), digest: orNull(TEXT) },
  final: { node: orNull(INDEX), index: INDEX, payload: orNull(TEXT) },
};

/** What is wrong between fields, or null. */
function brokenAsAWhole(line: Operation | FinalEntry): string | null {
  if (line.kind === "final") return null;
  const { callNs, returnNs, outcome, index, count } = line;
  if (returnNs !== null && returnNs < callNs) return "returned before it was called";
  if (line.kind === "send" && line.payloads.length !== count)
    return `has ${line.payloads.length} payloads, not ${count}`;
  if (outcome !== "ok") return null;
  if (returnNs === null) return "is ok, but never returned";
  if (index === null) return "is ok without an index";
  if (line.kind === "send" && count === 0) return "is ok without an entry";
  if (line.kind === "read" && line.digest === null) return "is ok without a digest";
  return null;
}

/** Reads a whole file; empty lines are skipped. */
export function parseHistory(text: string): History | { readonly reason: string } {
  const operations: Operation[] = [];
  const lines: number[] = [];
  const finals: FinalEntry[] = [];
  let number = 0;
  for (const line of text.split("\n")) {
    number++;
    if (line === "") continue;
    const parsed = parseLine(line);
    if ("reason" in parsed) return { reason: `line ${number} ${parsed.reason}` };
    if (parsed.kind === "final") finals.push(parsed);
    else {
      operations.push(parsed);
      lines.push(number);
    }
  }
  return { operations, lines, finals };
}

/** One log of what all nodes held in the end; some may be behind. A reason when two differ, or when
 *  an entry is missing. */
export function joinFinals(
  finals: readonly FinalEntry[],
): { readonly log: FinalLog } | { readonly reason: string } {
  const entries = new Map<LogIndex, FinalEntry>();
  let last = 0;
  for (const entry of finals) {
    const known = entries.get(entry.index);
    if (known === undefined) entries.set(entry.index, entry);
    else if (known.payload !== entry.payload) {
      const who = `nodes ${known.node ?? "?"} and ${entry.node ?? "?"}`;
      return { reason: `${who} ended with different entries at ${entry.index}` };
    }
    last = Math.max(last, entry.index);
  }
  const log: (string | null)[] = [];
  for (let index = 1; index <= last; index++) {
    const entry = entries.get(index);
    if (entry === undefined) return { reason: `the final log has no entry at ${index}` };
    log.push(entry.payload);
  }
  return { log };
}
