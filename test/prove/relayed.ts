/** A cluster of the compiled executable whose nodes reach each other only through a relay, and a
 *  client in this process whose own way to every node is clean. No root. */
import type { NodeId } from "../../src/base/types.ts";
import { openKey, RaftClient } from "../../src/index.ts";
import { freePort, type Running, until, World } from "../e2e/world.ts";
import { Relay, type RelayedNode } from "./relay.ts";

const READY_MS = 60_000;

export class RelayedCluster {
  readonly world: World;
  readonly relay: Relay;
  readonly client: RaftClient;
  readonly processes: ReadonlyMap<NodeId, Running>;

  private constructor(
    world: World,
    relay: Relay,
    client: RaftClient,
    processes: ReadonlyMap<NodeId, Running>,
  ) {
    this.world = world;
    this.relay = relay;
    this.client = client;
    this.processes = processes;
  }

  /** Founds a cluster of `count` nodes with datagrams as on a network (1,200 bytes). */
  static async start(count: number, seed: number): Promise<RelayedCluster> {
    const world = new World();
    let relay: Relay | null = null;
    try {
      const nodes: RelayedNode[] = [];
      for (let id = 1; id <= count; id++)
        nodes.push({ id, address: { host: "127.0.0.1", port: await freePort() } });
      relay = await Relay.open(nodes, seed);
      const processes = new Map<NodeId, Running>();
      for (const node of nodes) {
        const { flags, env } = relay.nodeArguments(node);
        const words = ["up", "--id", String(node.id), "--size", String(count), "--mtu", "1200"];
        processes.set(node.id, world.start([...words, ...flags], { env: { ...env } }));
      }
      await Promise.all(
        [...processes.values()].map((each) => each.waitForLine(/\bready:/, READY_MS)),
      );
      const client = await RaftClient.connect({
        key: openKey(world.cluster),
        loopbackOnly: true,
        peers: nodes.map(({ id, address }) => `${id}=${address.host}:${address.port}`),
        // Its beacons would find nobody: nodes have multicast ports of their own.
        multicastPort: await freePort(),
      });
      return new RelayedCluster(world, relay, client, processes);
    } catch (error) {
      await relay?.close();
      await world.end();
      throw error;
    }
  }

  /** The term that a leader holds now, waited for. */
  async leader(timeoutMs = 20_000): Promise<{ id: NodeId; term: number }> {
    const { id, term } = await this.client.leader({ wait: true, timeoutMs });
    return { id, term };
  }

  /** Until every node has committed what the leader has. */
  async settled(timeoutMs = 30_000): Promise<void> {
    await until(
      "all nodes hold the same",
      async () => {
        const { rows, healthy } = await this.client.status();
        const [first] = rows;
        return (
          healthy &&
          rows.length === this.processes.size &&
          rows.every(({ commitIndex }) => commitIndex === first?.commitIndex)
        );
      },
      timeoutMs,
      100,
    );
  }

  async end(): Promise<void> {
    await this.client.close();
    await this.relay.close();
    await this.world.end();
  }
}
