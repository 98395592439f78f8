/** Valid frames, requests, responses and beacons of every type, with values that a cluster might
 *  say: what mutations start from. */

import type { Beacon } from "../../src/discovery/types.ts";
import type { Configuration, RaftMessage } from "../../src/raft/types.ts";
import { encodePayloads } from "../../src/storage/record.ts";
import type { WireFrame } from "../../src/transport/codec.ts";
import { introductionOf } from "../../src/transport/meeting.ts";
import { encodeRequest, encodeResponse } from "../../src/transport/request-codec.ts";
import type { NodeReport, Request, Response } from "../../src/transport/requests.ts";
import { helloOf, hex16 } from "../transport/harness.ts";
import type { Rolls } from "./bytes.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

export const CONFIGURATION: Configuration = {
  index: 3,
  members: [1, 2, 3].map((id) => ({ id, incarnation: hex16(id), role: "voter" as const })),
};

/** Raft messages of every type, none of which could come from a leader that nobody elected. */
export function raftMessages(rolls: Rolls): readonly RaftMessage[] {
  const at = { term: 1 + rolls.below(9), round: rolls.below(1_000) };
  const index = rolls.below(100);
  return [
    { type: "preVote", ...at, lastIndex: index, lastTerm: at.term },
    { type: "preVoteReply", ...at, answer: "granted", askedTerm: at.term },
    { type: "vote", ...at, lastIndex: index, lastTerm: at.term, ordered: rolls.oneIn(2) },
    { type: "voteReply", ...at, answer: "refused" },
    { type: "append", ...at, prevIndex: index, prevTerm: 1, commitIndex: index, records: [] },
    {
      type: "appendReply",
      ...at,
      result: "matched",
      prevIndex: index,
      matchIndex: index,
      hintIndex: index,
      hintTerm: 1,
      durableIndex: index,
    },
    { type: "heartbeat", ...at, commitIndex: index },
    { type: "heartbeatReply", ...at, durableIndex: index, commitIndex: index },
    { type: "lostData", ...at, matchIndex: index },
    { type: "timeoutNow", ...at },
    { type: "installSnapshot", ...at, lastIndex: index, lastTerm: 1, configuration: CONFIGURATION },
  ];
}

export function requests(rolls: Rolls): readonly Request[] {
  const payloads = encodePayloads([text("one"), rolls.bytes(rolls.below(300))]);
  return [
    {
      type: "append",
      clientId: hex16(9),
      firstSequence: 1,
      count: 2,
      bornAt: 0,
      ifLast: rolls.oneIn(2) ? null : 4,
      payloads,
    },
    {
      type: "read",
      from: rolls.below(9),
      last: rolls.oneIn(2) ? null : 10,
      bytesMax: 65_536,
      consistency: rolls.oneIn(2) ? "stale" : "linearizable",
      waitMs: 100,
    },
    { type: "readIndex" },
    { type: "status", of: rolls.oneIn(2) ? null : 2 },
    { type: "leader" },
    { type: "stop", bootId: hex16(7), kill: true, by: "ana@lab-07", asLeader: true },
    { type: "transfer", term: 4, to: 2 },
    {
      type: "members",
      configurationIndex: 3,
      change: { type: "addLearner", id: 4, incarnation: hex16(4) },
    },
    { type: "members", configurationIndex: 3, change: { type: "promote", id: 4 } },
  ];
}

export const REPORT: NodeReport = {
  cluster: "test",
  auth: "open",
  clusterId: hex16(0xcc),
  foundedMs: 1_700_000_000_000,
  id: 1,
  incarnation: hex16(1),
  bootId: hex16(1),
  version: "1.0.0",
  state: "member",
  role: "leader",
  term: 7,
  votedFor: 1,
  leader: 1,
  leaderSinceMs: 12,
  firstIndex: 1,
  lastIndex: 42,
  commitIndex: 42,
  configuration: CONFIGURATION,
  founders: [1, 2, 3],
  syncMs: 0.4,
  address: { host: "10.0.0.1", port: 7_401 },
  userHost: "ana@lab-07",
  uptimeMs: 12_000,
  executable: "./raft",
  mute: null,
  lostData: false,
  networkDisk: false,
  acceptsEntries: true,
  dataDir: "/home/ana/.local/state/raft/test/1",
  peers: [
    {
      id: 2,
      incarnation: hex16(2),
      userHost: "bia@lab-08",
      address: { host: "10.0.0.2", port: 7_402 },
      rttMs: 0.2,
      lastContactMs: 12,
      lastHeardWallMs: 1_700_000_000_000,
      stopped: true,
      dataDir: "/home/bia/d2",
      matchIndex: 42,
      term: 7,
      member: true,
    },
  ],
};

