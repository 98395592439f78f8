/** A process's view of its machine's disk: the in-memory twin, through which every operation takes
 *  time, can be the last one of the process, and has no effect after its end. */

import type { Random } from "../base/random.ts";
import type { MemoryDisk } from "../storage/memory-disk.ts";
import type { Disk, DiskError, DiskFile } from "../storage/types.ts";
import type { Life } from "./life.ts";

/** How a machine's disk behaves. Times are of the world. */
export interface DiskQuality {
  readonly syncMinMs: number;
  readonly syncMaxMs: number;
  /** Probability that a sync takes `slowMs`. */
  readonly slow: number;
  readonly slowMs: number;
}

export const FAST_DISK: DiskQuality = { syncMinMs: 0.1, syncMaxMs: 0.5, slow: 0, slowMs: 0 };

export interface DiskWatcher {
  /** Asked before each operation; true: the process ends before it has an effect. */
  readonly endsHere: () => boolean;
  /** Something became durable. */
  readonly onSync: (path: string) => void;
  readonly onSlow: () => void;
}

export class ProcessDisk implements Disk {
  readonly #memory: MemoryDisk;
  readonly #life: Life;
  readonly #watcher: DiskWatcher;

  constructor(memory: MemoryDisk, life: Life, watcher: DiskWatcher) {
    this.#memory = memory;
    this.#life = life;
    this.#watcher = watcher;
  }

  open(path: string, create: boolean): DiskFile {
    if (create && !this.#memory.exists(path) && this.#over()) return new DeadFile(path);
    const file = this.#memory.open(path, create);
    return new ProcessFile(file, () => this.#over(), this.#watcher);
  }

  list(): readonly string[] {
    return this.#memory.list();
  }

  exists(path: string): boolean {
    return this.#memory.exists(path);
  }

  remove(path: string): void {
    if (!this.#over()) this.#memory.remove(path);
  }

  rename(from: string, to: string): void {
    if (!this.#over()) this.#memory.rename(from, to);
  }

  syncDirectory(): void {
    if (this.#over()) return;
    this.#memory.syncDirectory();
    this.#watcher.onSync(".");
  }

  syncDirectorySoon(done: (error: DiskError | null) => void): void {
    if (this.#over()) return;
    this.#memory.syncDirectorySoon((error) => {
      if (error === null) this.#watcher.onSync(".");
      done(error);
    });
  }

  modifiedMs(): null {
    return this.#memory.modifiedMs();
  }

  fileId(path: string, birth: boolean): string {
    return this.#memory.exists(path) ? this.#memory.fileId(path, birth) : "none";
  }

  /** True once the process has ended: the rest of its turn happens nowhere. */
  #over(): boolean {
    if (this.#life.alive && this.#watcher.endsHere()) this.#life.alive = false;
    return !this.#life.alive;
  }
}

class ProcessFile implements DiskFile {
  readonly #file: DiskFile;
  readonly #over: () => boolean;
  readonly #watcher: DiskWatcher;

  constructor(file: DiskFile, over: () => boolean, watcher: DiskWatcher) {
    this.#file = file;
    this.#over = over;
    this.#watcher = watcher;
  }

  get path(): string {
    return this.#file.path;
  }

  size(): number {
    return this.#file.size();
  }

  readSync(position: number, length: number, into?: Uint8Array): Uint8Array {
    return this.#file.readSync(position, length, into);
  }

  writeSync(position: number, bytes: Uint8Array): void {
    if (!this.#over()) this.#file.writeSync(position, bytes);
  }

  sync(done: (error: DiskError | null) => void): void {
    if (this.#over()) return;
    this.#file.sync((error) => {
      if (error === null) this.#watcher.onSync(this.path);
      done(error);
    });
  }

  writeSoon(position: number, bytes: Uint8Array, done: (error: DiskError | null) => void): void {
    if (this.#over()) return;
    this.#file.writeSoon(position, bytes, (error) => {
      if (error === null) this.#watcher.onSync(this.path);
      done(error);
    });
  }

  syncNow(): void {
    if (this.#over()) return;
    this.#file.syncNow();
    this.#watcher.onSync(this.path);
  }

  close(): void {
    this.#file.close();
  }
}

/** What a process opens after its end. */
class DeadFile implements DiskFile {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  size(): number {
    return 0;
  }

  readSync(): Uint8Array {
    return new Uint8Array(0);
  }

  writeSync(): void {}
  sync(): void {}
  writeSoon(): void {}
  syncNow(): void {}
  close(): void {}
}

/** When a sync that starts now is done, ms from now. */
export function syncMs(quality: DiskQuality, random: Random, onSlow: () => void): number {
  if (quality.slow > 0 && random() < quality.slow) {
    onSlow();
    return quality.slowMs * random();
  }
  return quality.syncMinMs + random() * (quality.syncMaxMs - quality.syncMinMs);
}
