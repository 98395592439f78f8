/** What greetings, answers and later introductions carry: who speaks which versions, and a node's
 *  NodeHello. */

import type { Address } from "../base/hosts.ts";
import { MEMBERS_MAX } from "../base/limits.ts";
import type { FoundingRecord } from "../base/types.ts";
import { WIRE_VERSION } from "./datagram.ts";
import { FieldReader } from "./fields.ts";
import { bytesOf } from "./key.ts";
import type { Wire } from "./messagepack.ts";
import type { NodeHello } from "./types.ts";

const ADDRESSES_MAX = 4;
const VERSION_CHARACTERS_MAX = 32;
const USER_HOST_CHARACTERS_MAX = 64;
const CLUSTER_CHARACTERS_MAX = 32;
/** Of a directory's path; a longer one is not told. */
const DIRECTORY_BYTES_MAX = 128;
/** Founders of the record and those met, together: with more of them there is no room for a
 *  directory beside them in a datagram of 1,200 bytes. */
const NAMED_BESIDE_DIRECTORY_MAX = 24;
const TIMING_MS_MAX = 600_000;
/** Feature bits from here up are required: who does not know one must not speak. None is defined
 *  yet. */
const REQUIRED_FEATURES = 0xffff_0000;
const KNOWN_FEATURES = 0;

/** The body of a greeting and of an answer. hello null: a client. */
export interface Introduction {
  readonly wireMin: number;
  readonly wireMax: number;
  readonly features: number;
  readonly receiveWindowBytes: number;
  readonly hello: NodeHello | null;
}

export function encodeIntroduction(introduction: Introduction): Wire {
  const { wireMin, wireMax, features, receiveWindowBytes, hello } = introduction;
  return [
    wireMin,
    wireMax,
    features,
    receiveWindowBytes,
    hello === null ? null : encodeHello(hello),
  ];
}

/** The fields, or the reason to drop them. Later versions may append fields to the array. */
export function decodeIntroduction(value: Wire | undefined): Introduction | string {
  const known = Array.isArray(value) ? (value as readonly Wire[]).slice(0, 5) : value;
  const reader = new FieldReader(known, "greeting");
  const wireMin = reader.integer(0, 255);
  const wireMax = reader.integer(0, 255);
  const features = reader.u32();
  const refused = versionProblem(wireMin, wireMax, features);
  if (refused !== null) return refused;
  const receiveWindowBytes = reader.u32();
  const hello = reader.isNull() ? null : readHello(reader);
  return reader.end() ?? { wireMin, wireMax, features, receiveWindowBytes, hello };
}

/** Same but for the time that passes. */
export function sameHello(a: NodeHello, b: NodeHello): boolean {
  const passing = { uptimeMs: 0, lastIndex: 0 };
  return JSON.stringify({ ...a, ...passing }) === JSON.stringify({ ...b, ...passing });
}

export function encodeHello(hello: NodeHello): Wire {
  const { heartbeatMs, electionMinMs, electionMaxMs } = hello.timings;
  return [
    hello.id,
    bytesOf(hello.incarnation),
    bytesOf(hello.bootId),
    hello.bootCount,
    hello.clusterId === null ? null : bytesOf(hello.clusterId),
    hello.founding === null ? null : encodeFounding(hello.founding),
    hello.foundedMs,
    hello.lastIndex,
    hello.member,
    hello.founders,
    [heartbeatMs, electionMinMs, electionMaxMs].map(Math.round),
    hello.met.map((peer) => [peer.id, bytesOf(peer.incarnation)]),
    hello.version,
    hello.wireMin,
    hello.wireMax,
    hello.features,
    hello.addresses.slice(0, ADDRESSES_MAX).map(encodeAddress),
    hello.receiveWindowBytes,
    hello.userHost.slice(0, USER_HOST_CHARACTERS_MAX),
    Math.round(hello.uptimeMs),
    directoryToTell(hello),
  ];
}

