/** Members, disks and commits as an invariant sees them, doctored to show what must never be. */

import type { LogIndex, NodeId, Term } from "../../src/base/types.ts";
import type { MemberSizes } from "../../src/node/member-sizes.ts";
import type { Member as NodeMember } from "../../src/node/member.ts";
import type { Configuration, Member, Role, Vote } from "../../src/raft/types.ts";
import type { Commit } from "../../src/sim/committed-log.ts";
import type { Check, Evidence, Invariant } from "../../src/sim/invariants/types.ts";
import type { Machine } from "../../src/sim/machine.ts";
import type { DurableRecord } from "../../src/sim/record-tree.ts";
import { RECORD_KIND } from "../../src/storage/types.ts";

export function incarnationOf(id: NodeId): string {
  return String(id).padStart(32, "0");
}

export function configurationOf(index: LogIndex, ...ids: readonly NodeId[]): Configuration {
  const members = ids.map((id): Member => ({ id, incarnation: incarnationOf(id), role: "voter" }));
  return { index, members };
}

/** A record of one entry; `chain` stands for its contents. */
export function recordOf(
  index: LogIndex,
  term: Term,
  chain: number,
  more: Partial<DurableRecord> & { readonly sequence?: number } = {},
): DurableRecord {
  const { sequence = index, ...rest } = more;
  const clientId = "c".repeat(32);
  const place = { firstIndex: index, lastIndex: index, count: 1, firstSequence: sequence };
  const head = { ...place, term, chain, clientId, kind: RECORD_KIND.user, timeMs: 0, bytes: 80 };
  const configuration = configurationOf(0, 1, 2, 3);
  return { head, before: null, configuration, payloads: [], bodyHash: `${chain}`, ...rest };
}

export interface Looks {
  role: Role;
  term: Term;
  commitIndex: LogIndex;
  durableIndex: LogIndex;
  /** Chains of the log from entry 1 on. */
  chains: number[];
  termsKnown: boolean;
  matched: Map<NodeId, LogIndex>;
  sizes: Partial<MemberSizes>;
}

/** A member whose looks can be changed while an invariant watches. */
export function doctoredMember(looks: Partial<Looks> = {}): {
  readonly looks: Looks;
  readonly member: NodeMember;
} {
  const all: Looks = {
    role: "follower",
    term: 1,
    commitIndex: 0,
    durableIndex: 0,
    chains: [],
    termsKnown: true,
    matched: new Map(),
    sizes: {},
    ...looks,
  };
  const core = {
    get role() {
      return all.role;
    },
    get term() {
      return all.term;
    },
    get commitIndex() {
      return all.commitIndex;
    },
    get durableIndex() {
      return all.durableIndex;
    },
    get lastIndex() {
      return all.chains.length;
    },
    get termsKnown() {
      return all.termsKnown;
    },
    configuration: configurationOf(0, 1, 2, 3),
    matchIndexOf: (id: NodeId) => all.matched.get(id) ?? null,
    termAt: () => 1,
  };
  const log = {
    damage: [],
    derivedKnown: true,
    baseIndex: 0,
    get lastIndex() {
      return all.chains.length;
    },
    get lastChain() {
      return all.chains.at(-1) ?? 0;
    },
    chainAt: (index: LogIndex) => {
      const chain = all.chains[index - 1];
      return chain === undefined ? undefined : { chain, lastIndex: index };
    },
  };
  const nothing = { held: 0, waiting: 0, tailBytes: 0, sessions: 0, connections: 0 };
  const member = {
    core,
    log,
    get sizes() {
      return { ...nothing, datagramsOut: 0, ...all.sizes };
    },
  };
  return { looks: all, member: member as unknown as NodeMember };
}

export function doctoredMachine(id: NodeId): Machine {
  return { id, process: null } as unknown as Machine;
}

/** Disks by node, each with the records that it holds. */
export interface Disks {
  readonly logs: Map<NodeId, DurableRecord[]>;
  readonly votes: Map<NodeId, Map<Term, Vote[]>>;
  hardState: { term: Term; votedFor: Vote | null } | null;
  readonly conflicts: [DurableRecord, DurableRecord][];
  readonly configurations: DurableRecord[];
  tip: DurableRecord | null;
  nowMs: number;
}

export function doctoredDisks(): Disks {
  return {
    logs: new Map(),
    votes: new Map(),
    hardState: null,
    conflicts: [],
    configurations: [],
    tip: null,
    nowMs: 0,
  };
}

export function watchDoctored(invariant: Invariant, disks: Disks): Check {
  const platters = new Map<NodeId, object>();
  const platterOf = (id: NodeId): object => {
    const known = platters.get(id);
    if (known !== undefined) return known;
    const platter = {
      incarnation: incarnationOf(id),
      log: {
        at: (index: LogIndex) =>
          disks.logs.get(id)?.find(({ head }) => head.lastIndex === index) ?? null,
      },
      votes: disks.votes.get(id) ?? new Map(),
      get hardState() {
        return disks.hardState === null ? null : { counter: 1, hardState: disks.hardState };
      },
    };
    platters.set(id, platter);
    return platter;
  };
  const limits = { sessionsMax: 64, tailBytesMax: 65_536 };
  const plan = { customers: 1, outstanding: 1, limits, timings: { heartbeatMs: 50 } };
  const evidence = {
    cluster: {
      plan,
      machines: new Map(),
      electionMs: 600,
      get nowMs() {
        return disks.nowMs;
      },
    },
    platters: {
      tree: { conflicts: disks.conflicts, configurations: disks.configurations },
      of: ({ id }: Machine) => platterOf(id),
      had: (id: NodeId) => [platterOf(id)],
      holds: (id: NodeId, _incarnation: string, record: DurableRecord) =>
        disks.logs.get(id)?.includes(record) === true,
    },
    committed: {
      get tip() {
        return disks.tip;
      },
      get lastIndex() {
        return disks.tip?.head.lastIndex ?? 0;
      },
      tipBefore: () => disks.tip,
    },
  };
  return invariant.watch(evidence as unknown as Evidence);
}

export function commitOf(member: NodeMember, commit: Partial<Commit>): Commit {
  const machine = doctoredMachine(1);
  const nothing = { record: null, contradicted: null, fresh: [] };
  return { machine, member, index: 1, term: 1, chain: 0, recordEnd: 1, ...nothing, ...commit };
}
