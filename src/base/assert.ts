/** Asserts stay on in the executable: a node that has broken an invariant stops and prints why. */

/** Thrown when this program contradicts itself; never for bad input or a bad disk. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/** Stops the node unless `condition` holds. `message` says which invariant and with what values;
 *  where it holds for every entry, as a function: a text with two numbers in it takes ten times as
 *  long as the comparison (75 ns), and is made even if nobody reads it. */
export function assert(condition: boolean, message: string | (() => string)): asserts condition {
  if (!condition) throw new InvariantError(typeof message === "string" ? message : message());
}
