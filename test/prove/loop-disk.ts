/** A disk whose power can be cut: ext4 on a loop device, in one file.
 *
 *  A cut is the EXT4_IOC_SHUTDOWN ioctl without a flush of the journal: what was not synced is
 *  gone, and everything after it fails with EIO, as on a disk that died. Mounting it again is the
 *  machine that starts again. Linux, root, `mount` and `mkfs.ext4`. */
import { dlopen, FFIType } from "bun:ffi";
import { spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  fdatasyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { Random } from "../../src/base/random.ts";
import { sleep } from "../e2e/world.ts";

/** `_IOR('X', 125, u32)`. */
const EXT4_IOC_SHUTDOWN = 0x8004_587dn;
/** EXT4_GOING_FLAGS_NOLOGFLUSH: not even the journal that is in memory. */
const WITHOUT_LOG_FLUSH = 2;
/** What a disk writes whole or not at all. */
const SECTOR_BYTES = 512;
/** Whatever was written longer ago has been synced. */
const RECENT_MS = 2_000;
/** A process that has just ended may hold the mount for a moment. */
const UNMOUNT_TRIES = 300;
const UNMOUNT_RETRY_MS = 50;

const mounted = new Set<LoopDisk>();
let watching = false;

function loadLibc() {
  return dlopen("libc.so.6", {
    ioctl: { args: [FFIType.i32, FFIType.u64, FFIType.ptr], returns: FFIType.i32 },
  }).symbols;
}

let libcLoaded: ReturnType<typeof loadLibc> | undefined;

function libc(): ReturnType<typeof loadLibc> {
  libcLoaded ??= loadLibc();
  return libcLoaded;
}

/** Why no loop disk can be made here, or null. Tries it: a container may forbid any step. */
export function loopDisksUnavailable(directory: string): string | null {
  if (process.platform !== "linux") return "needs Linux";
  if (process.getuid?.() !== 0) return "needs root";
  if (Bun.which("mkfs.ext4") === null) return "needs mkfs.ext4 (apt-get install e2fsprogs)";
  if (Bun.which("mount") === null || Bun.which("losetup") === null)
    return "needs mount and losetup (apt-get install mount)";
  const place = join(directory, `raft-try-loop-${process.pid}`);
  try {
    const disk = LoopDisk.create(place, 16);
    try {
      disk.cut();
    } finally {
      disk.removeNow();
    }
    return null;
  } catch (error) {
    return `loop devices cannot be mounted here (${error instanceof Error ? error.message : String(error)})`;
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

export class LoopDisk {
  /** Where it is mounted. */
  readonly path: string;
  readonly #image: string;
  #descriptor: number | null = null;

  private constructor(place: string) {
    this.#image = join(place, "image");
    this.path = join(place, "disk");
  }

  /** Makes and mounts one in the folder `place`; its image is sparse. Throws when a step is
   *  refused. */
  static create(place: string, mebibytes: number): LoopDisk {
    const disk = new LoopDisk(place);
    mkdirSync(disk.path, { recursive: true });
    writeFileSync(disk.#image, "");
    truncateSync(disk.#image, mebibytes * 1_048_576);
    must("mkfs.ext4", ["-q", "-F", "-m", "0", disk.#image]);
    must("mount", disk.#mountArguments());
    disk.#mounted();
    return disk;
  }

  /** The power goes, now. */
  cut(): void {
    if (this.#descriptor === null) throw new Error(`${this.path} is not mounted`);
    const flags = new Uint32Array([WITHOUT_LOG_FLUSH]);
    if (libc().ioctl(this.#descriptor, EXT4_IOC_SHUTDOWN, flags) !== 0)
      throw new Error(`${this.path}: EXT4_IOC_SHUTDOWN was refused`);
  }

  /** The machine starts again. Whoever had files open here must have ended. */
  async restart(): Promise<void> {
    this.#release();
    for (let tries = 1; ; tries++) {
      const refusal = (await run("umount", [this.path])) ?? (await this.#mountAgain());
      if (refusal === null) return;
      if (tries === UNMOUNT_TRIES) throw new Error(`${this.path}: ${refusal}`);
      await sleep(UNMOUNT_RETRY_MS);
    }
  }

  /** A mount namespace that somebody made meanwhile keeps the dead file system alive for as long as
   *  it lasts; then it is what is mounted again, and says so at the first write. */
  async #mountAgain(): Promise<string | null> {
    mounted.delete(this);
    const refusal = await run("mount", this.#mountArguments());
    if (refusal !== null) throw new Error(refusal);
    this.#mounted();
    try {
      const probe = join(this.path, "alive");
      writeFileSync(probe, "");
      rmSync(probe);
      return null;
    } catch {
      this.#release();
      return "another mount namespace holds the disk that died";
    }
  }

  /** Unmounts it, held or not, and removes it with its image. */
  removeNow(): void {
    this.#release();
    if (mounted.delete(this)) spawnSync("umount", ["-l", this.path]);
    rmSync(this.#image, { force: true });
  }

  /** The loop device is given back with the last unmount. */
  #mountArguments(): string[] {
    return ["-t", "ext4", "-o", "loop,noatime", this.#image, this.path];
  }

  #mounted(): void {
    watchForTheEnd();
    mounted.add(this);
    this.#descriptor = openSync(this.path, constants.O_RDONLY | constants.O_DIRECTORY);
  }

  #release(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#descriptor = null;
  }
}

/** The files in a folder as their writers see them, synced or not: those written lately, which
 *  are all that can differ from the disk. Whoever writes them must stand still until the cut. */
export function recentFiles(folder: string): ReadonlyMap<string, Uint8Array> {
  const files = readdirSync(folder).map((name) => join(folder, name));
  const isRecent = (file: string) => {
    const stat = statSync(file);
    return stat.isFile() && stat.mtimeMs > Date.now() - RECENT_MS;
  };
  return new Map(files.filter(isRecent).map((file) => [file, readFileSync(file)]));
}

/** After the restart: lets any subset of what was written and not synced be on the disk after all,
 *  sector by sector, as a disk that writes in its own order may have it when the power goes. The
 *  kernel writes whole ranges and would tear next to nothing. Returns how many sectors were lost
 *  and how many were kept. */
export function keepSomeSectors(
  before: ReadonlyMap<string, Uint8Array>,
  random: Random,
): { readonly lost: number; readonly kept: number } {
  let lost = 0;
  let kept = 0;
  const share = random();
  for (const [file, written] of before) {
    if (!existsSync(file)) continue;
    const durable = readFileSync(file);
    // A file that grew is not torn inside: its size came with a journal that is gone.
    if (durable.length !== written.length) continue;
    const descriptor = openSync(file, constants.O_RDWR);
    for (let at = 0; at < written.length; at += SECTOR_BYTES) {
      const sector = written.subarray(at, at + SECTOR_BYTES);
      if (Buffer.compare(sector, durable.subarray(at, at + SECTOR_BYTES)) === 0) continue;
      if (random() < share) {
        writeSync(descriptor, sector, 0, sector.length, at);
        kept += 1;
      } else lost += 1;
    }
    fdatasyncSync(descriptor);
    closeSync(descriptor);
  }
  return { lost, kept };
}

/** Nothing stays mounted when this process ends, by itself or by a signal. */
function watchForTheEnd(): void {
  if (watching) return;
  watching = true;
  const removeAll = () => {
    for (const disk of mounted) disk.removeNow();
  };
  process.on("exit", removeAll);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => {
      removeAll();
      process.kill(process.pid, signal);
    });
  }
}

function must(command: string, args: readonly string[]): void {
  const ran = spawnSync(command, args, { encoding: "utf8" });
  if (ran.status !== 0) throw new Error(`${command}: ${ran.stderr.trim() || ran.error?.message}`);
}

/** Null when it went well, else what it said. */
function run(command: string, args: readonly string[]): Promise<string | null> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
    child.once("error", (error) => resolve(`${command}: ${error.message}`));
    child.once("close", (code) => resolve(code === 0 ? null : `${command}: ${said.trim()}`));
  });
}
