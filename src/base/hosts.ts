/** What a node is called and where it is, as text that several folders read. */

import type { NodeId } from "./types.ts";

/** The UDP port that all nodes of a network share for finding each other. */
export const DISCOVERY_PORT = 7_400;

/** A node's own port unless it is taken or another was typed. */
export function usualPort(id: NodeId): number {
  return DISCOVERY_PORT + id;
}

/** Where a socket is: an IPv4 literal and a UDP or TCP port. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** "10.0.0.8:7402", for people, for files and as a key. */
export function addressText({ host, port }: Address): string {
  return `${host}:${port}`;
}

/** Reads such a text back; null when it is none. */
export function parseAddress(text: string): Address | null {
  const [, host = "", digits = ""] = /^([^:]*):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  return isIpv4(host) && port >= 1 && port <= 65_535 ? { host, port } : null;
}

/** True for a dotted quad without leading zeros. */
export function isIpv4(text: string): boolean {
  return /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/.test(text);
}

/** True for an address that only this very machine reaches. */
export function isLoopback(host: string): boolean {
  return host.startsWith("127.");
}

/** Where others than this machine find a node that was met at `met`: two nodes of one machine meet
 *  over loopback or not, as it comes. `own`: what the node says, the most useful first. */
export function outerAddress(met: Address, own: readonly Address[]): Address {
  return isLoopback(met.host) ? (own[0] ?? met) : met;
}

/** The parts of "ana@lab-07". A user's name may hold an @ itself, a machine's may not. */
export function userAndHost(userHost: string): { readonly user: string; readonly host: string } {
  const at = userHost.lastIndexOf("@");
  return { user: userHost.slice(0, Math.max(0, at)), host: userHost.slice(at + 1) };
}
