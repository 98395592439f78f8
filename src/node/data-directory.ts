/** The data directory of a node: locked, named, and opened as log and hard state once there is a
 *  cluster. */

import { type Address, addressText, parseAddress, userAndHost } from "../base/hosts.ts";
import type { ClusterId, FoundingRecord, MonotonicMs, NodeId, WallMs } from "../base/types.ts";
import type { HardState } from "../raft/types.ts";
import { DiskFailure, isFull } from "../storage/disk-error.ts";
import { clusterIdOf } from "../storage/founding.ts";
import { openIdentity, readIdentity, writeIdentity } from "../storage/identity.ts";
import { inspectDisk } from "../storage/inspect.ts";
import type { DirectoryLock, LockHolder } from "../storage/lock.ts";
import {
  createStore,
  openStore,
  type OpenStore,
  type StoreOptions,
  type StoreProblem,
} from "../storage/store.ts";
import type { Disk, Identity, Recovered } from "../storage/types.ts";
import type { Clock } from "../transport/clock.ts";
import { type Dice, randomId } from "../transport/dice.ts";
import { diskFailedText } from "./ending.ts";
import { clusterFlag, heldSentence, identitySentence } from "./refusals.ts";
import { StartError } from "./types.ts";
import type { DataGround } from "./world.ts";

/** Addresses are hints: a changed one is written at most this often. */
const REMEMBER_MS = 1_000;

export interface DataDirectoryOptions {
  readonly path: string;
  /** What a person types after --data-dir to mean it; null: it is the usual place. */
  readonly typed: string | null;
  readonly cluster: string;
  readonly id: NodeId;
  readonly dice: Dice;
  readonly clock: Clock;
  /** "ana@lab-07" */
  readonly userHost: string;
  /** "./raft", for the sentences of a refusal. */
  readonly executable: string;
  readonly ground: DataGround;
}

/** What the lock's text says; the ground adds the process. */
type Holder = Omit<LockHolder, "pid" | "machineBootId">;

/** Log and hard state of a member. */
export interface MemberStore {
  readonly recovered: Recovered;
  /** `done` when durable; one at a time. */
  readonly writeHardState: (hardState: HardState, done: () => void) => void;
}

export interface Past {
  readonly entries: number;
  readonly foundedMs: WallMs | null;
  readonly lastUsedMs: WallMs;
}

/** Locks the directory and reads whose it is. Throws StartError with a sentence (exit 7 or 8). */
export function openDataDirectory(options: DataDirectoryOptions): DataDirectory {
  const { path, ground } = options;
  const sinceMs = options.clock.wallMs();
  const { user, host } = userAndHost(options.userHost);
  const holder: Holder = { user, host, address: "", sinceMs };
  const taken = refusing(path, () => ground.lock(path, holder));
  if (!taken.ok) {
    const owner = refusing(path, () => ownerOf(ground.openDisk(path))) ?? options;
    throw new StartError(heldSentence(taken.holder, options, owner), 8);
  }
  try {
    return refusing(path, () => openLocked(options, taken.lock, holder));
  } catch (error) {
    taken.lock.release();
    throw error;
  }
}

/** Whose directory it is, by its own word; null when it does not say. */
function ownerOf(disk: Disk): Identity | null {
  const read = readIdentity(disk);
  return read === null ? null : read.ok ? read.identity : read.found;
}

function openLocked(
  options: DataDirectoryOptions,
  lock: DirectoryLock,
  holder: Holder,
): DataDirectory {
  const { path, cluster, id } = options;
  const disk = options.ground.openDisk(path);
  const before = inspectDisk(disk);
  const opened = openIdentity(disk, {
    cluster,
    id,
    nowMs: options.clock.wallMs(),
    freshIncarnation: randomId(options.dice),
  });
  if (!opened.ok) {
    const exitCode = opened.problem === "unreadable" ? 7 : 8;
    throw new StartError(identitySentence(opened, options), exitCode);
  }
  const past: Past | null =
    opened.fresh || before === null || before.identity === null
      ? null
      : {
          entries: before.entries ?? 0,
          foundedMs: before.identity.foundedMs,
          lastUsedMs: before.lastUsedMs ?? before.identity.lastUsedMs,
        };
  return new DataDirectory(options, disk, lock, holder, opened.identity, past);
}

export class DataDirectory {
  /** What was here before this start; null: nothing. */
  readonly past: Past | null;
  readonly networkDisk: boolean;
  /** The first fdatasync that was timed here, ms. */
  readonly syncMs: number;
  #identity: Identity;
  readonly #options: DataDirectoryOptions;
  readonly #disk: Disk;
  readonly #lock: DirectoryLock;
  readonly #holder: Holder;
  #store: OpenStore | null = null;
  #closed = false;
  #dirtySinceMs: MonotonicMs | null = null;

  constructor(
    options: DataDirectoryOptions,
    disk: Disk,
    lock: DirectoryLock,
    holder: Holder,
    identity: Identity,
    past: Past | null,
  ) {
    this.#options = options;
    this.#disk = disk;
    this.#lock = lock;
    this.#holder = holder;
    this.#identity = identity;
    this.past = past;
    this.networkDisk = options.ground.isNetworkDisk(options.path);
    const startMs = options.clock.monotonicMs();
    writeIdentity(disk, identity);
    this.syncMs = options.clock.monotonicMs() - startMs;
  }

