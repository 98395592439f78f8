/** The nodes of one cluster for a campaign: the compiled executable, one process each, to be
 *  killed, paused and started again without end. */
import { readFileSync } from "node:fs";
import {
  type ClientOptions,
  type NodeId,
  openKey,
  RaftClient,
  type Term,
} from "../../src/index.ts";
import { DEFAULT_TIMINGS } from "../../src/node/types.ts";
import { freePort, type Running, until, World } from "../e2e/world.ts";

export interface NodesOptions {
  readonly size?: number;
  /** More flags of `raft up`, such as `--election 120ms`. */
  readonly flags?: readonly string[];
}

/** Short elections: campaigns that count faults, not milliseconds, get through more of them. */
const QUICK_ELECTION_MS = 150;
export const QUICK_FLAGS = ["--heartbeat", "25ms", "--election", `${QUICK_ELECTION_MS}ms`] as const;
/** The longest election timeout under QUICK_FLAGS, ms. */
export const QUICK_ELECTION_MAX_MS = electionMaxMs(QUICK_ELECTION_MS);

const LEADS = /(?:node (\d+)|this node) leads in term (\d+)/;
const READY_TIMEOUT_MS = 60_000;
const POLL_MS = 4;

export interface Leader {
  readonly id: NodeId;
  readonly term: Term;
}

interface Slot {
  readonly id: NodeId;
  running: Running;
  paused: boolean;
  /** What the campaign sent that ends a process; any other end is an accident. */
  readonly sent: Set<"SIGKILL" | "SIGTERM">;
  /** Lines of the process that were looked at for leaders. */
  linesRead: number;
}

export class Nodes {
  readonly world: World;
  readonly ids: readonly NodeId[];
  /** Processes that were killed so far. */
  kills = 0;
  readonly #clientOptions: ClientOptions;
  readonly #flags: readonly string[];
  readonly #slots = new Map<NodeId, Slot>();
  readonly #clients: RaftClient[] = [];
  /** Every process that ever ran. */
  readonly #processes: { readonly id: NodeId; readonly running: Running }[] = [];
  /** Ends of processes that the campaign did not cause, as sentences: whatever the exit code, and
   *  a SIGKILL of somebody else's (the kernel's, when memory runs out) as well. */
  readonly accidents: string[] = [];
  #isOver = false;
  #leader: Leader | null = null;

  private constructor(world: World, multicastPort: number, { size = 3, flags = [] }: NodesOptions) {
    this.world = world;
    this.#clientOptions = { key: openKey(world.cluster), loopbackOnly: true, multicastPort };
    this.#flags = size === 3 ? flags : ["--size", String(size), ...flags];
    this.ids = Array.from({ length: size }, (_, i) => i + 1);
  }

  /** Starts the nodes and waits until each is ready. End it with `end`, whatever happens. */
  static async found(options: NodesOptions = {}): Promise<Nodes> {
    const multicastPort = await freePort();
    const world = new World({ env: { RAFT_MULTICAST_PORT: String(multicastPort) } });
    const nodes = new Nodes(world, multicastPort, options);
    try {
      for (const id of nodes.ids) nodes.start(id);
      await nodes.ready();
    } catch (error) {
      await nodes.end();
      throw error;
    }
    return nodes;
  }

