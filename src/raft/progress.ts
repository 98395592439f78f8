/** What a leader knows of one peer's log, and what is under way to it (§5.3; nextIndex and
 *  matchIndex of Figure 2). */

import type { Incarnation, LogIndex, MonotonicMs, NodeId } from "../base/types.ts";
import { Inflight } from "./inflight.ts";
import { CatchUpPace } from "./pace.ts";

/** Bounds and first guess of the retry timer, which follows measured round trips. */
export const RETRY_MIN_MS = 5;
export const RETRY_MAX_MS = 250;
const RETRY_FIRST_MS = 100;

/** How long a snapshot may be under way before it is ordered again; its chunks have retries of
 *  their own. */
export const SNAPSHOT_RETRY_MS = 1000;

/**          reply matched                      entries gone here
 *   probe ----------------> replicate     any -------------------> snapshot
 *     ^   <----------------     |                                      |
 *     |   conflict, silence,    |                                      |
 *     |   new boot              | lower durable index: lost data       | matched
 *     +-------------------------+ other chain: diverged                +---> replicate        */
export interface Progress {
  readonly id: NodeId;
  readonly incarnation: Incarnation;
  state: "probe" | "replicate" | "snapshot" | "diverged" | "lost data";
  /** Verified against this log and durable there. Never falls within a leadership. */
  matchIndex: LogIndex;
  /** The round echoed by the reply that raised matchIndex: older replies say nothing about lost
   *  data. */
  matchRound: number;
  /** What a peer that lost data had acknowledged, to this leader or to an earlier one. */
  lostIndex: LogIndex;
  nextIndex: LogIndex;
  /** Sent and not acknowledged. */
  readonly inflight: Inflight;
  readonly pace: CatchUpPace;
  /** Old records wait until then for their pace; Infinity: none do. */
  pacedUntilMs: MonotonicMs;
  /** The order the node has not answered by `sent` yet. */
  order: { readonly round: number; readonly fromIndex: LogIndex } | null;
  /** The prevIndex of the probe under way, or null. */
  probePrevIndex: LogIndex | null;
  /** Conflicts answering this round or an older one were caused before the last step back. */
  stepBackRound: number;
  /** The highest round that a reply of this leadership echoed. */
  ackedRound: number;
  /** The round that asked what arrived; Infinity: none. One of an earlier trouble may be left: it
   *  counts only from the second retry on. */
  askedRound: number;
  lastContactMs: MonotonicMs;
  /** The commit index last told to this peer. */
  commitTold: LogIndex;
  /** When to send again; Infinity when nothing is under way. */
  retryAtMs: MonotonicMs;
  /** Retries since something was heard of this peer that asks for more haste. */
  retries: number;
  smoothedMs: number | null;
  deviationMs: number;
  /** The entry whose acknowledgement is being timed, since it was first sent; null when none is. */
  timed: Timed | null;
}

export interface Timed {
  readonly lastIndex: LogIndex;
  readonly sentMs: MonotonicMs;
  /** Something was sent again meanwhile: the time may tell of a loss and not of the way. */
  isRepeated: boolean;
  /** The peer had it all the while, and its disk was slow. */
  isSlow: boolean;
}

export function createProgress(
  peer: { readonly id: NodeId; readonly incarnation: Incarnation },
  nextIndex: LogIndex,
  nowMs: MonotonicMs,
): Progress {
  return {
    id: peer.id,
    incarnation: peer.incarnation,
    state: "probe",
    matchIndex: 0,
    matchRound: 0,
    lostIndex: 0,
    nextIndex,
    inflight: new Inflight(),
    pace: new CatchUpPace(),
    pacedUntilMs: Infinity,
    order: null,
    probePrevIndex: null,
    stepBackRound: 0,
    ackedRound: 0,
    askedRound: Infinity,
    lastContactMs: nowMs,
    commitTold: 0,
    retryAtMs: Infinity,
    retries: 0,
    smoothedMs: null,
    deviationMs: 0,
    timed: null,
  };
}

