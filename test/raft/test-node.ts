/** One node of a test cluster: what it holds in memory, what on disk, and the core that runs it. */

import { createCore } from "../../src/raft/core.ts";
import { memberOf, votersOf } from "../../src/raft/membership.ts";
import type { LogIndex, MonotonicMs, NodeId, NodeIdentity, Term } from "../../src/base/types.ts";
import type {
  Configuration,
  Core,
  CoreEvent,
  HardState,
  Member,
  RaftLimits,
  RaftMessage,
  RaftTimings,
  RecordOutline,
  TermRun,
  WriteId,
} from "../../src/raft/types.ts";

export interface LogRecord {
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly term: Term;
  readonly payload: string;
  readonly members?: readonly Member[];
}

export interface Envelope {
  readonly from: NodeIdentity;
  readonly to: NodeId;
  readonly message: RaftMessage;
  readonly records: readonly LogRecord[];
}

export interface TestNode {
  readonly id: NodeId;
  identity: NodeIdentity;
  core: Core;
  up: boolean;
  boots: number;
  /** In memory; what a crash leaves of it is `durableLog`. */
  log: LogRecord[];
  durableLog: LogRecord[];
  logWrite: { readonly id: WriteId; readonly log: readonly LogRecord[] } | null;
  hard: HardState;
  hardWrite: { readonly id: WriteId; readonly hardState: HardState } | null;
  /** Writes end by themselves when true. */
  autoDisk: boolean;
  commitIndex: LogIndex;
  reads: Map<number, LogIndex | null>;
  events: CoreEvent[];
  voteFromCommitIndex: LogIndex;
}

export interface ClusterOptions {
  readonly voters: readonly NodeId[];
  readonly learners?: readonly NodeId[];
  /** Nodes that run but are not members. */
  readonly outsiders?: readonly NodeId[];
  readonly seed?: number;
  readonly timings?: RaftTimings;
  readonly limits?: Partial<RaftLimits>;
  /** The term of each entry that a node starts with. */
  readonly logs?: Readonly<Record<number, readonly Term[]>>;
  readonly terms?: Readonly<Record<number, Term>>;
  readonly voteFromCommitIndex?: Readonly<Record<number, LogIndex>>;
  readonly trace?: (line: string) => void;
}

export const TIMINGS: RaftTimings = { heartbeatMs: 50, electionMinMs: 300, electionMaxMs: 600 };
const LIMITS: RaftLimits = {
  inflightBytesMax: 1000,
  appendBytesMax: 400,
  uncommittedBytesMax: 100_000,
  uncommittedEntriesMax: 1000,
};

/** Bytes that each test record is said to have. */
export const RECORD_BYTES = 100;

/** A node as it starts for the first time. */
export function createTestNode(
  id: NodeId,
  options: ClusterOptions,
  founding: Configuration,
  nowMs: MonotonicMs,
): TestNode {
  const terms = options.logs?.[id] ?? [];
  const log = terms.map((term, at): LogRecord => {
    return { firstIndex: at + 1, lastIndex: at + 1, term, payload: `old ${at + 1}.${term}` };
  });
  const term = options.terms?.[id] ?? terms.at(-1) ?? 0;
  const identity: NodeIdentity = { id, incarnation: `i${id}`, bootId: `b${id}.1` };
  const unborn = {
    id,
    identity,
    up: true,
    boots: 1,
    log,
    durableLog: [...log],
    logWrite: null,
    hard: { term, votedFor: null },
    hardWrite: null,
    autoDisk: true,
    commitIndex: 0,
    reads: new Map<number, LogIndex | null>(),
    events: [],
    voteFromCommitIndex: options.voteFromCommitIndex?.[id] ?? 0,
  };
  return { ...unborn, core: createNodeCore(unborn, options, founding, nowMs) };
}

/** The core of a node that goes on from its disk. */
export function createNodeCore(
  node: Omit<TestNode, "core">,
  options: ClusterOptions,
  founding: Configuration,
  nowMs: MonotonicMs,
): Core {
  const runs: TermRun[] = [];
  for (const record of node.durableLog) {
    if (runs.at(-1)?.term !== record.term)
      runs.push({ firstIndex: record.firstIndex, term: record.term });
  }
  const configurations = node.durableLog.flatMap((record): Configuration[] =>
    record.members === undefined ? [] : [{ index: record.firstIndex, members: record.members }],
  );
  return createCore({
    self: node.identity,
    hardState: node.hard,
    baseIndex: 0,
    baseTerm: 0,
    runs,
    lastIndex: node.durableLog.at(-1)?.lastIndex ?? 0,
    configurations: [founding, ...configurations],
    commitIndex: 0,
    voteFromCommitIndex: node.voteFromCommitIndex,
    timings: options.timings ?? TIMINGS,
    limits: { ...LIMITS, ...options.limits },
    seed: (options.seed ?? 1) * 1000 + node.id * 10 + node.boots,
    nowMs,
  });
}

/** Whole records from the one that contains `from`, at least one, up to `bytesMax`. */
export function readRecords(
  log: readonly LogRecord[],
  from: LogIndex,
  bytesMax: number,
): readonly LogRecord[] {
  const at = log.findIndex((record) => record.lastIndex >= from);
  if (at < 0) return [];
  return log.slice(at, at + Math.max(1, Math.floor(bytesMax / RECORD_BYTES)));
}

/** What the core sees of a record. */
export function outlineOf(record: LogRecord): RecordOutline {
  const { firstIndex, lastIndex, term, members } = record;
  return { firstIndex, lastIndex, term, ...(members === undefined ? {} : { members }) };
}

/** The voters of the configuration that a node holds in force. */
export function voterIds(core: Core): readonly NodeId[] {
  return votersOf(core.configuration).map((member) => member.id);
}

export function roleIn(core: Core, id: NodeId): Member["role"] | null {
  return memberOf(core.configuration, id)?.role ?? null;
}
