/** The small pure parts of the client: request ids, outcomes, clusters heard. */

import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { heardClusters } from "../../src/client/heard.ts";
import { Ledger, type Refusal } from "../../src/client/outcomes.ts";
import { newClientId, parseRequestId, renderRequestId } from "../../src/client/request-id.ts";
import type { Beacon, Hint } from "../../src/discovery/types.ts";
import { systemDice } from "../../src/transport/dice.ts";
import { keyTagOf, newKey, openKey } from "../../src/transport/key.ts";

describe("request ids", () => {
  it("a printed one comes back as it was, in any process", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2 ** 50 }),
        fc.integer({ min: 1, max: 2 ** 50 }),
        (firstSequence, bornAt) => {
          const id = { clientId: newClientId(systemDice), firstSequence, bornAt };
          expect(parseRequestId(renderRequestId(id))).toEqual(id);
        },
      ),
    );
  });

  it("any other text is a name of the user's own: the same client for the same text, without a birth", () => {
    expect(parseRequestId("order 66")).toEqual({
      clientId: parseRequestId("order 66").clientId,
      firstSequence: 1,
      bornAt: 0,
    });
    expect(parseRequestId("order 66").clientId).toMatch(/^[0-9a-f]{32}$/);
    expect(parseRequestId("order 67").clientId).not.toBe(parseRequestId("order 66").clientId);
    for (const text of [
      "",
      "9f2c81d0",
      "9f2c81d07a6b5c4d-0-1",
      "9f2c81d07a6b5c4d-1-0",
      "9F2C81D07A6B5C4D-1-1",
      "9f2c81d07a6b5c4d-zzzzzzzzzzz-1",
    ]) {
      expect(parseRequestId(text)).toMatchObject({ firstSequence: 1, bornAt: 0 });
    }
  });
});

describe("what may be said of a request", () => {
  const refused = (code: Refusal["code"], number: number | null = null): Refusal => ({
    type: "refused",
    code,
    text: "",
    leader: null,
    number,
  });

  const table: readonly (readonly [string, (ledger: Ledger) => void, "safe" | "unknown"])[] = [
    ["no copy was sent", () => undefined, "safe"],
    ["a copy is open", (ledger) => ledger.sent(1, 1), "unknown"],
    [
      "its copy was refused",
      (ledger) => (ledger.sent(1, 1), ledger.refused(1, refused("not leader"))),
      "safe",
    ],
    [
      "another term's entry is committed at its index",
      (ledger) => (ledger.sent(1, 1), ledger.refused(1, refused("overwritten"))),
      "safe",
    ],
    [
      "the node cannot say",
      (ledger) => (ledger.sent(1, 1), ledger.refused(1, refused("unknown"))),
      "unknown",
    ],
    [
      "one of two copies is open",
      (ledger) => (ledger.sent(1, 1), ledger.sent(2, 2), ledger.refused(2, refused("busy"))),
      "unknown",
    ],
    [
      "both copies were refused",
      (ledger) => (
        ledger.sent(1, 1),
        ledger.sent(2, 2),
        ledger.refused(1, refused("busy")),
        ledger.refused(2, refused("expected", 1))
      ),
      "safe",
    ],
    [
      "one refusal came twice",
      (ledger) => (
        ledger.sent(1, 1),
        ledger.sent(2, 2),
        ledger.refused(1, refused("busy")),
        ledger.refused(1, refused("busy"))
      ),
      "unknown",
    ],
    [
      "a later entry is committed behind --if-last",
      (ledger) => (
        ledger.sent(1, 1),
        ledger.sent(2, 2),
        ledger.refused(2, refused("if last", 9), 8)
      ),
      "safe",
    ],
    [
      "--if-last names an entry that may still come",
      (ledger) => (
        ledger.sent(1, 1),
        ledger.sent(2, 2),
        ledger.refused(2, refused("if last", 7), 8)
      ),
      "unknown",
    ],
    [
      "the session was forgotten while a copy is open",
      (ledger) => (ledger.sent(1, 1), ledger.sent(2, 2), ledger.refused(2, refused("forgotten"))),
      "unknown",
    ],
  ];
  it.each(table)("when %s", (_, happen, verdict) => {
    const ledger = new Ledger();
    happen(ledger);
    expect(ledger.verdict).toBe(verdict);
  });
});

describe("clusters heard", () => {
  const own = openKey("raft");
  const hint = (id: number, state: Beacon["state"], fields: Partial<Beacon> = {}): Hint => ({
    address: { host: `10.0.0.${id}`, port: 7400 + id },
    heardMs: 0,
    beacon: {
      cluster: "raft",
      auth: "open",
      keyTag: keyTagOf(own),
      clusterId: null,
      wireVersion: 1,
      id,
      bootId: "0".repeat(32),
      userHost: `ana@lab-0${id}`,
      host: null,
      port: 7400 + id,
      state,
      bye: false,
      ...fields,
    },
  });

  it("are one row per name and key, with the leader of the highest term and whom all wait for", () => {
    const secret = newKey("raft", systemDice);
    const clusters = heardClusters(
      [
        hint(2, { type: "leader", term: 7 }),
        hint(1, { type: "member", term: 6, leader: 3 }),
        hint(3, { type: "leader", term: 5 }, { bye: true }),
        hint(1, { type: "waiting", for: [2, 3] }, { cluster: "g5" }),
        hint(2, { type: "waiting", for: [3] }, { cluster: "g5" }),
        hint(9, { type: "outside" }, { auth: "key", keyTag: keyTagOf(secret) }),
      ],
      own,
    );
    expect(
      clusters.map(({ cluster, keyDiffers, leader, waitingFor, nodes }) => [
        cluster,
        keyDiffers,
        leader?.id,
        waitingFor,
        nodes.map(({ id }) => id),
      ]),
    ).toEqual([
      ["g5", false, undefined, [3], [1, 2]],
      ["raft", false, 2, [], [1, 2]],
      ["raft", true, undefined, [], [9]],
    ]);
  });
});
