/** What the core remembers of terms, held against the records themselves.
 *
 *  The core decides by (index, term) and never reads a record, so a wrong memory of terms would
 *  make it truncate what it acknowledged, or name a wrong term in front of what it sends. A record
 *  says its own term, under its chain. So before anything follows from two terms that differ, the
 *  record is asked; that is rare, and costs nothing else. The argument is in
 *  src/raft/README.md. */

import { assert } from "../base/assert.ts";
import type { LogIndex, Term } from "../base/types.ts";
import type { Core } from "../raft/types.ts";
import { termOf } from "../storage/record.ts";
import type { LogStore } from "../storage/types.ts";

/** Ends this node, as a bug does, when its own record at `index` is of another term than its core
 *  remembers. Says nothing where the terms are a guess, or the record cannot be read. */
export function assertTermHeld(core: Core, log: LogStore, index: LogIndex): void {
  const read = core.termsKnown ? log.read(index, 1) : null;
  if (read !== null) assertTermIs(core, index, termOf(read.bytes));
}

/** The same for a record that was read already and is of `term`. */
export function assertTermIs(core: Core, index: LogIndex, term: Term): void {
  const remembered = core.termAt(index);
  assert(
    remembered === undefined || remembered === term,
    `entry ${index} is of term ${term} by its own record, and this node took it for one of term ${remembered}: ` +
      "nothing is truncated or sent. Its files contradict each other: wipe and replace this member",
  );
}
