/** Power cuts under real nodes: three of one cluster, each on its own loop disk, under load. One
 *  disk or all three lose their power, the machine starts again, the cluster goes on.
 *
 *  What is compared when: after a cut of all disks, before any node starts, a majority of them must
 *  hold every entry that was acknowledged since the last such cut (the latest 2,000 of them), byte
 *  for byte at its index. After a cut of one disk only that its log can be read: the others may be
 *  the majority. When a cluster has
 *  had its cuts, everything that was ever acknowledged in it, in the committed log of each node. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Random, seededRandom } from "../../src/base/random.ts";
import { type LogEntry, openKey, RaftClient, RaftError } from "../../src/index.ts";
import { inspect, verifyDirectory } from "../../src/storage/inspect.ts";
import { freePort, type Running, sleep, until, World } from "../e2e/world.ts";
import { heldEntries } from "./held-entries.ts";
import { Ledger, sendUntil } from "./ledger.ts";
import { keepSomeSectors, LoopDisk, loopDisksUnavailable, recentFiles } from "./loop-disk.ts";
import type { Budget, Figure, Measure } from "./measure.ts";
import { isStopped, QUICK_FLAGS } from "./nodes.ts";

const IDS = [1, 2, 3] as const;
const MAJORITY = 2;
/** Every unclean stop leaves a segment of 4 MiB: a cluster serves so many cuts on disks of this
 *  size, and then a new one does. */
const CUTS_PER_CLUSTER = 25;
const DISK_MEBIBYTES = 320;
/** They wait for disks and elections most of the time. */
const CLUSTERS_AT_ONCE = 2;
const CLIENTS = 6;
const WORKERS_PER_CLIENT = 2;
/** What must be acknowledged between two cuts, so that each cut meets something to lose. */
const PROGRESS_ENTRIES = 20;
const PROGRESS_MS_MAX = 60_000;
/** Then it comes at any moment within this time. */
const AIM_MS_MAX = 120;
/** A node whose disk is dead must have ended by itself within this time under load. */
const ENDS_BY_ITSELF_MS = 20_000;
/** One that is left alone has nothing to write, and need not notice: it goes with the others. */
const LEFT_ALONE_MS = 200;
/** Half of the clusters sync so slowly that cuts meet batches which are half on the disk. */
const SLOW_SYNC = [
  ...["strace", "-D", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null"],
  ...["-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_enter=20000"],
];
const READY_MS_MAX = 60_000;
/** The process dies in the same instant as the disk in so many of all cuts, and the disk has kept
 *  any subset of the unsynced sectors; else the process lives to see EIO. */
const DIES_WITH_ITS_DISK = 0.6;
const FAILURES_MAX = 20;
/** After a cut of all disks so many acknowledged entries are looked for on each. */
const COMPARED_MAX = 2_000;

interface Tally {
  cuts: number;
  whole: number;
  torn: number;
  sectorsLost: number;
  sectorsKept: number;
  endedBySelf: number;
  acknowledged: number;
  /** Acknowledged entries that were compared with what all disks held after a cut. */
  compared: number;
  readonly failures: string[];
}

export const measure: Measure = {
  name: "power-cuts",
  title: "power cuts (loop device), acknowledged entries lost, moved or doubled",
  unit: "cuts",
  targets: { ci: 50, hour: 1_000 },
  demand: "0 lost, half of them whole-cluster; no start refused, no torn tail called damage",
  weight: 10,
  unavailable: () =>
    Bun.which("strace") === null
      ? "needs strace (apt-get install strace)"
      : loopDisksUnavailable(tmpdir()),
  run,
};

async function run(budget: Budget): Promise<Figure> {
  const tally: Tally = {
    cuts: 0,
    whole: 0,
    torn: 0,
    sectorsLost: 0,
    sectorsKept: 0,
    endedBySelf: 0,
    acknowledged: 0,
    compared: 0,
    failures: [],
  };
  const deadlineMs = performance.now() + budget.seconds * 1_000;
  const isOver = () =>
    tally.cuts >= budget.target ||
    performance.now() > deadlineMs ||
    tally.failures.length >= FAILURES_MAX;
  const lane = async (number: number) => {
    for (let round = 0; !isOver(); round++) {
      const seed = budget.seed + round * CLUSTERS_AT_ONCE + number;
      await oneCluster(seed, tally, isOver, budget.progress);
    }
  };
  const lanes = Math.min(CLUSTERS_AT_ONCE, Math.ceil(budget.target / CUTS_PER_CLUSTER));
  await Promise.all(Array.from({ length: lanes }, (_, number) => lane(number)));
  const { cuts, whole, torn, sectorsLost, sectorsKept, endedBySelf, failures } = tally;
  return {
    done: cuts,
    bad: failures.length,
    text:
      `${failures.length} of ${cuts} cuts, ${whole} of them whole-cluster; ` +
      `${tally.acknowledged} entries acknowledged, ` +
      `${tally.compared} of them compared with the disks before a start, ` +
      `${sectorsLost} unsynced sectors lost and ${sectorsKept} kept, ${torn} torn tails cut, ` +
      `${endedBySelf} nodes ended by themselves with exit code 7`,
    ok: failures.length === 0 && cuts > 0,
    failures,
  };
}

/** A cluster on disks of its own, until it has had its share of cuts; then its logs are read. */
async function oneCluster(
  seed: number,
  tally: Tally,
  isOver: () => boolean,
  progress: (text: string) => void,
): Promise<void> {
  const fail = (what: string) =>
    tally.failures.push(`${what} (npm run prove -- --only power-cuts --seed ${seed})`);
  const place = mkdtempSync(join(tmpdir(), "raft-cuts-"));
  const multicastPort = await freePort();
  const world = new World({ env: { RAFT_MULTICAST_PORT: String(multicastPort) } });
  const machines: Machine[] = [];
  const clients: RaftClient[] = [];
  try {
    const within = seed % 2 === 0 ? SLOW_SYNC : [];
    for (const id of IDS)
      machines.push(new Machine(id, world, join(place, String(id)), { within, fail }));
    for (const machine of machines) machine.start();
    for (const machine of machines) await machine.ready();
    for (let number = 0; number < CLIENTS; number++) {
      const key = openKey(world.cluster);
      clients.push(await RaftClient.connect({ key, loopbackOnly: true, multicastPort }));
    }
    const cluster = new CutCluster(machines, clients, seed, tally, fail);
    await cluster.underLoad(async () => {
      for (let cut = 0; cut < CUTS_PER_CLUSTER && !isOver(); cut++) {
        await cluster.cutOnce();
        progress(`${tally.cuts} cuts, ${tally.failures.length} bad`);
      }
    });
    await cluster.verify();
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error));
  } finally {
    await Promise.all(clients.map((client) => client.close()));
    for (const machine of machines) machine.mayEnd = true;
    await world.end();
    for (const machine of machines) machine.disk.removeNow();
    rmSync(place, { recursive: true, force: true });
  }
}

