/** Did the log behave, to all its clients together, like one log that one process keeps?
 *
 *  For a log this needs no search, because every acknowledgement names its place. Give entry i the
 *  position 2i and a read of the first L entries the position 2L + 1: that is the only order in
 *  which they can have happened, and it must agree with real time. An operation that returned
 *  before another was called must not stand behind it; looking at the highest position that has
 *  returned at every call decides that for all pairs in O(n log n). What remains is that the log
 *  holds what was acknowledged and read, everything once, and nothing that nobody sent. Two answers
 *  name no place but a range of them: a read that saw nothing behind L stands at 2L + 1 or before,
 *  a send refused because entry n was the last one behind n and before the next user entry. Such
 *  an operation stands as early as those that returned before its call let it. */

import type { LogIndex } from "../base/types.ts";
import {
  digestOfRange,
  digestPrefixes,
  joinFinals,
  parseHistory,
  type FinalLog,
  type Operation,
  type ReadOperation,
  type SendOperation,
} from "./history.ts";

/** More are counted only. */
const VIOLATIONS_MAX = 100;

/** Every broken promise as a sentence; none: the history is linearizable and exactly-once.
 *  `lineOf` names an operation by its position; without it they are counted from 1. */
export function checkHistory(
  operations: readonly Operation[],
  finalLog: FinalLog,
  lineOf: (position: number) => number = (position) => position + 1,
): readonly string[] {
  const found: string[] = [];
  const reads: Read[] = [];
  const refusals: Refusal[] = [];
  for (const [position, operation] of operations.entries()) {
    const line = lineOf(position);
    if (operation.kind === "read" && operation.outcome === "ok")
      reads.push({ line, read: operation });
    if (operation.kind === "send") refusals.push(...refusalOf(operation, line));
  }
  const requests = requestsOf(operations, lineOf, found);
  placeRequests(requests, finalLog, found);
  for (const request of requests) checkAcknowledged(request, finalLog, found);
  checkUniqueIndexes(requests, found);
  checkConditions(requests, finalLog, found);
  checkReads(reads, finalLog, found);
  checkReadsEnd(requests, reads, found);
  const refused = checkRefusals(requests, refusals, finalLog, found);
  checkTerms(requests, reads, found);
  checkRealTime(
    [...requests.flatMap(happeningOfRequest), ...reads.map(happeningOfRead), ...refused],
    found,
  );
  if (found.length <= VIOLATIONS_MAX) return found;
  return [...found.slice(0, VIOLATIONS_MAX), `and ${found.length - VIOLATIONS_MAX} more`];
}

/** The same for a file as `encodeLine` writes it. What cannot be read is a violation. */
export function checkHistoryText(text: string): readonly string[] {
  const history = parseHistory(text);
  if ("reason" in history) return [history.reason];
  const final = joinFinals(history.finals);
  if ("reason" in final) return [final.reason];
  return checkHistory(history.operations, final.log, (position) => history.lines[position] ?? 0);
}

interface Read {
  readonly line: number;
  readonly read: ReadOperation;
}

/** A conditional send that was told which the last user entry was: a read of that. */
interface Refusal {
  readonly line: number;
  readonly callNs: number;
  readonly returnNs: number;
  readonly ifLast: LogIndex;
  readonly lastUser: LogIndex;
}

/** All sends under one request id: copies of one request. */
interface Request {
  readonly payloads: readonly string[];
  readonly ifLast: LogIndex | null;
  /** The line that the request is called by: its first acknowledgement, else its first send. */
  line: number;
  /** The first call that may have had an effect; Infinity: all were refused. */
  callNs: number;
  /** When it was first acknowledged; Infinity: never. */
  returnNs: number;
  /** As acknowledged. */
  index: LogIndex | null;
  term: number | null;
  /** Where it stands in the final log. */
  place: LogIndex | null;
}

