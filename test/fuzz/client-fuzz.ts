/** Hostile responses to the client library, on virtual time: bodies with bytes changed, fields
 *  replaced, other answers than were asked for. Every call ends in time with a result or a
 *  RaftError. */

import { RaftClient } from "../../src/client/client.ts";
import { RaftError } from "../../src/client/types.ts";
import type { ClientWorld } from "../../src/client/world.ts";
import { unpack } from "../../src/transport/messagepack.ts";
import { encodeResponse } from "../../src/transport/request-codec.ts";
import type { Frame } from "../../src/transport/types.ts";
import { FakeCluster, KEY } from "../client/fake-world.ts";
import { Rolls, mutate } from "./bytes.ts";
import { responses } from "./frames.ts";
import { EDGES, disfigure, packHostile } from "./hostile-pack.ts";

const TIMEOUT_MS = 400;
/** Virtual time that a call may take beyond its timeout: the last words of others. */
const GRACE_MS = 2_000;
const CALLS_PER_CLUSTER = 12;

export class ClientFuzz {
  readonly seed: number;
  readonly failures: string[] = [];
  readonly counts = { calls: 0, hostile: 0, results: 0, refusals: 0 };
  readonly #rolls: Rolls;
  readonly #scratch = new Uint8Array(65_536);

  constructor(seed: number) {
    this.seed = seed;
    this.#rolls = new Rolls(seed);
  }

  /** A cluster, a client and some calls; false after a failure, which is noted. */
  async next(): Promise<boolean> {
    const cluster = new FakeCluster(3, this.#rolls.u32());
    cluster.elect(1);
    const client = await RaftClient.connect({ key: KEY }, this.#worldOf(cluster));
    for (let call = 0; call < CALLS_PER_CLUSTER; call++) {
      const kind = this.#rolls.pick(CALLS);
      const startedMs = cluster.time.nowMs;
      this.counts.calls++;
      try {
        await cluster.time.settled(kind.run(client, this.#rolls));
        this.counts.results++;
      } catch (error) {
        this.counts.refusals++;
        if (!(error instanceof RaftError))
          this.failures.push(
            `${kind.name}: ${String(error)} ${error instanceof Error ? error.stack : ""}`,
          );
      }
      const tookMs = cluster.time.nowMs - startedMs;
      if (tookMs > TIMEOUT_MS + GRACE_MS) this.failures.push(`${kind.name} took ${tookMs} ms`);
      if (this.failures.length === 0) continue;
      this.failures.push(`seed ${this.seed}, call ${this.counts.calls}`);
      return false;
    }
    await cluster.time.settled(client.close());
    return true;
  }

  /** The cluster's world, with some of its answers spoilt on the way. */
  #worldOf(cluster: FakeCluster): ClientWorld {
    const { world } = cluster;
    return {
      ...world,
      openWire: (options, listener) =>
        world.openWire(options, {
          ...listener,
          onFrame: (connection, frame, nowMs) =>
            listener.onFrame(connection, this.#spoilt(frame), nowMs),
        }),
    };
  }

  #spoilt(frame: Frame): Frame {
    const rolls = this.#rolls;
    if (frame.type !== "response" || rolls.oneIn(2)) return frame;
    this.counts.hostile++;
    const body = new Uint8Array(frame.body);
    switch (rolls.below(5)) {
      case 0:
        mutate(rolls, body, 0, body.length);
        return { ...frame, body };
      case 1:
        return { ...frame, body: encodeResponse(rolls.pick(responses(rolls))) };
      case 2:
        return { ...frame, requestId: rolls.pick(EDGES) };
      case 3:
        return { ...frame, body: body.subarray(0, rolls.below(body.length)) };
      default: {
        const fields = unpack(body);
        if (typeof fields === "string") return frame;
        const end = packHostile(this.#scratch, 0, disfigure(rolls, fields));
        return { ...frame, body: this.#scratch.slice(0, end) };
      }
    }
  }
}

const timeoutMs = TIMEOUT_MS;

const CALLS: readonly {
  readonly name: string;
  readonly run: (client: RaftClient, rolls: Rolls) => Promise<unknown>;
}[] = [
  { name: "send", run: (client, rolls) => client.send(`entry ${rolls.u32()}`, { timeoutMs }) },
  { name: "status", run: (client) => client.status({ timeoutMs }) },
  { name: "leader", run: (client) => client.leader({ timeoutMs }) },
  {
    name: "log",
    run: async (client, rolls) => {
      let entries = 0;
      for await (const { index } of client.log({ timeoutMs, to: 1 + rolls.below(9) })) {
        if (index > 0 && ++entries >= 20) break;
      }
      return entries;
    },
  },
];
