/** Who a data directory is, and who holds it. */

import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, onTestFinished } from "vitest";
import { toDiskError } from "../../src/storage/disk-error.ts";
import {
  openIdentity,
  readIdentity,
  wipeDirectory,
  wipeDisk,
  writeIdentity,
} from "../../src/storage/identity.ts";
import { inspectDisk, verifyDisk } from "../../src/storage/inspect.ts";
import { acquireLock, lockHolder } from "../../src/storage/lock.ts";
import type { LockHolder } from "../../src/storage/lock.ts";
import { MemoryDisk } from "../../src/storage/memory-disk.ts";
import { openRealDisk } from "../../src/storage/real-disk.ts";
import {
  appendText,
  create,
  dice,
  flushed,
  FOUNDING,
  INCARNATION,
  open,
  SMALL,
  tryOpen,
} from "./fixture.ts";

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0))
    rmSync(directory, { recursive: true, force: true });
});

function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "raft-identity-"));
  directories.push(directory);
  return directory;
}

const WANTED = { cluster: "raft", id: 1, nowMs: 1_700_000_000_000, freshIncarnation: INCARNATION };
const HOLDER: LockHolder = {
  user: "ana",
  host: "lab-07",
  pid: 4_711,
  address: "",
  machineBootId: null,
  sinceMs: 5,
};

describe("an identity", () => {
  it("is born once, counts its boots and keeps what is written to it", () => {
    const disk = openRealDisk(newDirectory(), true);
    const born = openIdentity(disk, WANTED);
    expect(born).toMatchObject({
      ok: true,
      fresh: true,
      identity: { bootCount: 1, founding: null, member: false },
    });
    if (!born.ok) return;
    writeIdentity(disk, {
      ...born.identity,
      founding: FOUNDING,
      foundedMs: 7,
      member: true,
      addresses: { 2: "10.0.0.8:7402" },
    });
    const again = openIdentity(disk, { ...WANTED, freshIncarnation: "f".repeat(32) });
    expect(again).toMatchObject({
      ok: true,
      fresh: false,
      identity: {
        bootCount: 2,
        incarnation: INCARNATION,
        founding: FOUNDING,
        member: true,
        addresses: { 2: "10.0.0.8:7402" },
      },
    });
  });

  it("refuses another cluster's or another node's directory and says whose it is", () => {
    const disk = new MemoryDisk();
    openIdentity(disk, WANTED);
    expect(openIdentity(disk, { ...WANTED, cluster: "g4" })).toMatchObject({
      ok: false,
      problem: "other cluster",
    });
    expect(openIdentity(disk, { ...WANTED, id: 2 })).toMatchObject({
      ok: false,
      problem: "other id",
    });
  });

  it("knows a copied directory, on the real disk and in memory", () => {
    const directory = newDirectory();
    openIdentity(openRealDisk(directory, true), WANTED);
    const copy = join(newDirectory(), "copy");
    cpSync(directory, copy, { recursive: true });
    expect(readIdentity(openRealDisk(copy, false))).toMatchObject({ ok: false, problem: "copied" });
    expect(readIdentity(openRealDisk(directory, false))).toMatchObject({ ok: true });
    const disk = new MemoryDisk();
    openIdentity(disk, WANTED);
    expect(readIdentity(disk.copy())).toMatchObject({ ok: false, problem: "copied" });
  });

  it("is the old one or the new one after a power cut at any moment", () => {
    for (let seed = 0; seed < 300; seed += 1) {
      const random = dice(seed);
      const disk = new MemoryDisk();
      const born = openIdentity(disk, WANTED);
      if (!born.ok) throw new Error("born");
      disk.faults.push({
        operation: seed % 2 === 0 ? "sync" : "syncDirectory",
        path: "",
        code: "EIO",
        after: seed % 3,
      });
      try {
        for (let port = 1; port < 4; port += 1) writeIdentity(disk, { ...born.identity, port });
      } catch {}
      disk.faults.length = 0;
      disk.powerCut(random);
      expect(readIdentity(disk)).toMatchObject({
        ok: true,
        identity: { incarnation: INCARNATION },
      });
    }
  });

  it("says unreadable for any flipped bit, and for a log without its identity (E55: nothing is deleted)", () => {
    const disk = new MemoryDisk();
    openIdentity(disk, WANTED);
    const bits = disk.open("identity", false).size() * 8;
    for (let bit = 0; bit < bits; bit += 1) {
      disk.flipBit("identity", bit);
      const read = readIdentity(disk);
      const trailing = bit >= bits - 8;
      if (!trailing) {
        expect(read).toMatchObject({ ok: false, problem: "unreadable" });
        expect(openIdentity(disk, WANTED)).toMatchObject({ ok: false, problem: "unreadable" });
      }
      disk.flipBit("identity", bit);
    }
    create(disk);
    const before = disk.list();
    disk.remove("identity");
    expect(openIdentity(disk, WANTED)).toMatchObject({ ok: false, problem: "unreadable" });
    expect(disk.list()).toEqual(before.filter((name) => name !== "identity"));
  });
});

