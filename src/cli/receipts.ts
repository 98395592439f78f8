/** What `send` and `log` print: receipts, the summary of a long input, entries. Pure. */

import type { LogEntry, Receipt } from "../client/types.ts";
import { cutText, entriesText, listOf, printable, tookText } from "./wording.ts";

/** How much of an entry a receipt repeats. */
const ECHO_COLUMNS_MAX = 40;

/** "42  term 2, on the disks of nodes 1 and 3, 1.4ms", one line for each entry of the receipt.
 *  `entries` are repeated behind the lines when there are several, so that forgotten quotes are
 *  seen at once. */
export function receiptLines(receipt: Receipt, entries: readonly string[]): readonly string[] {
  const what = receipt.duplicate
    ? "was already there"
    : `${holdersText(receipt)}, ${tookText(receipt.tookMs)}`;
  return Array.from({ length: receipt.count }, (_, at) => {
    const entry = entries[at];
    const echo =
      entries.length > 1 && entry !== undefined
        ? `  "${cutText(printable(entry), ECHO_COLUMNS_MAX)}"`
        : "";
    return `${receipt.index + at}  term ${receipt.term}, ${what}${echo}`;
  });
}

function holdersText(receipt: Receipt): string {
  const { holders } = receipt;
  if (holders.length === 0) return "on the disks of a majority";
  return holders.length === 1
    ? `on the disk of node ${holders[0]}`
    : `on the disks of nodes ${listOf(holders)}`;
}

/** One object for each entry. */
export function receiptJson(receipt: Receipt): readonly Record<string, unknown>[] {
  return Array.from({ length: receipt.count }, (_, at) => ({
    index: receipt.index + at,
    term: receipt.term,
    timeMs: receipt.timeMs,
    duplicate: receipt.duplicate,
  }));
}

/** What a long input came to. */
export interface InputSummary {
  readonly entries: number;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly tookMs: number;
}

/** "100000 entries, 45 to 100044, 1.9s"; other clients' entries may lie between. */
export function summaryLine(summary: InputSummary): string {
  if (summary.entries === 0) return "0 entries: the input was empty";
  const span =
    summary.entries === 1
      ? `${summary.firstIndex}`
      : `${summary.firstIndex} to ${summary.lastIndex}`;
  const between =
    summary.lastIndex - summary.firstIndex + 1 > summary.entries ? " with others between" : "";
  return `${entriesText(summary.entries)}, ${span}${between}, ${tookText(summary.tookMs)}`;
}

/** One line of `raft log`: the index and the entry, harmless for a terminal. */
export function entryLine(entry: LogEntry): string {
  return `${entry.index}  ${entryBody(entry)}`;
}

function entryBody(entry: LogEntry): string {
  switch (entry.kind) {
    case "noop":
      return `(no-op: term ${entry.term} begins)`;
    case "configuration":
      return `(members: ${membersText(entry)})`;
    case "entry": {
      const text = textOf(entry.bytes);
      return text === null ? escapedBytes(entry.bytes) : printable(text);
    }
  }
}

function membersText(entry: LogEntry): string {
  const members = entry.configuration?.members ?? [];
  return members
    .map((member) => (member.role === "voter" ? `${member.id}` : `${member.id} learner`))
    .join(", ");
}

/** The object of one entry: text, or base64 for bytes that are not UTF-8. `kind` only with
 *  --all. */
export function entryJson(entry: LogEntry, withKind: boolean): Record<string, unknown> {
  const head = {
    index: entry.index,
    term: entry.term,
    timeMs: entry.timeMs,
    ...(withKind ? { kind: entry.kind } : {}),
  };
  if (entry.kind === "noop") return head;
  if (entry.kind === "configuration")
    return { ...head, members: entry.configuration?.members ?? [] };
  const text = textOf(entry.bytes);
  return text === null ? { ...head, base64: base64Of(entry.bytes) } : { ...head, entry: text };
}

/** The text of UTF-8 bytes; null for any others. */
export function textOf(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

/** Bytes that are not text: ASCII as it is, the rest as \xNN. */
function escapedBytes(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    text +=
      byte >= 0x20 && byte < 0x7f
        ? String.fromCharCode(byte)
        : `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  return text;
}