/** A node and the disk that it lives on. */
class Machine {
  readonly id: number;
  readonly disk: LoopDisk;
  readonly directory: string;
  readonly #world: World;
  readonly #within: readonly string[];
  readonly #fail: (what: string) => void;
  #node: Running | null = null;
  /** Its power is cut or its cluster is over: it may end. */
  mayEnd = false;

  /** `within`: what the executable is started by. `fail`: is told of an end that nobody caused. */
  constructor(
    id: number,
    world: World,
    place: string,
    { within, fail }: { within: readonly string[]; fail: (what: string) => void },
  ) {
    this.id = id;
    this.#fail = fail;
    this.#world = world;
    this.#within = within;
    this.disk = LoopDisk.create(place, DISK_MEBIBYTES);
    this.directory = join(this.disk.path, "raft");
  }

  get node(): Running {
    if (this.#node === null) throw new Error(`node ${this.id} was not started`);
    return this.#node;
  }

  start(): void {
    const args = ["up", "--id", String(this.id), "--data-dir", this.directory, ...QUICK_FLAGS];
    const node = this.#world.start(args, { within: this.#within });
    this.#node = node;
    this.mayEnd = false;
    void node.exited.then(({ code, signal }) => {
      if (this.mayEnd) return;
      const said = node.lines.slice(-3).join(" / ");
      this.#fail(`node ${this.id} ended by itself with ${signal ?? code}: ${said}`);
    });
  }

  async ready(): Promise<void> {
    await this.node.waitForLine(/\bready:/, READY_MS_MAX);
  }
}

class CutCluster {
  readonly #machines: readonly Machine[];
  readonly #clients: readonly RaftClient[];
  readonly #seed: number;
  readonly #random: Random;
  readonly #tally: Tally;
  readonly #fail: (what: string) => void;
  readonly #ledger = new Ledger();

