/** Frames as positional arrays: a frame's code first, then its fields in the order written here.
 *
 *      body  = [timeUs, echoUs | null, frame, frame, ...]
 *      frame = [code, field, ...]      records and bodies are the last field, one byte string
 *
 *  Codes and places are the wire format: never change one, only add. Decoding gives a value or a
 *  reason and never throws; byte strings in what it gives alias the datagram. */

import { MEMBERS_MAX } from "../base/limits.ts";
import type { Configuration, RaftMessage } from "../raft/types.ts";
import { decodeExchange, HOPS_MAX, REQUEST_CODE, RESPONSE_CODE } from "./exchange-codec.ts";
import { FieldReader } from "./fields.ts";
import { type Introduction, decodeIntroduction, encodeIntroduction } from "./hello.ts";
import { bytesOf } from "./key.ts";
import { type Wire, unpack } from "./messagepack.ts";
import type { Frame } from "./types.ts";

/** The largest frame: an entry of 1 MiB with its outline, a segment head, a large reply. */
export const FRAME_BYTES_MAX = 2_621_440;
const REASON_CHARACTERS_MAX = 256;
const CHUNK_BYTES_MAX = 65_507;

/** Frames of the transport itself, never seen by the node. */
export type LinkFrame =
  /** What a peer says about itself, repeated until acknowledged; a higher sequence replaces a lower
   *  one. */
  | {
      readonly type: "introduction";
      readonly sequence: number;
      readonly introduction: Introduction;
    }
  | { readonly type: "introductionAck"; readonly sequence: number }
  /** Part `part` of a frame of `totalBytes`, cut every `partBytes`. */
  | {
      readonly type: "chunk";
      readonly stream: number;
      readonly totalBytes: number;
      readonly partBytes: number;
      readonly part: number;
      readonly bytes: Uint8Array;
    }
  /** All parts below `base` are here, and of those from `base` on the ones with a bit set. Of this
   *  stream `windowBytes` may be in flight; 0 where nothing has arrived: it has to wait. */
  | {
      readonly type: "chunkAck";
      readonly stream: number;
      readonly base: number;
      readonly windowBytes: number;
      readonly bits: Uint8Array;
    }
  /** Sent to a new address: whoever answers from there is there. */
  | { readonly type: "addressAsk"; readonly challenge: Uint8Array }
  | { readonly type: "addressAnswer"; readonly challenge: Uint8Array };

export type WireFrame = Frame | LinkFrame;

export interface Body {
  /** The sender's clock, microseconds, modulo 2^32. */
  readonly timeUs: number;
  /** The last timeUs heard from the receiver plus how long it was held here; null: none heard
   *  yet. */
  readonly echoUs: number | null;
  readonly frames: readonly WireFrame[];
}

const codes = {
  raft: 1,
  check: 2,
  request: REQUEST_CODE,
  response: RESPONSE_CODE,
  fence: 5,
  needRecords: 6,
  heal: 7,
  bye: 8,
  introduction: 9,
  introductionAck: 10,
  chunk: 11,
  chunkAck: 12,
  addressAsk: 13,
  addressAnswer: 14,
} as const;

/** A message's place here is its code. */
const MESSAGES = [
  "preVote",
  "preVoteReply",
  "vote",
  "voteReply",
  "append",
  "appendReply",
  "heartbeat",
  "heartbeatReply",
  "timeoutNow",
  "installSnapshot",
  "lostData",
] as const;
const ANSWERS = ["granted", "refused", "withheld"] as const;
const RESULTS = ["matched", "conflict", "diverged", "lost data"] as const;
const ROLES = ["voter", "learner"] as const;
const NO_BYTES = new Uint8Array(0);

