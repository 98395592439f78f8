/** Why a data directory cannot be used, in the words that a person reads. */

import type { NodeId } from "../base/types.ts";
import type { LockHolder } from "../storage/lock.ts";
import { isSuspended, machineBootId } from "../storage/real-disk.ts";
import type { IdentityProblem } from "../storage/types.ts";

/** A node and its cluster. */
export interface NodeOfCluster {
  readonly cluster: string;
  readonly id: NodeId;
}

/** What was asked for. */
export interface Refused extends NodeOfCluster {
  readonly path: string;
  /** What a person types after --data-dir to mean it; null: it is the usual place. */
  readonly typed: string | null;
  /** "./raft" */
  readonly executable: string;
}

/** Somebody else holds the lock: here, suspended here, or on another machine that shares the
 *  directory. `owner`: whose it is, which may be another node than the one that was to start. */
export function heldSentence(
  holder: LockHolder | null,
  { path, typed, cluster, id, executable }: Refused,
  owner: NodeOfCluster,
): string {
  const shown = typed ?? path;
  if (holder === null) return `${shown} is in use by another process, which left no name`;
  const { host, address, pid, sinceMs, machineBootId: theirs } = holder;
  if (theirs !== null && theirs !== machineBootId()) {
    const at = address === "" ? host : `${host} (${address.split(":")[0] ?? ""})`;
    return (
      `this directory is in use on another machine, ${at}: your home is shared. ` +
      `Give this machine its own id: ${executable} up --id ${id + 1}${clusterFlag(cluster)}`
    );
  }
  const isWanted = owner.id === id && owner.cluster === cluster;
  const node = `node ${owner.id} of cluster ${owner.cluster}`;
  const who = isWanted ? node : `${shown} belongs to ${node}, which`;
  if (isSuspended(pid)) {
    return `${who} is suspended (Ctrl-Z), pid ${pid}: type fg in its terminal, or kill -9 ${pid}`;
  }
  const flag = clusterFlag(owner.cluster);
  return (
    `${who} already runs here: pid ${pid}, since ${timeOfDay(sinceMs)}.    ` +
    `See it: ${executable} status${flag}    Stop it: ${executable} stop ${owner.id}${flag}`
  );
}

/** The directory is somebody else's, a copy, or cannot be read. */
export function identitySentence(
  problem: IdentityProblem,
  { path, typed, cluster, id, executable }: Refused,
): string {
  const { found, reason } = problem;
  const shown = typed ?? path;
  const dataFlag = typed === null ? "" : ` --data-dir ${typed}`;
  const wipe = `${executable} wipe${typed === null ? ` ${id}${clusterFlag(cluster)}` : dataFlag}`;
  switch (problem.problem) {
    case "copied":
      return (
        `${shown}: ${reason}, so it may not speak as node ${id}: two nodes with one memory could vote twice. ` +
        `Start the original, or make this one fresh: ${wipe}`
      );
    case "unreadable":
      return `storage damaged: ${shown}: ${reason}. Nothing was changed. To start this node empty: ${wipe}`;
    case "other cluster":
    case "other id": {
      const owner = found ?? { cluster, id };
      const flag = owner.cluster === cluster ? clusterFlag(cluster) : ` --cluster ${owner.cluster}`;
      return (
        `${shown}: ${reason}. Start that one: ${executable} up --id ${owner.id}${flag}${dataFlag}; ` +
        `or name another directory: --data-dir DIR`
      );
    }
  }
}

function timeOfDay(ms: number): string {
  const date = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** The flag that a command needs for another cluster than the default one. */
export function clusterFlag(cluster: string): string {
  return cluster === "raft" ? "" : ` --cluster ${cluster}`;
}
