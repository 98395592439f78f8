/** Requests and responses as bytes: positional MessagePack arrays that start with a number for the
 *  type.
 *
 *  Decoding gives the value or a reason and never throws. Byte strings alias the input: copy what
 *  is kept. A node's report is not on a hot path and travels as JSON text in a byte string
 *  (report-codec.ts). */

import { type Address, isIpv4 } from "../base/hosts.ts";
import {
  MEMBERS_MAX,
  ENTRIES_PER_RECORD_MAX,
  PAYLOADS_BYTES_MAX,
  isNodeId,
} from "../base/limits.ts";
import type { MembershipChange, Configuration } from "../raft/types.ts";
import {
  APPEND_CODE,
  APPENDED_CODE,
  decodeAppend,
  decodeAppended,
  encodeAppend,
  encodeAppended,
} from "./exchange-codec.ts";
import { FieldReader } from "./fields.ts";
import { bytesOf, hexOf } from "./key.ts";
import { pack, unpack, type Wire } from "./messagepack.ts";
import { decodeReport, encodeReport } from "./report-codec.ts";
import type { AppendRequest, LeaderHint, RefusalCode, Request, Response } from "./requests.ts";

/** One answer to a read is at most 1 MiB and one record. */
const RECORDS_BYTES_MAX = 4 << 20;
const REPORT_BYTES_MAX = 1 << 20;
const TEXT_CHARACTERS_MAX = 4_096;

const REQUEST = {
  append: APPEND_CODE,
  read: 1,
  readIndex: 2,
  status: 3,
  leader: 4,
  stop: 5,
  transfer: 6,
  members: 7,
} as const;
const RESPONSE = {
  appended: APPENDED_CODE,
  records: 1,
  readIndex: 2,
  status: 3,
  leader: 4,
  done: 5,
  refused: 6,
} as const;
const CONSISTENCY = ["linearizable", "stale"] as const;
const ROLES = ["voter", "learner"] as const;
const CHANGES = ["addLearner", "promote", "demote", "remove", "replace"] as const;
/** The place of a code in this list is its number on the wire: new ones go to the end. */
const REFUSALS: readonly [RefusalCode, ...RefusalCode[]] = [
  "not leader",
  "no leader",
  "not founded",
  "not member",
  "busy",
  "transferring",
  "expected",
  "forgotten",
  "if last",
  "too large",
  "disk full",
  "overwritten",
  "unknown",
  "configuration changed",
  "outdated",
  "forbidden",
  "damaged",
  "trimmed",
  "bad request",
  "stopping",
];

/** The bytes of a request, owned by the caller. */
export function encodeRequest(request: Request): Uint8Array {
  if (request.type === "append") return encodeAppend(request);
  return pack(requestFields(request));
}

/** The request, or why these bytes are none. */
export function decodeRequest(bytes: Uint8Array): Request | string {
  return decodeAppend(bytes) ?? decodeAnyRequest(bytes);
}

function decodeAnyRequest(bytes: Uint8Array): Request | string {
  const fields = unpack(bytes);
  if (typeof fields === "string") return fields;
  const reader = new FieldReader(fields, "request");
  const request = readRequest(reader);
  return reader.end() ?? request;
}

/** The bytes of a response, owned by the caller. */
export function encodeResponse(response: Response): Uint8Array {
  if (response.type === "appended") return encodeAppended(response);
  return pack(responseFields(response));
}

/** The response, or why these bytes are none. */
export function decodeResponse(bytes: Uint8Array): Response | string {
  return decodeAppended(bytes) ?? decodeAnyResponse(bytes);
}

function decodeAnyResponse(bytes: Uint8Array): Response | string {
  const fields = unpack(bytes);
  if (typeof fields === "string") return fields;
  const reader = new FieldReader(fields, "response");
  const response = readResponse(reader);
  const wrong = reader.end();
  if (wrong !== null) return wrong;
  return response ?? "response: unreadable report";
}

function requestFields(request: Exclude<Request, AppendRequest>): readonly Wire[] {
  switch (request.type) {
    case "read":
      return [
        REQUEST.read,
        request.from,
        request.last,
        request.bytesMax,
        CONSISTENCY.indexOf(request.consistency),
        request.waitMs,
      ];
    case "status":
      return [REQUEST.status, request.of];
    case "stop":
      return [REQUEST.stop, bytesOf(request.bootId), request.kill, request.by, request.asLeader];
    case "transfer":
      return [REQUEST.transfer, request.term, request.to];
    case "members":
      return [REQUEST.members, request.configurationIndex, changeFields(request.change)];
    default:
      return [REQUEST[request.type]];
  }
}

function readRequest(reader: FieldReader): Request {
  const type = reader.integer(0, REQUEST.members);
  switch (type) {
    case REQUEST.append:
      return {
        type: "append",
        clientId: reader.id16(),
        firstSequence: reader.integer(1, Number.MAX_SAFE_INTEGER),
        count: reader.integer(1, ENTRIES_PER_RECORD_MAX),
        bornAt: reader.count(),
        ifLast: reader.isNull() ? null : reader.count(),
        payloads: reader.bytes(PAYLOADS_BYTES_MAX),
      };
    case REQUEST.read:
      return {
        type: "read",
        from: reader.count(),
        last: reader.isNull() ? null : reader.count(),
        bytesMax: reader.count(),
        consistency: reader.choice(CONSISTENCY),
        waitMs: reader.count(),
      };
    case REQUEST.readIndex:
      return { type: "readIndex" };
    case REQUEST.status:
      return { type: "status", of: reader.isNull() ? null : reader.count() };
    case REQUEST.leader:
      return { type: "leader" };
    case REQUEST.stop:
      return {
        type: "stop",
        bootId: reader.id16(),
        kill: reader.flag(),
        by: reader.text(TEXT_CHARACTERS_MAX),
        asLeader: reader.flag(),
      };
    case REQUEST.transfer:
      return {
        type: "transfer",
        term: reader.count(),
        to: reader.isNull() ? null : reader.nodeId(),
      };
    default:
      return {
        type: "members",
        configurationIndex: reader.count(),
        change: reader.record(readChange),
      };
  }
}