export function encodeFrame(frame: WireFrame): readonly Wire[] {
  switch (frame.type) {
    case "raft":
      return encodeMessage(frame.message, frame.prevChain ?? 0, frame.bytes ?? NO_BYTES);
    case "check":
      return [codes.check, frame.index, frame.term, frame.chain];
    case "request":
      return [codes.request, frame.requestId, frame.hops, frame.body];
    case "response":
      return [codes.response, frame.requestId, frame.body];
    case "fence":
      return [
        codes.fence,
        bytesOf(frame.clusterId),
        frame.term,
        encodeConfiguration(frame.configuration),
      ];
    case "needRecords":
      return [codes.needRecords, frame.from, frame.to];
    case "heal":
      return [codes.heal, frame.firstIndex, frame.bytes];
    case "bye":
      return [codes.bye, frame.reason.slice(0, REASON_CHARACTERS_MAX)];
    case "introduction":
      return [codes.introduction, frame.sequence, encodeIntroduction(frame.introduction)];
    case "introductionAck":
      return [codes.introductionAck, frame.sequence];
    case "chunk":
      return [
        codes.chunk,
        frame.stream,
        frame.totalBytes,
        frame.partBytes,
        frame.part,
        frame.bytes,
      ];
    case "chunkAck":
      return [codes.chunkAck, frame.stream, frame.base, frame.windowBytes, frame.bits];
    case "addressAsk":
      return [codes.addressAsk, frame.challenge];
    case "addressAnswer":
      return [codes.addressAnswer, frame.challenge];
  }
}

/** The body of a datagram, or the reason to drop it: one bad frame drops them all. */
export function decodeBody(bytes: Uint8Array): Body | string {
  return decodeExchange(bytes) ?? decodeAnyBody(bytes);
}

function decodeAnyBody(bytes: Uint8Array): Body | string {
  const values = unpack(bytes);
  if (typeof values === "string") return values;
  const head = new FieldReader(values.slice(0, 2), "body");
  const timeUs = head.u32();
  const echoUs = head.isNull() ? null : head.u32();
  const problem = head.end();
  if (problem !== null) return problem;
  const frames: WireFrame[] = [];
  for (let i = 2; i < values.length; i++) {
    const frame = decodeFrame(values[i]);
    if (typeof frame === "string") return frame;
    frames.push(frame);
  }
  return { timeUs, echoUs, frames };
}

/** A frame that came whole through a chunk stream, or the reason to drop it. */
export function decodeLargeFrame(bytes: Uint8Array): WireFrame | string {
  const values = unpack(bytes);
  return typeof values === "string" ? values : decodeFrame(values);
}

function decodeFrame(value: Wire | undefined): WireFrame | string {
  const reader = new FieldReader(value, "frame");
  const frame = readFrame(reader);
  return reader.end() ?? frame;
}

function readFrame(reader: FieldReader): WireFrame {
  const code = reader.integer(1, codes.addressAnswer);
  switch (code) {
    case codes.raft:
      return readMessage(reader);
    case codes.check:
      return { type: "check", index: reader.count(), term: reader.count(), chain: reader.u32() };
    case codes.request:
      return {
        type: "request",
        requestId: reader.count(),
        hops: reader.integer(0, HOPS_MAX),
        body: reader.bytes(FRAME_BYTES_MAX),
      };
    case codes.response:
      return { type: "response", requestId: reader.count(), body: reader.bytes(FRAME_BYTES_MAX) };
    case codes.fence:
      return {
        type: "fence",
        clusterId: reader.id16(),
        term: reader.count(),
        configuration: readConfiguration(reader),
      };
    case codes.needRecords:
      return { type: "needRecords", from: reader.count(), to: reader.count() };
    case codes.heal:
      return { type: "heal", firstIndex: reader.count(), bytes: reader.bytes(FRAME_BYTES_MAX) };
    case codes.bye:
      return { type: "bye", reason: reader.text(REASON_CHARACTERS_MAX) };
    default:
      return readLinkFrame(code, reader);
  }
}

function readLinkFrame(code: number, reader: FieldReader): LinkFrame {
  switch (code) {
    case codes.introduction: {
      const sequence = reader.count();
      const introduction = decodeIntroduction(reader.list(32));
      if (typeof introduction !== "string") return { type: "introduction", sequence, introduction };
      reader.refuse(introduction);
      return { type: "introductionAck", sequence };
    }
    case codes.introductionAck:
      return { type: "introductionAck", sequence: reader.count() };
    case codes.chunk:
      return {
        type: "chunk",
        stream: reader.count(),
        totalBytes: reader.integer(1, FRAME_BYTES_MAX),
        partBytes: reader.integer(1, CHUNK_BYTES_MAX),
        part: reader.u32(),
        bytes: reader.bytes(CHUNK_BYTES_MAX),
      };
    case codes.chunkAck:
      return {
        type: "chunkAck",
        stream: reader.count(),
        base: reader.u32(),
        windowBytes: reader.u32(),
        bits: reader.bytes(CHUNK_BYTES_MAX),
      };
    default: {
      const challenge = reader.bytes(8);
      if (challenge.length !== 8) reader.refuse("not 8 bytes");
      return { type: code === codes.addressAsk ? "addressAsk" : "addressAnswer", challenge };
    }
  }
}

