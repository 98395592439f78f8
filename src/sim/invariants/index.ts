/** All invariants. */

import { electionSafety } from "./election-safety.ts";
import type { Invariant } from "./types.ts";

export const INVARIANTS: readonly Invariant[] = [electionSafety];
