/** Damaged data directories given to recovery: bits turned, ranges overwritten, files cut, spliced
 *  and swapped, and structures that are false under checksums that are right.
 *
 *  Recovery answers or reports; it never throws anything but its own two failures, never loops, and
 *  what was acknowledged is there, or is named as damage, or the directory is refused. */

import {
  batchSeed,
  encodeBatchHead,
  findBatchHead,
  readBatchHead,
} from "../../src/storage/batch.ts";
import { crc32, writeU32, writeU64 } from "../../src/storage/bytes.ts";
import { StorageDamage } from "../../src/storage/disk-error.ts";
import { readIdentity, writeIdentity } from "../../src/storage/identity.ts";
import { inspectDisk, verifyDisk } from "../../src/storage/inspect.ts";
import { MemoryDisk } from "../../src/storage/memory-disk.ts";
import { chainOf, readHead, recordBytesAt } from "../../src/storage/record.ts";
import { decodeSegmentHead } from "../../src/storage/segment-head.ts";
import type { OpenStore } from "../../src/storage/store.ts";
import { RECORD_KIND, type LogStore } from "../../src/storage/types.ts";
import { encodeMembers } from "../../src/storage/record.ts";
import {
  CLUSTER_ID,
  FOUNDING,
  INCARNATION,
  SMALL,
  create,
  nextRecord,
  open,
  tryOpen,
} from "../storage/fixture.ts";
import { Rolls, mutate } from "./bytes.ts";
import { CONFIGURATION } from "./frames.ts";
import { EDGES } from "./hostile-pack.ts";

/** A directory at rest, and what it acknowledged: the chain after every entry's record. */
interface Original {
  readonly disk: MemoryDisk;
  readonly chains: ReadonlyMap<number, number>;
  readonly term: number;
  /** The seal behind the last entry: while it stands, everything before it is known to have been
   *  acknowledged. */
  readonly seal: { readonly path: string; readonly offset: number; readonly seed: number };
}

/** How a directory is damaged. */
const DAMAGES = [
  "flip",
  "overwrite",
  "cut",
  "splice",
  "swap",
  "remove",
  "forge",
  "identity",
] as const;
export type Damage = (typeof DAMAGES)[number];

const FILES_AT_ONCE = 3;
const ORIGINALS = 12;

export class RecoveryFuzz {
  readonly rolls: Rolls;
  readonly seed: number;
  readonly failures: string[] = [];
  readonly counts = {
    cases: 0,
    opened: 0,
    damaged: 0,
    wiped: 0,
    refused: 0,
    stopped: 0,
    holes: 0,
    kept: 0,
  };
  readonly #originals: Original[];
  #tasks: (() => void)[] = [];

  constructor(seed: number) {
    this.seed = seed;
    this.rolls = new Rolls(seed);
    this.#originals = Array.from({ length: ORIGINALS }, () => this.#build());
  }