function encodeMessage(m: RaftMessage, prevChain: number, bytes: Uint8Array): readonly Wire[] {
  const head = [codes.raft, MESSAGES.indexOf(m.type), m.term, m.round] as const;
  switch (m.type) {
    case "preVote":
      return [...head, m.lastIndex, m.lastTerm];
    case "preVoteReply":
      return [...head, ANSWERS.indexOf(m.answer), m.askedTerm];
    case "vote":
      return [...head, m.lastIndex, m.lastTerm, m.ordered];
    case "voteReply":
      return [...head, ANSWERS.indexOf(m.answer)];
    case "append":
      return [...head, m.prevIndex, m.prevTerm, m.commitIndex, prevChain, bytes];
    case "appendReply":
      return [
        ...head,
        RESULTS.indexOf(m.result),
        m.prevIndex,
        m.matchIndex,
        m.hintIndex,
        m.hintTerm,
        m.durableIndex,
      ];
    case "heartbeat":
      return [...head, m.commitIndex];
    case "heartbeatReply":
      return [...head, m.durableIndex, m.commitIndex];
    case "lostData":
      return [...head, m.matchIndex];
    case "timeoutNow":
      return head;
    case "installSnapshot":
      return [...head, m.lastIndex, m.lastTerm, encodeConfiguration(m.configuration), bytes];
  }
}

function readMessage(reader: FieldReader): Frame {
  const type = reader.choice(MESSAGES);
  const term = reader.count();
  const round = reader.count();
  switch (type) {
    case "preVote":
      return raft({ type, term, round, lastIndex: reader.count(), lastTerm: reader.count() });
    case "preVoteReply":
      return raft({ type, term, round, answer: reader.choice(ANSWERS), askedTerm: reader.count() });
    case "vote":
      return raft({
        type,
        term,
        round,
        lastIndex: reader.count(),
        lastTerm: reader.count(),
        ordered: reader.flag(),
      });
    case "voteReply":
      return raft({ type, term, round, answer: reader.choice(ANSWERS) });
    case "append": {
      const at = {
        prevIndex: reader.count(),
        prevTerm: reader.count(),
        commitIndex: reader.count(),
      };
      const prevChain = reader.u32();
      return {
        type: "raft",
        message: { type, term, round, ...at, records: [] },
        prevChain,
        bytes: reader.bytes(FRAME_BYTES_MAX),
      };
    }
    case "appendReply": {
      const result = reader.choice(RESULTS);
      const reached = { prevIndex: reader.count(), matchIndex: reader.count() };
      const hint = { hintIndex: reader.count(), hintTerm: reader.count() };
      return raft({ type, term, round, result, ...reached, ...hint, durableIndex: reader.count() });
    }
    case "heartbeat":
      return raft({ type, term, round, commitIndex: reader.count() });
    case "heartbeatReply":
      return raft({ type, term, round, durableIndex: reader.count(), commitIndex: reader.count() });
    case "lostData":
      return raft({ type, term, round, matchIndex: reader.count() });
    case "timeoutNow":
      return raft({ type, term, round });
    case "installSnapshot": {
      const at = { lastIndex: reader.count(), lastTerm: reader.count() };
      const configuration = readConfiguration(reader);
      return {
        type: "raft",
        message: { type, term, round, ...at, configuration },
        bytes: reader.bytes(FRAME_BYTES_MAX),
      };
    }
  }
}

function raft(message: RaftMessage): Frame {
  return { type: "raft", message };
}

function encodeConfiguration(configuration: Configuration): Wire {
  const members = configuration.members.map((m) => [
    m.id,
    bytesOf(m.incarnation),
    ROLES.indexOf(m.role),
  ]);
  return [configuration.index, members];
}

function readConfiguration(parent: FieldReader): Configuration {
  return parent.record((reader) => ({
    index: reader.count(),
    members: reader.records(MEMBERS_MAX, (fields) => ({
      id: fields.nodeId(),
      incarnation: fields.id16(),
      role: fields.choice(ROLES),
    })),
  }));
}
