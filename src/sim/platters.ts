/** What the disks of a run durably hold: logs, votes and identities, read from the platters after
 *  each sync. */

import type { Incarnation, NodeId, Term } from "../base/types.ts";
import type { Vote } from "../raft/types.ts";
import { HARD_STATE_FILE, readSlots, type Slot } from "../storage/hard-state.ts";
import { IDENTITY_FILE } from "../storage/identity.ts";
import type { MemoryDisk } from "../storage/memory-disk.ts";
import { DurableLog } from "./durable-log.ts";
import type { Machine } from "./machine.ts";
import { RecordTree, type DurableRecord } from "./record-tree.ts";

/** One disk under one incarnation: another disk in the same machine, or a wiped one, is another
 *  platter. */
export class Platter {
  readonly disk: MemoryDisk;
  readonly incarnation: Incarnation | null;
  readonly log: DurableLog;
  /** The one that this machine had before. */
  readonly earlier: Platter | null;
  /** Everybody whom a durable slot ever named, by term. More than one is a broken promise. */
  readonly votes = new Map<Term, Vote[]>();
  /** The newest readable slot. */
  hardState: Slot | null = null;

  constructor(
    disk: MemoryDisk,
    incarnation: Incarnation | null,
    tree: RecordTree,
    earlier: Platter | null,
  ) {
    this.disk = disk;
    this.incarnation = incarnation;
    this.earlier = earlier;
    this.log = new DurableLog(disk, tree);
    this.named();
  }

  /** Names became durable, and with them what was in the files. */
  named(): void {
    this.readHardState();
    if (this.incarnation !== null) this.log.readAll(this.incarnation);
  }

  readHardState(): void {
    for (const slot of readSlots(this.disk.durableBytes(HARD_STATE_FILE) ?? new Uint8Array(0))) {
      if (this.hardState === null || slot.counter > this.hardState.counter) this.hardState = slot;
      const { term, votedFor } = slot.hardState;
      if (votedFor === null) continue;
      const known = this.votes.get(term) ?? [];
      if (!known.some((vote) => sameVote(vote, votedFor))) {
        this.votes.set(term, [...known, votedFor]);
      }
    }
  }
}

export class Platters {
  readonly tree = new RecordTree();
  readonly #machines: ReadonlyMap<NodeId, Machine>;
  readonly #platters = new Map<Machine, Platter>();

  constructor(machines: ReadonlyMap<NodeId, Machine>) {
    this.#machines = machines;
  }

  /** Reads what became durable. */
  synced(machine: Machine, path: string): void {
    const known = this.#platters.get(machine);
    const platter = this.of(machine);
    if (known !== platter) return;
    if (path === ".") {
      const incarnation = incarnationOn(machine.disk);
      if (incarnation !== null && incarnation !== platter.incarnation)
        this.#put(machine, incarnation, platter.incarnation === null ? platter.earlier : platter);
      else platter.named();
    } else if (path.startsWith(HARD_STATE_FILE)) platter.readHardState();
    else if (platter.incarnation !== null) platter.log.synced(path, platter.incarnation);
  }

  /** The one in the machine now. */
  of(machine: Machine): Platter {
    const known = this.#platters.get(machine);
    if (known?.disk === machine.disk) return known;
    return this.#put(machine, incarnationOn(machine.disk), known ?? null);
  }

  /** The platters that the voter (id, incarnation) has had, newest first. What was lost with a disk
   *  was on it before. */
  *had(id: NodeId, incarnation: Incarnation): Generator<Platter> {
    const machine = this.#machines.get(id);
    let platter = machine === undefined ? null : this.of(machine);
    for (; platter !== null; platter = platter.earlier)
      if (platter.incarnation === incarnation) yield platter;
  }

  /** Whether that voter's disk holds the record, or held it until the disk was lost. */
  holds(id: NodeId, incarnation: Incarnation, record: DurableRecord): boolean {
    for (const { log } of this.had(id, incarnation))
      if (log.at(record.head.lastIndex) === record) return true;
    return false;
  }

  #put(machine: Machine, incarnation: Incarnation | null, earlier: Platter | null): Platter {
    const platter = new Platter(machine.disk, incarnation, this.tree, earlier);
    this.#platters.set(machine, platter);
    return platter;
  }
}

function sameVote(a: Vote, b: Vote): boolean {
  return a.id === b.id && a.incarnation === b.incarnation && a.bootId === b.bootId;
}

function incarnationOn(disk: MemoryDisk): Incarnation | null {
  const bytes = disk.durableBytes(IDENTITY_FILE);
  if (bytes === null) return null;
  return /"incarnation":"([0-9a-f]{32})"/.exec(new TextDecoder().decode(bytes))?.[1] ?? null;
}