  /** One damaged directory; false after a failure, which is noted. */
  next(): boolean {
    const { rolls } = this;
    const number = this.counts.cases++;
    const original = rolls.pick(this.#originals);
    const disk = original.disk.copy();
    const damages: Damage[] = [];
    const times = rolls.oneIn(2) ? 1 : 1 + rolls.below(FILES_AT_ONCE);
    try {
      for (let i = 0; i < times; i++) damages.push(this.#damage(disk));
      this.#recover(original, disk, damages);
    } catch (error) {
      this.failures.push(`${String(error)} ${(error as Error).stack ?? ""}`);
    }
    if (this.failures.length === 0) return true;
    this.failures.push(`seed ${this.seed}, case ${number}, ${damages.join(" and ")}`);
    return false;
  }

  // --- directories -------------------------------------------------------------------------

  /** A log of several segments, terms, sessions and configurations; sealed, as an idle node's
   *  is. */
  #build(): Original {
    const { rolls } = this;
    const disk = new MemoryDisk({ schedule: (run) => this.#tasks.push(run) });
    create(disk);
    writeIdentity(disk, {
      cluster: "raft",
      id: 1,
      incarnation: INCARNATION,
      bootCount: 3,
      founding: FOUNDING,
      foundedMs: 1,
      member: true,
      addresses: { 2: "10.0.0.2:7402" },
      port: null,
      lastUsedMs: 1,
    });
    const store = open(disk);
    const chains = new Map<number, number>();
    let term = 1;
    store.hardStates.write({ term: 40, votedFor: null }, () => {});
    const records = 20 + rolls.below(60);
    for (let i = 0; i < records; i++) {
      if (rolls.oneIn(8)) term++;
      this.#append(store.log, term, chains);
      if (rolls.oneIn(2)) this.#flush(store.log);
      if (rolls.oneIn(12)) this.#truncate(store.log, chains);
    }
    this.#flush(store.log);
    store.log.tick(store.log.nextDeadlineMs());
    this.#settle();
    close(store);
    return { disk, chains, term: 40, seal: sealOf(disk) };
  }

  #append(log: LogStore, term: number, chains: Map<number, number>): void {
    const { rolls } = this;
    const kind = rolls.oneIn(12) ? RECORD_KIND.configuration : RECORD_KIND.user;
    const payloads =
      kind === RECORD_KIND.configuration
        ? [encodeMembers(CONFIGURATION.members)]
        : Array.from({ length: 1 + rolls.below(4) }, () => rolls.bytes(rolls.below(900)));
    const clientId = kind === RECORD_KIND.user ? `a${rolls.below(10)}`.repeat(16) : undefined;
    const parts = clientId === undefined ? { kind, sequence: 0 } : { kind, clientId };
    const record = nextRecord(log, term, payloads, parts);
    log.append(record);
    const head = readHead(record, 0);
    if (typeof head === "string") throw new Error(head);
    chains.set(head.lastIndex, head.chain);
  }

  #truncate(log: LogStore, chains: Map<number, number>): void {
    const starts = [...chains.keys()].filter((index) => index < log.lastIndex).slice(-3);
    const before = starts[0];
    if (before === undefined) return;
    log.truncate(before + 1);
    for (const index of chains.keys()) if (index > before) chains.delete(index);
  }

  #flush(log: LogStore): void {
    let id = 0;
    for (let turn = 0; turn < 50 && (log.writing || log.unflushedBytes > 0); turn++) {
      log.flush(
        () => (id += 1),
        () => {},
      );
      this.#settle();
    }
    this.#settle();
  }

  #settle(): void {
    while (this.#tasks.length > 0) this.#tasks.shift()!();
  }

  // --- damage ------------------------------------------------------------------------------