/** An incarnation "" travels as no bytes: the leader fills in the one that it has met. */
function changeFields(change: MembershipChange): Wire {
  const incarnation = "incarnation" in change ? bytesOf(change.incarnation) : null;
  return [CHANGES.indexOf(change.type), change.id, incarnation];
}

function readChange(reader: FieldReader): MembershipChange {
  const type = reader.choice(CHANGES);
  const id = reader.nodeId();
  if (type !== "addLearner" && type !== "replace") {
    if (!reader.isNull()) reader.refuse("an incarnation where none belongs");
    return { type, id };
  }
  const incarnation = reader.bytes(16);
  if (incarnation.length !== 0 && incarnation.length !== 16) reader.refuse("not 16 bytes");
  return { type, id, incarnation: hexOf(incarnation) };
}

function responseFields(response: Exclude<Response, { type: "appended" }>): Wire {
  switch (response.type) {
    case "records":
      return [
        RESPONSE.records,
        response.bytes,
        response.firstIndex,
        response.lastIndex,
        response.prevChain,
        response.commitIndex,
        response.staleMs === null ? null : Math.max(0, Math.round(response.staleMs)),
      ];
    case "readIndex":
      return [RESPONSE.readIndex, response.index, response.term];
    case "status":
      return [RESPONSE.status, encodeReport(response.report)];
    case "leader":
      return [
        RESPONSE.leader,
        hintFields(response.leader),
        response.commitIndex,
        bytesOf(response.bootId),
        response.configurationIndex,
      ];
    case "done":
      return [RESPONSE.done, response.text, configurationFields(response.configuration)];
    case "refused":
      return [
        RESPONSE.refused,
        REFUSALS.indexOf(response.code),
        response.text,
        hintFields(response.leader),
        response.number,
      ];
  }
}

function readResponse(reader: FieldReader): Response | null {
  const type = reader.integer(0, RESPONSE.refused);
  switch (type) {
    case RESPONSE.appended:
      return {
        type: "appended",
        index: reader.integer(1, Number.MAX_SAFE_INTEGER),
        count: reader.integer(1, ENTRIES_PER_RECORD_MAX),
        term: reader.count(),
        timeMs: reader.count(),
        duplicate: reader.flag(),
        holders: reader.list(MEMBERS_MAX).map((id) => (isNodeId(id) ? id : refuseId(reader))),
        commitIndex: reader.count(),
      };
    case RESPONSE.records:
      return {
        type: "records",
        bytes: reader.bytes(RECORDS_BYTES_MAX),
        firstIndex: reader.count(),
        lastIndex: reader.count(),
        prevChain: reader.u32(),
        commitIndex: reader.count(),
        staleMs: reader.isNull() ? null : reader.count(),
      };
    case RESPONSE.readIndex:
      return { type: "readIndex", index: reader.count(), term: reader.count() };
    case RESPONSE.status: {
      const report = decodeReport(reader.bytes(REPORT_BYTES_MAX));
      return typeof report === "string" ? null : { type: "status", report };
    }
    case RESPONSE.leader:
      return {
        type: "leader",
        leader: reader.isNull() ? null : reader.record(readHint),
        commitIndex: reader.count(),
        bootId: reader.id16(),
        configurationIndex: reader.count(),
      };
    case RESPONSE.done:
      return {
        type: "done",
        text: reader.text(TEXT_CHARACTERS_MAX),
        configuration: reader.isNull() ? null : reader.record(readConfiguration),
      };
    default:
      return {
        type: "refused",
        code: reader.choice(REFUSALS),
        text: reader.text(TEXT_CHARACTERS_MAX),
        leader: reader.isNull() ? null : reader.record(readHint),
        number: reader.isNull() ? null : reader.count(),
      };
  }
}

function refuseId(reader: FieldReader): number {
  reader.refuse("not a node id");
  return 1;
}

function hintFields(hint: LeaderHint | null): Wire {
  if (hint === null) return null;
  const { address } = hint;
  return [hint.id, hint.term, address === null ? null : [address.host, address.port]];
}

function readHint(reader: FieldReader): LeaderHint {
  return {
    id: reader.nodeId(),
    term: reader.count(),
    address: reader.isNull() ? null : reader.record(readAddress),
  };
}

function readAddress(reader: FieldReader): Address {
  const host = reader.text(15);
  if (!isIpv4(host)) reader.refuse("not an IPv4 address");
  return { host, port: reader.integer(1, 65_535) };
}

function configurationFields(configuration: Configuration | null): Wire {
  if (configuration === null) return null;
  const members = configuration.members.map(({ id, incarnation, role }): Wire => [
    id,
    bytesOf(incarnation),
    ROLES.indexOf(role),
  ]);
  return [configuration.index, members];
}

function readConfiguration(reader: FieldReader): Configuration {
  return {
    index: reader.count(),
    members: reader.records(MEMBERS_MAX, (member) => ({
      id: member.nodeId(),
      incarnation: member.id16(),
      role: member.choice(ROLES),
    })),
  };
}
