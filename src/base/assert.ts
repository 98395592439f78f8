/** Asserts stay on in the executable: a node that has broken an invariant stops and prints why. */

/** Thrown when this program contradicts itself; never for bad input or a bad disk. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/** Stops the node unless `condition` holds. `message` says which invariant and with what values. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}
