/** Anything may arrive at a port. While random datagrams of every size, damaged ones and old ones
 *  come in at the data ports and at the discovery port, the cluster goes on under the same leader,
 *  and afterwards nothing is missing. */
import { randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { describe, expect, it, onTestFinished } from "vitest";
import { cluster, type World } from "./harness.ts";

const DATAGRAM_BYTES_MAX = 65_507;
const DISCOVERY_GROUP = "239.255.82.70";
const DISCOVERY_PORT = 7400;
/** So patient that a busy machine alone does not change the leader. */
const PATIENT = ["--election", "2s"];

function openSocket(): Socket {
  const socket = createSocket({ type: "udp4", reuseAddr: true });
  socket.on("error", () => {
    // An ICMP answer to an earlier datagram: of no interest here.
  });
  onTestFinished(() => void socket.close());
  return socket;
}

/** Sends one datagram and waits until the kernel has it; refusals do not matter. */
function send(socket: Socket, bytes: Uint8Array, port: number): Promise<void> {
  return new Promise((resolve) => socket.send(bytes, port, "127.0.0.1", () => resolve()));
}

async function dataPorts(made: World): Promise<number[]> {
  const status = JSON.parse(await made.must(["status", "--json"])) as {
    nodes: { address: string }[];
  };
  return status.nodes.map(({ address }) => Number(address.split(":")[1]));
}

async function leader(made: World): Promise<unknown> {
  const { id, term } = JSON.parse(await made.must(["leader", "--json"])) as {
    id: number;
    term: number;
  };
  return { id, term };
}

/** Sends one entry after the other until `work` is done; all must succeed. Returns how many. */
async function sendWhile(made: World, work: Promise<void>): Promise<number> {
  const progress = { isDone: false };
  const done = work.finally(() => (progress.isDone = true));
  let sent = 0;
  for (; !progress.isDone; sent++) await made.must(["send", "-q", `entry ${sent}`]);
  await done;
  return sent;
}

async function expectWhole(made: World, sent: number): Promise<void> {
  const log = await made.must(["log", "--raw"]);
  expect(log).toBe(Array.from({ length: sent }, (_, at) => `entry ${at}\n`).join(""));
}

describe("a cluster under", () => {
  it("random datagrams of every size goes on under the same leader", async () => {
    const { world: made, nodes } = await cluster(3, { flags: PATIENT });
    const [before, ports] = [await leader(made), await dataPorts(made)];
    const socket = openSocket();
    const noise = randomBytes(DATAGRAM_BYTES_MAX * 2);
    const bombard = async () => {
      for (let size = 0; size <= DATAGRAM_BYTES_MAX; size++) {
        const start = (size * 7919) % DATAGRAM_BYTES_MAX;
        const bytes = noise.subarray(start, start + size);
        const port = size % 4 === 0 ? DISCOVERY_PORT : (ports[size % ports.length] ?? 0);
        await send(socket, bytes, port);
        // Every port gets the small ones, where the readers of headers are.
        if (size < 512)
          for (const each of [...ports, DISCOVERY_PORT]) await send(socket, bytes, each);
      }
    };
    const sent = await sendWhile(made, bombard());
    expect(sent).toBeGreaterThan(0);
    await expectWhole(made, sent);
    const said = nodes.flatMap((node) => node.lines).join("\n");
    expect(await leader(made), said).toEqual(before);
    expect(nodes.every((node) => node.isRunning)).toBe(true);
  });

  it("damaged and repeated announcements and greetings goes on under the same leader", async () => {
    const ears = openSocket();
    await new Promise<void>((resolve) => ears.bind(DISCOVERY_PORT, () => resolve()));
    ears.addMembership(DISCOVERY_GROUP, "127.0.0.1");
    // Nodes greet this address, so that real, sealed greetings are at hand as well.
    const greeted = openSocket();
    await new Promise<void>((resolve) => greeted.bind(0, "127.0.0.1", () => resolve()));
    const heard: Uint8Array[] = [];
    const greetings: Uint8Array[] = [];
    ears.on("message", (bytes) => void (heard.length < 100 && heard.push(bytes)));
    greeted.on("message", (bytes) => void (greetings.length < 100 && greetings.push(bytes)));
    const { world: made, nodes } = await cluster(3, {
      flags: [...PATIENT, "--peers", `127.0.0.1:${greeted.address().port}`],
    });
    const [before, ports] = [await leader(made), await dataPorts(made)];
    const replay = async () => {
      const untilMs = performance.now() + 6_000;
      for (let turn = 0; performance.now() < untilMs; turn++) {
        if (turn % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 10));
        const from = turn % 2 === 0 ? heard : greetings;
        const original = from[turn % Math.max(1, from.length)];
        if (original === undefined) continue;
        const bytes = Uint8Array.from(original);
        if (turn % 3 !== 0) {
          const at = turn % bytes.length;
          bytes[at] = (bytes[at] ?? 0) ^ (1 << (turn % 8));
        }
        const cut = turn % 5 === 0 ? bytes.subarray(0, turn % bytes.length) : bytes;
        for (const port of [DISCOVERY_PORT, ...ports]) await send(greeted, cut, port);
      }
    };
    const sent = await sendWhile(made, replay());
    expect(heard.length, "announcements were heard").toBeGreaterThan(0);
    expect(greetings.length, "greetings were heard").toBeGreaterThan(0);
    await expectWhole(made, sent);
    const said = nodes.flatMap((node) => node.lines).join("\n");
    expect(await leader(made), said).toEqual(before);
    expect(nodes.every((node) => node.isRunning)).toBe(true);
  });
});
