/** What `send` and `log` print, as golden text. */

import { describe, expect, it } from "vitest";
import { entriesTyped, unknownOutcomeText } from "../../src/cli/errors.ts";
import {
  entryJson,
  entryLine,
  receiptJson,
  receiptLines,
  summaryLine,
} from "../../src/cli/receipts.ts";
import type { LogEntry, Receipt } from "../../src/client/types.ts";
import { hints, lines } from "./context.ts";

const receipt: Receipt = {
  index: 42,
  count: 1,
  term: 2,
  timeMs: 1_700_000_000_000,
  duplicate: false,
  holders: [1, 3],
  tookMs: 1.42,
};

function entry(bytes: Uint8Array | string, changes: Partial<LogEntry> = {}): LogEntry {
  const payload = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
  return { index: 7, term: 2, timeMs: 5, kind: "entry", bytes: payload, ...changes };
}

describe("a receipt", () => {
  it("gives the index, the term, the disks and the time", () => {
    expect(receiptLines(receipt, ["Nova entrada de log"])).toEqual([
      "42  term 2, on the disks of nodes 1 and 3, 1.4ms",
    ]);
  });

  it("repeats the entries when there are several: forgotten quotes are seen at once", () => {
    const two = { ...receipt, index: 43, count: 2, tookMs: 1.5 };
    expect(receiptLines(two, ["Nova", "entrada"])).toEqual([
      '43  term 2, on the disks of nodes 1 and 3, 1.5ms  "Nova"',
      '44  term 2, on the disks of nodes 1 and 3, 1.5ms  "entrada"',
    ]);
  });

  it("says that a repeated request was there already", () => {
    expect(receiptLines({ ...receipt, duplicate: true }, ["x"])).toEqual([
      "42  term 2, was already there",
    ]);
  });

  it("says disk of node when one is the majority", () => {
    expect(receiptLines({ ...receipt, holders: [1], tookMs: 12.6 }, ["x"])).toEqual([
      "42  term 2, on the disk of node 1, 13ms",
    ]);
  });

  it("is one object an entry for programs", () => {
    expect(receiptJson({ ...receipt, count: 2 }).map((value) => JSON.stringify(value))).toEqual([
      '{"index":42,"term":2,"timeMs":1700000000000,"duplicate":false}',
      '{"index":43,"term":2,"timeMs":1700000000000,"duplicate":false}',
    ]);
  });
});

describe("a long input", () => {
  it.each([
    [
      { entries: 100_000, firstIndex: 45, lastIndex: 100_044, tookMs: 1_930 },
      "100000 entries, 45 to 100044, 1.9s",
    ],
    [
      { entries: 2, firstIndex: 45, lastIndex: 50, tookMs: 3 },
      "2 entries, 45 to 50 with others between, 3.0ms",
    ],
    [{ entries: 1, firstIndex: 45, lastIndex: 45, tookMs: 3 }, "1 entry, 45, 3.0ms"],
    [{ entries: 0, firstIndex: 0, lastIndex: 0, tookMs: 3 }, "0 entries: the input was empty"],
  ])("%#", (summary, text) => expect(summaryLine(summary)).toBe(text));
});

describe("an unknown outcome", () => {
  it("prints the line that finishes it without adding it twice", () => {
    const message = "unknown: node 2 took the entry and fell silent (5.0 s)";
    expect(
      unknownOutcomeText(message, "9f2c81d0", entriesTyped(["Nova entrada de log"]), hints),
    ).toBe(
      lines(
        "unknown: node 2 took the entry and fell silent (5.0 s). To finish it without adding it twice:",
        './raft send --request-id 9f2c81d0 "Nova entrada de log"',
      ),
    );
  });

  it.each([
    [["oi"], '"oi"'],
    [["-5 graus"], '-- "-5 graus"'],
    [["it's $5"], "'it'\\''s $5'"],
    [["a", "b c"], '"a" "b c"'],
  ])("quotes %o for a shell", (entries, words) => {
    expect(
      unknownOutcomeText("unknown", "id", entriesTyped(entries), hints).split(
        "--request-id id ",
      )[1],
    ).toBe(words);
  });
});

describe("an entry of raft log", () => {
  it.each([
    [entry("hello"), "7  hello"],
    [entry(""), "7  "],
    [entry("two\nlines\tand \u001b[31mred"), "7  two\\nlines\\tand \\x1b[31mred"],
    [entry(Uint8Array.of(0x61, 0xff, 0x62)), "7  a\\xffb"],
    [entry("", { kind: "noop" }), "7  (no-op: term 2 begins)"],
  ])("%#", (value, line) => expect(entryLine(value)).toBe(line));

  it("lists the members of a configuration", () => {
    const members = [
      { id: 1, incarnation: "", role: "voter" },
      { id: 4, incarnation: "", role: "learner" },
    ] as const;
    const configuration = { index: 7, members };
    expect(entryLine(entry("", { kind: "configuration", configuration }))).toBe(
      "7  (members: 1, 4 learner)",
    );
  });

  it("is text for programs, or base64 when it is not UTF-8", () => {
    expect(JSON.stringify(entryJson(entry("olá"), false))).toBe(
      '{"index":7,"term":2,"timeMs":5,"entry":"olá"}',
    );
    expect(entryJson(entry(Uint8Array.of(0xff)), true)).toEqual({
      index: 7,
      term: 2,
      timeMs: 5,
      kind: "entry",
      base64: "/w==",
    });
  });

  it("keeps a byte order mark, which belongs to the entry", () => {
    expect(entryJson(entry("\uFEFFx"), false)["entry"]).toBe("\uFEFFx");
  });
});
