/** What a node says of the others. */

import { expect, it } from "vitest";
import { type Acquaintance, peerReports, type PeerMemory } from "../../src/node/report.ts";
import type { Connection } from "../../src/transport/types.ts";
import { leaderOfThree as status } from "./fake-status.ts";
import { helloOf } from "./formation-world.ts";

const address = { host: "10.0.0.8", port: 7_402 };

function connectionOf(id: number, incarnation: string, lastHeardMs: number): Connection {
  const hello = helloOf({ id, incarnation });
  const identity = { id, incarnation, bootId: hello.bootId };
  return { remote: { kind: "node", identity, hello, address }, rttMs: 0.2, lastHeardMs };
}

function known(connections: readonly Connection[], memory: PeerMemory): Acquaintance {
  return {
    memories: new Map([[memory.hello.id, memory]]),
    lastSeen: new Map(),
    connections,
    connectionTo: (id, incarnation) =>
      connections.find(
        ({ remote }) =>
          remote.kind === "node" &&
          remote.identity.id === id &&
          (incarnation === null || remote.identity.incarnation === incarnation),
      ),
  };
}

it("tells a member from another process under its id, each with its own contact", () => {
  const hello = helloOf({ id: 2, incarnation: "2a" });
  const heard = { lastHeardMs: 1_000, lastHeardWallMs: 5, stopped: false };
  const memory: PeerMemory = { hello, address, ...heard };
  const connections = [connectionOf(2, "2b", 9_500), connectionOf(3, "3a", 9_990)];
  const rows = peerReports(1, status, [1, 2, 3], known(connections, memory), 10_000);
  const short = rows.map(({ id, incarnation, member, lastContactMs }) => [
    id,
    incarnation,
    member,
    lastContactMs,
  ]);
  expect(short).toEqual([
    [2, "2a", true, 9_000],
    [2, "2b", false, 500],
    [3, "3a", true, 10],
  ]);
});

it("names a peer of the same machine by one address, however it was met", () => {
  const near = { host: "127.0.0.1", port: 7_402 };
  const heard = { lastHeardMs: 1_000, lastHeardWallMs: 5, stopped: false };
  const hello = { ...helloOf({ id: 2, incarnation: "2a" }), addresses: [address, near] };
  const shown = [near, address].map((met) => {
    const rows = peerReports(1, status, [1, 2, 3], known([], { hello, address: met, ...heard }), 2);
    return rows.find(({ id }) => id === 2)?.address;
  });
  expect(shown).toEqual([address, address]);
});
