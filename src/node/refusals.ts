/** Why a data directory cannot be used, in the words that a person reads. */

import type { NodeId } from "../base/types.ts";
import type { LockHolder } from "../storage/lock.ts";
import { isSuspended, machineBootId } from "../storage/real-disk.ts";
import type { IdentityProblem } from "../storage/types.ts";

export interface Refused {
  readonly path: string;
  readonly cluster: string;
  readonly id: NodeId;
  /** "./raft" */
  readonly executable: string;
}

/** Somebody else holds the lock: here, suspended here, or on another machine that shares the
 *  directory. */
export function heldSentence(
  holder: LockHolder | null,
  { path, cluster, id, executable }: Refused,
): string {
  if (holder === null) return `${path} is in use by another process, which left no name`;
  const { host, address, pid, sinceMs, machineBootId: theirs } = holder;
  if (theirs !== null && theirs !== machineBootId()) {
    const at = address === "" ? host : `${host} (${address.split(":")[0] ?? ""})`;
    return (
      `this directory is in use on another machine, ${at}: your home is shared. ` +
      `Give this machine its own id: ${executable} up --id ${id + 1}${named(cluster)}`
    );
  }
  if (isSuspended(pid)) {
    return `node ${id} of cluster ${cluster} is suspended (Ctrl-Z), pid ${pid}: type fg in its terminal, or kill -9 ${pid}`;
  }
  return (
    `node ${id} of cluster ${cluster} already runs here: pid ${pid}, since ${timeOfDay(sinceMs)}.    ` +
    `See it: ${executable} status${named(cluster)}    Stop it: ${executable} stop ${id}${named(cluster)}`
  );
}

/** The directory is somebody else's, a copy, or cannot be read. */
export function identitySentence(
  problem: IdentityProblem,
  { path, id, executable }: Refused,
): string {
  const { found, reason } = problem;
  switch (problem.problem) {
    case "copied":
      return (
        `${path}: ${reason}, so it may not speak as node ${id}: two nodes with one memory could vote twice. ` +
        `Start the original, or make this one fresh: ${executable} wipe --data-dir ${path}`
      );
    case "unreadable":
      return `storage damaged: ${path}: ${reason}. Nothing was changed. To start this node empty: ${executable} wipe --data-dir ${path}`;
    case "other cluster":
    case "other id":
      return (
        `${path}: ${reason}. Start that one: ${executable} up --id ${found?.id ?? id} --cluster ${found?.cluster ?? ""}; ` +
        `or name another directory: --data-dir DIR`
      );
  }
}

function timeOfDay(ms: number): string {
  const date = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** The flag that a command needs for another cluster than the default one. */
export function named(cluster: string): string {
  return cluster === "raft" ? "" : ` --cluster ${cluster}`;
}
