/** What the log's prefix says: terms, configurations, sessions, the last user's entry. Advanced
 *  when a record is appended, rolled back when one is truncated; never anything else. */

import { assert } from "../base/assert.ts";
import type { LogIndex, Term } from "../base/types.ts";
import type { Configuration, Member, TermRun } from "../raft/types.ts";
import type { DerivedHead } from "./segment-head.ts";
import { SESSIONS_MAX, SessionTable } from "./sessions.ts";
import type { SessionUndo } from "./sessions.ts";
import { RECORD_KIND } from "./types.ts";
import type { RecordHead, SessionRow } from "./types.ts";

interface Undo {
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly session: SessionUndo;
  readonly forgottenAtBefore: LogIndex;
  readonly lastUserBefore: LogIndex;
}

export class Derived {
  /** Sorted; terms rise. Only of the retained log. */
  readonly runs: TermRun[] = [];
  /** The one in force before the retained log, then every one in it. Never empty. */
  readonly configurations: Configuration[] = [];
  forgottenAt: LogIndex;
  lastUserIndex: LogIndex;
  private readonly sessions: SessionTable;
  /** Oldest first, from `undoFrom` on; below lies what can no longer be rolled back. */
  private undos: Undo[] = [];
  private undoFrom = 0;
  /** Records below were never in memory here: they came with the head. */
  private firstSeen: LogIndex = Number.MAX_SAFE_INTEGER;

  constructor(head: DerivedHead, sessionsMax = SESSIONS_MAX) {
    this.sessions = new SessionTable(sessionsMax);
    this.sessions.load(head.sessions);
    this.forgottenAt = head.forgottenAt;
    this.lastUserIndex = head.lastUserIndex;
    this.runs.push(...head.runs);
    this.configurations.push(...head.configurations);
  }

  session(clientId: string): SessionRow | undefined {
    return this.sessions.get(clientId);
  }

  get sessionCount(): number {
    return this.sessions.size;
  }

  /** Takes in one record that follows; `members` when it is a configuration. */
  advance(head: RecordHead, members: readonly Member[] | null): void {
    this.firstSeen = Math.min(this.firstSeen, head.firstIndex);
    if (this.runs.at(-1)?.term !== head.term) {
      this.runs.push({ firstIndex: head.firstIndex, term: head.term });
    }
    if (head.kind === RECORD_KIND.configuration) {
      assert(members !== null, `configuration at ${head.firstIndex} is well formed`);
      this.configurations.push({ index: head.firstIndex, members });
    }
    if (head.kind !== RECORD_KIND.user) return;
    const lastSequence = head.firstSequence + head.count - 1;
    const session = this.sessions.touch(head.clientId, lastSequence, head.lastIndex);
    this.undos.push({
      firstIndex: head.firstIndex,
      lastIndex: head.lastIndex,
      session,
      forgottenAtBefore: this.forgottenAt,
      lastUserBefore: this.lastUserIndex,
    });
    this.lastUserIndex = head.lastIndex;
    if (session.evicted !== null) {
      this.forgottenAt = Math.max(this.forgottenAt, session.evicted.row.lastIndex);
    }
  }

  /** False when records from `index` on came with the head and cannot be taken back one by one. */
  canRollback(index: LogIndex): boolean {
    return index >= this.firstSeen;
  }

  /** Takes back every record from `index` on. */
  rollback(index: LogIndex): void {
    for (
      let last = this.undos.at(-1);
      last !== undefined && last.firstIndex >= index;
      last = this.undos.at(-1)
    ) {
      assert(
        this.undos.length > this.undoFrom,
        `record at ${last.firstIndex} can still be rolled back`,
      );
      this.sessions.undo(last.session);
      this.forgottenAt = last.forgottenAtBefore;
      this.lastUserIndex = last.lastUserBefore;
      this.undos.pop();
    }
    while ((this.runs.at(-1)?.firstIndex ?? 0) >= index) this.runs.pop();
    while (this.configurations.length > 1 && (this.configurations.at(-1)?.index ?? 0) >= index) {
      this.configurations.pop();
    }
  }

  /** Nothing at or below `index` will be rolled back. */
  settle(index: LogIndex): void {
    while (
      this.undoFrom < this.undos.length &&
      (this.undos[this.undoFrom]?.lastIndex ?? 0) <= index
    ) {
      this.undoFrom += 1;
    }
    if (this.undoFrom > 1_024 && this.undoFrom * 2 > this.undos.length) {
      this.undos = this.undos.slice(this.undoFrom);
      this.undoFrom = 0;
    }
  }

  /** The last user's entry at or below `index`, which is not below what was settled. */
  lastUserIndexAt(index: LogIndex): LogIndex {
    const at = this.firstUndoFrom(index + 1);
    const undo = this.undos[at];
    return undo === undefined ? this.lastUserIndex : undo.lastUserBefore;
  }

  /** What a segment beginning at `firstIndex` has in its head; `from`: where its terms and
   *  configurations begin. */
  headAt(firstIndex: LogIndex, from: LogIndex): DerivedHead {
    const at = this.firstUndoFrom(firstIndex);
    const changes = new Map<string, SessionRow | null>();
    for (let undo = this.undos.length - 1; undo >= at; undo -= 1) {
      const session = this.undos[undo]?.session;
      if (session === undefined) continue;
      changes.set(session.clientId, session.previous);
      if (session.evicted !== null) changes.set(session.evicted.clientId, session.evicted.row);
    }
    const first = this.undos[at];
    return {
      lastUserIndex: first === undefined ? this.lastUserIndex : first.lastUserBefore,
      forgottenAt: first === undefined ? this.forgottenAt : first.forgottenAtBefore,
      runs: this.runs.filter((run) => run.firstIndex >= from && run.firstIndex < firstIndex),
      configurations: this.configurationsIn(from, firstIndex),
      sessions: this.sessions.encode(changes),
    };
  }

  private configurationsIn(from: LogIndex, to: LogIndex): readonly Configuration[] {
    const before = this.configurations.filter((entry) => entry.index < from).at(-1);
    const within = this.configurations.filter((entry) => entry.index >= from && entry.index < to);
    return before === undefined ? within : [before, ...within];
  }

  /** The place of the first undo whose record begins at or after `index`. */
  private firstUndoFrom(index: LogIndex): number {
    let low = this.undoFrom;
    let high = this.undos.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.undos[middle]?.firstIndex ?? 0) < index) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The term of `index` by the runs, or `before` when it lies in front of the first. */
export function termInRuns(runs: readonly TermRun[], index: LogIndex, before: Term): Term {
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((runs[middle]?.firstIndex ?? 0) <= index) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? before : (runs[low - 1]?.term ?? before);
}
