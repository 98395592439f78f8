/** Discovery with real sockets on this machine's loopback, on a port of its own. */

import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { afterEach, describe, expect, it } from "vitest";
import { decodeDiscovery, encodeQuery } from "../../src/discovery/beacon.ts";
import { REJOIN_MS, SCAN_MS, broadcastOf } from "../../src/discovery/multicast-socket.ts";
import type { Beacon, DiscoveryOptions } from "../../src/discovery/types.ts";
import {
  type Voice,
  beaconOf,
  bootId,
  eventually,
  freePort,
  openVoice,
} from "./discovery-world.ts";

/** For programs that run beside this one. */
const WORLD = new URL("discovery-world.ts", import.meta.url).pathname;

const open: Voice[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map(({ discovery }) => discovery.close()));
});

async function voice(
  port: number,
  beacon: Beacon | null,
  parts: Partial<DiscoveryOptions> = {},
): Promise<Voice> {
  const opened = await openVoice(port, beacon === null ? null : () => beacon, parts);
  open.push(opened);
  return opened;
}

const idsHeard = ({ hints }: Voice): number[] =>
  [...new Set(hints.map(({ beacon }) => beacon.id))].sort((a, b) => a - b);

describe("on one machine", () => {
  it("a client's question is answered by every node, of every cluster", async () => {
    const port = await freePort();
    await voice(port, beaconOf(1));
    await voice(port, beaconOf(2));
    await voice(port, beaconOf(3, { cluster: "g4", auth: "key" }));
    const client = await voice(port, null);
    expect(
      await eventually(
        () => idsHeard(client).length === 3,
        () => client.discovery.query(),
      ),
    ).toBe(true);
    expect(client.hints.find(({ beacon }) => beacon.id === 2)).toMatchObject({
      beacon: beaconOf(2),
      address: { host: "127.0.0.1", port: 7_402 },
    });
    expect(client.discovery.report()).toMatchObject({
      interfaces: ["127.0.0.1"],
      ways: ["multicast"],
      deaf: [],
      problems: [],
    });
    expect(
      client.discovery
        .report()
        .heard.map(({ beacon }) => beacon.cluster)
        .sort(),
    ).toEqual(["g4", "raft", "raft"]);
  });

  it("a node is heard by its question alone, and does not hear itself", async () => {
    const port = await freePort();
    const one = await voice(port, beaconOf(1));
    const two = await voice(port, beaconOf(2));
    expect(
      await eventually(
        () => idsHeard(two).includes(1),
        () => one.discovery.query(),
      ),
    ).toBe(true);
    expect(
      await eventually(
        () => idsHeard(one).includes(2),
        () => one.discovery.query(),
      ),
    ).toBe(true);
    expect(idsHeard(one)).toEqual([2]);
  });

  it("an announcement reaches everybody, and a BYE makes them forget", async () => {
    const port = await freePort();
    let beacon = beaconOf(1, { state: { type: "leader", term: 7 } });
    const leader = await openVoice(port, () => beacon);
    open.push(leader);
    const listeners = [await voice(port, beaconOf(2)), await voice(port, null)];
    expect(
      await eventually(
        () => listeners.every(({ hints }) => hints.length > 0),
        () => leader.discovery.announce(),
      ),
    ).toBe(true);
    expect(listeners[1]?.discovery.report().heard[0]?.beacon.state).toEqual({
      type: "leader",
      term: 7,
    });
    beacon = { ...beacon, bye: true };
    expect(
      await eventually(
        () =>
          listeners.every(
            ({ hints, discovery }) =>
              hints.at(-1)?.beacon.bye && discovery.report().heard.length === 0,
          ),
        () => leader.discovery.announce(),
      ),
    ).toBe(true);
  });

  it("nodes in other processes are heard", async () => {
    const port = await freePort();
    const program = `
      import { beaconOf, openVoice } from "${WORLD}";
      const { discovery } = await openVoice(${port}, () => beaconOf(Number(process.argv[1] ?? 1)));
      process.stdout.write("open\\n");
      process.stdin.on("end", () => void discovery.close()).resume();
    `;
    const children = [1, 2, 3].map((id) =>
      spawn(process.execPath, ["-e", program, String(id)], { stdio: ["pipe", "pipe", "inherit"] }),
    );
    try {
      const client = await voice(port, null);
      expect(
        await eventually(
          () => idsHeard(client).length === 3,
          () => client.discovery.query(),
          15_000,
        ),
      ).toBe(true);
    } finally {
      for (const child of children) child.stdin.end();
      await Promise.all(
        children.map((child) => new Promise((resolve) => child.on("exit", resolve))),
      );
    }
  }, 30_000);
});

