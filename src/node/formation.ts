/** How founders become a cluster: all meet once, then all sign (FORMATION.md beside this file).
 *
 *  Pure and small: hellos go in, orders come out; no clock, disk or socket. The same object runs
 *  in the node, in the simulator and in an exhaustive search.
 *
 *      waiting --met every other founder, or shown a record that names me--> writing
 *      writing --recordSynced--> signed
 *      signed  --the same record from every founder, or from a member--> member
 *
 *  Safety rests on three facts. A data directory (id, incarnation) holds one record for ever. A
 *  record is shown only when it is durable. Nobody is a member before every founder of its
 *  record holds it. So two records that share one founder's directory can never both have
 *  members. */

import { assert } from "../base/assert.ts";
import type { BootId, FoundingRecord, Incarnation, NodeId } from "../base/types.ts";
import type { NodeHello } from "../transport/types.ts";
import {
  foundingRecord,
  isRestart,
  namedIncarnation,
  sameIds,
  sameRecord,
} from "./formation-record.ts";
import type { FormationView } from "./formation-view.ts";
import { viewFormation } from "./formation-view.ts";

/** Processes that are remembered at once; the one heard longest ago makes room. */
export const PROCESSES_MAX = 64;

export interface FormationOptions {
  readonly cluster: string;
  readonly id: NodeId;
  readonly incarnation: Incarnation;
  /** Ids that this node was told to found with; sorted. Counts only while there is no record. */
  readonly founders: readonly NodeId[];
  /** What the data directory holds. */
  readonly record: FoundingRecord | null;
  /** True when the directory has ever been a member's: it never founds again. */
  readonly member: boolean;
}

/** What the node must do now. */
export type FormationOrder =
  /** Make it durable, then call recordSynced. Given at most once in the life of a
   *  process. */
  | { readonly type: "writeRecord"; readonly record: FoundingRecord }
  /** From now on it votes, leads, counts and answers clients. Given at most once. */
  | { readonly type: "becomeMember"; readonly record: FoundingRecord };

/** Another process, as far as its hellos tell. */
export interface HeardProcess {
  readonly hello: NodeHello;
  /** True once a hello came over a connection whose key contains this node's boot id. */
  readonly met: boolean;
}

export class Formation {
  readonly cluster: string;
  readonly id: NodeId;
  readonly incarnation: Incarnation;
  readonly founders: readonly NodeId[];
  /** Durable, so it may be shown in HELLO. */
  record: FoundingRecord | null;
  /** Ordered to be written, not yet durable: not shown to anybody. */
  writing: FoundingRecord | null = null;
  member: boolean;
  /** Live processes by boot id, the one heard last at the end. */
  readonly processes = new Map<BootId, HeardProcess>();
  /** Founders of `record` seen holding it; never forgotten, because a directory holds its record
   *  for ever. */
  readonly signers = new Set<NodeId>();

  constructor(options: FormationOptions) {
    this.cluster = options.cluster;
    this.id = options.id;
    this.incarnation = options.incarnation;
    this.founders = [...options.founders].sort((a, b) => a - b);
    this.record = options.record;
    this.member = options.member;
  }

  /** The first orders; call it once, before anything is heard. A single founder signs at once. */
  start(): readonly FormationOrder[] {
    return this.#proceed();
  }

  /** A hello arrived. `met`: over a connection whose key contains this node's boot id, so both
   *  directions are proven; any other hello only informs people. The node's own voice is
   *  ignored. */
  heard(hello: NodeHello, met: boolean): readonly FormationOrder[] {
    if (hello.id === this.id) return [];
    this.#remember(hello, met);
    return this.#proceed();
  }

  /** The conversation with that process has ended (BYE, silence, or another process replaced
   *  it). */
  lost(bootId: BootId): readonly FormationOrder[] {
    this.processes.delete(bootId);
    return this.#proceed();
  }

  /** The record of the last writeRecord is durable. */
  recordSynced(): readonly FormationOrder[] {
    assert(this.writing !== null && this.record === null, "a record is written once");
    this.record = this.writing;
    this.writing = null;
    return this.#proceed();
  }

  /** Whether a member's committed configuration may let this directory in under `record`: nothing
   *  was founded here, or this very admission was cut off between the record and the log. */
  admits(record: FoundingRecord): boolean {
    if (this.member || this.writing !== null) return false;
    return this.record === null || sameRecord(this.record, record);
  }

  /** An operator's admission is durable: the record is the cluster's, whether it names this node
   *  or not. */
  admitted(record: FoundingRecord): void {
    this.record = record;
    this.writing = null;
    this.member = true;
  }

