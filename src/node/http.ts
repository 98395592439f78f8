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
export function statusBody(report: NodeReport): Record<string, unknown> {
  return {
    id: report.id,
    state: report.state === "member" ? STATE[report.role] : "Follower",
    term: report.term,
    voted_for: report.votedFor,
    leader: report.leader,
    commit_index: report.commitIndex,
    last_index: report.lastIndex,
    cluster: report.cluster,
    address: addressText(report.address),
    version: report.version,
  };
}

/** Listens on `address`. Rejects with a sentence when the port is taken. */
export async function serveHttp(
  address: Address,
  report: () => NodeReport,
): Promise<() => Promise<void>> {
  const server: Server = createServer((request, response) => {
    const path = (request.url ?? "/").split("?")[0];
    const found = request.method === "GET" && (path === "/status" || path === "/");
    response.writeHead(found ? 200 : 404, { "content-type": "application/json" });
    response.end(
      `${JSON.stringify(found ? statusBody(report()) : { error: "try GET /status" })}\n`,
    );
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
