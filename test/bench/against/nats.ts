/** Three servers of NATS with a JetStream stream of three replicas in files, on loopback, with the
 *  defaults of Debian's package. By default it does not sync: what it acknowledged is in the memory
 *  of a majority of the servers, and on their disks some minutes later. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Running, until } from "../../e2e/world.ts";
import { freePorts } from "../free-ports.ts";
import { Expected, type Numbers } from "./entry.ts";
import { NatsRequests } from "./nats-requests.ts";
import { installed, type Servers, type Side, startServers, stopServers } from "./side.ts";

export const NATS_SUBJECT = "bench";
const STREAM = "BENCH";
const READY_TIMEOUT_MS = 30_000;
/** Entries of a run that are read back. */
const SAMPLES = 1_000;

const CHECKED = "all counted, a thousand a round read back";

export const nats: Side = {
  name: "nats",
  about:
    "JetStream, a stream of 3 replicas in files, defaults: NOT synced before an acknowledgement",
  checked: CHECKED,
  unavailable,
  version,
  start: startNats,
};

/** A server writes an entry into the log of its group before it acknowledges, and that entry again
 *  into the stream, each with a call of its own. `chattr +S` makes the kernel put each write on the
 *  disk before it returns. */
export const natsSynced: Side = {
  name: "nats-sync",
  about:
    "the same, its files with the synchronous attribute (chattr +S): every write is on the disk",
  checked: CHECKED,
  unavailable: () => unavailable() ?? (hasSynchronousFiles() ? null : NO_SYNCHRONOUS_FILES),
  version,
  start(directory) {
    execFileSync("chattr", ["+S", directory]);
    return startNats(directory);
  },
};

const NO_SYNCHRONOUS_FILES = `chattr +S does not work in ${tmpdir()}`;

function hasSynchronousFiles(): boolean {
  const directory = mkdtempSync(join(tmpdir(), "raft-against-"));
  try {
    return spawnSync("chattr", ["+S", directory]).status === 0;
  } finally {
    rmdirSync(directory);
  }
}

function unavailable(): string | null {
  return installed("nats-server") === null
    ? "nats-server is not installed: apt-get install nats-server"
    : null;
}

function version(): string {
  const command = installed("nats-server") ?? "nats-server";
  const said = execFileSync(command, ["--version"], { encoding: "utf8" });
  return /v([\d.]+)/.exec(said)?.[1] ?? "unknown";
}

async function startNats(directory: string): Promise<Servers> {
  const ports = await freePorts(6);
  const routes = ports.slice(3).map((port) => `nats://127.0.0.1:${port}`);
  const servers = startServers(installed("nats-server") ?? "nats-server", directory, (id, own) => {
    const file = join(own, "server.conf");
    const lines = [
      `server_name: s${id}`,
      `listen: "127.0.0.1:${ports[id - 1]}"`,
      `jetstream { store_dir: "${join(own, "store")}" }`,
      `cluster { name: bench, listen: "127.0.0.1:${ports[id + 2]}", routes: ${JSON.stringify(routes)} }`,
    ];
    writeFileSync(file, `${lines.join("\n")}\n`);
    return ["-c", file];
  });
  try {
    const make = () => makeStream(ports[0] ?? 0);
    const leader = await until("NATS makes a stream", make, READY_TIMEOUT_MS);
    return new NatsServers(servers, ports[Number(leader.slice(1)) - 1] ?? 0);
  } catch (error) {
    await stopServers(servers);
    const last = servers[0]?.lines.slice(-5).join("\n");
    throw new Error(`nats-server did not start:\n${last}`, { cause: error });
  }
}

/** Makes the stream if it is not there; the name of the server that leads it, null while none
 *  does. */
async function makeStream(port: number): Promise<string | null> {
  const requests = await NatsRequests.open(port).catch(() => null);
  if (requests === null) return null;
  try {
    const replicas = { num_replicas: 3, storage: "file", retention: "limits" };
    const stream = { name: STREAM, subjects: [NATS_SUBJECT], ...replicas };
    await requests.ask(`$JS.API.STREAM.CREATE.${STREAM}`, stream);
    const { cluster } = await infoOf(requests);
    const followers = cluster?.replicas ?? [];
    const isWhole = followers.length === 2 && followers.every(({ current }) => current);
    return isWhole ? (cluster?.leader ?? null) : null;
  } catch {
    return null;
  } finally {
    requests.close();
  }
}

interface StreamInfo {
  readonly cluster?: {
    readonly leader?: string;
    readonly replicas?: readonly { readonly name: string; readonly current: boolean }[];
  };
  readonly state?: { readonly messages: number; readonly last_seq: number };
}

async function infoOf(requests: NatsRequests): Promise<StreamInfo> {
  return (await requests.ask(`$JS.API.STREAM.INFO.${STREAM}`, {})) as StreamInfo;
}

class NatsServers implements Servers {
  readonly #servers: readonly Running[];
  readonly #port: number;

  constructor(servers: readonly Running[], port: number) {
    this.#servers = servers;
    this.#port = port;
  }

  get pids(): readonly number[] {
    return this.#servers.map(({ pid }) => pid);
  }

  get target() {
    return { side: "nats", port: this.#port } as const;
  }

  /** The stream has as many messages as were acknowledged; of these a sample is read back. */
  async verify(size: number, runs: readonly Numbers[]): Promise<number> {
    const written = runs.reduce((sum, { count }) => sum + count, 0);
    const sampled = new Expected("NATS", size, runs);
    const requests = await NatsRequests.open(this.#port);
    try {
      const { state } = await infoOf(requests);
      if (state?.messages !== written || state.last_seq !== written)
        throw new Error(`NATS acknowledged ${written} entries and holds ${state?.messages}`);
      const step = Math.max(1, Math.floor(written / SAMPLES));
      for (let seq = 1; seq <= written; seq += step) {
        const answer = await requests.ask(`$JS.API.STREAM.MSG.GET.${STREAM}`, { seq });
        const { message } = answer as { readonly message?: { readonly data: string } };
        sampled.found(Buffer.from(message?.data ?? "", "base64"), seq);
      }
      return written;
    } finally {
      requests.close();
    }
  }

  stop(): Promise<void> {
    return stopServers(this.#servers);
  }
}
