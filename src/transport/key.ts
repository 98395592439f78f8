/** The cluster's key and every key derived from it (HKDF-SHA256). The schedule is drawn in
 *  README.md. */

import { hkdfSync } from "node:crypto";
import type { BootId, ClusterId, Incarnation } from "../base/types.ts";
import type { Dice } from "./dice.ts";
import type { ClusterKey } from "./types.ts";

/** Bytes of every secret and of every derived key. */
export const KEY_BYTES = 32;

const SALT = new TextEncoder().encode("raft wire 1");
const KEY_FILE_TITLE = "raft key 1";
const CLUSTER_NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,31}$/;

/** Says what is wrong with a cluster's name, or null. */
export function clusterNameProblem(cluster: string): string | null {
  if (CLUSTER_NAME.test(cluster)) return null;
  const shown = JSON.stringify(cluster.slice(0, 64));
  const rule = "1 to 32 of a-z A-Z 0-9 . _ -, first a letter or digit";
  return `${shown} is not a cluster name: ${rule}`;
}

/** The key that anybody who knows the name can derive: it keeps damage and other clusters out, not
 *  people. */
export function openKey(cluster: string): ClusterKey {
  const name = new TextEncoder().encode(cluster);
  return { cluster, auth: "open", secret: derive(name, "open cluster", []) };
}

/** A fresh secret for `raft key new`. */
export function newKey(cluster: string, dice: Dice): ClusterKey {
  return { cluster, auth: "key", secret: dice(KEY_BYTES) };
}

/** The text of a key file: three lines that a person can read and compare. */
export function renderKeyFile(key: ClusterKey): string {
  return `${KEY_FILE_TITLE}\ncluster ${key.cluster}\nsecret ${hexOf(key.secret)}\n`;
}

/** Reads a key file's text. The reason is a whole clause that follows the file's name and a
 *  colon. */
export function parseKeyFile(
  text: string,
):
  | { readonly ok: true; readonly key: ClusterKey }
  | { readonly ok: false; readonly reason: string } {
  const no = (reason: string) => ({ ok: false, reason }) as const;
  if (text.length > 4_096) return no("not a key file: longer than 4096 characters");
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const [title, clusterLine, secretLine, ...rest] = lines.filter(
    (line) => line !== "" && !line.startsWith("#"),
  );
  if (title === undefined) return no("the key file is empty");
  if (title !== KEY_FILE_TITLE) {
    return /^raft key \d+$/.test(title)
      ? no(`the first line says "${title}", and this executable reads "${KEY_FILE_TITLE}"`)
      : no(`not a key file: the first line is not "${KEY_FILE_TITLE}"`);
  }
  const cluster = /^cluster (.*)$/.exec(clusterLine ?? "")?.[1];
  if (cluster === undefined) return no('the second line is not "cluster NAME"');
  const problem = clusterNameProblem(cluster);
  if (problem !== null) return no(problem);
  const secret = /^secret ([0-9a-f]{64})$/i.exec(secretLine ?? "")?.[1];
  if (secret === undefined) return no('the third line is not "secret" and 64 hexadecimal digits');
  if (rest.length > 0) return no("there is more after the secret");
  return { ok: true, key: { cluster, auth: "key", secret: bytesOf(secret) } };
}

/** Four bytes that stand in clear in every datagram: strangers are dropped before any
 *  decryption. */
export function clusterTag(key: ClusterKey): Uint8Array {
  return derive(key.secret, "cluster tag", []).subarray(0, 4);
}

/** The same four bytes as a number: in beacons it tells "same name, other key" apart. Derived once
 *  for a key: it is asked for with every beacon. */
export function keyTagOf(key: ClusterKey): number {
  const known = KEY_TAGS.get(key);
  if (known !== undefined) return known;
  const tag = clusterTag(key);
  const number = new DataView(tag.buffer, tag.byteOffset, 4).getUint32(0);
  KEY_TAGS.set(key, number);
  return number;
}

const KEY_TAGS = new WeakMap<ClusterKey, number>();

/** Seals the greetings of one process. A process has its own boot id, so nonces never repeat under
 *  it. */
export function greetingKey(key: ClusterKey, bootId: BootId): Uint8Array {
  return derive(key.secret, "greeting", [bytesOf(bootId)]);
}

/** What both sides of a connection know of it. */
export interface ConnectionEnds {
  readonly greeter: ConnectionEnd;
  readonly answerer: ConnectionEnd;
}

export interface ConnectionEnd {
  readonly bootId: BootId;
  readonly connection: number;
  /** null: a client, which has no data directory. */
  readonly incarnation: Incarnation | null;
}

/** Seals the answer to one greeting. The greeter does not know the answerer's incarnation before it
 *  opened it. */
export function answerKey(key: ClusterKey, ends: ConnectionEnds): Uint8Array {
  return derive(key.secret, "answer", [
    ...endParts(ends.greeter, false),
    ...endParts(ends.answerer, false),
  ]);
}

/** The two keys of a connection, one for each direction. */
export interface DirectionKeys {
  readonly fromGreeter: Uint8Array;
  readonly fromAnswerer: Uint8Array;
}

/** clusterId null: what peers may say before they belong to one cluster, and what clients say.
 *  Otherwise: what only nodes of that cluster can open. */
export function connectionKeys(
  key: ClusterKey,
  ends: ConnectionEnds,
  clusterId: ClusterId | null,
): DirectionKeys {
  const parts = [...endParts(ends.greeter, true), ...endParts(ends.answerer, true)];
  if (clusterId !== null) parts.push(bytesOf(clusterId));
  const scope = clusterId === null ? "peer" : "member";
  const role = ends.greeter.incarnation === null ? "client" : "node";
  return {
    fromGreeter: derive(key.secret, `${scope} ${role} from greeter`, parts),
    fromAnswerer: derive(key.secret, `${scope} ${role} from answerer`, parts),
  };
}

/** 32 hex digits to 16 bytes, and any other even number of digits. */
export function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, "hex"));
}

/** What arrives is a Buffer, which needs no view to be read. */
export function hexOf(bytes: Uint8Array): string {
  if (bytes instanceof Buffer) return bytes.toString("hex");
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}

/** Every part has a fixed length under one label, so that two lists of parts never read the
 *  same. */
function endParts(end: ConnectionEnd, withIncarnation: boolean): Uint8Array[] {
  const connection = new Uint8Array(4);
  new DataView(connection.buffer).setUint32(0, end.connection);
  const parts = [bytesOf(end.bootId), connection];
  if (withIncarnation)
    parts.push(end.incarnation === null ? new Uint8Array(16) : bytesOf(end.incarnation));
  return parts;
}

function derive(secret: Uint8Array, label: string, parts: readonly Uint8Array[]): Uint8Array {
  const context = Buffer.concat([Buffer.from(`${label}\0`), ...parts]);
  return new Uint8Array(hkdfSync("sha256", secret, SALT, context, KEY_BYTES));
}