  get identity(): Identity {
    return this.#identity;
  }

  get clusterId(): ClusterId | null {
    const { founding } = this.#identity;
    return founding === null ? null : clusterIdOf(founding);
  }

  /** Once and for good; durable on return. */
  writeFounding(founding: FoundingRecord, foundedMs: WallMs): void {
    this.#save({ founding, foundedMs });
  }

  /** Makes an empty log and hard state, and only then notes that this directory is a member's: from
   *  now on it never founds again, and a missing hard state is a loss. Durable on return. */
  becomeMember(founding: FoundingRecord): void {
    const created = createStore(this.#storeOptions(founding, () => {}));
    if (!created.ok) throw this.#refusal(created);
    this.#save({ member: true });
  }

  /** Opens log and hard state of a member. `onFatal`: the disk failed, nothing is tried again. */
  openStore(founding: FoundingRecord, onFatal: (text: string) => void): MemberStore {
    const opened = openStore(this.#storeOptions(founding, onFatal));
    if (!opened.ok) throw this.#refusal(opened);
    this.#store = opened;
    return {
      recovered: opened,
      writeHardState: (state, done) => opened.hardStates.write(state, done),
    };
  }

  rememberedAddresses(): readonly Address[] {
    return Object.values(this.#identity.addresses).flatMap((text) => parseAddress(text) ?? []);
  }

  /** Kept for the next start; written soon, not now. */
  rememberAddress(id: NodeId, address: Address): void {
    const text = addressText(address);
    if (this.#identity.addresses[id] === text) return;
    this.#identity = { ...this.#identity, addresses: { ...this.#identity.addresses, [id]: text } };
    this.#dirtySinceMs ??= this.#options.clock.monotonicMs();
  }

  /** `port`: null when it is the default. */
  rememberPort(port: number | null): void {
    if (this.#identity.port !== port) this.#save({ port });
  }

  /** Names the address in the lock's text. */
  describeAddress(address: Address): void {
    this.#lock.describe({ ...this.#holder, address: addressText(address) });
  }

  /** Writes remembered addresses once they have waited; on a full disk they wait on. */
  tick(nowMs: MonotonicMs): void {
    if (this.#dirtySinceMs === null || nowMs - this.#dirtySinceMs < REMEMBER_MS) return;
    try {
      this.#save({});
    } catch (error) {
      if (!(error instanceof DiskFailure && isFull(error))) throw error;
      this.#dirtySinceMs = nowMs;
    }
  }

  /** Lets go of the directory as a crash would: nothing is written. */
  abandon(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#store?.hardStates.close();
    this.#lock.release();
  }

  /** Notes the time of last use and lets go of the directory. May be called again. */
  close(): void {
    try {
      if (!this.#closed) this.#save({ lastUsedMs: this.#options.clock.wallMs() });
    } catch (error) {
      // A failed or full disk: nothing depends on the time of last use.
      if (!(error instanceof DiskFailure)) throw error;
    }
    this.abandon();
  }

  #save(change: Partial<Identity>): void {
    this.#identity = { ...this.#identity, ...change };
    this.#dirtySinceMs = null;
    writeIdentity(this.#disk, this.#identity);
  }

  #storeOptions(founding: FoundingRecord, onFatal: (text: string) => void): StoreOptions {
    const { clock, path, ground } = this.#options;
    return {
      disk: this.#disk,
      clusterId: clusterIdOf(founding),
      incarnation: this.#identity.incarnation,
      founding,
      nowMs: clock.monotonicMs(),
      clock: clock.monotonicMs,
      limits: ground.limits,
      onFatal: ({ message }) => onFatal(diskFailedText(path, message)),
    };
  }

  #refusal(problem: StoreProblem): StartError {
    return new StartError(this.#problemSentence(problem), problem.problem === "refused" ? 8 : 7);
  }

  #problemSentence({ problem, reason, file, offset }: StoreProblem): string {
    const { path, typed, id, cluster, executable } = this.#options;
    const where = `${path}/${file}`;
    if (problem === "refused") return `cannot open ${path}: ${reason}`;
    const flag = clusterFlag(cluster);
    const own = `${flag}${typed === null ? "" : ` --data-dir ${typed}`}`;
    const next =
      `Let this node back in empty: ${executable} wipe ${id}${own}, then ${executable} up --id ${id}${own}, ` +
      `then on any other node of cluster ${cluster} ${executable} members replace ${id}${flag}`;
    return problem === "damaged"
      ? `storage damaged: ${where} at offset ${offset}: ${reason}. Nothing was changed. ${next}`
      : `storage damaged: ${where}: ${reason}. It can never vote under this identity. ${next}`;
  }
}

/** The operating system's refusals become sentences. */
function refusing<T>(path: string, open: () => T): T {
  try {
    return open();
  } catch (error) {
    if (error instanceof StartError) throw error;
    const text = error instanceof Error ? error.message : String(error);
    const reason = text.startsWith(`${path}: `) ? text.slice(path.length + 2) : text;
    throw new StartError(
      `cannot use the data directory ${path}: ${reason}. Name another: --data-dir DIR`,
      8,
    );
  }
}
