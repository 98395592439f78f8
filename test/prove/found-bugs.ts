/** The bugs that our own tests found in our own code. Each is fixed, and has a regression test or a
 *  seed that would find it again. */

export interface FoundBug {
  readonly what: string;
  /** The suite, and the seed or the command. */
  readonly foundBy: string;
}

export const FOUND_BUGS: readonly FoundBug[] = [];
