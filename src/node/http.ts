/** GET /status for a browser or a script: what one node knows of itself, as JSON. Only when asked
 *  for. */

import { createServer, type Server } from "node:http";
import { type Address, addressText } from "../base/hosts.ts";
import type { NodeReport } from "../transport/requests.ts";

const STATE = {
  leader: "Leader",
  follower: "Follower",
  candidate: "Candidate",
  "pre-candidate": "Candidate",
} as const;

/** The answer's body. `id`, `state`, `term` and `voted_for` are the names that the HTTP seed
 *  used. */
export function statusBody(report: NodeReport, longestSilenceMs: number): Record<string, unknown> {
  return {
    id: report.id,
    state: report.state === "member" ? STATE[report.role] : "Follower",
    term: report.term,
    voted_for: report.votedFor,
    leader: report.leader,
    commit_index: report.commitIndex,
    last_index: report.lastIndex,
    // How near this follower came to an election in its leader's term.
    longest_silence_ms: Math.round(longestSilenceMs),
    cluster: report.cluster,
    address: addressText(report.address),
    version: report.version,
  };
}

/** Listens on `address`. Rejects with a sentence when the port is taken. */
export async function serveHttp(
  address: Address,
  status: () => Record<string, unknown>,
): Promise<() => Promise<void>> {
  const server: Server = createServer((request, response) => {
    const path = (request.url ?? "/").split("?")[0];
    const found = request.method === "GET" && (path === "/status" || path === "/");
    response.writeHead(found ? 200 : 404, { "content-type": "application/json" });
    response.end(`${JSON.stringify(found ? status() : { error: "try GET /status" })}\n`);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(address.port, address.host, () => resolve());
  });
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
}
