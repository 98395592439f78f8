/** What a planted bug is: a patch of one source file that brings a known bug back. It is applied
 *  while sources are loaded, one bug at a time, and only when RAFT_PLANT names it. The sources
 *  themselves hold no trace of it. */

/** Replaces text that stands exactly once in the file. */
export interface Edit {
  readonly find: string;
  readonly replace: string;
  /** Another file than the bug's. */
  readonly file?: string;
}

/** Campaigns on real processes that a bug may be shown to: measures of `npm run prove`. */
export const CAMPAIGNS = ["kill", "linearizable", "pause", "power-cuts"] as const;
export type Campaign = (typeof CAMPAIGNS)[number];

export interface Bug extends Edit {
  /** As typed: RAFT_PLANT=commit-older-term. */
  readonly name: string;
  /** The number in the list of known bugs ("13", "H6"), or "own". */
  readonly knownBug: string;
  /** The file to patch, relative to the root, with slashes. */
  readonly file: string;
  /** Further edits, where one does not suffice. */
  readonly also?: readonly Edit[];
  /** What is wrong then. */
  readonly sentence: string;
  /** Test files that are asked first, cheapest first; relative to the root. */
  readonly unit: readonly string[];
  /** Test files that draw histories at random from seeds. */
  readonly random: readonly string[];
  /** Tests of the compiled executable, where the bug shows in real processes. */
  readonly processes?: readonly string[];
  /** What must find it by itself, whatever else finds it: else these would be trusted for bugs that
   *  only the tests above have ever found. */
  readonly alsoFoundBy?: readonly ("random" | "simulator" | Campaign)[];
}

/** A bug as a group's table has it: whatever is left out is the group's. */
export type Row = Omit<Bug, "random"> & { readonly random?: readonly string[] };

/** The flag that plants a bug; test-only. */
export const PLANT_FLAG = "RAFT_PLANT";

/** The files that a bug patches. */
export function filesOf(bug: Bug): readonly string[] {
  return [...new Set([bug.file, ...(bug.also ?? []).map((edit) => edit.file ?? bug.file)])];
}

/** The source of `file` with the bug in it. Throws when the patch does not fit the source any
 *  more. */
export function plantInto(bug: Bug, file: string, source: string): string {
  let planted = source;
  for (const edit of [bug, ...(bug.also ?? [])]) {
    if ((edit.file ?? bug.file) !== file) continue;
    const { find, replace } = edit;
    const places = planted.split(find).length - 1;
    if (places !== 1)
      throw new Error(`bug "${bug.name}": its text stands ${places} times in ${file}: ${find}`);
    planted = planted.replace(find, () => replace);
  }
  return planted;
}
