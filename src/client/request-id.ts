/** The name of one request, the same in every process that repeats it: who sent it, its place in
 *  that client's order, and when the client was born.
 *
 *      9f2c81d07a6b5c4d-1-2s        16 hex digits of the client id, then sequence and bornAt in base 36 */

import { createHash } from "node:crypto";
import type { LogIndex } from "../base/types.ts";
import type { Dice } from "../transport/dice.ts";

export interface RequestId {
  /** 32 hex digits. */
  readonly clientId: string;
  readonly firstSequence: number;
  /** 0: a name that a user chose, remembered while its client is among the last 65,536. Each call
   *  gives it a birth of its own before it leaves. */
  readonly bornAt: LogIndex;
}

/** 64 random bits are enough for a client id and short enough to be typed; the rest of it is
 *  zero. */
const CLIENT_HEX = 16;
const PRINTED = new RegExp(`^([0-9a-f]{${CLIENT_HEX}})-([0-9a-z]{1,11})-([0-9a-z]{1,11})$`);

/** A client id for a new session. */
export function newClientId(dice: Dice): string {
  const hex = Array.from(dice(CLIENT_HEX / 2), (byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
  return hex.padEnd(32, "0");
}

/** What a person copies to finish a request without adding it twice. */
export function renderRequestId({ clientId, firstSequence, bornAt }: RequestId): string {
  return `${clientId.slice(0, CLIENT_HEX)}-${firstSequence.toString(36)}-${bornAt.toString(36)}`;
}

/** Reads a printed request id; any other text is a user's own name and is hashed to a client id. */
export function parseRequestId(text: string): RequestId {
  const match = PRINTED.exec(text);
  const firstSequence = Number.parseInt(match?.[2] ?? "", 36);
  const bornAt = Number.parseInt(match?.[3] ?? "", 36);
  if (match !== null && isPlace(firstSequence) && isPlace(bornAt)) {
    return { clientId: (match[1] ?? "").padEnd(32, "0"), firstSequence, bornAt };
  }
  const clientId = createHash("sha256").update(text).digest("hex").slice(0, 32);
  return { clientId, firstSequence: 1, bornAt: 0 };
}

function isPlace(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1;
}