describe("a wipe", () => {
  it("makes a directory fresh under a new incarnation and leaves others' files alone", () => {
    const directory = newDirectory();
    const disk = openRealDisk(directory, true);
    openIdentity(disk, WANTED);
    create(disk);
    writeFileSync(join(directory, "thesis.txt"), "mine");
    wipeDirectory(directory);
    expect(disk.list()).toEqual(["thesis.txt"]);
    const incarnation = "2".repeat(32);
    const again = openIdentity(disk, { ...WANTED, freshIncarnation: incarnation });
    expect(again).toMatchObject({ ok: true, fresh: true, identity: { incarnation } });
  });

  it("that was cut off by the power is finished by the next start, or never began", () => {
    for (let seed = 0; seed < 200; seed += 1) {
      const disk = new MemoryDisk();
      openIdentity(disk, WANTED);
      create(disk);
      disk.faults.push({ operation: "syncDirectory", path: "", code: "EIO", after: seed % 3 });
      try {
        wipeDisk(disk);
      } catch {}
      disk.faults.length = 0;
      disk.powerCut(dice(seed));
      const again = openIdentity(disk, { ...WANTED, freshIncarnation: "2".repeat(32) });
      expect(again.ok).toBe(true);
      if (again.ok && again.fresh) expect(disk.list()).toEqual(["identity"]);
    }
  });
});

describe("the lock on a directory", () => {
  it("refuses a second holder, names the first, and is free after release", () => {
    const directory = newDirectory();
    expect(lockHolder(directory)).toBeNull();
    const taken = acquireLock(directory, HOLDER);
    expect(taken.ok).toBe(true);
    expect(acquireLock(directory, { ...HOLDER, user: "bob" })).toEqual({
      ok: false,
      holder: HOLDER,
    });
    expect(lockHolder(directory)).toEqual({ holder: HOLDER });
    if (taken.ok) {
      taken.lock.describe({ ...HOLDER, address: "10.0.0.7:7401" });
      expect(lockHolder(directory)).toEqual({ holder: { ...HOLDER, address: "10.0.0.7:7401" } });
      taken.lock.release();
    }
    expect(lockHolder(directory)).toBeNull();
    const again = acquireLock(directory, HOLDER);
    expect(again.ok).toBe(true);
    if (again.ok) again.lock.release();
  });

  it("dies with the process, even one that was killed (48)", async () => {
    const directory = newDirectory();
    const lock = new URL("../../src/storage/lock.ts", import.meta.url).pathname;
    const script = join(newDirectory(), "hold.ts");
    writeFileSync(
      script,
      `import { acquireLock } from ${JSON.stringify(lock)};
      acquireLock(${JSON.stringify(directory)}, ${JSON.stringify(HOLDER)});
      Bun.gc(true); console.log("held"); setTimeout(() => {}, 10_000);`,
    );
    const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => {
      child.kill("SIGKILL");
    });
    await new Promise<void>((resolve) => child.stdout.once("data", () => resolve()));
    expect(acquireLock(directory, HOLDER).ok).toBe(false);
    expect(lockHolder(directory)).toEqual({ holder: HOLDER });
    const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill("SIGKILL");
    await ended;
    expect(lockHolder(directory)).toBeNull();
    const taken = acquireLock(directory, HOLDER);
    expect(taken.ok).toBe(true);
    if (taken.ok) taken.lock.release();
    expect(existsSync(join(directory, "lock.holder"))).toBe(false);
  });

  it("is released on a disk that takes no more changes: only its text stays", () => {
    const directory = newDirectory();
    const taken = acquireLock(directory, HOLDER);
    // A folder in its place cannot be unlinked, root or not.
    rmSync(join(directory, "lock.holder"));
    mkdirSync(join(directory, "lock.holder"));
    if (taken.ok) taken.lock.release();
    expect(taken.ok).toBe(true);
    expect(lockHolder(directory)).toBeNull();
  });
});

describe("a refusal of the disk", () => {
  it("names the file once", () => {
    const text = "EACCES: permission denied, open '/data/lock'";
    const thrown = Object.assign(new Error(text), { code: "EACCES" });
    expect(toDiskError(thrown, "/data/lock").message).toBe("/data/lock: EACCES: permission denied");
  });
});

