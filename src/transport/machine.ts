/** What this machine is called and where it can be reached. */

import { hostname, networkInterfaces, userInfo } from "node:os";
import { type Address, isLoopback } from "../base/hosts.ts";

/** Sealed bytes of a datagram to this very machine, where there is no path to fit. */
const LOOPBACK_DATAGRAM_BYTES = 60_000;
/** Sealed bytes that pass every path of a LAN without fragments. */
const NETWORK_DATAGRAM_BYTES = 1_200;

/** IPv4 addresses of this machine's interfaces, loopback last; only loopback when asked for, or
 *  when there is nothing else. */
export function ownHosts(loopbackOnly: boolean): readonly string[] {
  const all = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter((entry) => entry.family === "IPv4");
  const others = all.filter((entry) => !entry.internal).map((entry) => entry.address);
  return loopbackOnly ? ["127.0.0.1"] : [...others, "127.0.0.1"];
}

/** "ana@lab-07", or "lab-07" where the user has no name. */
export function userAtHost(): string {
  let user = process.env["USER"] ?? process.env["LOGNAME"] ?? "";
  try {
    user = userInfo().username === "unknown" && user !== "" ? user : userInfo().username;
  } catch {
    // A uid without a passwd entry: what the environment says stands.
  }
  return user === "" || user === "unknown" ? hostname() : `${user}@${hostname()}`;
}

/** How large a sealed datagram to an address may be: `typedBytes` to every address, else what
 *  passes everywhere on a network, and far more to addresses of this machine. */
export function datagramSizes(typedBytes: number | null = null): (address: Address) => number {
  if (typedBytes !== null) return () => typedBytes;
  const here = new Set(ownHosts(false));
  return ({ host }) =>
    isLoopback(host) || here.has(host) ? LOOPBACK_DATAGRAM_BYTES : NETWORK_DATAGRAM_BYTES;
}