  #damage(disk: MemoryDisk): Damage {
    const { rolls } = this;
    const damage = rolls.pick(DAMAGES);
    const isThere = damage === "identity" && disk.exists("identity");
    const path = isThere ? "identity" : rolls.pick(disk.list());
    const bytes = contentOf(disk, path);
    switch (damage) {
      case "flip":
        disk.flipBit(path, rolls.below(usedBytes(bytes)) * 8 + rolls.below(8));
        break;
      case "identity":
      case "overwrite": {
        const from = rolls.below(usedBytes(bytes));
        const to = Math.min(bytes.length, from + 1 + rolls.below(rolls.pick([8, 512, 4_096])));
        const how = rolls.below(4);
        if (how < 2) mutate(rolls, bytes, from, to);
        else if (how === 2) bytes.fill(0, from, to);
        else bytes.set(rolls.bytes(to - from), from);
        replace(disk, path, bytes);
        break;
      }
      case "cut":
        disk.cutFile(path, rolls.below(usedBytes(bytes) + 1));
        break;
      case "splice": {
        const source = contentOf(disk, rolls.pick(disk.list()));
        const length = Math.min(1 + rolls.below(2_048), source.length);
        const from = rolls.below(source.length - length + 1);
        const at = rolls.below(Math.max(1, bytes.length - length));
        replace(disk, path, spliced(bytes, source.subarray(from, from + length), at));
        break;
      }
      case "swap": {
        const other = rolls.pick(disk.list());
        const theirs = contentOf(disk, other);
        replace(disk, path, theirs);
        if (rolls.oneIn(2)) replace(disk, other, bytes);
        break;
      }
      case "remove":
        disk.remove(path);
        break;
      case "forge":
        this.#forge(disk);
        break;
    }
    return damage;
  }

  /** A field changed and the checksum over it made right again: what a bug might write, or a sector
   *  of another time. */
  #forge(disk: MemoryDisk): void {
    const { rolls } = this;
    const path = rolls.pick(disk.list().filter((name) => !name.includes("identity")));
    const bytes = contentOf(disk, path);
    if (path === "hardstate") {
      const at = rolls.below(2) * 4_096;
      if (at + 60 > bytes.length) return;
      writeU64(bytes, at + rolls.pick([8, 16]), rolls.pick(EDGES));
      writeU32(bytes, at + 4, crc32(bytes.subarray(at + 8, at + 60), 0));
    } else {
      const head = decodeSegmentHead(bytes);
      if (typeof head === "string") return;
      const what = rolls.below(3);
      if (what === 0) forgeHead(rolls, bytes, head.headBytes);
      else {
        const seed = batchSeed(CLUSTER_ID, INCARNATION, head.creation);
        const at = rolls.oneIn(2) ? head.headBytes : findBatchHead(bytes, head.headBytes + 1, seed);
        if (at < 0) return;
        if (what === 1) forgeBatch(rolls, bytes, at, seed);
        else forgeRecord(rolls, bytes, at, seed);
      }
    }
    replace(disk, path, bytes);
  }

  // --- what must hold ----------------------------------------------------------------------

  #recover(original: Original, disk: MemoryDisk, damages: readonly Damage[]): void {
    readIdentity(disk);
    inspectDisk(disk);
    verifyDisk(disk);
    const before = disk.copy();
    const store = tryOpen(disk, SMALL, () => {});
    if (!store.ok) {
      this.counts[store.problem]++;
      return;
    }
    this.counts.opened++;
    const isForged = damages.includes("forge");
    const isOneRange = damages.length === 1 && !isForged;
    if (isOneRange && ["flip", "overwrite", "cut"].includes(damages[0]!))
      this.#checkKept(original, before, store);
    if (!this.#exercises(store.log, isForged)) return close(store);
    const { lastIndex } = store.log;
    close(store);
    const again = tryOpen(disk, SMALL, () => {});
    if (!again.ok) {
      if (!isForged && store.log.damage.length === 0)
        this.failures.push(`the second opening was refused: ${again.reason}`);
      return;
    }
    if (again.log.lastIndex < lastIndex)
      this.failures.push(`the second opening ends at ${again.log.lastIndex}, not ${lastIndex}`);
    close(again);
  }

  /** After one damage in one place, while the last seal stands, every acknowledged entry is there
   *  or known to be damaged. Without the seal the end looks torn: then it is cut and that is
   *  said. */
  #checkKept(original: Original, disk: MemoryDisk, store: OpenStore): void {
    const { log } = store;
    if (log.damage.length > 0) this.counts.holes++;
    if (store.hardState.term < original.term)
      this.failures.push(`the term fell to ${store.hardState.term}`);
    const isSealed = standsSeal(disk, original.seal);
    for (const [lastIndex, chain] of original.chains) {
      if (lastIndex <= log.baseIndex || log.chainAt(lastIndex)?.chain === chain) continue;
      const isNamed = log.damage.some(({ from, to }) => from <= lastIndex && lastIndex <= to);
      if (isNamed) continue;
      if (isSealed || store.notes.length === 0)
        this.failures.push(`entry ${lastIndex} is not there and nobody says so`);
      return;
    }
    if (isSealed) this.counts.kept++;
  }

  /** False when the log has refused to go on: a record that chains and is none of this version's
   *  stops a node, whenever it is read. */
  #exercises(log: LogStore, isForged: boolean): boolean {
    try {
      this.#exercise(log);
      return true;
    } catch (error) {
      if (!isForged || !(error instanceof StorageDamage)) throw error;
      this.counts.stopped++;
      return false;
    }
  }

  /** What a node does with its log: reads all of it, appends, makes it durable. */
  #exercise(log: LogStore): void {
    for (let index = log.baseIndex + 1; index <= log.lastIndex;) {
      const read = log.read(index, 2_000);
      if (read !== null && read.lastIndex < index) throw new Error("a read that does not advance");
      index = read === null ? index + 1 : read.lastIndex + 1;
      if (index - log.baseIndex > 100_000) break;
    }
    log.chainAt(log.lastIndex);
    log.snapshotHead();
    if (log.lastIndex > 2 ** 52) return;
    log.append(nextRecord(log, 2 ** 40, [this.rolls.bytes(50)], { clientId: "c1".repeat(16) }));
    this.#flush(log);
  }
}

