/** What clients were told, entry by entry, and whether the logs keep it: every acknowledged entry
 *  once and at its index, every refused one never, every unknown one at most once, and nothing that
 *  nobody sent. Holds one cluster's history; made for real processes whose disks fail. */
import type { Random } from "../../src/base/random.ts";
import { type LogEntry, type RaftClient, RaftError } from "../../src/index.ts";
import { sleep } from "../e2e/world.ts";

/** How long a client waits before it calls an outcome unknown. */
const SEND_TIMEOUT_MS = 4_000;
/** How often an unknown outcome is asked for again under its request id. */
const RESUME_TRIES = 3;
/** Most entries are small; one in `LARGE_EVERY` spans several pages of the disk. */
const LARGE_EVERY = 6;
const SMALL_BYTES_MAX = 400;
const LARGE_BYTES_MAX = 40_000;
/** Between two entries of one worker, so that the load leaves the machine some air. */
const PAUSE_MS_MAX = 4;
/** A report names so many broken promises at most. */
const FAILURES_MAX = 5;

export class Ledger {
  acknowledgedCount = 0;
  /** The highest index that was acknowledged. */
  highest = 0;
  /** Anything that is not a documented outcome, and every broken order. */
  readonly surprises: string[] = [];
  readonly #acknowledged = new Map<string, number>();
  readonly #refused = new Set<string>();
  readonly #unknown = new Set<string>();
  readonly #waiters = new Set<() => void>();

  acknowledge(entry: string, index: number, highestBefore: number): void {
    if (index <= highestBefore)
      this.surprises.push(`${nameOf(entry)} got ${index} after ${highestBefore} was acknowledged`);
    this.#unknown.delete(entry);
    this.#acknowledged.set(entry, index);
    this.acknowledgedCount += 1;
    this.highest = Math.max(this.highest, index);
    for (const wake of [...this.#waiters]) wake();
  }

  /** The entries that were acknowledged last, the latest last, with their indexes. */
  latest(count: number): readonly (readonly [entry: string, index: number])[] {
    return count === 0 ? [] : [...this.#acknowledged].slice(-count);
  }

  /** Certainly not done: it may never be in a log. */
  refuse(entry: string): void {
    this.#unknown.delete(entry);
    this.#refused.add(entry);
  }

  leaveUnknown(entry: string): void {
    this.#unknown.add(entry);
  }

  get unknownCount(): number {
    return this.#unknown.size;
  }

  /** Resolves once `count` more entries are acknowledged: true, or false when the time is over. */
  progress(count: number, timeoutMs: number): Promise<boolean> {
    const wanted = this.acknowledgedCount + count;
    return new Promise((resolve) => {
      const end = (reached: boolean) => {
        clearTimeout(timer);
        this.#waiters.delete(look);
        resolve(reached);
      };
      const look = () => {
        if (this.acknowledgedCount >= wanted) end(true);
      };
      const timer = setTimeout(() => end(false), timeoutMs);
      this.#waiters.add(look);
    });
  }

  /** What one node's whole committed log says against what clients were told; a sentence each. */
  check(node: number, log: readonly LogEntry[]): string[] {
    const decoder = new TextDecoder();
    const failures: string[] = [];
    const places = new Map<string, number>();
    for (const [at, { index, kind, bytes }] of log.entries()) {
      if (index !== at + 1) failures.push(`place ${at + 1} of the log holds index ${index}`);
      if (kind !== "entry") continue;
      const entry = decoder.decode(bytes);
      const before = places.get(entry);
      if (before !== undefined) failures.push(`${nameOf(entry)} is at ${before} and at ${index}`);
      places.set(entry, index);
      if (this.#refused.has(entry))
        failures.push(`${nameOf(entry)} was refused and is at ${index}`);
      else if (!this.#acknowledged.has(entry) && !this.#unknown.has(entry))
        failures.push(`index ${index} holds ${nameOf(entry)}, which nobody sent`);
    }
    for (const [entry, index] of this.#acknowledged) {
      const place = places.get(entry);
      if (place === index) continue;
      const is = place === undefined ? "nowhere" : `at ${place}`;
      failures.push(`${nameOf(entry)} was acknowledged at ${index} and is ${is}`);
    }
    const more = failures.length - FAILURES_MAX;
    const named = failures.slice(0, FAILURES_MAX).map((failure) => `node ${node}: ${failure}`);
    return more > 0 ? [...named, `node ${node}: and ${more} more`] : named;
  }
}

/** An entry without its padding. */
function nameOf(entry: string): string {
  return entry.split(" ")[0] ?? entry;
}

/** One client's worker: an entry after the other until `isOver`, each of its own name. Half of the
 *  unknown outcomes are finished under their request id, the others stay unknown. */
export async function sendUntil(
  isOver: () => boolean,
  client: RaftClient,
  name: string,
  ledger: Ledger,
  random: Random,
): Promise<void> {
  for (let number = 0; !isOver(); number++) {
    const bytesMax = random() * LARGE_EVERY < 1 ? LARGE_BYTES_MAX : SMALL_BYTES_MAX;
    const entry = `${name}-${number} ${"x".repeat(Math.floor(random() * bytesMax))}`;
    await sendOne(isOver, client, entry, ledger, random() < 0.5);
    await sleep(random() * PAUSE_MS_MAX);
  }
}

async function sendOne(
  isOver: () => boolean,
  client: RaftClient,
  entry: string,
  ledger: Ledger,
  resumes: boolean,
): Promise<void> {
  // Until its outcome is known it may be in the log.
  ledger.leaveUnknown(entry);
  const highestBefore = ledger.highest;
  let requestId: string | null = null;
  for (let tries = 0; tries <= RESUME_TRIES; tries++) {
    try {
      const options = { timeoutMs: SEND_TIMEOUT_MS, ...(requestId !== null && { requestId }) };
      const receipt = await client.send(entry, options);
      ledger.acknowledge(entry, receipt.index, highestBefore);
      return;
    } catch (error) {
      if (!(error instanceof RaftError) || ![3, 4, 5].includes(error.exitCode)) {
        ledger.surprises.push(`${nameOf(entry)}: ${String(error)}`);
        return;
      }
      if (error.exitCode === 5) {
        if (requestId === null && !resumes) return;
        requestId = error.requestId;
        if (requestId === null || isOver()) return;
      } else if (requestId === null) {
        ledger.refuse(entry);
        return;
      }
    }
  }
}
