/** One small cluster of real processes on loopback to which a mishap of identity happens, and what
 *  must hold of it whatever happened: one cluster, nothing acknowledged lost or doubled. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { NodeId } from "../../src/base/types.ts";
import { type RunOptions, type Running, until, World } from "../e2e/world.ts";

/** Several worlds share this machine, and what is asked has nothing to do with time. */
const FLAGS = ["--election", "1s"] as const;
const SEND_TIMEOUT = "20s";
const READY_MS = 60_000;
/** Who became a member says so with the first digits of the cluster's id. */
const FOUNDED = /founded cluster \S+ \(([0-9a-f]+)\)/;

export class Stage {
  readonly world: World;
  /** The process that now runs under each id. */
  readonly nodes = new Map<NodeId, Running>();
  /** Every process that was started. */
  readonly started: { readonly id: NodeId; readonly running: Running }[] = [];
  readonly #acknowledged = new Map<string, number>();
  #sends = 0;

  constructor(cluster?: string) {
    this.world = new World(cluster === undefined ? {} : { cluster });
  }

  up(id: NodeId, flags: readonly string[] = [], options: RunOptions = {}): Running {
    const running = this.world.start(["up", "--id", String(id), ...FLAGS, ...flags], options);
    this.started.push({ id, running });
    this.nodes.set(id, running);
    return running;
  }

  node(id: NodeId): Running {
    const running = this.nodes.get(id);
    if (running === undefined) throw new Error(`node ${id} was not started`);
    return running;
  }

  directoryOf(id: NodeId): string {
    return join(this.world.directory, "state", "raft", this.world.cluster, String(id));
  }

  /** The process ends as in a crash, and its machine is installed anew. */
  async wipe(id: NodeId): Promise<void> {
    await this.node(id).kill();
    rmSync(this.directoryOf(id), { recursive: true, force: true });
  }

  async ready(ids: Iterable<NodeId> = this.nodes.keys()): Promise<void> {
    await Promise.all([...ids].map((id) => this.node(id).waitForLine(/\bready:/, READY_MS)));
  }

  /** Sends one entry of its own; its exit code. What was acknowledged is remembered. */
  async send(options: RunOptions = {}): Promise<number | null> {
    const text = `entry ${++this.#sends} of ${this.world.cluster}`;
    const args = ["send", "--json", text, "--timeout", SEND_TIMEOUT];
    const { code, stdout } = await this.world.run(args, options);
    if (code === 0) this.#acknowledged.set(text, (JSON.parse(stdout) as { index: number }).index);
    return code;
  }

  async mustSend(options: RunOptions = {}): Promise<void> {
    const code = await this.send(options);
    if (code !== 0) throw new Error(`a send ended with ${code}`);
  }

  /** Every acknowledged entry is in the log, once, at its index. */
  async checkLog(options: RunOptions = {}): Promise<void> {
    const text = await this.world.must(["log", "--json", "--timeout", SEND_TIMEOUT], options);
    const found = new Map<string, number[]>();
    for (const line of text.split("\n").filter((each) => each !== "")) {
      const { index, entry } = JSON.parse(line) as { index: number; entry: string };
      found.set(entry, [...(found.get(entry) ?? []), index]);
    }
    for (const [entry, index] of this.#acknowledged) {
      const at = found.get(entry) ?? [];
      if (at.length !== 1 || at[0] !== index)
        throw new Error(`"${entry}" was acknowledged at ${index} and is at [${at.join(" ")}]`);
    }
    const doubled = [...found].find(([, at]) => at.length > 1);
    if (doubled !== undefined) throw new Error(`"${doubled[0]}" is at ${doubled[1].join(" ")}`);
  }

  /** The ids of the clusters that processes became members of. */
  clusterIds(): readonly string[] {
    const ids = this.started.flatMap(({ running }) =>
      running.lines.flatMap((line) => FOUNDED.exec(line)?.[1] ?? []),
    );
    return [...new Set(ids)];
  }

  checkOneCluster(): void {
    const ids = this.clusterIds();
    if (ids.length > 1) throw new Error(`a split: clusters ${ids.join(" and ")}`);
  }

  /** A refusal is an exit with 8 and says what to do. */
  static async checkRefused(running: Running, ...patterns: readonly RegExp[]): Promise<void> {
    const timer = setTimeout(() => void running.kill(), READY_MS);
    const { code } = await running.exited;
    clearTimeout(timer);
    if (code !== 8) throw new Error(`refused with ${code} instead of 8`);
    Stage.checkSaid(running, ...patterns);
  }

  static checkSaid(running: Running, ...patterns: readonly RegExp[]): void {
    const text = running.lines.join("\n");
    for (const pattern of patterns)
      if (!pattern.test(text))
        throw new Error(`nothing like ${String(pattern)} was said:\n${text}`);
  }

  async healthy(): Promise<void> {
    await until(
      "all voters are there",
      async () => (await this.world.run(["status", "--check"])).code === 0,
      READY_MS,
      200,
    );
  }

  /** What everybody said, for a report of what broke. */
  transcript(): string {
    return this.started
      .map(({ id, running }) => running.lines.map((line) => `  ${id}: ${line}`).join("\n"))
      .join("\n  --\n");
  }

  end(): Promise<void> {
    return this.world.end();
  }
}
