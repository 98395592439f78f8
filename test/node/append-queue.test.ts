/** The leader's append queue: tables of its rules, and a property against a model. */

import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { holdsPayloads } from "../../src/node/append-host.ts";
import { encodePayloads, encodeRecord } from "../../src/storage/record.ts";
import { RECORD_KIND } from "../../src/storage/types.ts";
import { A, B, setUp } from "./queue-stage.ts";

describe("the leader's append queue", () => {
  it("answers an append only when it is committed (B22)", () => {
    const { offer, commit, answers } = setUp();
    offer(A, 1);
    expect(answers()).toEqual([]);
    commit();
    expect(answers()).toEqual(["a1 at 1 t1"]);
  });

  it("answers a duplicate with the place of the original, and appends it once", () => {
    const { host, offer, commit, answers } = setUp();
    offer(A, 1, { name: "first" });
    offer(A, 1, { name: "again" });
    commit();
    expect(answers()).toEqual(["first at 1 t1", "again at 1 t1 again"]);
    offer(B, 1);
    offer(A, 1, { name: "late" });
    expect(answers()).toEqual(["late at 1 t1 again"]);
    expect(host.lastIndex).toBe(2);
  });

  it("answers a part of a record with the place of that part", () => {
    const { offer, commit, answers } = setUp();
    offer(A, 1, { count: 5 });
    commit();
    answers();
    offer(A, 3, { count: 2, name: "part" });
    expect(answers()).toEqual(["part at 3+2 t1 again"]);
  });

  it("refuses a name that was used for other text, committed or not, and says where that is", () => {
    const { host, queue, offer, commit, answers } = setUp();
    offer(A, 1, { bornAt: 0 });
    host.holdsOther = true;
    offer(A, 1, { bornAt: 0, name: "other" });
    expect(answers()).toEqual(["other bad request 1"]);
    commit();
    expect(answers()).toEqual(["a1 at 1 t1"]);
    offer(A, 1, { bornAt: 0, name: "more", count: 2 });
    expect(queue.takeAnswers()[0]?.response).toMatchObject({
      code: "bad request",
      text: "that request id was used for fewer entries, at index 1 the last of them. Choose another id",
    });
  });

  it.each([
    [["a", "b"], 0, ["a", "b"], true],
    [["a", "b"], 1, ["b"], true],
    [["a", "b"], 0, ["b"], false],
    [["a", "b"], 0, ["ab"], false],
    [["a", "b"], 1, ["b", "c"], false],
    [["", "b"], 0, [""], true],
  ] as const)("a record of %j holds from %i on %j: %s", (held, offset, asked, holds) => {
    const encode = (texts: readonly string[]): Uint8Array =>
      encodePayloads(texts.map((text) => Buffer.from(text)));
    const fields = { firstIndex: 7, term: 1, kind: RECORD_KIND.user, timeMs: 5, clientId: A };
    const record = encodeRecord({ ...fields, firstSequence: 1 }, encode(held), 0);
    const request = { count: asked.length, payloads: encode(asked) };
    expect(holdsPayloads(record, offset, request)).toBe(holds);
  });

  it("finds the place of an old duplicate behind later records of the same and other clients", () => {
    const { offer, commit, answers } = setUp();
    for (const first of [1, 2, 3]) {
      offer(A, first);
      offer(B, first);
    }
    commit();
    answers();
    offer(A, 1, { name: "old" });
    expect(answers()).toEqual(["old at 1 t1 again"]);
  });

  it("a duplicate of an entry inherited from an earlier term is answered when it commits", () => {
    const { host, offer, commit, answers } = setUp();
    host.push(A, 1, 2);
    host.term = 2;
    host.noop();
    offer(A, 1, { count: 2, name: "retry" });
    offer(B, 1);
    expect(answers()).toEqual([]);
    commit();
    expect(answers()).toEqual(["retry at 1+2 t1 again", "b1 at 4 t2"]);
  });

  it("a request that overlaps what is in the log only in part is refused", () => {
    const { offer, answers } = setUp();
    offer(A, 1, { count: 2 });
    offer(A, 2, { count: 2, name: "overlap" });
    expect(answers()).toEqual(["overlap bad request"]);
  });

  it("later sequences wait for the earlier ones and enter in order", () => {
    const { host, offer, commit, answers } = setUp();
    offer(A, 4);
    offer(A, 2, { count: 2 });
    expect(host.lastIndex).toBe(0);
    offer(A, 1);
    expect(host.heads.map((head) => head.firstSequence)).toEqual([1, 2, 4]);
    commit();
    expect(answers()).toEqual(["a1 at 1 t1", "a2 at 2+2 t1", "a4 at 4 t1"]);
  });

  it("a gap that lasts is answered with the sequence that is expected", () => {
    const { host, queue, offer, answers } = setUp();
    offer(A, 1);
    offer(A, 3, { nowMs: 10 });
    expect(queue.nextDeadlineMs()).toBe(210);
    queue.tick(209);
    expect(answers()).toEqual([]);
    queue.tick(210);
    expect(answers()).toEqual(["a3 expected 2"]);
    expect(queue.nextDeadlineMs()).toBe(Infinity);
    expect(host.lastIndex).toBe(1);
  });

  it("holds no more than its bounds", () => {
    const { queue, offer, answers } = setUp();
    for (let first = 2; first <= 40; first++) offer(A, first);
    expect(queue.sizes.held).toBe(16);
    expect(answers()).toHaveLength(23);
  });

  it("payloads that are held are copied: the datagram's buffer is used again", () => {
    const { host, offer } = setUp();
    const seen: number[] = [];
    const append = host.append.bind(host);
    host.append = (request) => {
      seen.push(request.payloads[0] ?? -1);
      return append(request);
    };
    const shared = Buffer.of(7);
    offer(A, 2, { payloads: shared });
    shared[0] = 9;
    offer(A, 1, { payloads: shared });
    expect(seen).toEqual([9, 7]);
  });

  it("a forgotten session is refused, never executed again (C36)", () => {
    const { host, offer, answers } = setUp();
    for (let at = 0; at < 10; at++) host.noop();
    host.forgottenAt = 5;
    host.commitIndex = 5;
    offer(A, 1, { bornAt: 4, name: "old" });
    offer(A, 3, { bornAt: 4, name: "old too" });
    offer(B, 1, { bornAt: 5, name: "new" });
    expect(answers()).toEqual(["old forgotten", "old too forgotten"]);
    expect(host.lastIndex).toBe(11);
  });

  it("nobody is called forgotten while the leader knows of less than was forgotten", () => {
    const { host, offer, answers } = setUp();
    for (let at = 0; at < 10; at++) host.noop();
    host.forgottenAt = 5;
    host.commitIndex = 4;
    offer(A, 1, { bornAt: 4, name: "as late as can be" });
    expect(answers()).toEqual(["as late as can be busy"]);
    expect(host.lastIndex).toBe(10);
  });

  it("passes on why the core takes nothing", () => {
    const { host, offer, answers } = setUp();
    for (const reason of ["busy", "transferring", "not leader"] as const) {
      host.refuse = reason;
      offer(A, 1, { name: "x" });
      expect(answers()).toEqual([`x ${reason}`]);
    }
    host.refuse = null;
    host.acceptsEntries = false;
    offer(A, 1, { name: "x" });
    expect(answers()).toEqual(["x disk full"]);
  });

  describe("when leadership is lost", () => {
    it("what was held is refused, what was appended is answered as it turns out", () => {
      const { host, queue, offer, commit, answers } = setUp();
      for (const first of [1, 2, 3]) offer(A, first);
      offer(B, 2);
      queue.leadershipLost(0);
      expect(answers()).toEqual(["b2 not leader"]);
      commit(1);
      host.truncate(2);
      host.term = 2;
      host.noop();
      commit(2);
      expect(answers()).toEqual(["a1 at 1 t1", "a2 overwritten"]);
      queue.tick(1_000);
      expect(answers()).toEqual(["a3 unknown"]);
    });

    it("a truncation alone says nothing: another node may still commit the entry", () => {
      const { host, queue, offer, commit, answers } = setUp();
      offer(A, 1);
      queue.leadershipLost(0);
      host.truncate(1);
      commit(0);
      expect(answers()).toEqual([]);
      queue.tick(1_000);
      expect(answers()).toEqual(["a1 unknown"]);
    });

    it("leading again answers what is still in the log, and gives up what was truncated", () => {
      const { host, queue, offer, commit, answers } = setUp();
      offer(A, 1);
      offer(A, 2);
      queue.leadershipLost(0);
      host.truncate(2);
      host.term = 3;
      host.noop();
      offer(B, 1, { nowMs: 5 });
      expect(answers()).toEqual(["a2 unknown"]);
      commit();
      expect(answers()).toEqual(["a1 at 1 t1", "b1 at 3 t3"]);
    });
  });

  it("answers ten thousand outstanding records in order and keeps nothing", () => {
    const { queue, offer, commit, answers } = setUp();
    const host = Array.from({ length: 2_000 }, (_, at) => at + 1);
    for (const first of host) offer(A, first);
    for (let index = 100; index <= 2_000; index += 100) commit(index);
    expect(answers()).toEqual(host.map((first) => `a${first} at ${first} t1`));
    expect(queue.sizes).toEqual({ held: 0, waiting: 0 });
  });

  it("under loss, doubling and reordering every request enters once and in order, and every answer is true", () => {
    const events = fc.array(
      fc.oneof(
        fc.record({ type: fc.constant("copy" as const), client: fc.nat(2), request: fc.nat(7) }),
        fc.record({ type: fc.constant("commit" as const), by: fc.nat(5) }),
        fc.record({ type: fc.constant("wait" as const), ms: fc.nat(300) }),
        fc.record({ type: fc.constant("depose" as const), keep: fc.nat(3) }),
      ),
      { maxLength: 120 },
    );
    fc.assert(
      fc.property(events, (script) => runModel(script)),
      { numRuns: 400 },
    );
  });
});

