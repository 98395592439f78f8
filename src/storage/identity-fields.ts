/** Checks every field of an identity that was read from disk: a value or nothing, never a guess. */

import { isNodeId } from "../base/limits.ts";
import type { FoundingRecord } from "../base/types.ts";
import type { Identity } from "./types.ts";

/** The identity, or null when any field is missing or of the wrong kind. */
export function parseIdentity(value: unknown): Identity | null {
  const fields = asFields(value);
  if (fields === null) return null;
  const { cluster, id, incarnation, bootCount, foundedMs, member, port, lastUsedMs } = fields;
  const addresses = parseAddresses(fields["addresses"]);
  const founding = fields["founding"] === null ? null : parseFounding(fields["founding"]);
  if (typeof cluster !== "string" || !isNodeId(id) || !isId16(incarnation) || !isCount(bootCount))
    return null;
  if (founding === undefined || addresses === null || typeof member !== "boolean") return null;
  if (!isCountOrNull(foundedMs) || !isCountOrNull(port) || !isCount(lastUsedMs)) return null;
  return {
    cluster,
    id,
    incarnation,
    bootCount,
    founding,
    foundedMs,
    member,
    addresses,
    port,
    lastUsedMs,
  };
}

function asFields(value: unknown): Record<string, unknown> | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : null;
}

function isId16(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{32}$/.test(value);
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

function isCountOrNull(value: unknown): value is number | null {
  return value === null || isCount(value);
}

function parseAddresses(value: unknown): Readonly<Record<string, string>> | null {
  const fields = asFields(value);
  if (fields === null) return null;
  const addresses: Record<string, string> = {};
  for (const [id, address] of Object.entries(fields)) {
    if (typeof address !== "string") return null;
    addresses[id] = address;
  }
  return addresses;
}

/** Undefined when malformed. */
function parseFounding(value: unknown): FoundingRecord | undefined {
  const fields = asFields(value);
  const cluster = fields?.["cluster"];
  const listed = fields?.["founders"];
  if (fields === null || typeof cluster !== "string" || !Array.isArray(listed)) return undefined;
  const founders: { readonly id: number; readonly incarnation: string }[] = [];
  for (const entry of listed) {
    const founder = asFields(entry);
    const id = founder?.["id"];
    const incarnation = founder?.["incarnation"];
    if (!isNodeId(id) || !isId16(incarnation)) return undefined;
    founders.push({ id, incarnation });
  }
  if (fields["parent"] === null) return { cluster, founders, parent: null };
  const parent = asFields(fields["parent"]);
  const { clusterId, index, term, chain } = parent ?? {};
  if (!isId16(clusterId) || !isCount(index) || !isCount(term) || !isCount(chain)) return undefined;
  return { cluster, founders, parent: { clusterId, index, term, chain } };
}
