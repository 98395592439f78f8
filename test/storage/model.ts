/** A disk under a seed, a log on it, and an array that says what the log must hold: crashed and
 *  recovered many times. */

import { expect } from "vitest";
import { MemoryDisk } from "../../src/storage/memory-disk.ts";
import { membersAt, readHead } from "../../src/storage/record.ts";
import type { OpenStore } from "../../src/storage/store.ts";
import { RECORD_KIND } from "../../src/storage/types.ts";
import type { LogStore, RecordHead } from "../../src/storage/types.ts";
import { create, nextRecord, open, SMALL } from "./fixture.ts";

/** One record as the model remembers it. */
interface Kept {
  readonly head: RecordHead;
  readonly hex: string;
}

export class Model {
  readonly disk: MemoryDisk;
  readonly tasks: (() => void)[] = [];
  readonly random: () => number;
  store: OpenStore;
  /** The log in memory, record by record. */
  kept: Kept[] = [];
  /** Logs that a crash may bring back because no write after their truncation was acknowledged. */
  older: Kept[][] = [];
  ackedIndex = 0;
  commitIndex = 0;
  nowMs = 0;
  private term = 1;
  private writeId = 0;
  private truncations = 0;

  constructor(random: () => number) {
    this.random = random;
    this.disk = new MemoryDisk({ schedule: (run) => this.tasks.push(run) });
    create(this.disk);
    this.store = open(this.disk);
  }

  get log(): LogStore {
    return this.store.log;
  }

  pick(below: number): number {
    return Math.floor(this.random() * below);
  }

  step(): void {
    const turn = this.random();
    if (turn < 0.35) this.append();
    else if (turn < 0.55) this.flush();
    else if (turn < 0.8) this.runTask();
    else if (turn < 0.87) this.commit();
    else if (turn < 0.92) this.truncate();
    else this.tick();
  }

  append(): void {
    if (this.random() < 0.1) this.term += 1;
    const turn = this.random();
    const large = this.random() < 0.1;
    const payloads = Array.from({ length: 1 + this.pick(4) }, () => {
      return new Uint8Array(this.pick(large ? 4_000 : 60)).map(() => this.pick(256));
    });
    const clientId = String(10 + this.pick(20)).repeat(16);
    const noop = turn < 0.1;
    const record = nextRecord(
      this.log,
      this.term,
      noop ? [new Uint8Array(0)] : payloads,
      noop ? { kind: RECORD_KIND.noop } : { clientId },
    );
    this.log.append(record);
    this.keep(record);
  }

  private keep(record: Uint8Array): void {
    const head = readHead(record, 0);
    if (typeof head === "string") throw new Error(head);
    this.kept.push({ head, hex: Buffer.from(record).toString("hex") });
  }

  flush(): void {
    const lastIndex = this.log.lastIndex;
    const kept = [...this.kept];
    const truncations = this.truncations;
    this.log.flush(
      () => (this.writeId += 1),
      () => {
        // A completion counts for what it wrote and what is still in the log.
        const same = this.kept.filter((record, at) => record.hex === kept[at]?.hex);
        const acked = Math.min(lastIndex, same.at(-1)?.head.lastIndex ?? 0);
        this.ackedIndex = Math.max(this.ackedIndex, acked);
        // A truncation is durable with the first write that began after it.
        if (truncations === this.truncations) this.older = [];
      },
    );
  }

  runTask(): void {
    this.tasks.splice(this.pick(this.tasks.length), 1)[0]?.();
  }

  /** Until nothing is under way. */
  settle(): void {
    while (this.tasks.length > 0) this.runTask();
  }

  commit(): void {
    const below = this.kept.filter((record) => record.head.lastIndex >= this.commitIndex);
    const upTo = below[this.pick(below.length)];
    if (upTo === undefined || this.random() < 0.5) return;
    // Others may commit what is not durable here; a crash may then lose it here, and only here.
    this.commitIndex = upTo.head.lastIndex;
    this.log.committed(this.commitIndex);
  }