  start(id: NodeId): void {
    const running = this.world.up(id, ...this.#flags);
    const slot: Slot = { id, running, paused: false, sent: new Set(), linesRead: 0 };
    this.#slots.set(id, slot);
    this.#processes.push({ id, running });
    void running.exited.then(({ code, signal }) => {
      // SIGTERM as such ends a process that has not come to its first line yet.
      const asSent =
        signal === "SIGKILL" || signal === "SIGTERM"
          ? slot.sent.has(signal)
          : code === 0 && slot.sent.has("SIGTERM");
      if (asSent || this.#isOver) return;
      const last = running.lines.slice(-3).join(" / ");
      const after = slot.sent.size === 0 ? "" : ` after ${[...slot.sent].join(", ")}`;
      this.accidents.push(`node ${id} ended with ${signal ?? code}${after}: ${last}`);
    });
  }

  /** As a crash: SIGKILL. Resolves when the process is gone. */
  async kill(id: NodeId): Promise<void> {
    const { running, sent } = this.#slot(id);
    if (!running.isRunning) return;
    this.kills++;
    sent.add("SIGKILL");
    await running.kill();
  }

  /** SIGTERM: it hands over and ends. One that does not is killed, which is an accident. */
  async stop(id: NodeId): Promise<void> {
    this.resume(id);
    const { running, sent } = this.#slot(id);
    if (!running.isRunning) return;
    sent.add("SIGTERM");
    await running.stop();
  }

  /** SIGSTOP: it hears and says nothing, and does not notice the time. Resolves when the kernel has
   *  stopped it. */
  async pause(id: NodeId): Promise<void> {
    const slot = this.#slot(id);
    slot.paused = true;
    slot.running.signal("SIGSTOP");
    if (process.platform !== "linux") return;
    const { pid } = slot.running;
    await until(`node ${id} is stopped`, () => isStopped(pid), 5_000, 1);
  }

  resume(id: NodeId): void {
    const slot = this.#slot(id);
    if (slot.paused) slot.running.signal("SIGCONT");
    slot.paused = false;
  }

  /** The process that was started last as that node. */
  process(id: NodeId): Running {
    return this.#slot(id).running;
  }

  isUp(id: NodeId): boolean {
    const { running, paused } = this.#slot(id);
    return running.isRunning && !paused;
  }

  /** Whoever took over last, as the nodes themselves print it; null: nobody yet. It may be gone. */
  leader(): Leader | null {
    for (const slot of this.#slots.values()) {
      const { lines } = slot.running;
      for (; slot.linesRead < lines.length; slot.linesRead++) {
        const match = LEADS.exec(lines[slot.linesRead] ?? "");
        if (match === null) continue;
        const leader = { id: Number(match[1] ?? slot.id), term: Number(match[2]) };
        if (this.#leader === null || leader.term > this.#leader.term) this.#leader = leader;
      }
    }
    return this.#leader;
  }

  /** A leader of a term above `term` whose process runs. */
  leaderAfter(term: Term, timeoutMs = READY_TIMEOUT_MS): Promise<Leader> {
    const wanted = (): Leader | null => {
      const leader = this.leader();
      return leader !== null && leader.term > term && this.isUp(leader.id) ? leader : null;
    };
    return until(`a leader after term ${term}`, wanted, timeoutMs, POLL_MS);
  }

  /** Until each running process has said that it is ready. */
  async ready(): Promise<void> {
    await Promise.all(this.ids.map((id) => this.readyNode(id)));
  }

  async readyNode(id: NodeId): Promise<void> {
    await this.#slot(id).running.waitForLine(/\bready:/, READY_TIMEOUT_MS);
  }

  /** All nodes run again: what is paused goes on, what has ended is started. */
  heal(): void {
    for (const id of this.ids) {
      this.resume(id);
      if (!this.#slot(id).running.isRunning) this.start(id);
    }
  }

  /** A client of the cluster in this process; it ends with the nodes. */
  async client(options: Partial<ClientOptions> = {}): Promise<RaftClient> {
    const client = await RaftClient.connect({ ...this.#clientOptions, ...options });
    this.#clients.push(client);
    return client;
  }

  /** Stops all nodes and has every byte that they hold checked. What is unsound, in sentences. */
  async verify(): Promise<readonly string[]> {
    await Promise.all(this.ids.map((id) => this.stop(id)));
    const { code, stdout, stderr } = await this.world.run(["verify"], { timeoutMs: 120_000 });
    return code === 0 ? [] : [`raft verify ended with ${code}: ${stdout}${stderr}`];
  }

  /** What all processes printed, process by process in the order of their starts. */
  printed(): string {
    return this.#processes
      .map(
        ({ id, running }) =>
          `--- node ${id}, process ${running.pid}\n${running.lines.join("\n")}\n`,
      )
      .join("");
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.world.end();
  }

  #slot(id: NodeId): Slot {
    const slot = this.#slots.get(id);
    if (slot === undefined) throw new Error(`there is no node ${id}`);
    return slot;
  }
}

/** The longest election timeout of a node that was told `--election` so many ms. */
export function electionMaxMs(electionMs: number): number {
  return (electionMs * DEFAULT_TIMINGS.electionMaxMs) / DEFAULT_TIMINGS.electionMinMs;
}

/** Linux: true once the kernel has stopped a process, traced or not, or there is none. */
export function isStopped(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return /^[tT]/.test(stat.slice(stat.lastIndexOf(")") + 2));
  } catch {
    return true;
  }
}
