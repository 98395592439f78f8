/** What is said on the discovery port, as bytes: a question, or a beacon. Pure.
 *
 *      0        2  3      4            16
 *      +--------+--+------+------------+---------------------------+--------+
 *      | "rB"   |v1| kind | nonce 12   | AES-256-GCM( MessagePack )| tag 16 |
 *      +--------+--+------+------------+---------------------------+--------+
 *
 *  The key is published (it is made of a constant), so the seal keeps damage out and nobody
 *  else: what is decoded may have been made by anybody, and every field is checked. A random
 *  nonce is no danger under a key that everybody knows. The magic differs from that of data
 *  datagrams ("rF"), so both kinds may arrive at one port. */

import { createCipheriv, createDecipheriv, createHash } from "node:crypto";
import { isIpv4 } from "../base/hosts.ts";
import { isNodeId } from "../base/limits.ts";
import type { NodeId } from "../base/types.ts";
import type { Dice } from "../transport/dice.ts";
import { systemDice } from "../transport/dice.ts";
import { FieldReader } from "../transport/fields.ts";
import { bytesOf, clusterNameProblem } from "../transport/key.ts";
import { type Wire, pack, unpack } from "../transport/messagepack.ts";
import type { Beacon } from "./types.ts";

/** By which way a question was sent: the own voice heard back tells that this way works. */
export type QueryWay = "multicast" | "broadcast" | "unicast";

/** "Who is there?" */
export interface Query {
  /** 16 random bytes of the asking process, as 32 hex digits: it recognises its own voice. */
  readonly voice: string;
  /** The asker's interface that it was sent on. */
  readonly interface: string;
  readonly way: QueryWay;
  /** A node says who it is while it asks; null for a client. */
  readonly beacon: Beacon | null;
}

export type DiscoveryDatagram =
  | { readonly type: "query"; readonly query: Query }
  | { readonly type: "beacon"; readonly beacon: Beacon };

/** Larger ones are dropped unread. */
export const DISCOVERY_BYTES_MAX = 1_024;
/** Characters of "ana@lab-07" that are sent. */
export const USER_HOST_CHARACTERS_MAX = 64;
/** Founders that a waiting node can wait for: members are at most 16. */
const WAITING_FOR_MAX = 16;

const MAGIC_0 = 0x72;
const MAGIC_1 = 0x42;
const VERSION = 1;
const HEADER_BYTES = 16;
const NONCE_AT = 4;
const TAG_BYTES = 16;
const CIPHER = "aes-256-gcm";
const kinds = { query: 1, beacon: 2 } as const;
const WAYS = ["multicast", "broadcast", "unicast"] as const;
const AUTHS = ["open", "key"] as const;
const STATES = ["waiting", "outside", "member", "leader"] as const;

/** Published: it tells damage from beacons, not friends from strangers. */
const PUBLISHED_KEY = createHash("sha256").update("raft discovery 1").digest();

/** True for what this file can decode, by the first bytes only: the node tells discovery and
 *  data apart where both arrive at its data port. */
export function isDiscoveryDatagram(bytes: Uint8Array): boolean {
  return bytes[0] === MAGIC_0 && bytes[1] === MAGIC_1;
}

export function encodeBeacon(beacon: Beacon, dice: Dice = systemDice): Uint8Array {
  return seal(kinds.beacon, packBeacon(beacon), dice);
}

export function encodeQuery(query: Query, dice: Dice = systemDice): Uint8Array {
  const beacon = query.beacon === null ? null : packBeacon(query.beacon);
  const fields = [bytesOf(query.voice), query.interface, WAYS.indexOf(query.way), beacon];
  return seal(kinds.query, fields, dice);
}

/** The value, or the reason to drop the bytes. Never throws. */
export function decodeDiscovery(datagram: Uint8Array): DiscoveryDatagram | string {
  if (!isDiscoveryDatagram(datagram)) return "not discovery";
  if (datagram[2] !== VERSION) return "other version";
  if (datagram.length > DISCOVERY_BYTES_MAX) return "too long";
  const body = open(datagram);
  if (body === null) return "damaged";
  const fields = unpack(body);
  if (typeof fields === "string") return fields;
  if (datagram[3] === kinds.beacon) {
    const reader = new FieldReader(fields, "beacon");
    const beacon = readBeacon(reader);
    return reader.end() ?? { type: "beacon", beacon };
  }
  if (datagram[3] !== kinds.query) return "unknown kind";
  const reader = new FieldReader(fields, "query");
  const query = readQuery(reader);
  return reader.end() ?? { type: "query", query };
}