function close(store: OpenStore): void {
  store.log.close();
  store.hardStates.close();
}

/** The last seal of the segment in use. */
function sealOf(disk: MemoryDisk): Original["seal"] {
  for (const path of disk.list().toReversed()) {
    if (!path.endsWith(".log")) continue;
    const bytes = contentOf(disk, path);
    const head = decodeSegmentHead(bytes);
    if (typeof head === "string") continue;
    const seed = batchSeed(CLUSTER_ID, INCARNATION, head.creation);
    let offset = -1;
    for (let at = head.headBytes; at >= 0; at = findBatchHead(bytes, at + 1, seed)) {
      if (readBatchHead(bytes, at, seed)?.length === 0) offset = at;
    }
    if (offset >= 0) return { path, offset, seed };
  }
  throw new Error("a directory at rest has a seal");
}

function standsSeal(disk: MemoryDisk, { path, offset, seed }: Original["seal"]): boolean {
  const seal = readBatchHead(contentOf(disk, path), offset, seed);
  return seal !== null && seal.length === 0 && !seal.first;
}

function contentOf(disk: MemoryDisk, path: string): Uint8Array {
  const file = disk.open(path, false);
  const bytes = file.readSync(0, file.size()).slice();
  file.close();
  return bytes;
}

/** Bytes up to the last that is not zero, and a few: damage to prepared zeros shows little. */
function usedBytes(bytes: Uint8Array): number {
  let end = bytes.length;
  while (end > 1 && bytes[end - 1] === 0) end--;
  return Math.max(1, Math.min(bytes.length, end + 64));
}

function replace(disk: MemoryDisk, path: string, bytes: Uint8Array): void {
  const file = disk.open(path, false);
  disk.cutFile(path, 0);
  file.writeSync(0, bytes);
  file.syncNow();
  file.close();
}

function spliced(bytes: Uint8Array, part: Uint8Array, at: number): Uint8Array {
  const made = bytes.slice();
  made.set(part.subarray(0, Math.max(0, made.length - at)), at);
  return made;
}

function forgeHead(rolls: Rolls, bytes: Uint8Array, headBytes: number): void {
  const at = rolls.pick([16, 24, 48, 56, 72, 80, 88, 96, 116]);
  const isNarrow = rolls.oneIn(3);
  if (isNarrow) writeU32(bytes, rolls.pick([64, 68, 104, 108, 112]), rolls.pick(EDGES) % 2 ** 32);
  else writeU64(bytes, at, rolls.pick(EDGES));
  writeU32(bytes, headBytes - 4, crc32(bytes.subarray(0, headBytes - 4), 0));
}

function forgeBatch(rolls: Rolls, bytes: Uint8Array, at: number, seed: number): void {
  const batch = readBatchHead(bytes, at, seed);
  if (batch === null) return;
  const number = rolls.pick(EDGES);
  const forged = rolls.pick([
    { ...batch, length: number % 2 ** 32 },
    { ...batch, number },
    { ...batch, firstIndex: number },
    { ...batch, chainBefore: rolls.u32() },
    { ...batch, first: !batch.first },
  ]);
  bytes.set(encodeBatchHead(forged, seed), at);
}

/** A record that chains, and says what none of ours says. */
function forgeRecord(rolls: Rolls, bytes: Uint8Array, batchAt: number, seed: number): void {
  const batch = readBatchHead(bytes, batchAt, seed);
  const at = batchAt + 32;
  if (batch === null || batch.length === 0) return;
  const size = recordBytesAt(bytes, at);
  if (size === 0 || at + size > bytes.length) return;
  const number = rolls.pick(EDGES);
  const where = rolls.pick([10, 19, 28, 30, 57, 66, 70]);
  if (where === 28) bytes[at + where] = rolls.below(256);
  else if (where >= 66) writeU32(bytes, at + where, number % 2 ** 32);
  else writeU64(bytes, at + where, number);
  writeU32(bytes, at, chainOf(bytes, at, size, batch.chainBefore));
}