function requestsOf(
  operations: readonly Operation[],
  lineOf: (position: number) => number,
  found: string[],
): readonly Request[] {
  const named = new Map<string, Request>();
  const requests: Request[] = [];
  for (const [position, operation] of operations.entries()) {
    if (operation.kind !== "send") continue;
    const line = lineOf(position);
    let request = operation.requestId === null ? undefined : named.get(operation.requestId);
    if (request === undefined) {
      request = freshRequest(operation, line);
      requests.push(request);
      if (operation.requestId !== null) named.set(operation.requestId, request);
    } else if (request.payloads.join() !== operation.payloads.join()) {
      found.push(`lines ${request.line} and ${line} send different entries under one request id`);
      continue;
    }
    addCopy(request, operation, line, found);
  }
  return requests;
}

function refusalOf(send: SendOperation, line: number): readonly Refusal[] {
  const { outcome, callNs, ifLast } = send;
  const lastUser = send.lastUser ?? null;
  if (outcome !== "refused" || ifLast === null || lastUser === null) return [];
  return [{ line, callNs, returnNs: send.returnNs ?? Infinity, ifLast, lastUser }];
}

function freshRequest({ payloads, ifLast }: SendOperation, line: number): Request {
  const never = { callNs: Infinity, returnNs: Infinity, index: null, term: null, place: null };
  return { payloads, ifLast, line, ...never };
}

function addCopy(request: Request, copy: SendOperation, line: number, found: string[]): void {
  if (copy.outcome === "refused") return;
  request.callNs = Math.min(request.callNs, copy.callNs);
  if (copy.outcome === "unknown") return;
  if (copy.index === null) {
    found.push(`line ${line} is acknowledged without an index`);
    return;
  }
  if (request.index !== null && request.index !== copy.index) {
    found.push(
      `lines ${request.line} and ${line} are one request, ` +
        `acknowledged at ${request.index} and at ${copy.index}`,
    );
  }
  const returnNs = copy.returnNs ?? Infinity;
  if (request.index === null || returnNs < request.returnNs) {
    Object.assign(request, { line, returnNs, index: copy.index, term: copy.term });
  }
}

/** Finds every entry's request: nothing that nobody sent, nothing refused, each once and each
 *  request whole. */
function placeRequests(requests: readonly Request[], finalLog: FinalLog, found: string[]): void {
  const owners = new Map<string, { readonly request: Request; readonly offset: number }>();
  for (const request of requests) {
    for (const [offset, payload] of request.payloads.entries()) {
      const other = owners.get(payload);
      if (other === undefined) owners.set(payload, { request, offset });
      else {
        found.push(
          `lines ${other.request.line} and ${request.line} send equal entries, ` +
            `which nobody can tell apart`,
        );
      }
    }
  }
  const seenAt = new Map<string, LogIndex>();
  for (const [at, payload] of finalLog.entries()) {
    if (payload === null) continue;
    const index = at + 1;
    const owner = owners.get(payload);
    if (owner === undefined) {
      found.push(`the final log holds at ${index} what nobody sent`);
      continue;
    }
    const { request, offset } = owner;
    const before = seenAt.get(payload);
    if (before !== undefined) {
      found.push(`the entry of line ${request.line} is in the final log at ${before} and ${index}`);
      continue;
    }
    seenAt.set(payload, index);
    if (request.callNs === Infinity)
      found.push(`line ${request.line} was refused, but its entry is in the final log at ${index}`);
    request.place ??= index - offset;
  }
  for (const request of requests) {
    const { place, payloads } = request;
    if (place === null) continue;
    const torn = payloads.findIndex((payload, offset) => finalLog[place - 1 + offset] !== payload);
    if (torn >= 0) {
      found.push(
        `line ${request.line} sent ${payloads.length} entries as one; ` +
          `they do not all stand in their order from ${place} on`,
      );
    }
  }
}

