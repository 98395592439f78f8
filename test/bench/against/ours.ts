/** Our own side: three nodes of the compiled executable with default settings, loaded through the
 *  public library. */
import { openKey, RaftClient } from "../../../src/index.ts";
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
  version: () => "this one",
  start: async (directory) => new OurServers(await Cluster.start(directory)),
};

class OurServers implements Servers {
  readonly #cluster: Cluster;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** Each client is one of its own, with a socket and a session. */
  readonly connectionsMax = Infinity;

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

/** One client of the cluster. It gathers what is sent in one turn by itself. */
export async function openOurPuts(
  target: Extract<Target, { side: "ours" }>,
  answers: Answers,
): Promise<Puts> {
  const { cluster, peers, multicastPort } = target;
  const key = openKey(cluster);
  const client = await RaftClient.connect({ key, peers, multicastPort, loopbackOnly: true });
  return {
    put(slot, _number, entry) {
      void client.send(Uint8Array.from(entry), { timeoutMs: TIMEOUT_MS }).then(
        ({ index }) => answers.acknowledged(slot, index),
        (error: unknown) => answers.failed(String(error)),
      );
    },
    flush() {},
    close: () => client.close(),
  };
}
