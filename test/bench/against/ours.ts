/** Our own side: three nodes of the compiled executable with default settings, loaded through the
 *  public library. */
import { execFileSync } from "node:child_process";
import { openKey, RaftClient } from "../../../src/index.ts";
import { executable } from "../../e2e/world.ts";
import { Cluster } from "../cluster.ts";
import { Expected, type Numbers } from "./entry.ts";
import type { Servers, Side, Target } from "./side.ts";
import type { Answers, Puts } from "./wire.ts";

const TIMEOUT_MS = 30_000;

export const ours: Side = {
  name: "raft",
  about: "defaults: fdatasync before each acknowledgement, every datagram sealed, sessions",
  checked: "all read back, each once, whole, at the index of its acknowledgement",
  unavailable: () => null,
  version: () => execFileSync(executable, ["version"], { encoding: "utf8" }).trim(),
  start: async (directory) => new OurServers(await Cluster.start(directory)),
};

class OurServers implements Servers {
  readonly #cluster: Cluster;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  get pids(): readonly number[] {
    return this.#cluster.ids.map((id) => this.#cluster.pid(id));
  }

  get target(): Target {
    const { name, addresses, environment } = this.#cluster;
    const multicastPort = Number(environment["RAFT_MULTICAST_PORT"]);
    return { side: "ours", cluster: name, peers: addresses, multicastPort };
  }

  /** Reads the log: every entry once, whole, at the index that its acknowledgement gave. */
  async verify(size: number, runs: readonly Numbers[]): Promise<number> {
    const expected = new Expected("the log", size, runs);
    const client = await this.#cluster.connect();
    for await (const { index, bytes } of client.log({ timeoutMs: TIMEOUT_MS }))
      expected.found(bytes, index);
    expected.inPlace();
    return expected.all();
  }

  stop(): Promise<void> {
    return this.#cluster.stop();
  }
}

/** A socket with so many sessions: independent clients, as on a server that sends for many. What is
 *  sent in one turn leaves together by itself. */
export async function openOurPuts(
  target: Extract<Target, { side: "ours" }>,
  answers: Answers,
  sessions: number,
): Promise<Puts> {
  const { cluster, peers, multicastPort } = target;
  const key = openKey(cluster);
  const client = await RaftClient.connect({ key, peers, multicastPort, loopbackOnly: true });
  const options = { timeoutMs: TIMEOUT_MS };
  const failed = (error: unknown) => answers.failed(String(error));
  const senders = [client, ...Array.from({ length: sessions - 1 }, () => client.session())];
  const ofSlot = new Map<number, (typeof senders)[number]>();
  let slots = 0;
  return {
    put(slot, _number, entry) {
      let sender = ofSlot.get(slot);
      if (sender === undefined) {
        sender = senders[slots++ % sessions] ?? client;
        ofSlot.set(slot, sender);
      }
      sender.send(entry, options).then(({ index }) => answers.acknowledged(slot, index), failed);
    },
    flush() {},
    close: () => client.close(),
  };
}