describe("looking who holds a directory", () => {
  /** Runs in processes of their own: looks at the directory `looks` times; prints how often it
   *  took another look for a node. */
  function looker(directory: string, looks: number): Promise<string> {
    const script = join(newDirectory(), "look.ts");
    const lock = new URL("../../src/storage/lock.ts", import.meta.url).pathname;
    writeFileSync(
      script,
      `import { lockHolder } from ${JSON.stringify(lock)};
      let held = 0;
      const directory = ${JSON.stringify(directory)};
      for (let at = 0; at < ${looks}; at++) if (lockHolder(directory) !== null) held++;
      console.log(held);`,
    );
    const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => void child.kill("SIGKILL"));
    return new Promise((resolve) => {
      let text = "";
      child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
      child.once("close", () => resolve(text.trim()));
    });
  }

  it("takes no other look for a running node", async () => {
    const directory = newDirectory();
    const taken = acquireLock(directory, HOLDER);
    if (taken.ok) taken.lock.release();
    const looks = [1, 2, 3].map(() => looker(directory, 2_000));
    expect(await Promise.all(looks)).toEqual(["0", "0", "0"]);
  });

  it("is waited out, however long a busy machine keeps it from going on", async () => {
    const directory = newDirectory();
    const first = acquireLock(directory, HOLDER);
    if (first.ok) first.lock.release();
    const script = join(newDirectory(), "hold.ts");
    writeFileSync(
      script,
      `import { Database } from "bun:sqlite";
      const database = new Database(${JSON.stringify(join(directory, "lock"))}, { readonly: true });
      database.run("BEGIN");
      database.query("SELECT count(*) FROM sqlite_master").get();
      console.log("looking");
      setTimeout(() => database.run("COMMIT"), 1_000);`,
    );
    const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => void child.kill("SIGKILL"));
    await new Promise((resolve) => child.stdout.once("data", resolve));
    const second = acquireLock(directory, HOLDER);
    expect(second.ok).toBe(true);
    if (second.ok) second.lock.release();
  });

  it("does not keep a node from starting", async () => {
    const directory = newDirectory();
    const first = acquireLock(directory, HOLDER);
    if (first.ok) first.lock.release();
    const progress = { isLooking: true };
    const looking = looker(directory, 3_000).finally(() => (progress.isLooking = false));
    let taken = 0;
    while (progress.isLooking) {
      const again = acquireLock(directory, HOLDER);
      expect(again.ok).toBe(true);
      if (again.ok) again.lock.release();
      taken++;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await looking;
    expect(taken).toBeGreaterThan(10);
  });
});

describe("looking at a directory", () => {
  it("tells entries, founding, last use and votes, and verifies every file", async () => {
    const disk = new MemoryDisk();
    const born = openIdentity(disk, WANTED);
    if (!born.ok) throw new Error("born");
    writeIdentity(disk, { ...born.identity, founding: FOUNDING, foundedMs: 7, member: true });
    create(disk);
    const store = open(disk);
    appendText(store.log, 3, ["a", "b"]);
    await flushed(store.log);
    store.log.close();
    store.hardStates.close();
    expect(inspectDisk(disk)).toMatchObject({
      identity: { foundedMs: 7, lastUsedMs: WANTED.nowMs },
      problem: null,
      entries: 2,
      lastIndex: 2,
      hardState: { term: 0 },
    });
    const good = verifyDisk(disk, SMALL);
    expect(good.ok).toBe(true);
    expect(good.files.find((file) => file.file === "0000000001.log")).toMatchObject({
      verdict: "good",
      entries: 2,
    });
    disk.flipBit("0000000001.log", 300 * 8);
    const bad = verifyDisk(disk, SMALL);
    expect(bad.ok).toBe(false);
    expect(bad.files.find((file) => file.verdict === "damaged")).toMatchObject({
      file: "0000000001.log",
    });
  });

  it("that verify calls sound is one that a start takes, whatever bit of a head is flipped", async () => {
    const whole = await memberDisk();
    const counts = { sound: 0, damaged: 0 };
    for (let bit = 0; bit < 120 * 8; bit += 3) {
      const disk = whole.copy();
      disk.flipBit("0000000001.log", bit);
      const { ok } = verifyDisk(disk, SMALL);
      expect(tryOpen(disk).ok, `bit ${bit}`).toBe(ok);
      counts[ok ? "sound" : "damaged"] += 1;
    }
    expect(counts.damaged).toBeGreaterThan(300);
  });

  it("says when only one slot of term and vote can be read, before and at a start", async () => {
    const disk = await memberDisk();
    const reasonOf = () => verifyDisk(disk, SMALL).files.find(({ file }) => file === "hardstate");
    expect(reasonOf()).toMatchObject({ verdict: "good", reason: null });
    disk.flipBit("hardstate", 4_096 * 8 + 170);
    expect(reasonOf()).toMatchObject({ verdict: "good", reason: expect.stringMatching(/one of/) });
    const store = open(disk);
    expect(store.notes.join("; ")).toMatch(/hardstate: one of the two slots did not verify/);
    expect(reasonOf()).toMatchObject({ verdict: "good", reason: null });
  });
});

/** A member's directory after an orderly stop. */
async function memberDisk(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const born = openIdentity(disk, WANTED);
  if (!born.ok) throw new Error("born");
  create(disk);
  // The fixture's log belongs to the fixture's incarnation.
  const identity = { ...born.identity, incarnation: INCARNATION };
  writeIdentity(disk, { ...identity, founding: FOUNDING, foundedMs: 7, member: true });
  const store = open(disk);
  appendText(store.log, 3, ["a", "b"]);
  await flushed(store.log);
  store.log.close();
  store.hardStates.close();
  return disk;
}