/** What was acknowledged is there, at its index. */
function checkAcknowledged(request: Request, finalLog: FinalLog, found: string[]): void {
  const { index, place, line } = request;
  if (index === null || index === place) return;
  const is = place === null ? "it is not in the final log" : `it is at ${place}`;
  const ends = index > finalLog.length ? `, which ends at ${finalLog.length}` : "";
  found.push(`line ${line} was acknowledged at ${index}, but ${is}${ends}`);
}

/** No index was given to two requests. */
function checkUniqueIndexes(requests: readonly Request[], found: string[]): void {
  const acknowledged = requests
    .filter(({ index }) => index !== null)
    .toSorted((a, b) => (a.index ?? 0) - (b.index ?? 0));
  for (const [at, request] of acknowledged.entries()) {
    const before = acknowledged[at - 1];
    if (before === undefined) continue;
    const end = (before.index ?? 0) + before.payloads.length;
    if ((request.index ?? 0) < end) {
      found.push(`lines ${before.line} and ${request.line} were both acknowledged at ${end - 1}`);
    }
  }
}

/** `[i]`: the last user entry among the first i. */
function lastUsers(finalLog: FinalLog): Float64Array {
  const lastUser = new Float64Array(finalLog.length + 1);
  for (const [at, payload] of finalLog.entries())
    lastUser[at + 1] = payload === null ? (lastUser[at] ?? 0) : at + 1;
  return lastUser;
}

/** What was to be added only behind a certain entry stands right behind it. */
function checkConditions(requests: readonly Request[], finalLog: FinalLog, found: string[]): void {
  const lastUser = lastUsers(finalLog);
  for (const { place, ifLast, line } of requests) {
    if (place === null || ifLast === null) continue;
    const before = lastUser[place - 1] ?? 0;
    if (before !== ifLast)
      found.push(`line ${line} was to follow entry ${ifLast} and follows entry ${before}`);
  }
}

/** A read saw the final log, without holes. */
function checkReads(reads: readonly Read[], finalLog: FinalLog, found: string[]): void {
  const prefixes = digestPrefixes(finalLog);
  for (const { line, read } of reads) {
    const { from, count, node } = read;
    const index = read.index ?? 0;
    const where = `line ${line}${node === null ? "" : ` (at node ${node})`}`;
    if (count !== index - from + 1)
      found.push(`${where} read ${from}..${index} and saw ${count} entries`);
    else if (count > 0 && index > finalLog.length)
      found.push(`${where} read up to ${index}, but the final log ends at ${finalLog.length}`);
    else if (count > 0 && digestOfRange(prefixes, from, index) !== read.digest)
      found.push(`${where} read ${from}..${index} and saw other entries than the final log holds`);
  }
}

/** Every index at which a part of a send ends and not the whole. */
function halvesOf(requests: readonly Request[]): ReadonlyMap<LogIndex, Request> {
  const halves = new Map<LogIndex, Request>();
  for (const request of requests) {
    const { place, payloads } = request;
    if (place === null) continue;
    for (let offset = 0; offset < payloads.length - 1; offset++)
      halves.set(place + offset, request);
  }
  return halves;
}

/** What was named as the last user entry was that at some time, and was not what was asked for. */
function checkRefusals(
  requests: readonly Request[],
  refusals: readonly Refusal[],
  finalLog: FinalLog,
  found: string[],
): readonly Happening[] {
  if (refusals.length === 0) return [];
  const halves = halvesOf(requests);
  const lastUser = lastUsers(finalLog);
  // next[i]: the first user entry behind the first i.
  const next = new Float64Array(finalLog.length + 1).fill(Infinity);
  for (let at = finalLog.length - 1; at >= 0; at--)
    next[at] = (finalLog[at] ?? null) === null ? (next[at + 1] ?? Infinity) : at + 1;
  return refusals.flatMap(({ line, callNs, returnNs, ifLast, lastUser: told }) => {
    if (told === ifLast)
      found.push(`line ${line} was refused because of entry ${told}, which it was to follow`);
    if (lastUser[told] !== told || halves.has(told)) {
      found.push(`line ${line} was told that entry ${told} is the last one, which it never was`);
      return [];
    }
    const text = `was told that entry ${told} is the last one`;
    const first = 2 * (next[told] ?? Infinity) - 1;
    return [{ line, text, callNs, returnNs, first, last: 2 * told + 1 }];
  });
}

