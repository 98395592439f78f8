/** A log, stopped at every step that it takes on the disk, then started, and stopped at every step
 *  of that start. It always opens, with all that was acknowledged: what its files say of each other
 *  is called damage only where no crash can have made it. */

import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { MemoryDisk } from "../../src/storage/memory-disk.ts";
import { decodeSegmentHead, encodeSegmentHead } from "../../src/storage/segment-head.ts";
import type { OpenStore } from "../../src/storage/store.ts";
import type { LogLimits } from "../../src/storage/limits.ts";
import type { Disk } from "../../src/storage/types.ts";
import { draws, WatchedDisk } from "./crash-points.ts";
import { appendText, create, open, texts } from "./fixture.ts";

const LIMITS: LogLimits = {
  segmentBytesMin: 2_048,
  segmentBytesMax: 8_192,
  tailBytesMax: 4_096,
  tailPageBytes: 2_048,
  sessionsMax: 8,
};
/** How many starts are stopped, one in the other. More than one takes minutes. */
const STARTS = Number(process.env["RAFT_STARTS"] ?? 1);

/** What a crash leaves, and what must be in it. */
interface Left {
  readonly disk: MemoryDisk;
  readonly sure: readonly string[];
  /** The log begins behind it, at least. */
  readonly base: number;
  readonly after: string;
}

/** One life of a log, and where it could have ended. */
class Life {
  readonly lefts: Left[] = [];
  readonly disk: MemoryDisk;
  readonly tasks: (() => void)[] = [];
  readonly watched: WatchedDisk;
  store: OpenStore;
  sure: string[] = [];
  base = 0;
  what = "create";
  private nowMs = 0;

  constructor() {
    this.disk = new MemoryDisk({ schedule: (run) => this.tasks.push(run) });
    create(this.disk, LIMITS);
    this.watched = new WatchedDisk(this.disk, (disk) => {
      this.lefts.push({ disk, sure: [...this.sure], base: this.base, after: this.what });
    });
    this.store = open(this.watched, LIMITS);
    this.settle();
  }

  get log(): OpenStore["log"] {
    return this.store.log;
  }

  settle(): void {
    for (let turn = 0; turn < 200; turn++) {
      this.tasks.shift()?.();
      if (this.tasks.length > 0) continue;
      const at = this.log.nextDeadlineMs();
      if (at > this.nowMs + 50) return;
      this.nowMs = Math.max(at, this.nowMs);
      this.log.tick(this.nowMs);
    }
  }

  flush(): void {
    this.log.flush(
      () => 1,
      () => {
        this.sure = texts(this.log);
        this.base = this.log.baseIndex;
      },
    );
  }

  /** Appends one entry; durable on return, and no seal behind it. */
  append(text: string): void {
    this.what = `append ${text.length}`;
    appendText(this.log, 1, [text]);
    this.flush();
    this.settle();
  }

  seal(): void {
    this.what = "seal";
    this.nowMs += 200;
    this.log.tick(this.nowMs);
    this.settle();
  }

  truncate(index: number): void {
    this.what = "truncate";
    this.sure.length = Math.min(this.sure.length, index - 1);
    this.log.truncate(index);
  }

  install(): void {
    this.what = "install";
    const head = decodeSegmentHead(this.log.snapshotHead());
    if (typeof head === "string") throw new Error(head);
    const firstIndex = this.log.lastIndex + 5;
    this.sure = [];
    this.log.install(
      encodeSegmentHead({ ...head, firstIndex, logStart: firstIndex, termBefore: 1 }),
    );
    this.flush();
    this.settle();
  }

  restart(inOrder: boolean): void {
    this.what = "restart";
    if (inOrder) {
      this.log.close();
      this.store.hardStates.close();
    }
    this.disk.crash();
    this.tasks.length = 0;
    this.store = open(this.watched, LIMITS);
    this.nowMs = 0;
    this.settle();
  }
}