export function responses(rolls: Rolls): readonly Response[] {
  const leader = { id: 2, term: 7, address: { host: "10.0.0.2", port: 7_402 } };
  return [
    {
      type: "appended",
      index: 42,
      count: 2,
      term: 7,
      timeMs: 1_700_000_000_000,
      duplicate: false,
      holders: [1, 2],
      commitIndex: 43,
    },
    {
      type: "records",
      bytes: rolls.bytes(rolls.below(400)),
      firstIndex: 4,
      lastIndex: 9,
      prevChain: rolls.u32(),
      commitIndex: 9,
      staleMs: rolls.oneIn(2) ? null : 3,
    },
    { type: "readIndex", index: 9, term: 7 },
    { type: "status", report: REPORT },
    { type: "leader", leader, commitIndex: 9, bootId: hex16(1), configurationIndex: 3 },
    { type: "done", text: "done", configuration: CONFIGURATION },
    { type: "refused", code: "not leader", text: "", leader, number: null },
    { type: "refused", code: "expected", text: "", leader: null, number: 7 },
  ];
}

/** A node's hello that is nobody's in particular. */
export function strangersHello(rolls: Rolls, id: number): ReturnType<typeof helloOf> {
  const identity = {
    id,
    incarnation: Buffer.from(rolls.bytes(16)).toString("hex"),
    bootId: Buffer.from(rolls.bytes(16)).toString("hex"),
  };
  return helloOf(identity, { clusterId: hex16(0xcc), bootCount: 1 + rolls.below(4) });
}

/** Frames of every type. */
export function frames(rolls: Rolls): readonly WireFrame[] {
  const bytes = rolls.bytes(rolls.below(200));
  const stream = 1 + rolls.below(40);
  const messages = raftMessages(rolls).map((message): WireFrame => {
    const isLong = message.type === "append" || message.type === "installSnapshot";
    return isLong
      ? { type: "raft", message, prevChain: rolls.u32(), bytes }
      : { type: "raft", message };
  });
  return [
    ...messages,
    { type: "check", index: 3, term: 1, chain: rolls.u32() },
    ...requests(rolls).map((request): WireFrame => ({
      type: "request",
      requestId: rolls.below(1_000),
      hops: 1,
      body: encodeRequest(request),
    })),
    ...responses(rolls).map((response): WireFrame => ({
      type: "response",
      requestId: rolls.below(1_000),
      body: encodeResponse(response),
    })),
    { type: "fence", clusterId: hex16(0xcc), term: 2, configuration: CONFIGURATION },
    { type: "needRecords", from: 1, to: 9 },
    { type: "heal", firstIndex: 1, bytes },
    { type: "bye", reason: "stopped" },
    {
      type: "introduction",
      sequence: 1 + rolls.below(99),
      introduction: introductionOf(strangersHello(rolls, 4), 425_984),
    },
    { type: "introductionAck", sequence: 1 },
    {
      type: "chunk",
      stream,
      totalBytes: 4 * 128,
      partBytes: 128,
      part: rolls.below(4),
      bytes: rolls.bytes(128),
    },
    { type: "chunk", stream, totalBytes: bytes.length + 1, partBytes: 900, part: 0, bytes },
    {
      type: "chunkAck",
      stream,
      base: rolls.below(9),
      windowBytes: rolls.below(2) * 60_000,
      bits: rolls.bytes(rolls.below(9)),
    },
    { type: "addressAsk", challenge: rolls.bytes(8) },
    { type: "addressAnswer", challenge: rolls.bytes(8) },
  ];
}

export function beacons(rolls: Rolls): readonly Beacon[] {
  const beacon: Beacon = {
    cluster: "test",
    auth: "open",
    keyTag: rolls.u32(),
    clusterId: hex16(0xcc),
    wireVersion: 1,
    id: 1 + rolls.below(9),
    bootId: hex16(1 + rolls.below(200)),
    userHost: "ana@lab-07",
    host: rolls.oneIn(2) ? null : "10.0.0.7",
    port: 7_401,
    state: { type: "waiting", for: [2, 3] },
    bye: false,
  };
  return [
    beacon,
    { ...beacon, state: { type: "outside" }, clusterId: null },
    { ...beacon, state: { type: "member", term: 3, leader: 2 } },
    { ...beacon, state: { type: "leader", term: 3 }, bye: true },
  ];
}
