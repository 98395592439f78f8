/** currentTerm and votedFor: in memory at once, on disk one write at a time (§5.1, Figure 2). */

import { assert } from "../base/assert.ts";
import type { NodeIdentity, Term } from "../base/types.ts";
import type { HardState, Vote, WriteId } from "./types.ts";

/** Term and vote change together and are written together. While what is in memory is not yet
 *  durable the hard state is *pending*: no message and no own vote may depend on it. */
export class HardStateWriter {
  #current: HardState;
  #durable: HardState;
  #writing: { readonly writeId: WriteId; readonly hardState: HardState } | null = null;

  constructor(recovered: HardState) {
    this.#current = recovered;
    this.#durable = recovered;
  }

  get term(): Term {
    return this.#current.term;
  }

  get votedFor(): Vote | null {
    return this.#current.votedFor;
  }

  get pending(): boolean {
    return this.#current !== this.#durable;
  }

  /** A new term begins without a vote, or with the candidate's own. Terms never fall. */
  enterTerm(term: Term, vote: Vote | null): void {
    assert(term > this.#current.term, `term ${term} entered from term ${this.#current.term}`);
    this.#current = { term, votedFor: vote };
  }

  /** One vote per term (§5.2). */
  vote(vote: Vote): void {
    assert(this.#current.votedFor === null, `a second vote in term ${this.#current.term}`);
    this.#current = { term: this.#current.term, votedFor: vote };
  }

  /** The next write, if one is needed and none is under way. */
  takeWrite(nextWriteId: () => WriteId): { writeId: WriteId; hardState: HardState } | null {
    if (this.#writing !== null || !this.pending) return null;
    const write = { writeId: nextWriteId(), hardState: this.#current };
    this.#writing = write;
    return write;
  }

  done(writeId: WriteId): void {
    assert(this.#writing?.writeId === writeId, `hard state write ${writeId} was not under way`);
    this.#durable = this.#writing.hardState;
    this.#writing = null;
  }
}

/** A vote binds to one process of one data directory: two processes of a copied directory share the
 *  rest. */
export function isVoteFor(vote: Vote, node: NodeIdentity): boolean {
  return (
    vote.id === node.id && vote.incarnation === node.incarnation && vote.bootId === node.bootId
  );
}