function livedThrough(): readonly Left[] {
  const life = new Life();
  for (let at = 0; at < 3; at++) life.append("a".repeat(700));
  life.seal();
  life.append("small");
  // Larger than what is prepared.
  life.append("b".repeat(6_000));
  life.restart(false);
  life.append("c".repeat(5_000));
  // What is prepared is too small for the copy of the last batch.
  life.append("d".repeat(9_000));
  life.restart(false);
  life.append("e");
  life.seal();
  life.restart(true);
  life.truncate(6);
  life.append("f");
  life.truncate(1);
  life.append("g");
  life.restart(false);
  for (let at = 0; at < 3; at++) life.append("h".repeat(900));
  life.install();
  life.append("i");
  life.install();
  life.restart(false);
  life.seal();
  for (let at = 0; at < 3; at++) life.append("j".repeat(900));
  return life.lefts;
}

function full(): readonly Left[] {
  const life = new Life();
  life.append("a");
  life.disk.capacityBytes = life.disk.usedBytes();
  for (let at = 0; at < 8; at++) life.append("b".repeat(500));
  life.disk.capacityBytes = Number.MAX_SAFE_INTEGER;
  life.restart(false);
  for (let at = 0; at < 4; at++) life.append("c".repeat(900));
  return life.lefts;
}

interface Cut {
  readonly disk: MemoryDisk;
  readonly contents: string;
}

/** Keeps nothing of what is not durable, all of it, only the first pieces, or all but these. */
function powerCuts(left: MemoryDisk): readonly Cut[] {
  const cut = (kept: number, rest: boolean): Cut => {
    const disk = left.fork();
    disk.capacityBytes = Number.MAX_SAFE_INTEGER;
    disk.powerCut(draws(kept, 3, rest), 0.5);
    const hash = createHash("md5");
    for (const name of disk.list()) hash.update(name).update(disk.durableBytes(name) ?? "");
    return { disk, contents: hash.digest("hex") };
  };
  const [nothing, all] = [cut(0, false), cut(7, true)];
  if (nothing.contents === all.contents) return [all];
  const firsts = STARTS > 1 ? [1, 2, 3, 4, 5, 6, 7] : [1, 3, 7];
  return [nothing, all, ...firsts.flatMap((kept) => [cut(kept, false), cut(7 - kept, true)])];
}

/** Starts; gives what the node then says that it holds. */
function check(disk: Disk, { sure, base, after }: Left): Pick<Left, "sure" | "base"> {
  const before = disk.list().join(" ");
  try {
    const { log, voteFromCommitIndex } = open(disk, LIMITS);
    const found = texts(log);
    expect(found.slice(0, sure.length)).toEqual(sure);
    expect(log.baseIndex).toBeGreaterThanOrEqual(base);
    expect([log.damage, voteFromCommitIndex]).toEqual([[], 0]);
    return { sure: found, base: log.baseIndex };
  } catch (thrown) {
    throw new Error(`${after}, ${before}: ${String(thrown)}`, { cause: thrown });
  }
}

const looked = new Set<string>();

/** Cuts the power, starts, and stops `starts` starts, one in the other, at every step; gives how
 *  many ends were looked at. */
function checkEnds(left: Left, starts: number): number {
  let count = 0;
  for (const { disk, contents } of powerCuts(left.disk)) {
    const key = [contents, left.base, ...left.sure].join(" ");
    if (looked.has(key)) continue;
    looked.add(key);
    check(disk, left);
    count += 1;
  }
  if (starts === 0) return count;
  const disk = left.disk.fork();
  disk.capacityBytes = Number.MAX_SAFE_INTEGER;
  const after = `${left.after}, start`;
  const watched = new WatchedDisk(disk, (stopped) => {
    count += checkEnds({ ...left, disk: stopped, after }, starts - 1);
  });
  const shown = check(watched, left);
  return count + checkEnds({ ...shown, disk, after: `${after}ed` }, 0);
}

it.each([
  ["rolls, truncates, installs and starts again", livedThrough],
  ["waits for room on a full disk", full],
])(
  "a log that %s opens after a crash at any step",
  (_, live) => {
    const lefts = live();
    expect(lefts.length).toBeGreaterThan(50);
    let count = 0;
    for (const left of lefts) count += checkEnds(left, STARTS);
    expect(count).toBeGreaterThan(500);
  },
  120_000 * 20 ** (STARTS - 1),
);
