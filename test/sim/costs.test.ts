/** What an entry costs, counted and not timed: datagrams, bytes on the wire, syncs, bytes of log.
 *  The whole cluster runs in simulated time with the production code, so the counts are the same on
 *  every machine, however busy: the bounds are tight. A count that rises is a regression of speed
 *  (`npm run bench` says how much); one that falls for good deserves a lower bound here. */

import { describe, expect, it } from "vitest";
import type { RaftClient } from "../../src/client/client.ts";
import { CALM } from "../../src/sim/network.ts";
import { Stage } from "./stage.ts";

const ENTRY = "x".repeat(100);

/** For each acknowledged entry. */
interface Costs {
  /** Between nodes. */
  readonly datagrams: number;
  readonly wireBytes: number;
  /** Of all nodes, of whatever file. */
  readonly syncs: number;
  /** Of one node's records. */
  readonly logBytes: number;
}

/** A closed loop of `outstanding` entries of 100 B from each client; the network takes 0.1 ms and a
 *  disk syncs in 0.5 ms, every time. */
async function costsOf(nodes: number, clients: number, outstanding: number): Promise<Costs> {
  const entries = clients * outstanding * 40 + 200;
  const stage = await Stage.founded({
    nodes,
    datagramBytes: 60_000,
    quality: { ...CALM, delayMinMs: 0.1, delayMaxMs: 0.1 },
    disk: { syncMinMs: 0.5, syncMaxMs: 0.5, slow: 0, slowMs: 0 },
    limits: {
      segmentBytesMin: 16 << 20,
      segmentBytesMax: 32 << 20,
      tailBytesMax: 16 << 20,
      tailPageBytes: 512 << 10,
      sessionsMax: 64,
    },
  });
  const senders: RaftClient[] = [];
  while (senders.length < clients) senders.push(await stage.client());
  for (const client of senders) await stage.send(client, ENTRY);
  const leader = stage.leader();
  if (leader === null) throw new Error("nobody leads");
  const { log } = stage.member(leader.id);
  const firstIndex = log.lastIndex + 1;
  // The next segment is filled first: without haste, and not for these entries.
  await stage.pass(20);
  const counted = countFromNow(stage);
  let begun = 0;
  const work = async (client: RaftClient): Promise<void> => {
    while (begun++ < entries) await client.send(ENTRY);
  };
  const loops = senders.flatMap((client) =>
    Array.from({ length: outstanding }, () => work(client)),
  );
  await stage.settled("all entries", Promise.all(loops));
  let logBytes = 0;
  for (let index = firstIndex; index <= log.lastIndex;) {
    const read = log.read(index, 1);
    if (read === null) throw new Error(`entry ${index} cannot be read`);
    logBytes += read.bytes.length;
    index = read.lastIndex + 1;
  }
  return {
    datagrams: counted.datagrams / entries,
    wireBytes: counted.wireBytes / entries,
    syncs: counted.syncs / entries,
    logBytes: logBytes / entries,
  };
}

function countFromNow(stage: Stage): { datagrams: number; wireBytes: number; syncs: number } {
  const counted = { datagrams: 0, wireBytes: 0, syncs: 0 };
  const hosts = new Set([...stage.cluster.machines.values()].map(({ host }) => host));
  stage.cluster.network.recorder = (from, to, datagram) => {
    if (!hosts.has(from.host) || !hosts.has(to.host)) return;
    counted.datagrams++;
    counted.wireBytes += datagram.length;
  };
  stage.onSync = () => void counted.syncs++;
  return counted;
}

describe("what an entry costs does not rise", () => {
  it.each([
    // One at a time: an append and an acknowledgement for each follower, a sync on each node.
    [3, 1, 1, { datagrams: 4.3, wireBytes: 680, syncs: 3.2, logBytes: 173 }],
    [3, 1, 64, { datagrams: 0.075, wireBytes: 235, syncs: 0.055, logBytes: 104 }],
    [3, 1, 1_000, { datagrams: 0.0095, wireBytes: 220, syncs: 0.0035, logBytes: 103 }],
    [5, 1, 64, { datagrams: 0.15, wireBytes: 470, syncs: 0.09, logBytes: 104 }],
    // A record each, but one write, one sync and one datagram for many of them.
    [3, 50, 1, { datagrams: 0.092, wireBytes: 400, syncs: 0.07, logBytes: 173 }],
  ])("%i nodes, %i clients, %i outstanding each", async (nodes, clients, outstanding, most) => {
    const costs = await costsOf(nodes, clients, outstanding);
    const tooMuch = Object.entries(most).filter(([what, atMost]) => {
      return !(costs[what as keyof Costs] <= atMost);
    });
    expect(tooMuch, JSON.stringify(costs)).toEqual([]);
  });
});
