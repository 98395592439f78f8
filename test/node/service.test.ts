/** What clients are told of a new leader, how far a request is passed on, and what the leader
 *  answers to a copy of an order to hand over, and to a change of members that names itself, or a
 *  node with the data that it always had. */

import { describe, expect, it } from "vitest";
import type { Member } from "../../src/node/member.ts";
import { Service, type ServiceHost } from "../../src/node/service.ts";
import { decodeResponse, encodeRequest } from "../../src/transport/request-codec.ts";
import type { Response } from "../../src/transport/requests.ts";
import type { Connection, Frame } from "../../src/transport/types.ts";

const incarnationOf = (id: number): string => String(id).repeat(32);
const members = [1, 2, 3].map((id) => ({ id, incarnation: incarnationOf(id), role: "voter" }));

/** What node 2, the leader, answers; it has met node 3, and node 1 is not there. */
function replace(id: number): Response | string {
  const answers: Frame[] = [];
  const host = {
    endpoint: { send: (_: Connection, frame: Frame) => void answers.push(frame) },
    member: () => ({ core: { role: "leader", configuration: { index: 1, members } } }),
    mayOperate: () => true,
    stopping: () => false,
    leaderHint: () => null,
    report: () => ({ id: 2, incarnation: incarnationOf(2) }),
    metIncarnation: (of: number) => (of === 3 ? incarnationOf(3) : null),
  };
  const service = new Service(host as unknown as ServiceHost & { member: () => Member });
  const change = { type: "replace", id, incarnation: "" } as const;
  const body = encodeRequest({ type: "members", configurationIndex: 1, change });
  service.take({} as Connection, { type: "request", requestId: 1, hops: 0, body }, 0);
  const [answer] = answers;
  return answer?.type === "response" ? decodeResponse(answer.body) : "silence";
}

describe("a new leader", () => {
  it("is told to every client, and to no node, as an answer that nobody asked for", () => {
    const told: { readonly to: Connection; readonly frame: Frame }[] = [];
    const clients = [1, 2].map((connection) => ({ remote: { kind: "client", connection } }));
    const connections = [{ remote: { kind: "node" } }, ...clients];
    const leader = { id: 3, term: 7, address: { host: "127.0.0.1", port: 7403 } };
    const host = {
      endpoint: {
        connections: () => connections,
        send: (to: Connection, frame: Frame) => void told.push({ to, frame }),
      },
      member: () => ({ core: { commitIndex: 9, configuration: { index: 1 } } }),
      leaderHint: () => leader,
      bootId: "b".repeat(32),
    };
    new Service(host as unknown as ServiceHost & { member: () => Member }).tellClients();
    expect(told.map(({ to }) => to)).toEqual(clients);
    for (const { frame } of told) {
      if (frame.type !== "response") throw new Error(frame.type);
      expect(frame.requestId).toBe(0);
      expect(decodeResponse(frame.body)).toMatchObject({ type: "leader", leader, commitIndex: 9 });
    }
  });
});

describe("a request for the leader", () => {
  it.each([
    [1, "passed on", 1],
    [0, "refused", 0],
  ])("that may go on %i hop is %s", (hops, _, passedOn) => {
    const answers: Frame[] = [];
    let sent = 0;
    const host = {
      endpoint: { send: (_to: Connection, frame: Frame) => void answers.push(frame) },
      member: () => ({ core: { role: "follower" } }),
      mayOperate: () => true,
      stopping: () => false,
      leaderHint: () => ({ id: 3, term: 7, address: { host: "127.0.0.1", port: 7403 } }),
      connectionTo: () => ({}),
      outgoing: { send: () => (sent += 1) > 0 },
    };
    const service = new Service(host as unknown as ServiceHost & { member: () => Member });
    const body = encodeRequest({ type: "transfer", term: 7, to: null });
    service.take({} as Connection, { type: "request", requestId: 1, hops, body }, 0);
    expect([sent, answers.length]).toEqual([passedOn, 1 - passedOn]);
    const [answer] = answers;
    if (answer?.type === "response")
      expect(decodeResponse(answer.body)).toMatchObject({ code: "not leader", leader: { id: 3 } });
  });
});

describe("a transfer", () => {
  it.each([
    [null, "done"],
    [2, "done"],
    [3, "refused"],
  ])("to %s while node 2 takes over is %s: it may be a copy", (to, type) => {
    const answers: Frame[] = [];
    const underWay = { ok: false, reason: "leadership is being handed to node 2 already", to: 2 };
    const core = { role: "leader", term: 7, transferLeadership: () => underWay };
    const host = {
      endpoint: { send: (_: Connection, frame: Frame) => void answers.push(frame) },
      member: () => ({ core }),
      mayOperate: () => true,
      stopping: () => false,
      leaderHint: () => null,
    };
    const service = new Service(host as unknown as ServiceHost & { member: () => Member });
    const body = encodeRequest({ type: "transfer", term: 7, to });
    service.take({} as Connection, { type: "request", requestId: 1, hops: 0, body }, 0);
    const [answer] = answers;
    if (answer?.type !== "response") throw new Error("no answer");
    expect(decodeResponse(answer.body)).toMatchObject({ type });
  });
});

describe("members replace", () => {
  it("of the leader itself is refused for what it is", () => {
    expect(replace(2)).toMatchObject({
      code: "bad request",
      text: "node 2 is a member with this very data: there is nothing to replace",
    });
  });

  it("of a node that still has its data may be asked again: another may be met", () => {
    expect(replace(3)).toMatchObject({
      code: "busy",
      text: "node 3 is a member with this very data: there is nothing to replace",
    });
  });

  it("of a node that is not there says to start it", () => {
    expect(replace(1)).toMatchObject({ text: "node 1 is not heard here: start it first" });
  });
});
