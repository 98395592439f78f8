/** The checker of histories: it finds every kind of lie, believes no right log to be wrong, and
 *  agrees with the definition where that can be computed. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Operation, SendOperation } from "../../src/sim/history.ts";
import { encodeLine } from "../../src/sim/history.ts";
import { checkHistory, checkHistoryText } from "../../src/sim/linearizability.ts";
import { independentVerdict } from "../prove/check-history.ts";
import { isLinearizable } from "./brute-force.ts";
import { type Made, read, rightHistories, send, spoil, spoils } from "./histories.ts";

const log = ["a", "b", null, "c"] as const;
const a = send({ payloads: ["a"], index: 1, callNs: 0, returnNs: 10 });
const b = send({ payloads: ["b"], index: 2, callNs: 20, returnNs: 30 });
const c = send({ payloads: ["c"], index: 4, callNs: 40, returnNs: 50 });

function refused(fields: Partial<SendOperation>): SendOperation {
  const payloads = [`refused ${fields.ifLast} ${fields.lastUser}`];
  const outcome = { outcome: "refused", index: null, term: null } as const;
  return send({ payloads, ...outcome, callNs: 60, returnNs: 70, ...fields });
}

function textOf({ operations, finalLog }: Made): string {
  const finals = finalLog.map(
    (payload, at) => ({ kind: "final", node: 1, index: at + 1, payload }) as const,
  );
  return [...operations, ...finals].map((line) => `${encodeLine(line)}\n`).join("");
}

/** Each rule broken once: what the checker must say. */
const planted: readonly [
  what: string,
  operations: readonly Operation[],
  sentence: RegExp,
  finalLog?: readonly (string | null)[],
][] = [
  [
    "an acknowledged entry that is lost",
    [a, b, c, send({ payloads: ["d"], index: 5, callNs: 60, returnNs: 70 })],
    /^line 4 was acknowledged at 5, but it is not in the final log, which ends at 4$/,
  ],
  [
    "an acknowledged entry that was overwritten",
    [a, b, c, send({ payloads: ["d"], index: 3, callNs: 32, returnNs: 38 })],
    /^line 4 was acknowledged at 3, but it is not in the final log$/,
  ],
  [
    "an acknowledged entry at another index",
    [a, b, { ...c, index: 3 }],
    /^line 3 was acknowledged at 3, but it is at 4$/,
  ],
  [
    "one index acknowledged twice",
    [a, b, c, send({ payloads: ["d"], index: 4, callNs: 40, returnNs: 50 })],
    /^lines 3 and 4 were both acknowledged at 4$/,
  ],
  [
    "two acknowledged sends that overlap in part",
    [a, b, c, send({ payloads: ["c1", "c2"], index: 3, callNs: 40, returnNs: 50 })],
    /^lines 4 and 3 were both acknowledged at 4$/,
  ],
  [
    "one request acknowledged at two places",
    [a, b, c, { ...b, requestId: "x" }, { ...b, requestId: "x", index: 4 }].slice(2),
    /^lines 2 and 3 are one request, acknowledged at 2 and at 4$/,
  ],
  [
    "an entry that is doubled after an unknown outcome",
    [a, b, c, send({ payloads: ["d"], outcome: "unknown", index: null })],
    /^the entry of line 4 is in the final log at 5 and 6$/,
    [...log, "d", "d"],
  ],
  [
    "an acknowledged entry that is doubled",
    [a, b, c],
    /^the entry of line 2 is in the final log at 2 and 5$/,
    [...log, "b"],
  ],
  [
    "a refused entry that is there",
    [a, b, { ...c, outcome: "refused", index: null }],
    /^line 3 was refused, but its entry is in the final log at 4$/,
  ],
  ["an entry that nobody sent", [a, b], /^the final log holds at 4 what nobody sent$/],
  [
    "a send that is torn apart by another",
    [send({ payloads: ["a", "c"], outcome: "unknown", index: null }), b],
    /^line 1 sent 2 entries as one; they do not all stand in their order from 1 on$/,
  ],
  [
    "a send of which only the end is there",
    [a, send({ payloads: ["z", "b"], index: null, outcome: "unknown" }), c],
    /^line 2 sent 2 entries as one; they do not all stand in their order from 1 on$/,
  ],
  [
    "an index below one that was acknowledged before the call",
    [{ ...a, callNs: 35, returnNs: 36 }, b, c],
    /^line 1 added entry 1, although line 2, which added entry 2, had returned before it was/,
  ],
  [
    "an unknown outcome below an index acknowledged before its call",
    [{ ...a, outcome: "unknown", index: null, callNs: 35, returnNs: null }, b, c],
    /^line 1 added entry 1, although line 2/,
  ],
  [
    "a stale read",
    [a, b, c, read(log, 1, 2, { callNs: 60, returnNs: 70 })],
    /^line 4 read up to 2, although line 3, which added entry 4, had returned/,
  ],
  [
    "an empty read behind an acknowledgement",
    [a, b, c, read(log, 4, 3, { callNs: 60, returnNs: 70 })],
    /^line 4 saw nothing behind 3, although line 3, which added entry 4, had returned/,
  ],
  [
    "a read of what was called after it returned",
    [a, b, c, read(log, 2, 4, { callNs: 5, returnNs: 6 })],
    /^line 2 added entry 2, although line 4, which read up to 4, had returned/,
  ],
  [
    "a read that goes back behind another read",
    [
      { ...a, returnNs: 100 },
      read(log, 1, 1, { callNs: 10, returnNs: 15 }),
      read(log, 1, 0, { callNs: 20, returnNs: 25 }),
    ],
    /^line 3 saw nothing behind 0, although line 2, which read up to 1, had returned/,
    ["a"],
  ],
  [
    "a read of other entries",
    [a, b, c, read(["a", "x", null, "c"], 1, 4, { callNs: 60, returnNs: 70, node: 3 })],
    /^line 4 \(at node 3\) read 1\.\.4 and saw other entries than the final log holds$/,
  ],
  [
    "a read of more than there is",
    [a, b, c, read([...log, "d"], 1, 5, { callNs: 60, returnNs: 70 })],
    /^line 4 read up to 5, but the final log ends at 4$/,
  ],
  [
    "a read with a hole",
    [a, b, c, read(log, 1, 4, { callNs: 60, returnNs: 70, count: 3 })],
    /^line 4 read 1\.\.4 and saw 3 entries$/,
  ],
  [
    "a read that ends within what was sent as one",
    [
      send({ payloads: ["a", "b"], index: 1, callNs: 0, returnNs: 30 }),
      c,
      read(log, 1, 1, { callNs: 5, returnNs: 6 }),
    ],
    /^line 3 read only a part of what line 1 sent as one$/,
  ],
  [
    "a condition that did not hold",
    [a, { ...b, ifLast: 0 }, c],
    /^line 2 was to follow entry 0 and follows entry 1$/,
  ],
  [
    "a conditional send refused because of an entry that was no longer the last one",
    [a, b, c, refused({ ifLast: 4, lastUser: 2 })],
    /^line 4 was told that entry 2 is the last one, although line 3, which added entry 4, had/,
  ],
  [
    "a conditional send refused because of an entry that was not there yet",
    [a, b, c, refused({ ifLast: 1, lastUser: 4, callNs: 32, returnNs: 38 })],
    /^line 3 added entry 4, although line 4, which was told that entry 4 is the last one, had/,
  ],
  [
    "a conditional send refused because of the very entry that it was to follow",
    [a, b, c, refused({ ifLast: 4, lastUser: 4 })],
    /^line 4 was refused because of entry 4, which it was to follow$/,
  ],
  [
    "a conditional send refused because of an entry that is none of a user",
    [a, b, c, refused({ ifLast: 1, lastUser: 3 })],
    /^line 4 was told that entry 3 is the last one, which it never was$/,
  ],
  [
    "a conditional send refused because of an entry in the middle of a send",
    [a, b, c, { ...a, payloads: ["d", "e"], count: 2, index: 5, callNs: 52, returnNs: 59 }].concat(
      refused({ ifLast: 1, lastUser: 5 }),
    ),
    /^line 5 was told that entry 5 is the last one, which it never was$/,
    [...log, "d", "e"],
  ],
  [
    "a conditional send refused because of an entry that does not exist",
    [a, b, c, refused({ ifLast: 1, lastUser: 9 })],
    /^line 4 was told that entry 9 is the last one, which it never was$/,
  ],
  [
    "terms that fall",
    [{ ...a, term: 2 }, b, c],
    /^line 1 was told that entry 1 has term 2, line 2 that entry 2 has term 1$/,
  ],
  [
    "two terms of one entry",
    [a, b, c, read(log, 1, 4, { callNs: 60, returnNs: 70, term: 2 })],
    /^line 3 was told that entry 4 has term 1, line 4 that entry 4 has term 2$/,
  ],
  [
    "equal entries, which nobody can judge",
    [a, b, c, send({ payloads: ["c"], outcome: "unknown", index: null })],
    /^lines 3 and 4 send equal entries/,
  ],
];