type Step =
  | { readonly type: "copy"; readonly client: number; readonly request: number }
  | { readonly type: "commit"; readonly by: number }
  | { readonly type: "wait"; readonly ms: number }
  | { readonly type: "depose"; readonly keep: number };

/** Requests 0..7 of a client take 1 + r % 3 entries each. */
function place(request: number): { readonly first: number; readonly count: number } {
  let first = 1;
  for (let before = 0; before < request; before++) first += 1 + (before % 3);
  return { first, count: 1 + (request % 3) };
}

function runModel(script: readonly Step[]): void {
  const { host, queue, offer } = setUp();
  const clients = [A, B, "c".repeat(32)];
  let nowMs = 0;
  let copies = 0;
  let answered = 0;
  const check = (): void => {
    for (const { requester, response } of queue.takeAnswers()) {
      answered++;
      if (response.type !== "appended") continue;
      const [, client, first] = requester.split(" ");
      const head = host.recordAt(response.index);
      expect(head?.clientId).toBe(clients[Number(client)]);
      expect(head === undefined ? -1 : head.firstSequence + response.index - head.firstIndex).toBe(
        Number(first),
      );
      expect(response.index + response.count - 1).toBeLessThanOrEqual(host.commitIndex);
    }
  };
  for (const step of script) {
    if (step.type === "copy") {
      const { first, count } = place(step.request);
      offer(clients[step.client] ?? A, first, {
        count,
        nowMs,
        name: `${copies++} ${step.client} ${first}`,
      });
    } else if (step.type === "commit") {
      host.commitIndex = Math.min(host.lastIndex, host.commitIndex + step.by);
      host.commitIndex = host.recordAt(host.commitIndex)?.lastIndex ?? host.commitIndex;
      queue.committed(host.commitIndex, nowMs);
    } else if (step.type === "wait") {
      nowMs += step.ms;
      queue.tick(nowMs);
    } else {
      queue.leadershipLost(nowMs);
      host.truncate(host.commitIndex + 1 + step.keep);
      host.term++;
      host.noop();
    }
    check();
    for (const clientId of clients) {
      const own = host.heads.filter((head) => head.clientId === clientId);
      let next = 1;
      for (const head of own) {
        expect(head.firstSequence).toBe(next);
        next += head.count;
      }
    }
  }
  host.commitIndex = host.lastIndex;
  queue.committed(host.lastIndex, nowMs);
  queue.leadershipLost(nowMs);
  queue.tick(nowMs + 10_000);
  check();
  // A record's oldest copies may go unanswered beyond a bound; nothing is answered twice.
  expect(answered).toBeLessThanOrEqual(copies);
  expect(queue.sizes).toEqual({ held: 0, waiting: 0 });
}
