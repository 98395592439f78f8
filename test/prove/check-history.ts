/** A second judge of a recorded history, which shares nothing with the first but the format that
 *  test/README.md describes, under "Histories".
 *
 *      npx bun test/prove/check-history.ts FILE
 *
 *  says whether it is linearizable and everything in it exactly once. Exit code 1 if not, 2 when
 *  there is nothing to judge: no such file, no operations, or a line that is not of the format. */

import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { parseArgs } from "node:util";
import { answer, UsageError, wordsOf } from "./typed.ts";

interface Line {
  kind: "send" | "read" | "final";
  outcome: string;
  callNs: number;
  returnNs: number | null;
  requestId: string | null;
  ifLast: number | null;
  lastUser?: number | null;
  index: number;
  from: number;
  count: number;
  term: number | null;
  payloads: string[];
  payload: string | null;
  digest: string;
}

/** The first broken promise, or null. */
export function independentVerdict(text: string): string | null {
  const lines = text.split("\n").filter((line) => line !== "");
  const all = lines.map((line) => JSON.parse(line) as Line);
  const log: (string | null | undefined)[] = [null];
  for (const { kind, index, payload } of all) {
    if (kind !== "final") continue;
    if (log[index] !== undefined && log[index] !== payload) return `two entries at ${index}`;
    log[index] = payload;
  }
  if (log.includes(undefined)) return "the final log has holes";
  const sums = log.map(() => 0n);
  const userBefore = log.map(() => 0);
  for (let at = 1; at < log.length; at++) {
    const hash = createHash("sha256").update(`${at} ${log[at] ?? "-"}`);
    sums[at] = (sums[at - 1] ?? 0n) + BigInt(`0x${hash.digest("hex").slice(0, 12)}`);
    userBefore[at] = (log[at - 1] ?? null) === null ? (userBefore[at - 1] ?? 0) : at - 1;
  }
  const userAfter = log.map(() => Infinity);
  for (let at = log.length - 2; at >= 0; at--)
    userAfter[at] = typeof log[at + 1] === "string" ? at + 1 : (userAfter[at + 1] ?? Infinity);
  const sends = Map.groupBy(
    all.filter(({ kind, outcome }) => kind === "send" && outcome !== "refused"),
    ({ requestId, payloads }) => requestId ?? payloads.join(),
  );
  const owner = new Map<string, number>();
  for (const [at, payload] of log.entries()) {
    if (typeof payload !== "string") continue;
    if (owner.has(payload)) return `doubled: ${payload} at ${owner.get(payload)} and ${at}`;
    owner.set(payload, at);
  }
  /** Intervals with the first and the last place of each in the order of the log. */
  const events: { call: number; end: number; first: number; last: number; what: string }[] = [];
  /** Indexes that follow another of the same send. */
  const inside = new Set<number>();
  for (const [id, copies] of sends) {
    const { payloads, ifLast } = copies[0] as Line;
    if (copies.some((copy) => copy.payloads.join() !== payloads.join())) return `two under ${id}`;
    const place = owner.get(payloads[0] ?? "");
    if (payloads.some((payload, i) => owner.get(payload) !== (place ?? NaN) + i)) {
      if (place !== undefined || payloads.some((payload) => owner.has(payload)))
        return `torn: ${id}`;
    }
    const told = copies.filter(({ outcome }) => outcome === "ok");
    if (told.some(({ index }) => index !== place)) return `lost or moved: ${id}`;
    for (const payload of payloads) owner.delete(payload);
    if (place === undefined) continue;
    if (ifLast !== null && userBefore[place] !== ifLast) return `condition of ${id} did not hold`;
    const call = Math.min(...copies.map(({ callNs }) => callNs));
    const end = Math.min(...told.map(({ returnNs }) => returnNs ?? Infinity));
    events.push({ call, end, first: place, last: place + payloads.length - 1, what: id });
    for (let i = 1; i < payloads.length; i++) inside.add(place + i);
  }
  if (owner.size > 0) return `nobody sent ${[...owner.keys()][0]}, or it was refused`;
  for (const { kind, outcome, from, index, count, digest, callNs, returnNs } of all) {
    if (kind !== "read" || outcome !== "ok") continue;
    const sum = ((sums[index] ?? 0n) - (sums[from - 1] ?? 0n)) & 0xffffffffffffn;
    if (count !== index - from + 1) return `a read of ${from}..${index} saw ${count}`;
    if (count > 0 && (index >= log.length || sum !== BigInt(`0x${digest}`)))
      return `a read of ${from}..${index} saw another log`;
    if (count > 0 && inside.has(index + 1)) return `a read ends inside of a send, at ${index}`;
    const last = count > 0 ? index + 0.5 : 0;
    const what = `read up to ${index}`;
    events.push({ call: callNs, end: returnNs ?? Infinity, first: index + 0.5, last, what });
  }
  for (const { kind, outcome, ifLast, lastUser, callNs, returnNs } of all) {
    if (kind !== "send" || outcome !== "refused" || ifLast === null) continue;
    if (typeof lastUser !== "number") continue;
    const what = `refusal for ${lastUser}`;
    if (lastUser === ifLast) return `${what}, which it named`;
    const isEntry = lastUser === 0 || typeof log[lastUser] === "string";
    if (!isEntry || inside.has(lastUser + 1)) return `${what}, which was never the last entry`;
    const first = (userAfter[lastUser] ?? Infinity) - 0.5;
    events.push({ call: callNs, end: returnNs ?? Infinity, first, last: lastUser + 0.5, what });
  }
  return backwards(events);
}

