/** One request under way: what its caller asked for and gets, and what is known of its copies. */

import type { MonotonicMs, NodeId } from "../base/types.ts";
import type { Request, Response } from "../transport/requests.ts";
import type { NodeConnection } from "./finder.ts";
import type { Ledger, Refusal, Verdict } from "./outcomes.ts";

export type Target = "leader" | "any" | NodeId;
export type Answer = Exclude<Response, { type: "refused" }>;

export type CallResult =
  | { readonly type: "answered"; readonly response: Answer; readonly from: NodeConnection }
  | {
      readonly type: "refused";
      readonly refusal: Refusal;
      readonly verdict: Verdict;
      readonly from: NodeConnection;
    }
  /** lastRefusal: why it was not done so far, if any copy was refused. */
  | {
      readonly type: "timeout";
      readonly verdict: Verdict;
      readonly lastRefusal: Refusal | null;
      readonly lastTo: NodeId | null;
      readonly copies: number;
    };

export interface CallOptions {
  readonly request: Request;
  readonly target: Target;
  /** Infinity: until it is cancelled. */
  readonly deadlineMs: MonotonicMs;
  /** The receiver may hold its answer this long (a long poll). */
  readonly holdMs?: number;
  /** Asked after each refusal that could be waited out: true ends the call with it. `this` is the
   *  options. */
  stopIf?(refusal: Refusal, verdict: Verdict): boolean;
  /** Called once; after a "timeout" a returned deadline lets the call go on with the same ledger.
   *  `this` is the options. */
  onResult(result: CallResult, nowMs: MonotonicMs): MonotonicMs | void;
}

export interface Call {
  readonly options: CallOptions;
  readonly body: Uint8Array;
  readonly ledger: Ledger;
  deadlineMs: MonotonicMs;
  /** Since the last answer of any kind. */
  unanswered: number;
  refusals: number;
  /** Attempts in a row without a way to the target. */
  wayless: number;
  lastCopy: number;
  lastSentMs: MonotonicMs;
  /** The last copy was on its way when it was last looked at, and has to wait for its turn. */
  travels: boolean;
  lastRefusal: Refusal | null;
  /** The highest term whose leader was tried: a redirect within it is followed only after a
   *  rest. */
  followedTerm: number;
  resting: boolean;
  done: boolean;
  /** When its next copy is due. */
  attemptMs: MonotonicMs;
}