/** What was sent as one is read as one. */
function checkReadsEnd(
  requests: readonly Request[],
  reads: readonly Read[],
  found: string[],
): void {
  const halves = halvesOf(requests);
  for (const { line, read } of reads) {
    const torn = read.count > 0 ? halves.get(read.index ?? 0) : undefined;
    if (torn !== undefined)
      found.push(`line ${line} read only a part of what line ${torn.line} sent as one`);
  }
}

/** Terms rise along the log, and an entry has one. */
function checkTerms(requests: readonly Request[], reads: readonly Read[], found: string[]): void {
  const told: { line: number; index: LogIndex; term: number }[] = [];
  for (const { line, index, term } of requests)
    if (index !== null && term !== null) told.push({ line, index, term });
  for (const { line, read } of reads) {
    if (read.count > 0 && read.index !== null && read.term !== null)
      told.push({ line, index: read.index, term: read.term });
  }
  told.sort((a, b) => a.index - b.index);
  for (const [at, { line, index, term }] of told.entries()) {
    const before = told[at - 1];
    if (before === undefined) continue;
    if (before.term > term || (before.index === index && before.term !== term)) {
      found.push(
        `line ${before.line} was told that entry ${before.index} has term ${before.term}, ` +
          `line ${line} that entry ${index} has term ${term}`,
      );
    }
  }
}

/** Something with its places in the one order, and the time in which it happened. */
interface Happening {
  readonly line: number;
  readonly text: string;
  readonly callNs: number;
  readonly returnNs: number;
  /** Its last possible position; nothing that returned before it was called may stand behind
   *  this. */
  readonly first: number;
  /** The position of its last entry, or its first possible one; whatever is called after it
   *  returned must not stand before it. */
  readonly last: number;
}

/** Real time agrees with the order of the log. */
function checkRealTime(happenings: readonly Happening[], found: string[]): void {
  const byCall = happenings.toSorted((a, b) => a.callNs - b.callNs);
  const byReturn = happenings
    .filter(({ returnNs }) => returnNs !== Infinity)
    .sort((a, b) => a.returnNs - b.returnNs);
  let next = 0;
  let highest: Happening | null = null;
  for (const called of byCall) {
    for (; ; next++) {
      const returned = byReturn[next];
      if (returned === undefined || returned.returnNs >= called.callNs) break;
      if (highest === null || returned.last > highest.last) highest = returned;
    }
    if (highest !== null && called.first < highest.last) {
      found.push(
        `line ${called.line} ${called.text}, although line ${highest.line}, ` +
          `which ${highest.text}, had returned before it was called`,
      );
    }
  }
}

function happeningOfRequest(request: Request): readonly Happening[] {
  const { line, callNs, returnNs, place, payloads } = request;
  const index = request.index ?? place;
  if (index === null || callNs === Infinity) return [];
  const what = payloads.length === 1 ? "entry" : `${payloads.length} entries from`;
  const text = `added ${what} ${index}`;
  const last = 2 * (index + payloads.length - 1);
  return [{ line, text, callNs, returnNs, first: 2 * index, last }];
}

function happeningOfRead({ line, read }: Read): Happening {
  const { callNs, count } = read;
  const index = read.index ?? 0;
  const position = 2 * index + 1;
  const returnNs = read.returnNs ?? Infinity;
  const text = count > 0 ? `read up to ${index}` : `saw nothing behind ${index}`;
  // A read that saw nothing says only that the log was not longer.
  return { line, text, callNs, returnNs, first: position, last: count > 0 ? position : 0 };
}
