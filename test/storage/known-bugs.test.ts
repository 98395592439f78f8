/** Known bugs of logs and votes on a disk that random crashes do not find: each has its scene. */

import { describe, expect, it } from "vitest";
import { createHardState, openHardState, readHardState } from "../../src/storage/hard-state.ts";
import { MemoryDisk } from "../../src/storage/memory-disk.ts";
import { encodeMembers } from "../../src/storage/record.ts";
import { SessionTable } from "../../src/storage/sessions.ts";
import { RECORD_KIND } from "../../src/storage/types.ts";
import type { Disk, DiskFile } from "../../src/storage/types.ts";
import {
  appendText,
  create,
  flipInside,
  flushed,
  nextRecord,
  open,
  sealedLog,
  settled,
  texts,
} from "./fixture.ts";

const SLOT_BYTES = 60;
/** Long enough for `flipInside` to hit the text. */
const LONG = "x".repeat(40);
const vote = (id: number) => ({ id, incarnation: "a".repeat(32), bootId: "b".repeat(32) });
const OLD = { term: 7, votedFor: vote(2) };
const NEW = { term: 8, votedFor: vote(3) };

/** The power goes and tears every write under way behind its first `kept` bytes. */
function tear(disk: MemoryDisk, kept: number): void {
  // As the disk asks: whether the sector stays, whether it is torn, where, and the file's length.
  const answers = [0, 0, kept / SLOT_BYTES, 0.999];
  let asked = 0;
  disk.powerCut(() => answers[asked++ % answers.length] ?? 0);
}

/** The same disk, until the process is cut off at its sync number `after`. */
function cutAfter(disk: MemoryDisk, after: number): Disk {
  let syncs = 0;
  const open = (path: string, create: boolean): DiskFile => {
    const file = disk.open(path, create);
    const syncNow = (): void => {
      if (syncs++ === after) throw new Error("cut off");
      file.syncNow();
    };
    return Object.create(file, { syncNow: { value: syncNow } });
  };
  return Object.create(disk, { open: { value: open } });
}

function opened(disk: Disk): NonNullable<ReturnType<typeof openHardState>> {
  const store = openHardState(disk, 0, (error) => {
    throw new Error(error.message);
  });
  if (store === null) throw new Error("wiped");
  return store;
}

/** A disk whose directory was founded and written to, with the tasks of one more vote under way. */
function voting(): { disk: MemoryDisk; tasks: (() => void)[]; isAcknowledged: () => boolean } {
  const tasks: (() => void)[] = [];
  const disk = new MemoryDisk({ schedule: (run) => tasks.push(run) });
  createHardState(disk, OLD);
  let acknowledged = false;
  opened(disk).write(NEW, () => (acknowledged = true));
  return { disk, tasks, isAcknowledged: () => acknowledged };
}

describe("term and vote", () => {
  it("are the old ones or the new ones wherever a write is torn, and the new ones once acknowledged (2)", () => {
    for (let kept = 0; kept < SLOT_BYTES; kept += 1) {
      for (let done = 0; done < 3; done += 1) {
        const { disk, tasks, isAcknowledged } = voting();
        for (let task = 0; task < done; task += 1) tasks.shift()?.();
        tear(disk, kept);
        const found = readHardState(disk);
        expect(found).toEqual(isAcknowledged() || found?.term === NEW.term ? NEW : OLD);
      }
    }
  });

  it("survive a start that is cut off while it writes both slots anew (2)", () => {
    for (let kept = 0; kept < SLOT_BYTES; kept += 1) {
      for (const after of [0, 1]) {
        const { disk, tasks, isAcknowledged } = voting();
        tasks.shift()?.();
        expect(isAcknowledged()).toBe(true);
        // What was being written to the other slot is gone: only one is new.
        disk.powerCut(() => 0.999);
        expect(() => opened(cutAfter(disk, after))).toThrow("cut off");
        tear(disk, kept);
        expect(readHardState(disk)).toEqual(NEW);
      }
    }
  });

  it("stand in both slots once nothing is under way, so that either may rot", () => {
    for (const slot of [0, 4_096 * 8]) {
      const { disk, tasks } = voting();
      while (tasks.length > 0) tasks.shift()?.();
      disk.flipBit("hardstate", slot + 200);
      expect(readHardState(disk)).toEqual(NEW);
    }
  });
});

