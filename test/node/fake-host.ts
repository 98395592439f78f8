/** The log and the core behind an append queue, as lists in memory. */

import type { AppendHost, HostAppend } from "../../src/node/append-queue.ts";
import { RECORD_KIND, type RecordHead, type SessionRow } from "../../src/storage/types.ts";
import type { AppendRequest, LeaderHint } from "../../src/transport/requests.ts";

/** A log of heads, as the real one derives sessions and the last user entry from its prefix. */
export class FakeHost implements AppendHost {
  heads: RecordHead[] = [];
  commitIndex = 0;
  forgottenAt = 0;
  acceptsEntries = true;
  term = 1;
  refuse: Extract<HostAppend, { ok: false }>["reason"] | null = null;
  /** The log holds other payloads than a repeated request brings. */
  holdsOther = false;
  readonly forgotten = new Set<string>();
  hint: LeaderHint | null = null;

  get lastIndex(): number {
    return this.heads.at(-1)?.lastIndex ?? 0;
  }
  get lastUserIndex(): number {
    return this.lastUserIndexAt(Infinity);
  }
  lastUserIndexAt(index: number): number {
    return (
      this.heads.findLast((head) => head.kind === RECORD_KIND.user && head.lastIndex <= index)
        ?.lastIndex ?? 0
    );
  }
  session(clientId: string): SessionRow | undefined {
    if (this.forgotten.has(clientId)) return undefined;
    const last = this.heads.findLast(
      (head) => head.clientId === clientId && head.kind === RECORD_KIND.user,
    );
    return last === undefined
      ? undefined
      : { lastSequence: last.firstSequence + last.count - 1, lastIndex: last.lastIndex };
  }
  recordAt(index: number): RecordHead | undefined {
    return this.heads.find((head) => head.firstIndex <= index && index <= head.lastIndex);
  }
  termAt(index: number): number | undefined {
    return this.recordAt(index)?.term;
  }
  holds(): boolean {
    return !this.holdsOther;
  }
  holdersOf(): readonly number[] {
    return [1, 2];
  }
  leaderHint(): LeaderHint | null {
    return this.hint;
  }
  /** Rounds that nobody has answered. */
  readonly rounds: ((index: number | null, nowMs: number) => void)[] = [];
  readIndex(done: (index: number | null, nowMs: number) => void): void {
    this.rounds.push(done);
  }
  /** A majority confirms this leader, or (null) nobody does. */
  answerRounds(index: number | null = this.commitIndex, nowMs = 0): void {
    for (const done of this.rounds.splice(0)) done(index, nowMs);
  }
  append(request: AppendRequest): HostAppend {
    if (this.refuse !== null) return { ok: false, reason: this.refuse };
    return this.push(request.clientId, request.firstSequence, request.count);
  }
  push(
    clientId: string,
    firstSequence: number,
    count: number,
    kind: RecordHead["kind"] = RECORD_KIND.user,
  ): Extract<HostAppend, { ok: true }> {
    const firstIndex = this.lastIndex + 1;
    this.heads.push({
      firstIndex,
      lastIndex: firstIndex + count - 1,
      count,
      term: this.term,
      kind,
      timeMs: firstIndex * 10,
      clientId,
      firstSequence,
      chain: 0,
      bytes: 0,
    });
    return { ok: true, firstIndex, term: this.term, timeMs: firstIndex * 10 };
  }
  noop(): void {
    this.push("0".repeat(32), 0, 1, RECORD_KIND.noop);
  }
  truncate(from: number): void {
    this.heads = this.heads.filter((head) => head.lastIndex < from);
  }
}
