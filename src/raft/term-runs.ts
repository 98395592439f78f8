/** The shape of the log without its payloads: which term each retained index has (§5.3). */

import { assert } from "../base/assert.ts";
import type { LogIndex, Term } from "../base/types.ts";
import type { TermRun } from "./types.ts";

/** Terms rise along a log and rarely, so runs of equal terms are few and `termAt` never reads a
 *  disk.
 *
 *      baseIndex      runs: first index, term         lastIndex
 *          |  1,1 1,1 | 3,3 3,3 3,3 | 4,4 ...             |
 */
export class TermRuns {
  #baseIndex: LogIndex;
  #baseTerm: Term;
  #lastIndex: LogIndex;
  readonly #firsts: LogIndex[] = [];
  readonly #terms: Term[] = [];

  /** `runs` cover baseIndex + 1 to lastIndex; the first may begin at or before the base. */
  constructor(baseIndex: LogIndex, baseTerm: Term, runs: readonly TermRun[], lastIndex: LogIndex) {
    assert(lastIndex >= baseIndex, `the log ends at ${lastIndex}, before its base ${baseIndex}`);
    this.#baseIndex = baseIndex;
    this.#baseTerm = baseTerm;
    this.#lastIndex = baseIndex;
    for (const [at, run] of runs.entries()) {
      const next = runs[at + 1];
      this.append(
        next === undefined ? lastIndex : Math.min(lastIndex, next.firstIndex - 1),
        run.term,
      );
    }
    assert(this.#lastIndex === lastIndex, `the term runs do not reach the last index ${lastIndex}`);
  }

  /** The runs of the same entries, now that all of them can be read. */
  relearn(runs: readonly TermRun[]): void {
    const whole = new TermRuns(this.#baseIndex, this.#baseTerm, runs, this.#lastIndex);
    this.#firsts.splice(0, Infinity, ...whole.#firsts);
    this.#terms.splice(0, Infinity, ...whole.#terms);
  }

  /** The entry before the first retained one. */
  get baseIndex(): LogIndex {
    return this.#baseIndex;
  }

  get lastIndex(): LogIndex {
    return this.#lastIndex;
  }

  get lastTerm(): Term {
    return this.#terms[this.#terms.length - 1] ?? this.#baseTerm;
  }

  /** The term of a retained entry or of the base; undefined outside. */
  termAt(index: LogIndex): Term | undefined {
    if (index > this.#lastIndex || index < this.#baseIndex) return undefined;
    if (index === this.#baseIndex) return this.#baseTerm;
    return this.#terms[this.#runOf(index)];
  }

  /** Extends the log to `lastIndex` with entries of one term. */
  append(lastIndex: LogIndex, term: Term): void {
    if (lastIndex <= this.#lastIndex) return;
    assert(term >= this.lastTerm, () => `term ${term} appended behind term ${this.lastTerm}`);
    if (this.#terms.length === 0 || term !== this.lastTerm) {
      this.#firsts.push(this.#lastIndex + 1);
      this.#terms.push(term);
    }
    this.#lastIndex = lastIndex;
  }

  /** Drops every entry from `index` on. */
  truncateFrom(index: LogIndex): void {
    assert(
      index > this.#baseIndex,
      `truncation at ${index}, at or below the base ${this.#baseIndex}`,
    );
    while ((this.#firsts[this.#firsts.length - 1] ?? 0) >= index) {
      this.#firsts.pop();
      this.#terms.pop();
    }
    this.#lastIndex = Math.min(this.#lastIndex, index - 1);
  }

  /** Replaces the whole log by a snapshot that ends with (index, term) (§7). */
  reset(index: LogIndex, term: Term): void {
    this.#firsts.length = 0;
    this.#terms.length = 0;
    this.#baseIndex = index;
    this.#baseTerm = term;
    this.#lastIndex = index;
  }

  /** The largest index at or below `index` whose term is at most `term`, never below the base:
   *  everything between belongs to terms in which the other log cannot have entries (fast
   *  backtracking, §5.3 end). */
  lastIndexOfTermAtMost(index: LogIndex, term: Term): LogIndex {
    let candidate = Math.min(index, this.#lastIndex);
    while (candidate > this.#baseIndex) {
      const run = this.#runOf(candidate);
      if ((this.#terms[run] ?? 0) <= term) return candidate;
      candidate = (this.#firsts[run] ?? 0) - 1;
    }
    return this.#baseIndex;
  }

  /** The run that holds `index`, which is above the base. The newest run answers nearly every
   *  question. */
  #runOf(index: LogIndex): number {
    let high = this.#firsts.length - 1;
    if ((this.#firsts[high] ?? 0) <= index) return high;
    let low = 0;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#firsts[middle] ?? 0) <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