  truncate(): void {
    const above = this.kept.filter((record) => record.head.firstIndex > this.commitIndex);
    const from = above[this.pick(above.length)];
    if (from === undefined) return;
    this.older.push([...this.kept]);
    this.truncations += 1;
    const { firstIndex } = from.head;
    this.log.truncate(firstIndex);
    this.kept = this.kept.filter((record) => record.head.firstIndex < firstIndex);
    this.ackedIndex = Math.min(this.ackedIndex, firstIndex - 1);
    this.term += 1;
  }

  tick(): void {
    this.nowMs += this.pick(150);
    this.log.tick(this.nowMs);
  }

  /** The power goes, or only the process. */
  crash(power: boolean): void {
    if (power) this.disk.powerCut(this.random, this.random());
    else this.disk.crash();
    this.tasks.length = 0;
    this.recover();
  }

  /** What was acknowledged is there; what else is there was once the log; nothing is called
   *  damage. */
  recover(): void {
    this.store = open(this.disk);
    const { log } = this.store;
    expect(this.store.voteFromCommitIndex).toBe(0);
    expect(log.damage).toEqual([]);
    const found = recordsOf(log);
    expect(log.lastIndex).toBeGreaterThanOrEqual(this.ackedIndex);
    const origin = [this.kept, ...this.older].find((candidate) => {
      return found.every((record, at) => record.hex === candidate[at]?.hex);
    });
    expect(origin).toBeDefined();
    this.kept = found;
    this.older = [];
    this.ackedIndex = log.lastIndex;
    this.commitIndex = Math.min(this.commitIndex, log.lastIndex);
    log.committed(this.commitIndex);
    this.term = Math.max(this.term, this.store.hardState.term);
    this.check();
  }

  /** What is derived is what the records say. */
  check(): void {
    const { log } = this;
    expect(recordsOf(log).map((record) => record.hex)).toEqual(
      this.kept.map((record) => record.hex),
    );
    const sessions = new Map<
      string,
      { readonly lastSequence: number; readonly lastIndex: number }
    >();
    let forgottenAt = 0;
    let lastUserIndex = 0;
    for (const { head } of this.kept) {
      if (head.kind !== RECORD_KIND.user) continue;
      lastUserIndex = head.lastIndex;
      sessions.delete(head.clientId);
      sessions.set(head.clientId, {
        lastSequence: head.firstSequence + head.count - 1,
        lastIndex: head.lastIndex,
      });
      if (sessions.size <= SMALL.sessionsMax) continue;
      const [oldest = "", row] = [...sessions.entries()][0] ?? [];
      forgottenAt = Math.max(forgottenAt, row?.lastIndex ?? 0);
      sessions.delete(oldest);
    }
    expect(log.lastUserIndex).toBe(lastUserIndex);
    expect(log.forgottenAt).toBe(forgottenAt);
    for (const { head } of this.kept) {
      if (head.kind === RECORD_KIND.user)
        expect(log.session(head.clientId)).toEqual(sessions.get(head.clientId));
    }
  }
}

/** Everything readable, in one pass; fails on a gap. */
export function recordsOf(log: LogStore): Kept[] {
  const found: Kept[] = [];
  for (let index = log.baseIndex + 1; index <= log.lastIndex;) {
    const read = log.read(index, 5_000);
    if (read === null) throw new Error(`entry ${index} of ${log.lastIndex} cannot be read`);
    for (let offset = 0; offset < read.bytes.length;) {
      const head = readHead(read.bytes, offset);
      if (typeof head === "string") throw new Error(head);
      if (head.kind === RECORD_KIND.configuration && membersAt(read.bytes, offset) === null)
        throw new Error("members");
      found.push({
        head,
        hex: Buffer.from(read.bytes.subarray(offset, offset + head.bytes)).toString("hex"),
      });
      offset += head.bytes;
    }
    index = read.lastIndex + 1;
  }
  return found;
}
