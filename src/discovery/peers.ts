/** `--peers`: what a person may type, and the addresses that it stands for. */

import { lookup } from "node:dns/promises";
import { type Address, isIpv4, usualPort } from "../base/hosts.ts";
import { NODE_ID_MAX } from "../base/limits.ts";
import type { PeerSpec } from "./types.ts";

/** A bare HOST is asked on the data ports of the ids 1 to 9. */
const BARE_HOST_IDS = [1, 2, 3, 4, 5, 6, 7, 8, 9] as const;
/** Typed peers beyond this are an error: it is a command line, not a list of a network. */
export const PEERS_MAX = 64;

/** Reads HOST, HOST:PORT or ID=HOST:PORT (ID=HOST stands for the id's own port); otherwise a
 *  sentence that says what is wrong. */
export function parsePeer(text: string): PeerSpec | string {
  const [, idText, host = "", portText] =
    /^(?:([^=]*)=)?([^:=]*)(?::(.*))?$/.exec(text.trim()) ?? [];
  const id = idText === undefined ? null : integer(idText, NODE_ID_MAX);
  if (id === undefined) return `--peers ${text}: ${idText} is not a node id (1 to ${NODE_ID_MAX})`;
  const port = portText === undefined ? null : integer(portText, 65_535);
  if (port === undefined) return `--peers ${text}: ${portText} is not a port (1 to 65535)`;
  if (/^[\d.]+$/.test(host)) {
    if (!isIpv4(host)) return `--peers ${text}: ${host} is not an IPv4 address`;
  } else if (!/^[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_.])?$/i.test(host)) {
    return (
      `--peers ${text}: expected HOST, HOST:PORT or ID=HOST:PORT, ` +
      "for example 10.0.0.8 or 2=lab-08:7402"
    );
  }
  return { id, host, port: port ?? (id === null ? null : usualPort(id)) };
}

/** All that are right, and a sentence for each that is not. */
export function parsePeers(texts: readonly string[]): {
  readonly peers: readonly PeerSpec[];
  readonly problems: readonly string[];
} {
  const parsed = texts.map(parsePeer);
  const problems = parsed.filter((one) => typeof one === "string");
  const peers = parsed.filter((one) => typeof one !== "string");
  if (peers.length > PEERS_MAX)
    problems.push(`--peers names ${peers.length} hosts, ${PEERS_MAX} are the most`);
  return { peers: peers.slice(0, PEERS_MAX), problems };
}

/** The data ports of a peer on a host that is known by its address. */
export function expandPeer(peer: PeerSpec, host: string): readonly Address[] {
  const ports = peer.port === null ? BARE_HOST_IDS.map((id) => usualPort(id)) : [peer.port];
  return ports.map((port) => ({ host, port }));
}

/** Finds the IPv4 address of a name; null when there is none. May take seconds. */
export type Resolve = (name: string) => Promise<string | null>;

export const systemResolve: Resolve = async (name) => {
  try {
    return (await lookup(name, { family: 4 })).address;
  } catch {
    return null;
  }
};

function integer(text: string, max: number): number | undefined {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return value >= 1 && value <= max ? value : undefined;
}