  /** How many were acknowledged up to the last cut of all disks. */
  #lookedAt = 0;

  constructor(
    machines: readonly Machine[],
    clients: readonly RaftClient[],
    seed: number,
    tally: Tally,
    fail: (what: string) => void,
  ) {
    this.#machines = machines;
    this.#clients = clients;
    this.#seed = seed;
    this.#random = seededRandom(seed);
    this.#tally = tally;
    this.#fail = fail;
  }

  async underLoad(work: () => Promise<void>): Promise<void> {
    let over = false;
    const workers = Array.from({ length: CLIENTS * WORKERS_PER_CLIENT }, async (_, number) => {
      const client = this.#clients[number % CLIENTS];
      const random = seededRandom(this.#seed * 1_000 + number);
      if (client !== undefined)
        await sendUntil(() => over, client, `c${number}`, this.#ledger, random);
    });
    try {
      await work();
    } finally {
      over = true;
      await Promise.all(workers);
    }
  }

  /** One cut: the power goes, the processes end, the disks are looked at, all start again. */
  async cutOnce(): Promise<void> {
    const random = this.#random;
    if (!(await this.#ledger.progress(PROGRESS_ENTRIES, PROGRESS_MS_MAX)))
      throw new Error(`nothing was acknowledged for ${PROGRESS_MS_MAX} ms`);
    await sleep(random() * AIM_MS_MAX);
    const whole = random() < 0.5;
    const victims = whole ? this.#machines : [await this.#aim()];
    const dies = random() < DIES_WITH_ITS_DISK;
    for (const victim of victims) victim.mayEnd = true;
    if (dies) await Promise.all(victims.map(({ node }) => standsStill(node)));
    const unsynced = dies ? victims.map(({ directory }) => recentFiles(directory)) : [];
    for (const { disk } of victims) disk.cut();
    if (dies) for (const { node } of victims) node.signal("SIGKILL");
    else await this.#endByThemselves(victims);
    await Promise.all(victims.map(({ node }) => node.exited));
    await Promise.all(victims.map(({ disk }) => disk.restart()));
    for (const files of unsynced) {
      const { lost, kept } = keepSomeSectors(files, random);
      this.#tally.sectorsLost += lost;
      this.#tally.sectorsKept += kept;
    }
    this.#look(victims, whole);
    for (const machine of victims) machine.start();
    for (const machine of victims) {
      await machine.ready();
      this.#readNotes(machine);
    }
    this.#tally.cuts += 1;
    if (whole) this.#tally.whole += 1;
  }

  /** Half of the single cuts hit the leader. */
  async #aim(): Promise<Machine> {
    const [client] = this.#clients;
    const hint =
      this.#random() < 0.5 ? await client?.leader({ wait: true, timeoutMs: READY_MS_MAX }) : null;
    const machine =
      this.#machines.find(({ id }) => id === hint?.id) ??
      this.#machines[Math.floor(this.#random() * this.#machines.length)];
    if (machine === undefined) throw new Error("a cluster has nodes");
    return machine;
  }

  async #endByThemselves(victims: readonly Machine[]): Promise<void> {
    const ending = victims.map((machine) => this.#endsByItself(machine));
    if (victims.length === 1) {
      await ending[0];
      return;
    }
    // Any two left can elect a leader, which writes; the last one cannot.
    await new Promise<void>((resolve) => {
      let left = victims.length;
      for (const end of ending) void end.then(() => --left <= 1 && resolve());
    });
    await Promise.race([Promise.all(ending), sleep(LEFT_ALONE_MS)]);
    for (const { node } of victims) if (node.isRunning) node.signal("SIGKILL");
  }

  /** It sees EIO, says so once, and ends with 7: nothing on this disk can be tried again. */
  async #endsByItself({ id, node }: Machine): Promise<void> {
    const timer = setTimeout(() => {
      this.#fail(`node ${id} still ran ${ENDS_BY_ITSELF_MS} ms after its disk had died`);
      node.signal("SIGKILL");
    }, ENDS_BY_ITSELF_MS);
    const { code, signal } = await node.exited;
    clearTimeout(timer);
    if (signal !== null) return;
    const said = node.lines.slice(-5).join(" / ");
    if (code === 7 && /the disk of .* failed: .*EIO/.test(said)) this.#tally.endedBySelf += 1;
    else this.#fail(`node ${id} ended with ${code} after its disk had died: ${said}`);
  }

  /** What the disks hold before anybody repairs anything. */
  #look(victims: readonly Machine[], whole: boolean): void {
    for (const { id, directory } of victims) {
      const found = inspect(directory);
      if (found === null || found.lastIndex === null || found.hardState === null)
        this.#fail(`node ${id} holds no readable log or hard state after the cut`);
    }
    if (!whole) return;
    const count = this.#ledger.acknowledgedCount - this.#lookedAt;
    this.#lookedAt += count;
    const latest = this.#ledger.latest(Math.min(count, COMPARED_MAX));
    this.#tally.compared += latest.length;
    const indexes = latest.map(([, index]) => index);
    const disks = victims.map(({ directory }) => heldEntries(directory, indexes));
    const lost = latest.flatMap(([entry, index], at) => {
      const bytes = Buffer.from(entry);
      const holders = disks.filter((held) => held[at] && bytes.equals(held[at])).length;
      return holders >= MAJORITY ? [] : `${index} on ${holders}`;
    });
    if (lost.length > 0)
      this.#fail(
        `${lost.length} of ${latest.length} entries acknowledged before the cut of all ` +
          `${victims.length} disks are not on a majority of them: ${lost.slice(0, 5).join(", ")}`,
      );
  }

