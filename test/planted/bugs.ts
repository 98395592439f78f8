/** All planted bugs, in the order of the list of known bugs. */
import type { Bug } from "./bug.ts";
import { bench } from "./bugs/bench.ts";
import { disk } from "./bugs/disk.ts";
import { membership } from "./bugs/membership.ts";
import { reads } from "./bugs/reads.ts";
import { replication } from "./bugs/replication.ts";
import { votes } from "./bugs/votes.ts";
import { wire } from "./bugs/wire.ts";

export const BUGS: readonly Bug[] = [
  ...votes,
  ...replication,
  ...reads,
  ...membership,
  ...disk,
  ...wire,
  ...bench,
];