/** Of two operations one after the other, the later one must not stand before the earlier one. */
function backwards(
  events: readonly { call: number; end: number; first: number; last: number; what: string }[],
): string | null {
  const ended = events.filter(({ end }) => end !== Infinity).toSorted((a, b) => a.end - b.end);
  const highest: number[] = [];
  for (const { last } of ended) highest.push(Math.max(last, highest.at(-1) ?? 0));
  for (const { call, first, what } of events) {
    let [low, high] = [0, ended.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((ended[middle]?.end ?? 0) < call) low = middle + 1;
      else high = middle;
    }
    const before = highest[low - 1] ?? 0;
    if (first < before) return `${what} stands at ${first}, behind it ${before} had been told`;
  }
  return null;
}

/** Why a text is no history that could be judged, as a sentence; null: it can be. */
export function whyNoHistory(text: string): string | null {
  let operations = 0;
  for (const [at, line] of text.split("\n").entries()) {
    if (line === "") continue;
    let fields: unknown;
    try {
      fields = JSON.parse(line);
    } catch {
      return `line ${at + 1} is not JSON: ${line.slice(0, 60)}`;
    }
    const wrong = whyNoLine(fields);
    if (wrong !== null) return `line ${at + 1} ${wrong}`;
    if ((fields as Line).kind !== "final") operations += 1;
  }
  return operations === 0 ? "there are no operations in it: nothing is proved" : null;
}

type Rule = readonly [holds: (value: unknown) => boolean, needed: string];

const WHOLE: Rule = [(value) => Number.isSafeInteger(value) && Number(value) >= 0, "whole number"];
const PAYLOAD: Rule = [isPayload, "16 hex digits"];
const orNull = ([holds, needed]: Rule): Rule => [
  (value) => value === null || holds(value),
  `${needed}, or null`,
];
const OPERATION: Readonly<Record<string, Rule>> = {
  client: [(value) => typeof value === "string", "text"],
  callNs: WHOLE,
  returnNs: orNull(WHOLE),
  outcome: [
    (value) => value === "ok" || value === "refused" || value === "unknown",
    "ok, refused or unknown",
  ],
};
const RULES: Readonly<Record<string, Readonly<Record<string, Rule>>>> = {
  send: {
    ...OPERATION,
    requestId: orNull([(value) => typeof value === "string", "text"]),
    ifLast: orNull(WHOLE),
    index: orNull(WHOLE),
    payloads: [(value) => Array.isArray(value) && value.every(isPayload), "list of 16 hex digits"],
  },
  read: { ...OPERATION, from: WHOLE, index: orNull(WHOLE), count: WHOLE },
  final: { index: [(value) => WHOLE[0](value) && value !== 0, "index"], payload: orNull(PAYLOAD) },
};
/** Of what is ok, besides. */
const OK_RULES: Readonly<Record<string, Readonly<Record<string, Rule>>>> = {
  send: { returnNs: WHOLE, index: WHOLE },
  read: {
    returnNs: WHOLE,
    index: WHOLE,
    digest: [(value) => typeof value === "string" && /^[0-9a-f]{12}$/.test(value), "12 hex digits"],
  },
};

function whyNoLine(value: unknown): string | null {
  if (typeof value !== "object" || value === null) return "is not a JSON object";
  const fields = value as Record<string, unknown>;
  const kind = String(fields["kind"]);
  const rules = RULES[kind];
  if (rules === undefined) return `has the kind ${kind}, not send, read or final`;
  const more = fields["outcome"] === "ok" ? OK_RULES[kind] : {};
  for (const [name, [holds, needed]] of [rules, more ?? {}].flatMap(Object.entries<Rule>)) {
    if (!(name in fields)) return `(${kind}) lacks the field ${name}`;
    if (!holds(fields[name]))
      return `(${kind}) has ${JSON.stringify(fields[name])} as ${name}, where this is needed: ${needed}`;
  }
  return null;
}

function isPayload(value: unknown): boolean {
  return typeof value === "string" && /^[0-9a-f]{16}$/.test(value);
}

if (import.meta.main) {
  await answer(import.meta.url, () => {
    const [file] = wordsOf(parseArgs({ allowPositionals: true }).positionals, 1);
    if (file === undefined) throw new UsageError("a file with a history is needed");
    if (!existsSync(file) || !statSync(file).isFile())
      throw new UsageError(`${file}: there is no such file`);
    const text = readFileSync(file, "utf8");
    const why = whyNoHistory(text);
    if (why !== null) throw new UsageError(`${file}: ${why}`);
    const verdict = independentVerdict(text);
    console.log(verdict === null ? "linearizable, everything exactly once" : `broken: ${verdict}`);
    return Promise.resolve(verdict === null ? 0 : 1);
  });
}
