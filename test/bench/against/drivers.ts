/** Client processes, and one load that is shared out among them. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Running } from "../../e2e/world.ts";
import type { DriverResult, DriverWork } from "./driver.ts";
import { RUN_NUMBERS, type Numbers } from "./entry.ts";
import type { Servers } from "./side.ts";

const script = fileURLToPath(new URL("driver.ts", import.meta.url));
/** Longer than it measures, a client may need this long. */
const PATIENCE_MS = 40_000;

/** Beyond this number clients share connections. With more of them the servers of others were
 *  slower here: etcd by a fifth at 10, by two fifths at 100. */
const CONNECTIONS_MAX = 10;

/** One kind of load. */
export interface Level {
  readonly name: string;
  readonly outstanding: number;
  /** Clients among which that is shared. */
  readonly clients: number;
  /** Processes in which they are. */
  readonly processes: number;
}

/** One level of one side in one round. Latencies of several processes are the worst of them. */
export interface Sample {
  readonly entriesPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly clientCores: number;
  readonly serverCores: number;
}

export interface Measure {
  readonly warmUpMs: number;
  readonly measuredMs: number;
  readonly size: number;
}

/** The clients of one start of a side. */
export class Drivers {
  readonly #servers: Servers;
  readonly #processes: Running[] = [];
  readonly #runs: Numbers[] = [];

  constructor(servers: Servers) {
    this.#servers = servers;
  }

  /** What they wrote so far. */
  get runs(): readonly Numbers[] {
    return this.#runs;
  }

  async run(level: Level, measure: Measure): Promise<Sample> {
    while (this.#processes.length < level.processes) {
      this.#processes.push(new Running(spawn(process.execPath, [script], { stdio: "pipe" })));
    }
    const { pids, target } = this.#servers;
    const connections = Math.ceil(Math.min(level.clients, CONNECTIONS_MAX) / level.processes);
    const clientsEach = Math.ceil(level.clients / level.processes / connections);
    const results = await Promise.all(
      this.#processes.slice(0, level.processes).map((driver, at) => {
        const first = (this.#runs.length + at) * RUN_NUMBERS;
        const outstanding = Math.ceil(level.outstanding / level.processes);
        return ask(driver, {
          ...measure,
          target,
          pids,
          outstanding,
          connections,
          clientsEach,
          first,
        });
      }),
    );
    this.#runs.push(...results.map(({ numbers }) => numbers));
    const total = (of: (result: DriverResult) => number) => results.reduce((n, r) => n + of(r), 0);
    return {
      entriesPerSecond: total(({ entriesPerSecond }) => entriesPerSecond),
      p50Ms: Math.max(...results.map(({ p50Ms }) => p50Ms)),
      p99Ms: Math.max(...results.map(({ p99Ms }) => p99Ms)),
      clientCores: total(({ clientCores }) => clientCores),
      serverCores: results[0]?.serverCores ?? Number.NaN,
    };
  }

  async end(): Promise<void> {
    await Promise.all(this.#processes.splice(0).map((driver) => driver.kill()));
  }
}

async function ask(driver: Running, work: DriverWork): Promise<DriverResult> {
  const from = driver.lines.length;
  driver.write(`${JSON.stringify(work)}\n`);
  const [line] = await driver.waitForLine(
    /^\{.*\}$/,
    work.warmUpMs + work.measuredMs + PATIENCE_MS,
    from,
  );
  return JSON.parse(line) as DriverResult;
}
