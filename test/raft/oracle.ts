/** Watches a cluster for the five properties of Figure 3, and for durability and monotony. */

import { majorityOf, votersOf } from "../../src/raft/membership.ts";
import type { LogIndex, NodeId, Term } from "../../src/base/types.ts";
import type { LogRecord, TestNode } from "./test-node.ts";

export class Oracle {
  readonly #leaderOf = new Map<Term, NodeId>();
  /** Every record that any node has seen committed, by its last index, and one flat list by
   *  index. */
  readonly #committed = new Map<LogIndex, LogRecord>();
  readonly #checked = new Map<string, LogIndex>();
  #highest: LogIndex = 0;
  readonly #seen = new Map<string, { commitIndex: LogIndex; term: Term }>();

  /** The highest index that was ever committed. */
  get highest(): LogIndex {
    return this.#highest;
  }

  /** Election Safety and Leader Completeness. */
  elected(node: TestNode, term: Term): void {
    const other = this.#leaderOf.get(term);
    if (other !== undefined && other !== node.id) {
      throw new Error(`nodes ${other} and ${node.id} both lead in term ${term}`);
    }
    this.#leaderOf.set(term, node.id);
    for (const [index, record] of this.#committed) {
      const own = recordAt(node.log, index);
      if (!isSame(own, record))
        throw new Error(`leader ${node.id} of term ${term} misses committed entry ${index}`);
    }
  }

  /** State Machine Safety, and that a leader commits only what a majority of disks holds. */
  committed(node: TestNode, nodes: ReadonlyMap<NodeId, TestNode>): void {
    const { bootId } = node.identity;
    for (let index = (this.#checked.get(bootId) ?? 0) + 1; index <= node.commitIndex; index++) {
      const own = recordAt(node.log, index);
      if (own === undefined)
        throw new Error(`node ${node.id} committed ${index} which it does not hold`);
      const known = this.#committed.get(index);
      if (known === undefined) {
        this.#mustBeDurable(node, own, index, nodes);
        this.#committed.set(index, own);
      } else if (!isSame(known, own)) {
        throw new Error(
          `entry ${index} is "${known.payload}" and "${own.payload}" on node ${node.id}`,
        );
      }
    }
    this.#checked.set(bootId, node.commitIndex);
    this.#highest = Math.max(this.#highest, node.commitIndex);
  }

  /** The commit index and the term of a process never fall. */
  watch(node: TestNode): void {
    const before = this.#seen.get(node.identity.bootId);
    const { commitIndex, term } = node.core;
    if (before !== undefined && (commitIndex < before.commitIndex || term < before.term)) {
      throw new Error(`node ${node.id} fell back to term ${term}, commit index ${commitIndex}`);
    }
    this.#seen.set(node.identity.bootId, { commitIndex, term });
    const lastIndex = node.log.at(-1)?.lastIndex ?? 0;
    if (lastIndex !== node.core.lastIndex) {
      throw new Error(
        `node ${node.id} holds ${lastIndex} entries, its core says ${node.core.lastIndex}`,
      );
    }
    const durableIndex = node.durableLog.at(-1)?.lastIndex ?? 0;
    const { durableIndex: claimed } = node.core;
    if (
      claimed > durableIndex ||
      (claimed > 0 && !isSame(recordAt(node.log, claimed), recordAt(node.durableLog, claimed)))
    ) {
      throw new Error(`node ${node.id} claims ${claimed} durable, its disk holds ${durableIndex}`);
    }
  }

  /** Log Matching: entries of one index and term are the same everywhere, and so is all before
   *  them. */
  logsMatch(nodes: Iterable<TestNode>): void {
    const logs = [...nodes].map((node) => node.log);
    for (const [at, a] of logs.entries()) {
      for (const b of logs.slice(at + 1)) matchLogs(a, b);
    }
  }

  #mustBeDurable(
    node: TestNode,
    record: LogRecord,
    index: LogIndex,
    nodes: ReadonlyMap<NodeId, TestNode>,
  ): void {
    const voters = votersOf(node.core.configuration);
    const holders = voters.filter((voter) =>
      isSame(recordAt(nodes.get(voter.id)?.durableLog ?? [], index), record),
    );
    if (holders.length < majorityOf(voters.length)) {
      throw new Error(
        `entry ${index} was committed, but is durable on ${holders.length} of ${voters.length} voters only`,
      );
    }
  }
}

export function recordAt(log: readonly LogRecord[], index: LogIndex): LogRecord | undefined {
  return log.find((record) => record.firstIndex <= index && index <= record.lastIndex);
}

function isSame(a: LogRecord | undefined, b: LogRecord | undefined): boolean {
  return (
    a !== undefined &&
    b !== undefined &&
    a.payload === b.payload &&
    a.term === b.term &&
    a.lastIndex === b.lastIndex
  );
}

function matchLogs(a: readonly LogRecord[], b: readonly LogRecord[]): void {
  let agrees = false;
  for (let at = Math.min(a.length, b.length) - 1; at >= 0; at--) {
    const x = a[at];
    const y = b[at];
    if (x === undefined || y === undefined) continue;
    if (x.firstIndex === y.firstIndex && x.term === y.term) agrees = true;
    if (agrees && !isSame(x, y))
      throw new Error(`logs differ at ${x.firstIndex} below an entry that they share`);
  }
}
