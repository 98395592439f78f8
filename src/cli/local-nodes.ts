/** The nodes whose data lies on this machine in the usual place: what they hold, and whether they run. */

import { posix } from "node:path";
import type { NodeId, WallMs } from "../base/types.ts";
import { inspect } from "../storage/identity.ts";
import { listDirectories } from "../storage/real-disk.ts";
import type { Address } from "../transport/types.ts";
import type { DirectoryHolder } from "./errors.ts";
import { maybeStateDirectory, pathRules, type Machine } from "./places.ts";