/** How long to wait for an acknowledgement: smoothed round trip plus four deviations, doubled with
 *  every retry that met silence; a peer that is heard lost a datagram and needs no mercy. An
 *  acknowledgement waits for the peer's disk, so the measured round trips hold its write as
 *  well. */
export function retryMs(progress: Progress): number {
  const base =
    progress.smoothedMs === null ? RETRY_FIRST_MS : progress.smoothedMs + 4 * progress.deviationMs;
  const bounded = Math.max(RETRY_MIN_MS, base) * 2 ** Math.min(progress.retries, 5);
  return Math.min(RETRY_MAX_MS, bounded);
}

/** How long to wait before asking a peer what arrived of what was sent in advance. That costs two
 *  small datagrams, so the timer is a tight one. */
export function askMs(progress: Progress): number {
  if (progress.smoothedMs === null) return retryMs(progress);
  const bounded = Math.max(RETRY_MIN_MS, progress.smoothedMs + progress.deviationMs);
  return Math.min(RETRY_MAX_MS, bounded * 2 ** Math.min(progress.retries, 5));
}

/** Times one entry at a time, from its first sending: a peer whose disk is slower than the timer
 *  must be able to slow the timer down, or every entry would be sent twice for ever. Such a peer
 *  answers the second sending by saying that it has the entry and has not synced it; without that
 *  the first one was lost, and the time is not counted (Karn). */
export function startTiming(progress: Progress, lastIndex: LogIndex, nowMs: MonotonicMs): void {
  if (progress.timed === null && lastIndex > progress.matchIndex) {
    progress.timed = { lastIndex, sentMs: nowMs, isRepeated: false, isSlow: false };
  }
}

export function maybeFinishTiming(progress: Progress, nowMs: MonotonicMs): void {
  if (progress.timed === null || progress.matchIndex < progress.timed.lastIndex) return;
  const { sentMs, isRepeated, isSlow } = progress.timed;
  progress.timed = null;
  if (isRepeated && !isSlow) return;
  const sampleMs = Math.min(RETRY_MAX_MS, nowMs - sentMs);
  if (progress.smoothedMs === null) {
    progress.smoothedMs = sampleMs;
    progress.deviationMs = sampleMs / 2;
    return;
  }
  const error = sampleMs - progress.smoothedMs;
  progress.smoothedMs += error / 8;
  progress.deviationMs += (Math.abs(error) - progress.deviationMs) / 4;
}

/** Where to probe a peer that fell silent or began anew: behind what is known to be there, however
 *  much was sent in advance. A probe keeps its place: while nothing is known of a peer, index 1
 *  would send it the whole log again. */
export function probeIndex({ state, matchIndex, nextIndex }: Progress): LogIndex {
  return state === "probe" ? nextIndex : matchIndex + 1;
}

/** One message at a time from `nextIndex` on, until one is matched. */
export function becomeProbe(progress: Progress, nextIndex: LogIndex): void {
  progress.state = "probe";
  progress.nextIndex = Math.max(nextIndex, progress.matchIndex + 1);
  progress.inflight.clear();
  progress.order = null;
  progress.probePrevIndex = null;
  progress.timed = null;
  progress.retryAtMs = Infinity;
}

/** Sends without waiting from `nextIndex` on. */
export function becomeReplicate(progress: Progress, nextIndex: LogIndex): void {
  progress.state = "replicate";
  progress.nextIndex = Math.max(nextIndex, progress.matchIndex + 1);
  progress.inflight.clear();
  progress.order = null;
  progress.probePrevIndex = null;
}

/** Nothing more is sent to this peer but heartbeats. */
export function becomeSilent(progress: Progress, state: "diverged" | "lost data"): void {
  progress.state = state;
  progress.inflight.clear();
  progress.order = null;
  progress.probePrevIndex = null;
  progress.timed = null;
  progress.retryAtMs = Infinity;
}
