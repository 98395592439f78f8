/** The only place that asks the operating system for randomness. */

import { randomBytes } from "node:crypto";

/** `count` unpredictable bytes. */
export type Dice = (count: number) => Uint8Array;

export const systemDice: Dice = (count) => new Uint8Array(randomBytes(count));

/** 16 fresh bytes as 32 hex digits: an incarnation, a boot id, a client id. */
export function randomId(dice: Dice): string {
  return Array.from(dice(16), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
