/** A second judge of a recorded history, which shares nothing with the first but the format that
 *  test/README.md describes. `bun test/prove/check-history.ts FILE` says whether it is linearizable
 *  and exactly-once; exit code 1 if not. */
import { createHash } from "node:crypto";

interface Line {
  kind: "send" | "read" | "final";
  outcome: string;
  callNs: number;
  returnNs: number | null;
  requestId: string | null;
  ifLast: number | null;
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

if (import.meta.main) {
  const verdict = independentVerdict(await Bun.file(process.argv[2] ?? "").text());
  console.log(verdict === null ? "linearizable, everything exactly once" : `broken: ${verdict}`);
  process.exitCode = verdict === null ? 0 : 1;
}
