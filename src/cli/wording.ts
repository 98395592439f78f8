/** Numbers, times and lists as a person reads them. Pure: value -> text, in the local time zone. */

import { userAndHost } from "../base/hosts.ts";
import type { NodeId, WallMs } from "../base/types.ts";
import type { PeerName } from "../node/events.ts";

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const NUMBERS = ["none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

function twoDigits(value: number): string {
  return String(Math.floor(value)).padStart(2, "0");
}

/** "14:05" */
export function hourAndMinute(wallMs: WallMs): string {
  const date = new Date(wallMs);
  return `${twoDigits(date.getHours())}:${twoDigits(date.getMinutes())}`;
}

/** "14:05:02" */
export function timeOfDay(wallMs: WallMs): string {
  return `${hourAndMinute(wallMs)}:${twoDigits(new Date(wallMs).getSeconds())}`;
}

/** "14 Nov 14:05" */
export function dayAndTime(wallMs: WallMs): string {
  return `${dayOf(wallMs)} ${hourAndMinute(wallMs)}`;
}

/** "14 Nov" */
export function dayOf(wallMs: WallMs): string {
  const date = new Date(wallMs);
  return `${date.getDate()} ${MONTHS[date.getMonth()] ?? ""}`;
}

/** The time of day, with the day before it when that was more than a day ago. */
export function momentOf(wallMs: WallMs, nowMs: WallMs): string {
  return nowMs - wallMs < DAY_MS ? timeOfDay(wallMs) : `${dayOf(wallMs)} ${timeOfDay(wallMs)}`;
}

/** A span in two units: "12ms", "41s", "2m10s", "3h05m", "2d07h". */
export function spanText(spanMs: number): string {
  if (spanMs < SECOND_MS) return `${Math.max(0, Math.round(spanMs))}ms`;
  if (spanMs < MINUTE_MS) return `${Math.floor(spanMs / SECOND_MS)}s`;
  if (spanMs < HOUR_MS) {
    return `${Math.floor(spanMs / MINUTE_MS)}m${twoDigits((spanMs % MINUTE_MS) / SECOND_MS)}s`;
  }
  if (spanMs < DAY_MS) {
    return `${Math.floor(spanMs / HOUR_MS)}h${twoDigits((spanMs % HOUR_MS) / MINUTE_MS)}m`;
  }
  return `${Math.floor(spanMs / DAY_MS)}d${twoDigits((spanMs % DAY_MS) / HOUR_MS)}h`;
}

/** A span in its largest unit: "41s", "7m", "3h", "2d". */
export function roughSpanText(spanMs: number): string {
  if (spanMs < MINUTE_MS) return `${Math.floor(Math.max(0, spanMs) / SECOND_MS)}s`;
  if (spanMs < HOUR_MS) return `${Math.floor(spanMs / MINUTE_MS)}m`;
  if (spanMs < DAY_MS) return `${Math.floor(spanMs / HOUR_MS)}h`;
  return `${Math.floor(spanMs / DAY_MS)}d`;
}

/** How long a call took: "0.3ms", "12ms", "1.9s". */
export function tookText(spanMs: number): string {
  if (spanMs < 10) return `${spanMs.toFixed(1)}ms`;
  if (spanMs < SECOND_MS) return `${Math.round(spanMs)}ms`;
  return `${(spanMs / SECOND_MS).toFixed(1)}s`;
}

/** "1 and 3", "1, 2 and 3"; `word` is "and" or "or". */
export function listOf(items: readonly (string | number)[], word: "and" | "or" = "and"): string {
  if (items.length <= 1) return items.join("");
  return `${items.slice(0, -1).join(", ")} ${word} ${items.at(-1) ?? ""}`;
}

/** "node 3", "nodes 2 and 3" */
export function nodesText(ids: readonly NodeId[], word: "and" | "or" = "and"): string {
  return ids.length === 1 ? `node ${ids[0] ?? ""}` : `nodes ${listOf(ids, word)}`;
}

/** "1 entry", "42 entries" */
export function entriesText(count: number): string {
  return count === 1 ? "1 entry" : `${count} entries`;
}

/** "one" to "nine", then digits; 0 is "none". */
export function numberWord(count: number): string {
  return NUMBERS[count] ?? String(count);
}

/** The machine's name in "ana@lab-08", or the address, or null when neither is known. */
export function hostOf(peer: Pick<PeerName, "userHost" | "address">): string | null {
  const { host } = userAndHost(peer.userHost ?? "");
  return host === "" ? (peer.address?.host ?? null) : host;
}

/** "On lab-08: " or "On its machine: ". */
export function onHost(peer: Pick<PeerName, "userHost" | "address">): string {
  return `on ${hostOf(peer) ?? "its machine"}`;
}

/** How wide a text is on a terminal, in columns. */
export function textColumns(text: string): number {
  return Bun.stringWidth(text);
}

/** At most `columnsMax` columns; what is too long is cut and ends in "…". */
export function cutText(text: string, columnsMax: number): string {
  if (textColumns(text) <= columnsMax) return text;
  let cut = "";
  for (const character of text) {
    if (textColumns(cut + character) > columnsMax - 1) break;
    cut += character;
  }
  return `${cut}…`;
}

/** Control characters, and those that turn the direction of text or end a line. */
const HARMFUL = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;
const ESCAPES: Readonly<Record<string, string>> = { "\n": "\\n", "\t": "\\t", "\r": "\\r" };

/** A text that may hold anything, made harmless for a terminal: control characters are written
 *  out. */
export function printable(text: string): string {
  return text.replace(HARMFUL, (character) => {
    const code = (character.codePointAt(0) ?? 0).toString(16);
    return ESCAPES[character] ?? (code.length <= 2 ? `\\x${code.padStart(2, "0")}` : `\\u${code}`);
  });
}

/** A word as a POSIX shell needs it, in double quotes where possible because that is what people
 *  type. */
export function shellQuote(word: string): string {
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word)) return word;
  if (!/["$`\\!]/.test(word)) return `"${word}"`;
  return `'${word.replaceAll("'", "'\\''")}'`;
}