  #readNotes({ id, node }: Machine): void {
    for (const line of node.lines) {
      if (/ cut \d+ torn|its first write was cut off/.test(line)) this.#tally.torn += 1;
      if (/damage|diverged|a bug in raft/.test(line)) this.#fail(`node ${id} says: ${line}`);
    }
  }

  /** The logs of all nodes against what clients were told, then every byte of the stopped disks. */
  async verify(): Promise<void> {
    const [client] = this.#clients;
    if (client === undefined) throw new Error("a cluster has clients");
    const ledger = this.#ledger;
    const last = await client.send("the last", { timeoutMs: READY_MS_MAX });
    ledger.acknowledge("the last", last.index, ledger.highest);
    const logs: string[][] = [];
    for (const { id } of this.#machines) {
      const log = await wholeLog(client, id, last.index);
      for (const failure of ledger.check(id, log)) this.#fail(failure);
      logs.push(log.map(({ index, term, bytes }) => `${index} ${term} ${Bun.hash(bytes)}`));
    }
    for (const [at, log] of logs.entries()) {
      const differs = log.findIndex((entry, place) => entry !== logs[0]?.[place]);
      if (differs >= 0)
        this.#fail(`nodes 1 and ${at + 1} differ at ${logs[0]?.[differs]} and ${log[differs]}`);
    }
    for (const surprise of ledger.surprises) this.#fail(surprise);
    this.#tally.acknowledged += ledger.acknowledgedCount;
    for (const machine of this.#machines) machine.mayEnd = true;
    await Promise.all(this.#machines.map(({ node }) => node.stop()));
    for (const { id, directory } of this.#machines) {
      for (const { file, verdict, reason } of verifyDirectory(directory).files)
        if (verdict === "damaged") this.#fail(`node ${id}: ${file} is damaged: ${reason}`);
    }
  }
}

/** Stops a process without its knowledge, and waits until it does stand still. */
async function standsStill(node: Running): Promise<void> {
  node.signal("SIGSTOP");
  await until("a node stands still", () => isStopped(node.pid), READY_MS_MAX, 1);
}

/** Everything up to `index` that node `id` itself has committed. */
async function wholeLog(client: RaftClient, id: number, index: number): Promise<LogEntry[]> {
  const deadlineMs = performance.now() + READY_MS_MAX;
  for (;;) {
    const log: LogEntry[] = [];
    try {
      for await (const entry of client.log({ node: id, stale: true, all: true, to: index }))
        log.push(entry);
    } catch (error) {
      // A node that has just come back need not have been met yet.
      if (!(error instanceof RaftError) || ![3, 4].includes(error.exitCode)) throw error;
    }
    if (log.length >= index) return log;
    if (performance.now() > deadlineMs)
      throw new Error(`node ${id} has ${log.length} of ${index} entries`);
    await sleep(100);
  }
}