describe("without multicast", () => {
  it("a typed address is asked at its data port, and at its host's discovery port", async () => {
    const asked: number[] = [];
    const sockets = [await freePort(), await freePort()].map((port) => {
      const socket = createSocket("udp4");
      socket.on("message", (datagram) => {
        const decoded = decodeDiscovery(datagram);
        if (
          typeof decoded !== "string" &&
          decoded.type === "query" &&
          decoded.query.way === "unicast"
        )
          asked.push(port);
      });
      socket.bind(port, "127.0.0.1");
      return { socket, port };
    });
    const [data, discovery] = sockets;
    const elsewhere = await voice(discovery!.port, null, { peers: [`2=127.0.0.1:${data!.port}`] });
    expect(
      await eventually(
        () => new Set(asked).size === 2,
        () => elsewhere.discovery.query(),
      ),
    ).toBe(true);
    expect(elsewhere.discovery.report().ways).toEqual(["multicast", "peers"]);
    for (const { socket } of sockets) socket.close();
  });

  it("a question at a data socket is answered from there, and the asker becomes a hint", async () => {
    const node = await voice(await freePort(), beaconOf(2));
    const from = { host: "10.0.0.7", port: 40_000 };
    const question = encodeQuery({
      voice: bootId(99),
      interface: "0.0.0.0",
      way: "unicast",
      beacon: beaconOf(1),
    });
    const answer = node.discovery.receive(question, from);
    expect(answer === null ? null : decodeDiscovery(answer)).toEqual({
      type: "beacon",
      beacon: beaconOf(2),
    });
    expect(node.hints).toMatchObject([
      { beacon: { id: 1 }, address: { host: "10.0.0.7", port: 7_401 } },
    ]);
    expect(node.discovery.receive(Buffer.from("rB nonsense"), from)).toBeNull();
  });

  it("a node is looked for where it listens, and one on its own loopback is no hint", async () => {
    const client = await voice(await freePort(), null);
    const say = (beacon: Beacon): void => {
      const question = encodeQuery({
        voice: bootId(99),
        interface: "0.0.0.0",
        way: "unicast",
        beacon,
      });
      client.discovery.receive(question, { host: "10.0.0.8", port: 1 });
    };
    say(beaconOf(2, { host: "10.9.9.9" }));
    say(beaconOf(3, { host: "127.0.0.1" }));
    expect(client.hints.map(({ address }) => address)).toEqual([{ host: "10.9.9.9", port: 7_402 }]);
  });
});

describe("addresses to greet", () => {
  const remembered = [{ host: "10.0.0.9", port: 7_450 }];

  it("are the typed ones, expanded and resolved, and the remembered ones, each once", async () => {
    const resolve = async (name: string): Promise<string | null> =>
      name === "lab-08" ? "10.0.0.8" : null;
    const { openDiscovery, systemDiscoveryWorld } =
      await import("../../src/discovery/discovery.ts");
    const discovery = await openDiscovery(
      {
        loopbackOnly: true,
        peers: ["lab-08", "3=10.0.0.9:7450", "nowhere", "a b"],
        remembered,
        beacon: null,
        bootId: null,
        onHint: () => {},
        multicastPort: await freePort(),
        now: () => 0,
        after: () => () => {},
      },
      { ...systemDiscoveryWorld, resolve },
    );
    const addresses = await discovery.typedAddresses();
    expect(addresses).toHaveLength(10);
    expect(addresses[0]).toEqual({ host: "10.0.0.8", port: 7_401 });
    expect(addresses.at(-1)).toEqual(remembered[0]);
    expect(discovery.report().problems).toEqual([
      "--peers a b: expected HOST, HOST:PORT or ID=HOST:PORT, for example 10.0.0.8 or 2=lab-08:7402",
      "no IPv4 address is known for nowhere (--peers)",
    ]);
    await discovery.close();
  });
});

describe("over time", () => {
  it("the group is left and joined again, and questions are still heard", async () => {
    const port = await freePort();
    let nowMs = 0;
    let scan = (): void => {};
    const node = await voice(port, beaconOf(1), {
      now: () => nowMs,
      after: (delayMs, run) => {
        if (delayMs === SCAN_MS) scan = run;
        return () => {};
      },
    });
    const client = await voice(port, null);
    for (let round = 0; round < 3; round++) {
      nowMs += REJOIN_MS;
      scan();
      client.hints.length = 0;
      const heard = await eventually(
        () => idsHeard(client).includes(1),
        () => client.discovery.query(),
      );
      expect([round, heard]).toEqual([round, true]);
    }
    expect(node.discovery.report().interfaces).toEqual(["127.0.0.1"]);
  });

  it("of a flood only so much is opened", async () => {
    let nowMs = 0;
    const node = await voice(await freePort(), beaconOf(1), { now: () => nowMs });
    const question = encodeQuery({
      voice: bootId(99),
      interface: "0.0.0.0",
      way: "unicast",
      beacon: beaconOf(2),
    });
    const from = { host: "10.0.0.7", port: 1 };
    for (let at = 0; at < 20_000; at++) node.discovery.receive(question, from);
    expect(node.hints).toHaveLength(4_000);
    nowMs += 1_000;
    for (let at = 0; at < 20_000; at++) node.discovery.receive(question, from);
    expect(node.hints).toHaveLength(6_000);
  });
});

describe("where the network refuses", () => {
  it("a discovery port held by another program is a sentence, and asking still works", async () => {
    const other = createSocket("udp4");
    const port = await new Promise<number>((resolve) => {
      other.bind({ address: "0.0.0.0", port: 0, exclusive: true }, () =>
        resolve(other.address().port),
      );
    });
    const client = await voice(port, null);
    const heard = new Promise((resolve) => other.on("message", resolve));
    client.discovery.query();
    expect(client.discovery.report().problems).toEqual([
      expect.stringContaining(`the discovery port ${port} cannot be opened`),
    ]);
    expect(client.discovery.report().deaf).toEqual([]);
    other.addMembership("239.255.82.70", "127.0.0.1");
    client.discovery.query();
    await heard;
    other.close();
  });

  it("closing twice, and asking after it, does nothing", async () => {
    const node = await voice(await freePort(), beaconOf(1));
    await node.discovery.close();
    node.discovery.query();
    node.discovery.announce();
    await node.discovery.close();
    expect(node.discovery.report().interfaces).toEqual([]);
  });
});

it("the broadcast address ends in ones, and a network of two hosts has none", () => {
  expect(broadcastOf("10.1.2.3", "255.255.255.0")).toBe("10.1.2.255");
  expect(broadcastOf("172.16.5.9", "255.255.240.0")).toBe("172.16.15.255");
  expect(broadcastOf("10.1.2.3", "255.255.255.254")).toBeNull();
  expect(broadcastOf("10.1.2.3", "255.255.255.255")).toBeNull();
});