function packBeacon(beacon: Beacon): readonly Wire[] {
  const { state } = beacon;
  const detail: readonly Wire[] =
    state.type === "waiting"
      ? [state.for.slice(0, WAITING_FOR_MAX)]
      : state.type === "member"
        ? [state.term, state.leader]
        : state.type === "leader"
          ? [state.term]
          : [];
  return [
    beacon.cluster,
    AUTHS.indexOf(beacon.auth),
    beacon.keyTag,
    beacon.clusterId === null ? null : bytesOf(beacon.clusterId),
    beacon.wireVersion,
    beacon.id,
    bytesOf(beacon.bootId),
    printable(beacon.userHost),
    beacon.host,
    beacon.port,
    [STATES.indexOf(state.type), ...detail],
    beacon.bye,
  ];
}

function readBeacon(reader: FieldReader): Beacon {
  const cluster = reader.text(32);
  if (clusterNameProblem(cluster) !== null) reader.refuse("not a cluster's name");
  return {
    cluster,
    auth: reader.choice(AUTHS),
    keyTag: reader.u32(),
    clusterId: reader.isNull() ? null : reader.id16(),
    wireVersion: reader.integer(0, 255),
    id: reader.nodeId(),
    bootId: reader.id16(),
    userHost: printable(reader.text(USER_HOST_CHARACTERS_MAX)),
    host: reader.isNull() ? null : readHost(reader),
    port: reader.integer(1, 65_535),
    state: reader.record(readState),
    bye: reader.flag(),
  };
}

function readState(reader: FieldReader): Beacon["state"] {
  const type = reader.choice(STATES);
  if (type === "outside") return { type };
  if (type === "leader") return { type, term: reader.count() };
  if (type === "member") {
    return { type, term: reader.count(), leader: reader.isNull() ? null : reader.nodeId() };
  }
  const ids = reader.list(WAITING_FOR_MAX).filter((id): id is NodeId => {
    const valid = isNodeId(id);
    if (!valid) reader.refuse("not a node id");
    return valid;
  });
  return { type, for: ids };
}

function readQuery(reader: FieldReader): Query {
  return {
    voice: reader.id16(),
    interface: readHost(reader),
    way: reader.choice(WAYS),
    beacon: reader.isNull() ? null : reader.record(readBeacon),
  };
}

/** An IPv4 literal. */
function readHost(reader: FieldReader): string {
  const host = reader.text(15);
  if (!isIpv4(host)) reader.refuse("not an IPv4 address");
  return host;
}

/** A stranger's text goes to a terminal: no control, formatting or line-breaking characters. */
function printable(text: string): string {
  const clean = text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "?");
  return clean.length <= USER_HOST_CHARACTERS_MAX
    ? clean
    : `${clean.slice(0, USER_HOST_CHARACTERS_MAX - 1)}…`;
}

function seal(kind: number, fields: readonly Wire[], dice: Dice): Uint8Array {
  const header = Buffer.alloc(HEADER_BYTES);
  header.set([MAGIC_0, MAGIC_1, VERSION, kind]);
  header.set(dice(HEADER_BYTES - NONCE_AT), NONCE_AT);
  const cipher = createCipheriv(CIPHER, PUBLISHED_KEY, header.subarray(NONCE_AT));
  cipher.setAAD(header);
  const body = cipher.update(pack(fields));
  return new Uint8Array(Buffer.concat([header, body, cipher.final(), cipher.getAuthTag()]));
}

function open(datagram: Uint8Array): Uint8Array | null {
  const bodyEnd = datagram.length - TAG_BYTES;
  if (bodyEnd < HEADER_BYTES) return null;
  const header = datagram.subarray(0, HEADER_BYTES);
  const decipher = createDecipheriv(CIPHER, PUBLISHED_KEY, header.subarray(NONCE_AT), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(header);
  decipher.setAuthTag(datagram.subarray(bodyEnd));
  try {
    const body = decipher.update(datagram.subarray(HEADER_BYTES, bodyEnd));
    decipher.final();
    return body;
  } catch {
    return null;
  }
}