  /** For HELLO: whom of the founders this node has met, sorted by id. */
  met(): readonly { readonly id: NodeId; readonly incarnation: Incarnation }[] {
    const founders = this.record?.founders.map(({ id }) => id) ?? this.founders;
    return founders.flatMap((id) =>
      this.metAs(id).map(({ hello }) => ({ id, incarnation: hello.incarnation })),
    );
  }

  /** Processes that are met and claim `id`; more than one is a doubled id. */
  metAs(id: NodeId): readonly HeardProcess[] {
    return [...this.processes.values()].filter(({ hello, met }) => met && hello.id === id);
  }

  /** What people are told. */
  view(): FormationView {
    return viewFormation(this);
  }

  /** An independent copy, for a search. Hellos are values and are shared. */
  clone(): Formation {
    const copy = new Formation(this);
    copy.writing = this.writing;
    for (const [bootId, process] of this.processes) copy.processes.set(bootId, process);
    for (const id of this.signers) copy.signers.add(id);
    return copy;
  }

  /** Within one process a record and a membership are never taken back: an older hello that
   *  arrives late adds nothing. A later boot of one directory replaces the earlier one; any
   *  other second process that is met under one id stays beside the first (a doubled id, or a
   *  copied directory). */
  #remember(hello: NodeHello, met: boolean): void {
    const others = [...this.processes.values()].filter(
      (other) => other.hello.id === hello.id && other.hello.bootId !== hello.bootId,
    );
    if (!met && others.some((other) => isRestart(hello, other.hello))) return;
    for (const other of others) {
      const replaced = met && isRestart(other.hello, hello);
      if (replaced || !other.met) this.processes.delete(other.hello.bootId);
    }
    const known = this.processes.get(hello.bootId);
    this.processes.delete(hello.bootId);
    this.processes.set(hello.bootId, {
      hello: known !== undefined && isOlder(hello, known.hello) ? known.hello : hello,
      met: met || (known?.met ?? false),
    });
    const oldest = this.processes.keys().next();
    if (this.processes.size > PROCESSES_MAX && !oldest.done) this.processes.delete(oldest.value);
  }

  /** All decisions, at the top; what is decided on is computed below. */
  #proceed(): readonly FormationOrder[] {
    if (this.member || this.writing !== null) return [];
    if (this.record === null) {
      const record = this.#shownRecord() ?? this.#ownRecord();
      if (record === null) return [];
      this.writing = record;
      return [{ type: "writeRecord", record }];
    }
    if (namedIncarnation(this.record, this.id) !== this.incarnation) return [];
    if (!this.#recordIsComplete(this.record)) return [];
    this.member = true;
    return [{ type: "becomeMember", record: this.record }];
  }

  /** A record that names this very directory, shown by somebody who is met. */
  #shownRecord(): FoundingRecord | null {
    for (const { hello, met } of this.processes.values()) {
      if (!met || hello.founding === null || hello.founding.cluster !== this.cluster) continue;
      if (namedIncarnation(hello.founding, this.id) === this.incarnation) return hello.founding;
    }
    return null;
  }

  /** The record of the founders who are met, when that is all of them: one process each, agreed
   *  on the founders, none with a record (one that names this node was taken above, any other
   *  forbids). */
  #ownRecord(): FoundingRecord | null {
    if (!this.founders.includes(this.id)) return null;
    const pairs = [{ id: this.id, incarnation: this.incarnation }];
    for (const id of this.founders) {
      if (id === this.id) continue;
      const [peer, second] = this.metAs(id);
      if (peer === undefined || second !== undefined) return null;
      if (peer.hello.founding !== null || peer.hello.member) return null;
      if (!sameIds(peer.hello.founders, this.founders)) return null;
      pairs.push({ id, incarnation: peer.hello.incarnation });
    }
    return foundingRecord(this.cluster, pairs);
  }

  /** True when every founder is known to hold this record: each has shown it, or a member says
   *  so. Another record shown by one who claims a founder's id forbids the first way, not the
   *  second. */
  #recordIsComplete(record: FoundingRecord): boolean {
    let rival = false;
    for (const { hello, met } of this.processes.values()) {
      if (!met || hello.founding === null) continue;
      const named = namedIncarnation(record, hello.id);
      if (!sameRecord(hello.founding, record)) rival ||= named !== null;
      else if (hello.member) return true;
      else if (named === hello.incarnation) this.signers.add(hello.id);
    }
    return !rival && record.founders.every(({ id }) => id === this.id || this.signers.has(id));
  }
}

/** True for a hello that one process said before the other one. */
function isOlder(hello: NodeHello, than: NodeHello): boolean {
  return (than.founding !== null && hello.founding === null) || (than.member && !hello.member);
}