describe("the checker finds", () => {
  it.each(
    planted.map(([what, operations, sentence, finalLog = log]) => ({
      what,
      operations,
      sentence,
      finalLog,
    })),
  )("$what", ({ operations, sentence, finalLog }) => {
    const violations = checkHistory(operations, finalLog);
    expect(violations.filter((violation) => sentence.test(violation))).toHaveLength(1);
  });

  it("a file whose nodes ended with different entries", () => {
    const text = textOf({ operations: [a], finalLog: ["a"] });
    const other = encodeLine({ kind: "final", node: 2, index: 1, payload: "b" });
    expect(checkHistoryText(text)).toEqual([]);
    expect(checkHistoryText(text + other)).toEqual([
      "nodes 1 and 2 ended with different entries at 1",
    ]);
  });
});

describe("the checker accepts", () => {
  it("a history with every outcome in it", () => {
    const operations = [
      a,
      b,
      { ...c, ifLast: 2 },
      read(log, 1, 4, { callNs: 60, returnNs: 70 }),
      read(log, 6, 5, { callNs: 60, returnNs: 70 }),
      read(log, 1, 1, { callNs: 12, returnNs: 45 }),
      send({ payloads: ["d"], outcome: "refused", index: null, callNs: 60, returnNs: 61 }),
      refused({ ifLast: 9, lastUser: 4 }),
      // Refused while the entry behind was on its way, or its acknowledgement was.
      refused({ ifLast: 9, lastUser: 2, callNs: 35, returnNs: 70 }),
      refused({ ifLast: 0, lastUser: 4, callNs: 30, returnNs: 41 }),
      refused({ ifLast: 9, lastUser: 0, callNs: 0, returnNs: 5 }),
      // Not told what the last entry was.
      refused({ ifLast: 4, lastUser: null }),
      send({ payloads: ["e"], outcome: "unknown", index: null, callNs: 60, returnNs: null }),
    ];
    expect(checkHistory(operations, log)).toEqual([]);
  });

  it("a request that is finished under its id, at the place where its first copy fell", () => {
    const copy = { payloads: ["a"], requestId: "x" } as const;
    const unknown = send({ ...copy, outcome: "unknown", index: null, callNs: 0, returnNs: 5 });
    const finished = send({ ...copy, index: 1, callNs: 60, returnNs: 70 });
    const again = send({ ...copy, index: 1, callNs: 80, returnNs: 90 });
    const refused = send({ ...copy, outcome: "refused", index: null, callNs: 95, returnNs: 96 });
    expect(checkHistory([unknown, b, c, finished, again, refused], log)).toEqual([]);
    // Without the first copy it would have been added too late.
    expect(checkHistory([b, c, finished], log)).toHaveLength(1);
  });

  it("everything that a right log can answer", () => {
    fc.assert(
      fc.property(rightHistories(60), (made) => {
        expect(checkHistory(made.operations, made.finalLog)).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});

describe("the three checkers agree", () => {
  it("on tiny histories, right and spoilt, with the definition of linearizability", () => {
    const verdicts = { right: 0, wrong: 0 };
    fc.assert(
      fc.property(rightHistories(5), fc.array(spoils, { maxLength: 2 }), (right, changes) => {
        const made = changes.reduce(spoil, right);
        const violations = checkHistory(made.operations, made.finalLog);
        const definition = isLinearizable(made.operations, made.finalLog);
        verdicts[definition ? "right" : "wrong"]++;
        expect(violations.length === 0, violations.join("\n")).toBe(definition);
      }),
      { numRuns: 2_000 },
    );
    expect(Math.min(verdicts.right, verdicts.wrong)).toBeGreaterThan(250);
  });

  it("on longer ones, with the independent reader of the file", () => {
    let wrong = 0;
    fc.assert(
      fc.property(rightHistories(40), fc.array(spoils, { maxLength: 1 }), (right, changes) => {
        const made = changes.reduce(spoil, right);
        const text = textOf(made);
        const ours = checkHistoryText(text);
        const theirs = independentVerdict(text);
        if (ours.length > 0) wrong++;
        expect(theirs === null, `${theirs} / ${ours.join("; ")}`).toBe(ours.length === 0);
      }),
      { numRuns: 800 },
    );
    expect(wrong).toBeGreaterThan(100);
  });
});
