/** A closed loop of senders against a cluster, and the check that the log holds what was
 *  acknowledged. */
import type { RaftClient } from "../../src/index.ts";

/** One level of load. Latencies are from the call to the receipt, in milliseconds. */
export interface Level {
  outstanding: number;
  entriesPerSecond: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
  entries: number;
  seconds: number;
}

/** How long a level runs before it is measured: sessions open, code is compiled, windows are
 *  full. */
const WARM_UP_MS = 1_000;
const SEND_TIMEOUT_MS = 30_000;
/** Where the number of an entry ends; the rest of it is filler. */
const NUMBER_BYTES = 10;

export class Load {
  private readonly client: RaftClient;
  private readonly size: number;
  private readonly filler: Buffer;
  /** The index that was acknowledged for each entry, by the entry's number. */
  private readonly acknowledged: number[] = [];

  /** Entries have `size` bytes, ten at least. */
  constructor(client: RaftClient, size: number) {
    this.client = client;
    this.size = Math.max(NUMBER_BYTES, size);
    this.filler = Buffer.alloc(this.size, "x");
  }

  get count(): number {
    return this.acknowledged.length;
  }

  /** Keeps `outstanding` entries under way for `seconds`. */
  async run(outstanding: number, seconds: number): Promise<Level> {
    const startedMs = performance.now();
    const warmUpMs = Math.min(WARM_UP_MS, (seconds * 1_000) / 2);
    const fromMs = startedMs + warmUpMs;
    const untilMs = fromMs + seconds * 1_000;
    const latenciesMs: number[] = [];
    const worker = async () => {
      for (let nowMs = performance.now(); nowMs < untilMs;) {
        const sentMs = nowMs;
        await this.sendOne();
        nowMs = performance.now();
        if (nowMs >= fromMs && nowMs < untilMs) latenciesMs.push(nowMs - sentMs);
      }
    };
    await Promise.all(Array.from({ length: outstanding }, worker));
    const sorted = Float64Array.from(latenciesMs).toSorted();
    const at = (part: number) => sorted[Math.floor((sorted.length - 1) * part)] ?? Number.NaN;
    return {
      outstanding,
      entriesPerSecond: Math.round(sorted.length / seconds),
      p50Ms: round(at(0.5)),
      p99Ms: round(at(0.99)),
      maxMs: round(at(1)),
      entries: sorted.length,
      seconds,
    };
  }

  /** Reads the log back: every acknowledged entry is there once, whole, at its index. Throws if one
   *  is not. */
  async verify(): Promise<number> {
    const seen = new Uint8Array(this.acknowledged.length);
    let found = 0;
    for await (const { index, bytes } of this.client.log({ timeoutMs: SEND_TIMEOUT_MS })) {
      const number = Number(Buffer.from(bytes.buffer, bytes.byteOffset, NUMBER_BYTES).toString());
      const whole = bytes.length === this.size && bytes.at(-1) === this.entry(number).at(-1);
      if (!whole || this.acknowledged[number] !== index || seen[number] !== 0) {
        throw new Error(
          `entry ${number} is at ${index}, acknowledged at ${this.acknowledged[number]}`,
        );
      }
      seen[number] = 1;
      found++;
    }
    if (found !== this.count)
      throw new Error(`${this.count} were acknowledged, ${found} are there`);
    return found;
  }

  private async sendOne(): Promise<void> {
    const number = this.acknowledged.length;
    this.acknowledged.push(0);
    const { index } = await this.client.send(this.entry(number), { timeoutMs: SEND_TIMEOUT_MS });
    this.acknowledged[number] = index;
  }

  private entry(number: number): Buffer {
    const entry = Buffer.from(this.filler);
    entry.write(String(number).padStart(NUMBER_BYTES, "0"));
    return entry;
  }
}

/** Two digits behind the point. */
export function round(value: number): number {
  return Math.round(value * 100) / 100;
}
