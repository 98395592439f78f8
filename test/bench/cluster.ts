/** Real nodes for the benchmark: the compiled executable, one process for each node, on loopback,
 *  with their data on a real disk. Single nodes can be killed and started again, and each
 *  process is asked what it used. */
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { openKey, RaftClient } from "../../src/index.ts";
import { executable, freePort, Running } from "../e2e/world.ts";
import { processUse, type ProcessUse } from "./process-use.ts";

export interface ClusterOptions {
  /** 3 unless given. */
  readonly nodes?: number;
  /** More flags of `raft up` for every node, such as `--mtu 1200`, or for each. */
  readonly args?: readonly string[] | ((id: number) => readonly string[]);
  /** What the executable is started by, such as `strace -D -f`; it must keep the process id. */
  readonly within?: (id: number) => readonly string[];
}

interface Slot {
  readonly id: number;
  readonly port: number;
  running: Running;
}

const READY_TIMEOUT_MS = 60_000;
const LEADER_TIMEOUT_MS = 10_000;

let clusters = 0;

export class Cluster {
  readonly name: string;
  /** Node N has its data in `DIRECTORY/N`. */
  readonly directory: string;
  readonly ids: readonly number[];
  readonly #options: ClusterOptions;
  readonly #multicastPort: number;
  readonly #slots = new Map<number, Slot>();
  readonly #clients: RaftClient[] = [];
  readonly #commands = new Set<Running>();

  private constructor(directory: string, multicastPort: number, options: ClusterOptions) {
    this.name = `bench-${process.pid.toString(36)}-${(++clusters).toString(36)}`;
    this.directory = directory;
    this.#multicastPort = multicastPort;
    this.#options = options;
    this.ids = Array.from({ length: options.nodes ?? 3 }, (_, at) => at + 1);
  }

  /** Founds a cluster with its data under `directory`; resolves when every node is ready. */
  static async start(directory: string, options: ClusterOptions = {}): Promise<Cluster> {
    const cluster = new Cluster(directory, await freePort(), options);
    mkdirSync(directory, { recursive: true });
    try {
      for (const id of cluster.ids) {
        const port = await freePort();
        cluster.#slots.set(id, { id, port, running: cluster.#spawn(id, port) });
      }
      await Promise.all(cluster.ids.map((id) => cluster.ready(id)));
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  get addresses(): readonly string[] {
    return [...this.#slots.values()].map(({ port }) => `127.0.0.1:${port}`);
  }

  /** What a command of the executable needs to meet this cluster and no other. */
  get environment(): Record<string, string> {
    return {
      PATH: process.env["PATH"] ?? "/usr/bin:/bin",
      HOME: this.directory,
      XDG_STATE_HOME: this.directory,
      XDG_CONFIG_HOME: this.directory,
      NO_COLOR: "1",
      RAFT_CLUSTER: this.name,
      RAFT_PEERS: this.addresses.join(","),
      ...this.#home,
    };
  }

  get #home(): Record<string, string> {
    return { RAFT_LOOPBACK: "1", RAFT_MULTICAST_PORT: String(this.#multicastPort) };
  }

  /** A client in this process; it is closed with the cluster. */
  async connect(): Promise<RaftClient> {
    const client = await RaftClient.connect({
      key: openKey(this.name),
      peers: this.addresses,
      loopbackOnly: true,
      multicastPort: this.#multicastPort,
    });
    this.#clients.push(client);
    return client;
  }

  /** Who leads, waiting for one. */
  async leader(): Promise<number> {
    const client = await this.connect();
    try {
      return (await client.leader({ wait: true, timeoutMs: LEADER_TIMEOUT_MS })).id;
    } finally {
      this.#clients.splice(this.#clients.indexOf(client), 1);
      await client.close();
    }
  }

  /** Somebody who does not lead; the highest id. */
  async follower(): Promise<number> {
    const leader = await this.leader();
    const id = this.ids.findLast((other) => other !== leader);
    if (id === undefined) throw new Error("there is no follower");
    return id;
  }

  pid(id: number): number {
    return this.#slot(id).running.pid;
  }

  isRunning(id: number): boolean {
    return this.#slot(id).running.isRunning;
  }

  /** Resolves when the node has said that it takes entries. */
  async ready(id: number): Promise<void> {
    await this.#slot(id).running.waitForLine(/\bready:/, READY_TIMEOUT_MS);
  }

  /** As a crash: SIGKILL. Resolves when the process is gone. */
  kill(id: number): Promise<void> {
    return this.#slot(id).running.kill();
  }

  /** In order, as Ctrl-C: a leader hands over first. */
  async end(id: number): Promise<void> {
    await this.#slot(id).running.stop();
  }

  /** A node that has ended, with its data, on its port; `ready` waits for it. */
  restart(id: number): void {
    const slot = this.#slot(id);
    if (slot.running.isRunning) throw new Error(`node ${id} still runs`);
    slot.running = this.#spawn(id, slot.port);
  }

  dataDirectory(id: number): string {
    return join(this.directory, String(id));
  }

  /** CPU and memory of each running node, by id. */
  use(): ReadonlyMap<number, ProcessUse> {
    const running = this.ids.filter((id) => this.isRunning(id));
    return new Map(running.map((id) => [id, processUse(this.pid(id))]));
  }

  /** Runs a command of the executable against this cluster. Throws unless it succeeds. */
  async command(args: readonly string[]): Promise<string> {
    const running = this.start(args);
    const { code } = await running.exited;
    if (code !== 0) throw new Error(`raft ${args.join(" ")}: ${code}\n${running.lines.join("\n")}`);
    return running.stdoutLines.join("\n");
  }

  /** Starts a command of the executable against this cluster; it ends with it at the latest. */
  start(args: readonly string[]): Running {
    const running = new Running(
      spawn(executable, args, { env: this.environment, cwd: this.directory, stdio: "pipe" }),
    );
    running.end();
    this.#commands.add(running);
    void running.exited.then(() => this.#commands.delete(running));
    return running;
  }

  /** Ends every node and every command. The data stays. */
  async stop(): Promise<void> {
    await Promise.all([...this.#commands].map((running) => running.kill()));
    await Promise.all(this.#clients.splice(0).map((client) => client.close()));
    await Promise.all([...this.#slots.values()].map(({ running }) => running.kill()));
  }

  #spawn(id: number, port: number): Running {
    const { within = () => [], args = [] } = this.#options;
    const own = typeof args === "function" ? args(id) : args;
    const up = ["up", "--id", String(id), "--size", String(this.ids.length)];
    const place = ["--port", String(port), "--data-dir", this.dataDirectory(id)];
    const [command = executable, ...words] = [...within(id), executable, ...up, ...place, ...own];
    const { RAFT_PEERS: _, ...env } = this.environment;
    return new Running(spawn(command, words, { env, cwd: this.directory, stdio: "pipe" }));
  }

  #slot(id: number): Slot {
    const slot = this.#slots.get(id);
    if (slot === undefined) throw new Error(`there is no node ${id}`);
    return slot;
  }
}
