/** Opening a data directory's log and hard state together: what a node does before its first
 *  message. */

import type { ClusterId, FoundingRecord, Incarnation, MonotonicMs } from "../base/types.ts";
import { DiskFailure, StorageDamage } from "./disk-error.ts";
import { foundingHead } from "./founding.ts";
import {
  createHardState,
  HARD_STATE_FILE,
  ONE_SLOT,
  openHardState,
  readableSlots,
} from "./hard-state.ts";
import type { HardStateStore } from "./hard-state.ts";
import { LOG_LIMITS } from "./limits.ts";
import type { LogLimits } from "./limits.ts";
import { chainSeed } from "./record.ts";
import { createLog, recoverLog } from "./recovery.ts";
import { creationOf } from "./segment-head.ts";
import { checkBehind, surveySegments } from "./survey.ts";
import type { Disk, DiskError, Recovered } from "./types.ts";

export interface StoreOptions {
  readonly disk: Disk;
  readonly clusterId: ClusterId;
  /** This directory's; keeps other directories' batches from being taken for its own. */
  readonly incarnation: Incarnation;
  readonly founding: FoundingRecord;
  readonly nowMs: MonotonicMs;
  /** Called once when a write or a sync failed: the node must stop, nothing is tried again. */
  readonly onFatal: (error: DiskError) => void;
  /** Times syncs for `LogStore.syncMs`; without it that stays null. */
  readonly clock?: () => MonotonicMs;
  readonly limits?: LogLimits;
}

/** A directory that is open. */
export interface OpenStore extends Recovered {
  readonly ok: true;
  readonly hardStates: HardStateStore;
}

/** Why a directory was not opened.
 *  - damaged: exit code 7, with file and offset
 *  - wiped: no hard state, so votes may be forgotten: the node can never vote under this identity
 *  - refused: the operating system said no (full, no permission, dead disk) */
export interface StoreProblem {
  readonly ok: false;
  readonly problem: "damaged" | "wiped" | "refused";
  readonly reason: string;
  readonly file: string;
  readonly offset: number;
}

/** True once `createStore` has finished in this directory. */
export function hasStore(disk: Disk): boolean {
  return disk.exists(HARD_STATE_FILE);
}

/** Makes an empty log and the hard state of term 0. May be repeated after a crash in the middle;
 *  refuses (problem "damaged") a directory that has a log with entries but no hard state. */
export function createStore(options: StoreOptions): StoreProblem | { readonly ok: true } {
  return attempt(() => {
    const { disk, clusterId } = options;
    if (hasStore(disk)) return { ok: true };
    const leftover = disk.list().filter((name) => creationOf(name) !== null);
    if (leftover.length > 0) checkEmpty(options);
    for (const name of leftover) disk.remove(name);
    disk.syncDirectory();
    createLog(logOptions(options), foundingHead(options.founding), chainSeed(clusterId));
    createHardState(disk, { term: 0, votedFor: null });
    return { ok: true };
  });
}

/** A log without hard state was being created, or the hard state is gone; only the first holds
 *  nothing. The write that begins a log may have been cut off anywhere. */
function checkEmpty(options: StoreOptions): void {
  const survey = surveySegments(logOptions(options));
  const { segments, bad, blank } = survey;
  blank?.file.close();
  const used = segments.filter((segment) => {
    const { lastIndex, holes } = segment.scan();
    segment.close();
    return lastIndex > 0 || holes.length > 0;
  });
  for (const damage of bad.values()) throw damage;
  for (const { name } of used)
    throw new StorageDamage("a log with entries but without a hard state", name, 0);
  checkBehind(survey, segments.at(-1)?.head.creation ?? 0);
}

/** Opens the directory, recovering from whatever stop there was. Blocks while it reads and
 *  syncs. */
export function openStore(options: StoreOptions): OpenStore | StoreProblem {
  return attempt(() => {
    const slots = readableSlots(options.disk);
    if (slots === 0) return wiped();
    const { log, voteFromCommitIndex, notes } = recoverLog(logOptions(options));
    const lastTerm = log.lastTerm;
    const hardStates = openHardState(options.disk, lastTerm, options.onFatal);
    if (hardStates === null) return wiped();
    return {
      ok: true,
      log,
      hardStates,
      hardState: hardStates.current,
      baseTerm: log.baseTerm,
      runs: [...log.runs],
      configurations: [...log.configurations],
      voteFromCommitIndex,
      notes:
        slots === 2 ? notes : [`${HARD_STATE_FILE}: ${ONE_SLOT}, it is written anew`, ...notes],
    };
  });
}

function wiped(): StoreProblem {
  const reason = "neither slot of the hard state can be read: votes may be forgotten";
  return { ok: false, problem: "wiped", reason, file: HARD_STATE_FILE, offset: 0 };
}

function logOptions(options: StoreOptions): Parameters<typeof recoverLog>[0] {
  const { disk, clusterId, incarnation, nowMs, onFatal } = options;
  const limits = options.limits ?? LOG_LIMITS;
  return { disk, clusterId, incarnation, nowMs, onFatal, limits, clock: options.clock ?? null };
}

function attempt<T>(open: () => T): T | StoreProblem {
  try {
    return open();
  } catch (thrown) {
    if (thrown instanceof StorageDamage) {
      const { message, file, offset } = thrown;
      return { ok: false, problem: "damaged", reason: message, file, offset };
    }
    if (thrown instanceof DiskFailure) {
      return { ok: false, problem: "refused", reason: thrown.message, file: ".", offset: 0 };
    }
    throw thrown;
  }
}