describe("a hole in the log", () => {
  it("takes no bytes that chain from its left side only (60)", async () => {
    const entries = ["first", `second ${LONG}`, "third", "fourth"];
    const right = open(await sealedLog(entries)).log;
    const second = right.read(2, 1)?.bytes.slice() ?? new Uint8Array();
    // Another history: the same first entry, and its own second one of the same length.
    const forked = open(await sealedLog(["first", `other! ${LONG}`, "third"])).log;
    const foreign = forked.read(2, 1)?.bytes.slice() ?? new Uint8Array();
    expect(foreign.length).toBe(second.length);
    const disk = await sealedLog(entries);
    flipInside(disk, second);
    const { log } = open(disk);
    for (let index = 1; index <= 4; index += 1) log.read(index, 1);
    expect(log.damage).toMatchObject([{ from: 2, to: 2 }]);
    expect(log.heal(foreign)).toBe(false);
    expect(log.damage).toMatchObject([{ from: 2, to: 2 }]);
    for (let tries = 0; tries < 3 && log.damage.length > 0; tries += 1) log.heal(second.slice());
    expect(texts(log)).toEqual(entries);
  });
});

describe("the last batch of an idle node", () => {
  it("that rots is damage, for the seal behind it says that it was acknowledged (60)", async () => {
    const disk = new MemoryDisk();
    create(disk);
    const { log } = open(disk);
    appendText(log, 1, ["first"]);
    const last = appendText(log, 1, [`acknowledged ${LONG}`]).slice();
    await flushed(log);
    log.tick(1_000);
    await settled();
    log.tick(2_000);
    await settled();
    disk.crash();
    flipInside(disk, last);
    const again = open(disk);
    expect(again.log.lastIndex).toBe(2);
    expect(again.log.damage).toMatchObject([{ to: 2 }]);
    expect(again.voteFromCommitIndex).toBe(2);
  });
});

describe("a truncation", () => {
  it("leaves the bytes alone that were handed out before it (26)", async () => {
    const disk = new MemoryDisk();
    create(disk);
    const { log } = open(disk);
    appendText(log, 1, ["kept"]);
    appendText(log, 1, ["to be truncated"]);
    const view = log.read(2, 1)?.bytes ?? new Uint8Array();
    const before = view.slice();
    log.truncate(2);
    appendText(log, 2, ["what follows it"]);
    expect(view).toEqual(before);
    expect(texts(log)).toEqual(["kept", "what follows it"]);
  });

  it("brings back the configuration before the one that it takes away (43)", async () => {
    const disk = new MemoryDisk();
    create(disk);
    const { log } = open(disk);
    const before = log.configurations.map(({ index }) => index);
    const members = [{ id: 1, incarnation: "1".repeat(32), role: "voter" as const }];
    const configuration = { kind: RECORD_KIND.configuration };
    log.append(nextRecord(log, 1, [encodeMembers(members)], configuration));
    expect(log.configurations.at(-1)).toEqual({ index: 1, members });
    log.truncate(1);
    expect(log.configurations.map(({ index }) => index)).toEqual(before);
    appendText(log, 2, ["other"]);
    await flushed(log);
    log.close();
    expect(open(disk).configurations.map(({ index }) => index)).toEqual(before);
  });
});

describe("the table of sessions", () => {
  it("forgets by what was appended alone, however often a session was looked up (35)", () => {
    const leader = new SessionTable(2);
    const follower = new SessionTable(2);
    const clients = ["1", "2", "3"].map((digit) => digit.repeat(32));
    for (const [at, client] of clients.entries()) {
      leader.touch(client, 1, at + 1);
      follower.touch(client, 1, at + 1);
      // Only the leader is asked for sessions.
      leader.get(clients[0] ?? "");
    }
    expect(leader.encode(new Map())).toEqual(follower.encode(new Map()));
    expect(leader.get(clients[0] ?? "")).toBeUndefined();
  });
});
