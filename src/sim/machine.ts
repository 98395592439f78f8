/** A machine that runs one node: its disk outlives its processes. */

import type { NodeId } from "../base/types.ts";
import type { Random } from "../base/random.ts";
import type { NodeEvent, NodeEnd } from "../node/events.ts";
import { startNodeIn } from "../node/node.ts";
import type { NodeProcess } from "../node/process.ts";
import type { NodeOptions } from "../node/types.ts";
import type { NodeWorld } from "../node/world.ts";
import type { LogLimits } from "../storage/limits.ts";
import { MemoryDisk } from "../storage/memory-disk.ts";
import { diceOf } from "./chance.ts";
import { FAST_DISK, ProcessDisk, syncMs, type DiskQuality } from "./disk.ts";
import { Life } from "./life.ts";
import type { Network } from "./network.ts";
import type { Schedule } from "./schedule.ts";

/** How a process ended by itself. */
export type ProcessEnd = NodeEnd | { readonly type: "refused"; readonly text: string };

export interface MachineOptions {
  readonly schedule: Schedule;
  readonly network: Network;
  /** Latencies of the disk. */
  readonly diskRandom: Random;
  /** The node's own dice. */
  readonly diceRandom: Random;
  readonly host: string;
  readonly node: Omit<NodeOptions, "onEvent">;
  readonly limits: LogLimits;
  readonly onEvent: (machine: Machine, event: NodeEvent) => void;
  /** After each event of its process: the moment to look at it. */
  readonly onTurn: (machine: Machine) => void;
  /** Its process ended by itself, or did not start. */
  readonly onEnd: (machine: Machine, end: ProcessEnd) => void;
  readonly onSync: (machine: Machine, path: string) => void;
  readonly onSlow: () => void;
  /** Something went on that only promises know: they must be let run. */
  readonly onPromise: () => void;
}

export class Machine {
  readonly id: NodeId;
  readonly host: string;
  disk: MemoryDisk;
  diskQuality: DiskQuality = FAST_DISK;
  /** The clock of the next process: its rate, and how far the wall clock is ahead. */
  clockRate = 1;
  wallAheadMs = 1_700_000_000_000;
  /** The running process; null: none. */
  life: Life | null = null;
  /** Null while it starts. */
  process: NodeProcess | null = null;
  /** Why the last process ended by itself, or did not start. */
  ended: ProcessEnd | null = null;
  /** Counts its processes. */
  boots = 0;
  /** Disk operations until the process ends in the middle of its turn; Infinity: it does not. */
  operationsLeft = Infinity;
  /** What happens when they are used up. */
  onLastOperation: () => void = () => undefined;
  readonly #options: MachineOptions;
  /** The process that was asked to stop: what it does now goes on by promises. */
  #stopping: Life | null = null;

  constructor(options: MachineOptions) {
    this.#options = options;
    this.id = options.node.id;
    this.host = options.host;
    this.disk = this.freshDisk();
  }

  get running(): boolean {
    return this.life?.alive === true;
  }

  /** An empty disk that takes this machine's time. */
  freshDisk(): MemoryDisk {
    const { schedule, diskRandom, onSlow } = this.#options;
    return new MemoryDisk({
      schedule: (run) => {
        const { life } = this;
        const delayMs = syncMs(this.diskQuality, diskRandom, onSlow);
        life?.at(schedule.nowMs + delayMs, run);
      },
    });
  }

  /** Starts a process; whether it stays shows later. `operations`: on its disk, until it ends in
   *  the middle of a turn. */
  start(operations = Infinity): void {
    if (this.running) return;
    const { schedule, onTurn, onPromise } = this.#options;
    this.boots += 1;
    this.ended = null;
    this.process = null;
    this.operationsLeft = operations;
    const life = new Life(schedule, this.clockRate, this.wallAheadMs, () => {
      if (this.#stopping === life) onPromise();
      onTurn(this);
    });
    this.life = life;
    const options: NodeOptions = {
      ...this.#options.node,
      onEvent: (event) => {
        if (event.type === "stopped by") this.#stopping = life;
        if (event.type !== "trace") onPromise();
        if (life.alive) this.#options.onEvent(this, event);
      },
    };
    onPromise();
    startNodeIn(this.#world(life), options).then(
      (process) => {
        if (!life.alive) return;
        this.process = process;
        void process.ended.then((end) => this.#over(life, end));
      },
      (error: unknown) => {
        const text = error instanceof Error ? error.message : String(error);
        this.#over(life, { type: "refused", text });
      },
    );
  }

  /** Asks the process to stop, as SIGTERM does. */
  stop(): void {
    this.#options.onPromise();
    this.#stopping = this.life;
    void this.process?.stop();
  }

  /** SIGKILL: the page cache stays. */
  kill(): void {
    if (this.life === null) return;
    this.life.alive = false;
    this.#options.network.forget(this.life);
    this.disk.crash();
    this.life = null;
    this.process = null;
  }

  /** The power goes: some part of what was not synced is lost. `random` decides; `keep` is the part
   *  that stays. */
  cutPower(random: Random, keep: number): void {
    this.kill();
    this.disk.powerCut(random, keep);
  }

  /** The disk is gone with everything on it; an empty one is in its place. */
  wipe(): void {
    this.kill();
    this.disk = this.freshDisk();
  }

  #over(life: Life, end: ProcessEnd): void {
    if (this.life !== life || !life.alive) return;
    this.ended = end;
    this.kill();
    this.#options.onEnd(this, end);
  }

  #world(life: Life): NodeWorld {
    const { network, diceRandom, host, limits, onSync, onSlow, onPromise } = this.#options;
    const dice = diceOf(diceRandom);
    const disk = new ProcessDisk(this.disk, life, {
      endsHere: () => this.#countOperation(),
      onSync: (path) => onSync(this, path),
      onSlow,
    });
    return {
      clock: life.clock,
      userHost: `ana@lab-${this.id}`,
      ownHosts: () => [host],
      datagramSizes: (mtuBytes) => () => mtuBytes ?? 1_200,
      openUdpSocket: (options) => {
        onPromise();
        return network.openUdpSocket(life, host, options);
      },
      discovery: {
        dice,
        resolve: () => Promise.resolve(null),
        openLan: (options) => {
          onPromise();
          return network.openLan(life, host, options);
        },
      },
      data: {
        lock: () => ({ ok: true, lock: { describe: () => {}, release: () => {} } }),
        openDisk: () => disk,
        isNetworkDisk: () => false,
        limits,
        syncProblem: null,
      },
    };
  }

  #countOperation(): boolean {
    this.operationsLeft -= 1;
    if (this.operationsLeft > 0) return false;
    this.operationsLeft = Infinity;
    this.onLastOperation();
    return true;
  }
}
