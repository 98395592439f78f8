/** A node's report as JSON text in a byte string. Every field is checked on receipt and only known
 *  fields are kept, so a report from a newer node reads as far as this one understands it. */

import { type Address, isIpv4 } from "../base/hosts.ts";
import { isNodeId } from "../base/limits.ts";
import type { Configuration } from "../raft/types.ts";
import type { NodeReport, PeerReport } from "./requests.ts";

const TEXT_CHARACTERS_MAX = 4_096;
const LIST_MAX = 1_024;
const HEX_32 = /^[0-9a-f]{32}$/;

/** UTF-8 bytes of the JSON text. */
export function encodeReport(report: NodeReport): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(report));
}

/** The report, or why these bytes are none. */
export function decodeReport(bytes: Uint8Array): NodeReport | string {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    const reader = new JsonReader(parsed);
    const report = readReport(reader);
    return reader.wrong ?? report;
  } catch {
    return "report: not JSON";
  }
}

function readReport(reader: JsonReader): NodeReport {
  return {
    cluster: reader.text("cluster"),
    auth: reader.choice("auth", ["open", "key"] as const),
    clusterId: reader.maybe("clusterId", (name) => reader.id16(name)),
    foundedMs: reader.maybe("foundedMs", (name) => reader.number(name)),
    id: reader.nodeId("id"),
    incarnation: reader.id16("incarnation"),
    bootId: reader.id16("bootId"),
    version: reader.text("version"),
    state: reader.choice("state", ["waiting", "outside", "member"] as const),
    role: reader.choice("role", ["follower", "pre-candidate", "candidate", "leader"] as const),
    term: reader.count("term"),
    votedFor: reader.maybe("votedFor", (name) => reader.nodeId(name)),
    leader: reader.maybe("leader", (name) => reader.nodeId(name)),
    leaderSinceMs: reader.maybe("leaderSinceMs", (name) => reader.number(name)),
    firstIndex: reader.count("firstIndex"),
    lastIndex: reader.count("lastIndex"),
    commitIndex: reader.count("commitIndex"),
    configuration: reader.maybe("configuration", (name) => readConfiguration(reader.object(name))),
    founders: reader.ids("founders"),
    syncMs: reader.maybe("syncMs", (name) => reader.number(name)),
    address: readAddress(reader.object("address")),
    userHost: reader.text("userHost"),
    uptimeMs: reader.number("uptimeMs"),
    executable: reader.text("executable"),
    mute: reader.maybe("mute", (name) => reader.text(name)),
    lostData: reader.flag("lostData"),
    networkDisk: reader.flag("networkDisk"),
    acceptsEntries: reader.flag("acceptsEntries"),
    dataDir: reader.maybe("dataDir", (name) => reader.text(name)),
    peers: reader.list("peers").map((peer) => readPeer(new JsonReader(peer, reader))),
  };
}

function readPeer(reader: JsonReader): PeerReport {
  return {
    id: reader.nodeId("id"),
    incarnation: reader.maybe("incarnation", (name) => reader.id16(name)),
    userHost: reader.maybe("userHost", (name) => reader.text(name)),
    address: reader.maybe("address", (name) => readAddress(reader.object(name))),
    rttMs: reader.maybe("rttMs", (name) => reader.number(name)),
    lastContactMs: reader.maybe("lastContactMs", (name) => reader.number(name)),
    lastHeardWallMs: reader.maybe("lastHeardWallMs", (name) => reader.number(name)),
    stopped: reader.flag("stopped"),
    dataDir: reader.maybe("dataDir", (name) => reader.text(name)),
    matchIndex: reader.maybe("matchIndex", (name) => reader.count(name)),
    term: reader.maybe("term", (name) => reader.count(name)),
    member: reader.flag("member"),
  };
}

function readConfiguration(reader: JsonReader): Configuration {
  return {
    index: reader.count("index"),
    members: reader.list("members").map((value) => {
      const member = new JsonReader(value, reader);
      return {
        id: member.nodeId("id"),
        incarnation: member.id16("incarnation"),
        role: member.choice("role", ["voter", "learner"] as const),
      };
    }),
  };
}

function readAddress(reader: JsonReader): Address {
  const host = reader.text("host");
  const port = reader.count("port");
  if (!isIpv4(host) || port > 65_535) reader.refuse("address");
  return { host, port };
}

/** Reads named fields of one parsed object; the first that does not fit is remembered at the
 *  root. */
class JsonReader {
  wrong: string | null = null;
  readonly #fields: ReadonlyMap<string | number, unknown>;
  readonly #parent: JsonReader | null;

  constructor(value: unknown, parent: JsonReader | null = null) {
    this.#parent = parent;
    const isObject = typeof value === "object" && value !== null;
    if (!isObject) this.refuse("object");
    const entries: [string | number, unknown][] = Array.isArray(value)
      ? value.map((item, at) => [at, item])
      : Object.entries(isObject ? value : {});
    this.#fields = new Map(entries);
  }

  refuse(name: string | number): void {
    if (this.#parent !== null) this.#parent.refuse(name);
    else this.wrong ??= `report: bad ${name}`;
  }

  maybe<T>(name: string, read: (name: string) => T): T | null {
    return this.#fields.get(name) === null ? null : read(name);
  }

  object(name: string): JsonReader {
    return new JsonReader(this.#fields.get(name), this);
  }

  list(name: string): readonly unknown[] {
    const value = this.#fields.get(name);
    if (Array.isArray(value) && value.length <= LIST_MAX) return value;
    this.refuse(name);
    return [];
  }

  ids(name: string): readonly number[] {
    const items = new JsonReader(this.list(name), this);
    return [...items.#fields.keys()].map((at) => items.nodeId(at));
  }

  text(name: string): string {
    const value = this.#fields.get(name);
    if (typeof value === "string" && value.length <= TEXT_CHARACTERS_MAX) return value;
    this.refuse(name);
    return "";
  }

  id16(name: string): string {
    const value = this.text(name);
    if (!HEX_32.test(value)) this.refuse(name);
    return value;
  }

  flag(name: string): boolean {
    const value = this.#fields.get(name);
    if (typeof value !== "boolean") this.refuse(name);
    return value === true;
  }

  number(name: string | number): number {
    const value = this.#fields.get(name);
    if (typeof value === "number" && Number.isFinite(value)) return value;
    this.refuse(name);
    return 0;
  }

  count(name: string | number): number {
    const value = this.number(name);
    if (Number.isSafeInteger(value) && value >= 0) return value;
    this.refuse(name);
    return 0;
  }

  nodeId(name: string | number): number {
    const value = this.count(name);
    if (!isNodeId(value)) this.refuse(name);
    return value;
  }

  choice<T extends string>(name: string, choices: readonly [T, ...T[]]): T {
    const value = this.#fields.get(name);
    const found = choices.find((choice) => choice === value);
    if (found === undefined) this.refuse(name);
    return found ?? choices[0];
  }
}