function directoryToTell({ dataDir, founding, met }: NodeHello): string | null {
  const named = (founding?.founders.length ?? 0) + met.length;
  if (dataDir === null || named > NAMED_BESIDE_DIRECTORY_MAX) return null;
  return isTellable(dataDir) ? dataDir : null;
}

export function readHello(parent: FieldReader): NodeHello {
  return parent.record((reader) => ({
    id: reader.nodeId(),
    incarnation: reader.id16(),
    bootId: reader.id16(),
    bootCount: reader.count(),
    clusterId: reader.isNull() ? null : reader.id16(),
    founding: reader.isNull() ? null : readFounding(reader),
    foundedMs: reader.isNull() ? null : reader.count(),
    lastIndex: reader.count(),
    member: reader.flag(),
    founders: readIds(reader),
    timings: readTimings(reader),
    met: reader.records(MEMBERS_MAX, readIncarnation),
    version: reader.text(VERSION_CHARACTERS_MAX),
    wireMin: reader.integer(0, 255),
    wireMax: reader.integer(0, 255),
    features: reader.u32(),
    addresses: reader.records(ADDRESSES_MAX, readAddress),
    receiveWindowBytes: reader.u32(),
    userHost: reader.text(USER_HOST_CHARACTERS_MAX),
    uptimeMs: reader.count(),
    dataDir: readDirectory(reader),
  }));
}

/** It is shown in commands that people paste: no control or formatting characters. */
function isTellable(directory: string): boolean {
  return Buffer.byteLength(directory) <= DIRECTORY_BYTES_MAX && !/\p{C}/u.test(directory);
}

/** Only people read it: what cannot be shown is none, and no reason to drop the rest. */
function readDirectory(reader: FieldReader): string | null {
  const directory = reader.textOrNull(DIRECTORY_BYTES_MAX);
  return directory !== null && isTellable(directory) ? directory : null;
}

function versionProblem(wireMin: number, wireMax: number, features: number): string | null {
  if (wireMin > WIRE_VERSION || wireMax < WIRE_VERSION) return "greeting: no common wire version";
  if ((features & REQUIRED_FEATURES & ~KNOWN_FEATURES) !== 0)
    return "greeting: unknown required feature";
  return null;
}

function encodeFounding(founding: FoundingRecord): Wire {
  const { cluster, founders, parent } = founding;
  return [
    cluster,
    founders.map((founder) => [founder.id, bytesOf(founder.incarnation)]),
    parent === null ? null : [bytesOf(parent.clusterId), parent.index, parent.term, parent.chain],
  ];
}

function readFounding(parent: FieldReader): FoundingRecord {
  return parent.record((reader) => ({
    cluster: reader.text(CLUSTER_CHARACTERS_MAX),
    founders: reader.records(MEMBERS_MAX, readIncarnation),
    parent: reader.isNull()
      ? null
      : reader.record((fields) => ({
          clusterId: fields.id16(),
          index: fields.count(),
          term: fields.count(),
          chain: fields.u32(),
        })),
  }));
}

function readIncarnation(reader: FieldReader): { id: number; incarnation: string } {
  return { id: reader.nodeId(), incarnation: reader.id16() };
}

function readIds(parent: FieldReader): readonly number[] {
  return parent.record((reader) => {
    const ids: number[] = [];
    const count = Math.min(reader.remaining, MEMBERS_MAX);
    for (let i = 0; i < count; i++) ids.push(reader.nodeId());
    return ids;
  });
}

function readTimings(parent: FieldReader): NodeHello["timings"] {
  return parent.record((reader) => ({
    heartbeatMs: reader.integer(1, TIMING_MS_MAX),
    electionMinMs: reader.integer(1, TIMING_MS_MAX),
    electionMaxMs: reader.integer(1, TIMING_MS_MAX),
  }));
}

/** IPv4 as one number. */
function encodeAddress(address: Address): Wire {
  const host = address.host.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  return [host, address.port];
}

function readAddress(reader: FieldReader): Address {
  const host = reader.u32();
  const port = reader.integer(1, 65_535);
  return { host: [24, 16, 8, 0].map((shift) => (host >>> shift) & 255).join("."), port };
}
